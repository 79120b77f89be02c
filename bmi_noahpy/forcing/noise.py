"""Small negative values of what cannot be negative: sensors at night, and packed numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bmi_noahpy.forcing.table import SHORTWAVE, WATER, Array

TOLERATED: Mapping[str, float] = {
    **dict.fromkeys(SHORTWAVE, 20.0),
    **dict.fromkeys(WATER, 1.0e-6),
    "specific_humidity": 1.0e-5,
    "relative_humidity": 0.005,
    "wind_speed": 0.01,
}
"""How far below zero a value counts as zero, in the units of the model: pyranometers lose heat to a clear sky, and
numbers packed into few bits miss zero by their step."""


def clipped(quantity: str, values: Array) -> tuple[Array, int]:
    """Values with small negative ones at zero, and how many those are."""
    tolerated = TOLERATED.get(quantity)
    if tolerated is None:
        return values, 0
    small = (values < 0.0) & (values >= -tolerated)
    count = int(np.count_nonzero(small))
    return (np.where(small, 0.0, values), count) if count else (values, 0)
