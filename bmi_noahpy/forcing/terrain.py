"""Air at another elevation than that of the records."""

from __future__ import annotations

import dataclasses

import numpy as np

from bmi_noahpy.forcing.humidity import below_saturation, saturation_specific_humidity
from bmi_noahpy.forcing.prepared import Window
from bmi_noahpy.forcing.table import Array
from noahpy_core.constants import GAS_CONSTANT_DRY_AIR

GRAVITY = 9.80665
"""That of the standard atmosphere; the equations of Noah have 9.81. [m s-2]"""
SENTENCE = (
    "the air temperature falls by {rate:g} K km-1 over the {low:.0f} to {high:.0f} m by which columns lie above the "
    "terrain of the file, pressure follows hydrostatically, the relative humidity is kept, and longwave radiation is "
    "as given"
)


@dataclasses.dataclass(frozen=True)
class Lift:
    """How far the columns are above the terrain of the records.

    Parameters
    ----------
    rate : Fall of the air temperature with height. [K m-1]
    height : Of each column above the terrain of the file at its place, ``[column]``. [m]
    """

    rate: float
    height: Array

    @property
    def sentence(self) -> str:
        """What is done, in words."""
        return SENTENCE.format(rate=1000.0 * self.rate, low=self.height.min(), high=self.height.max())

    def choose(self, columns: Array) -> Lift:
        """The same for some of the columns."""
        return dataclasses.replace(self, height=self.height[columns])


def lifted(values: Window, lift: Lift) -> Window:
    """Air temperature, pressure and humidity at the elevation of the columns.

    Parameters
    ----------
    values : ``[time, column]`` by quantity, combined.
    """
    temperature, pressure = values["air_temperature"], values["air_pressure"]
    moved = temperature - lift.rate * lift.height
    mean = 0.5 * (temperature + moved)
    changed = dict(values)
    changed["air_temperature"] = moved
    changed["air_pressure"] = pressure * np.exp(-GRAVITY * lift.height / (GAS_CONSTANT_DRY_AIR * mean))
    if "specific_humidity" in values:
        ratio = saturation_specific_humidity(moved, changed["air_pressure"]) / saturation_specific_humidity(
            temperature, pressure
        )
        humid = values["specific_humidity"] * ratio
        changed["specific_humidity"] = below_saturation(humid, moved, changed["air_pressure"])
    return changed
