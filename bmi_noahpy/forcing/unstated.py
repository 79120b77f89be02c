"""Units that nobody states: which must be, and which the values point to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bmi_noahpy.forcing.checks import nearly_all
from bmi_noahpy.forcing.table import BOUNDS, SHORTWAVE, UNITS, WATER, Array
from noahpy_core.likely_units import likely_units as by_values

PRESSURES = ("vapour_pressure", "vapour_pressure_deficit")
"""Pa, hPa and kPa of them all lie within the bounds."""
DIM = 50.0
"""The highest shortwave radiation of records that hold any daylight is hardly below it. [W m-2]"""

# The highest value lies between; beyond, the values do not tell.
_BY_HIGHEST: Mapping[str, tuple[tuple[float, float, str], ...]] = {
    **dict.fromkeys(PRESSURES, ((9.0, 90.0, "hPa"), (300.0, 2.0e4, "Pa"))),
    **dict.fromkeys(SHORTWAVE, ((1.6, 4.6, "MJ m-2"), (DIM, 2000.0, "W m-2"))),
    **dict.fromkeys(WATER, ((0.0, 0.01, "kg m-2 s-1"), (0.1, 500.0, "mm"))),
}


def doubtful(quantity: str, values: Array) -> str | None:
    """Why the units of values must be stated; None where those of the model may be taken.

    Those of precipitation, vapour pressure and its deficit must be stated, since all that are usual are possible; and
    those of shortwave radiation that is too weak for W m-2.
    """
    highest = float(np.nanmax(values, initial=0.0))
    if quantity in WATER:
        return "mm is the amount of a record, mm h-1 and kg m-2 s-1 are rates"
    if quantity in PRESSURES:
        return "Pa, hPa and kPa cannot be told apart"
    if quantity in SHORTWAVE and 0.0 < highest < DIM:
        return (
            f"its highest value {highest:.3g} is too weak for the W m-2 of daylight; MJ m-2 is the amount of a record"
        )
    return None


def likely_units(quantity: str, values: Array) -> str | None:
    """The units that nearly all values point to; None where they do not tell."""
    known = values[np.isfinite(values)]
    if not known.size:
        return None
    if quantity in _BY_HIGHEST:
        highest = float(known.max())
        return next((units for low, high, units in _BY_HIGHEST[quantity] if low < highest <= high), None)
    if nearly_all(known, *BOUNDS[quantity]):
        return UNITS[quantity]
    found = by_values(quantity, lambda low, high: nearly_all(known, low, high))
    return None if found is None else found.units
