"""What is done to records in memory and in files alike."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bmi_noahpy.forcing.table import Array, ForcingError, Times

Window = dict[str, Array]
"""Quantity -> ``[time, column]``, for a part of the records."""


def needed(times: Times, period: tuple[np.datetime64, np.datetime64] | None) -> tuple[int, int]:
    """Half-open range of records around the period: the last before it, to the first after it.

    All records when they do not reach around the period's beginning, so that the complaint about that names them all.
    """
    if period is None:
        return 0, len(times)
    start, end = (np.datetime64(moment).astype("datetime64[s]") for moment in period)
    first = int(np.searchsorted(times, start, side="right")) - 1
    last = min(int(np.searchsorted(times, end, side="left")) + 1, len(times))
    return (first, last) if 0 <= first < last else (0, len(times))


def combine(values: Mapping[str, Array]) -> Window:
    """Wind speed from its components, precipitation from rain and snow."""
    combined = dict(values)
    if "wind_u" in combined:
        combined["wind_speed"] = np.hypot(combined.pop("wind_u"), combined.pop("wind_v"))
    if "rainfall" in combined:
        combined["precipitation"] = combined.pop("rainfall") + combined.pop("snowfall")
    return combined


def widen(values: Mapping[str, Array], source: str) -> Window:
    """All quantities with the same number of columns; one column serves any number."""
    columns = max(array.shape[1] for array in values.values())
    for quantity, array in values.items():
        if array.shape[1] not in (1, columns):
            raise ForcingError(f"{source}: {quantity} has {array.shape[1]} columns, other variables {columns}.")
    return {quantity: np.broadcast_to(array, (array.shape[0], columns)) for quantity, array in values.items()}
