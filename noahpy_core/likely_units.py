"""Which other units numbers look like that are impossible in those of their quantity."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple


class Likely(NamedTuple):
    """Units that numbers may be in by mistake.

    Parameters
    ----------
    low, high : Between which numbers in them lie.
    called : What a sentence calls them.
    units : As configurations spell them; None where no units mend it, because it is another quantity.
    """

    low: float
    high: float
    called: str
    units: str | None


_DEGREES = Likely(-90.0, 65.0, "degC", "degC")
_PER_CENT = Likely(0.0, 100.0, "per cent", "percent")
LIKELY: Mapping[str, tuple[Likely, ...]] = {
    "air_temperature": (_DEGREES,),
    "dewpoint_temperature": (Likely(-90.0, 45.0, "degC", "degC"),),
    "soil.temperature": (_DEGREES,),
    "skin_temperature": (_DEGREES,),
    "general.deep_temperature": (Likely(-60.0, 45.0, "degC", "degC"),),
    "air_pressure": (Likely(20.0, 120.0, "kPa", "kPa"), Likely(200.0, 1200.0, "hPa", "hPa")),
    "specific_humidity": (
        Likely(0.0, 1.1, "a relative humidity", None),
        Likely(0.0, 40.0, "g kg-1", "g kg-1"),
        Likely(0.0, 110.0, "a relative humidity in per cent", None),
    ),
    "relative_humidity": (Likely(0.0, 110.0, "per cent", "percent"),),
    "precipitation": (Likely(0.0, 500.0, "mm of an hour or a day", "mm h-1"),),
    "vegetation_fraction": (_PER_CENT,),
    "snow_free_albedo": (_PER_CENT,),
}
"""Path of a quantity, as `noahpy_core.quantities` has it -> other units, those of the narrowest range first."""


def likely_units(path: str, all_within: Callable[[float, float], bool]) -> Likely | None:
    """The units that the numbers of a quantity look like; None where they look like none that is known.

    Parameters
    ----------
    path : Of the quantity.
    all_within : Whether the numbers lie between two of them.
    """
    return next((found for found in LIKELY.get(path, ()) if all_within(found.low, found.high)), None)
