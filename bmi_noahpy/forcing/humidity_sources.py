"""Specific humidity of air from what files hold instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from bmi_noahpy.forcing.humidity import MOLAR_MASS_RATIO, below_saturation
from bmi_noahpy.forcing.table import Array

SOURCES = (
    "dewpoint_temperature", "vapour_pressure", "vapour_pressure_deficit", "mixing_ratio", "vapour_mole_fraction",
)  # fmt: skip
"""Quantities that `humidity_of` turns into specific humidity."""


def vapour_pressure(temperature: Array) -> Array:
    """Saturation vapour pressure over water, ``611.21 exp[(18.678 - t/234.5) t / (257.14 + t)]``, t in degC. [Pa]

    References
    ----------
    Buck, A. L., 1996, Research Manual of the CR-1A hygrometer (after Buck 1981, J. Appl. Meteorol. 20).
    """
    celsius = temperature - 273.15
    return np.asarray(611.21 * np.exp((18.678 - celsius / 234.5) * celsius / (257.14 + celsius)))


def humidity_of(source: str, value: Array, temperature: Array, pressure: Array) -> Array:
    """Specific humidity, kept below saturation. [kg kg-1]

    Parameters
    ----------
    source : One of `SOURCES`.
    value : Of that quantity, in its units (see `bmi_noahpy.forcing.table.UNITS`).
    temperature, pressure : Of the air. [K], [Pa]
    """
    if source == "mixing_ratio":
        return below_saturation(value / (1.0 + value), temperature, pressure)
    pressures: Mapping[str, Callable[[], Array]] = {
        "dewpoint_temperature": lambda: vapour_pressure(value),
        "vapour_pressure": lambda: value,
        "vapour_pressure_deficit": lambda: np.maximum(vapour_pressure(temperature) - value, 0.0),
        "vapour_mole_fraction": lambda: value * pressure,
    }
    vapour = pressures[source]()
    humidity = MOLAR_MASS_RATIO * vapour / (pressure - (1.0 - MOLAR_MASS_RATIO) * vapour)
    return below_saturation(humidity, temperature, pressure)
