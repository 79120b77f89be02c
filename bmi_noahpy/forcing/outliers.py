"""Numbers within the bounds that lie far from all others: codes of missing values, and single faults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from bmi_noahpy.forcing.checks import REPEATED, code_sentence
from bmi_noahpy.forcing.table import UNITS, Array

DISTINCT = 10
"""Fewer different numbers besides are no range that a number could be far from."""
CONTINUOUS = ("air_temperature", "air_pressure")
"""Quantities that no single record leaves by more than all others span."""


def far_values(values: Mapping[str, Array]) -> Iterator[str]:
    """A sentence for each extreme that is further from the next number than all others are from each other.

    Parameters
    ----------
    values : Quantity -> ``[time]``, in the model's units.
    """
    for quantity, series in values.items():
        known = np.sort(series[np.isfinite(series)])
        found = np.concatenate([known[:1], known[1:][np.diff(known) > 0.0]])
        if len(found) <= DISTINCT:
            continue
        for extreme, gap, others in (
            (found[-1], found[-1] - found[-2], found[-2] - found[0]),
            (found[0], found[1] - found[0], found[-1] - found[1]),
        ):
            count = int(np.count_nonzero(known == extreme))
            if gap <= others or (count < REPEATED and quantity not in CONTINUOUS):
                continue
            units = "" if UNITS[quantity] == "1" else f" {UNITS[quantity]}"
            where = f"{quantity}: {float(extreme):g}{units} is far from all other values"
            remedy = code_sentence(float(extreme), count) if count >= REPEATED else "correct it, or set forcing.missing"
            yield f"{where}: {remedy.removesuffix('.')}"
