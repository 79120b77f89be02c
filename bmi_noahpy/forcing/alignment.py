"""Stamps of records to the intervals that the records describe."""

from __future__ import annotations

from collections.abc import Mapping

from bmi_noahpy.files.brief import suggest
from bmi_noahpy.forcing.table import ForcingError, Times

SHARES = {"start": 0.0, "instant": 0.0, "middle": 0.5, "end": 1.0}
"""What part of the interval lies before the stamp."""


def aligned(times: Times, labels: Mapping[str, str | None], source: str) -> tuple[Times, dict[str, int]]:
    """Beginnings of the intervals that all variables have, and how many records later than it each variable is read.

    Parameters
    ----------
    times : Stamps, equally spaced.
    labels : Variable -> what its stamps are; None is as "start".

    Raises
    ------
    ForcingError : an unknown label, half intervals beside whole ones, or a single record whose interval is not known.
    """
    for name, label in labels.items():
        if label is not None and label not in SHARES:
            raise ForcingError(f"{source}: {name}: label {label!r} is unknown. {suggest(label, SHARES)}")
    shares = {name: SHARES[label or "start"] for name, label in labels.items()}
    lowest, highest = min(shares.values(), default=0.0), max(shares.values(), default=0.0)
    if highest == 0.0:
        return times, dict.fromkeys(labels, 0)
    if len(times) < 2:
        raise ForcingError(
            f"{source}: a single record whose stamp is the {'end' if highest == 1.0 else 'middle'} of its interval. "
            "Give at least two, so that the interval is known."
        )
    if 0.5 in shares.values() and lowest != highest:
        middle = next(name for name, share in shares.items() if share == 0.5)
        other = next(name for name, share in shares.items() if share != 0.5)
        raise ForcingError(
            f"{source}: the stamps of {middle} are the middle of its interval, those of {other} are not. Half an "
            "interval apart, they are not on one set of times. Give all of them the same label, or bring them there."
        )
    interval = times[1] - times[0]
    if lowest == highest:
        return times - (interval // 2 if highest == 0.5 else interval), dict.fromkeys(labels, 0)
    return times[:-1], {name: int(share) for name, share in shares.items()}
