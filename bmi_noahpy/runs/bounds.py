"""States that no land surface has: a run that comes there stops, instead of going on with numbers that mean nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from noahpy_core.constants import FREEZING_POINT, GHOST_MASS, LATENT_HEAT_FUSION, SPECIFIC_HEAT_ICE, WATER_HEAT
from noahpy_core.leaves import array_of
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import get_quantity
from noahpy_core.state import State

Array = NDArray[Any]


class Range(NamedTuple):
    """Between what a quantity has to be, and in words."""

    low: float
    high: float
    words: str


TEMPERATURE = Range(120.0, 400.0, "120 to 400 K")
"""Neither soil, snow nor skin on Earth is colder or warmer."""
WATER_SLACK = 1e-4
"""Rounding, and the storage of saturated soil under pressure. [m3 m-3]"""
STORE_SLACK = 1e-3
"""Rounding of what lies on the ground or on leaves. [kg m-2]"""
SOIL_WATER = Range(-WATER_SLACK, math.inf, "0 m3 m-3 or more")
STORE = Range(-STORE_SLACK, math.inf, "0 kg m-2 or more")
RANGES: dict[str, Range] = {
    "soil.temperature": TEMPERATURE,
    "skin_temperature": TEMPERATURE,
    "soil.liquid_water": SOIL_WATER,
    "soil.ice": SOIL_WATER,
    "snow.water_equivalent": STORE,
    "snow.layer_mass": STORE,
    "canopy_water": STORE,
}
"""Paths in `State` of what has to be within fixed bounds."""
WATER_PATHS = ("soil.liquid_water", "soil.ice")
SNOW_PATHS = ("snow.layer_enthalpy", "snow.layer_mass")
COLDEST_SNOW = (TEMPERATURE.low - FREEZING_POINT) * SPECIFIC_HEAT_ICE
HOTTEST_SNOW = LATENT_HEAT_FUSION + (TEMPERATURE.high - FREEZING_POINT) * WATER_HEAT
"""Enthalpies of snow, and of the water it becomes, at the bounds of temperature (`_snow_temperature`). [J kg-1]"""
CHECKED = tuple(dict.fromkeys((*RANGES, *SNOW_PATHS)))
"""Paths in `State` of all that is looked at after every step."""


class Outside(NamedTuple):
    """Where a state left its bounds: what, value, step (from 0), place ``(layer,) column``, and the bounds in words."""

    path: str
    value: float
    step: int
    place: tuple[int, ...]
    bounds: str

    @property
    def column(self) -> int:
        """The column, from 0."""
        return self.place[-1]

    @property
    def where(self) -> str:
        """The place in words."""
        layer = f", layer {self.place[0] + 1}" if len(self.place) > 1 else ""
        return f"column {self.column}{layer}"


def checked_of(state: State) -> tuple[str, ...]:
    """What of `CHECKED` a state has."""
    return tuple(path for path in CHECKED if get_quantity(state, path) is not None)


def room_for_water(parameters: Parameters) -> Array:
    """What the pores of each layer hold, organic matter mixed in, ``[layer, column]``. [m3 m-3]"""
    return array_of(parameters.soil.pores)


def first_outside(series: Mapping[str, Array], porosity: Array) -> Outside | None:
    """The first step in which a state is outside what is possible; None when none is.

    Parameters
    ----------
    series : Paths in `State` -> ``[time, ..., column]``. What is not there is not checked.
    porosity : ``[layer, column]``. [m3 m-3]
    """
    found: list[Outside] = []
    for path, bounds in RANGES.items():
        if path in series:
            found += _outside(path, series[path], bounds)

    if all(path in series for path in WATER_PATHS):
        water = series[WATER_PATHS[0]] + series[WATER_PATHS[1]] - porosity
        found += _outside("soil.moisture - porosity", water, Range(-math.inf, WATER_SLACK, "0 m3 m-3 or less"))
    if all(path in series for path in SNOW_PATHS):
        found += _outside("temperature of snow", _snow_temperature(*(series[path] for path in SNOW_PATHS)), TEMPERATURE)
    return min(found, key=lambda one: one.step, default=None)


def _snow_temperature(enthalpy: Array, mass: Array) -> Array:
    """Of layers of snow, and of the water they become; that of an empty layer is the melting point. [K]"""
    held = np.maximum(mass, 0.0) + GHOST_MASS
    below, above = np.minimum(enthalpy, 0.0), np.maximum(enthalpy - LATENT_HEAT_FUSION * held, 0.0)
    found: Array = FREEZING_POINT + below / (SPECIFIC_HEAT_ICE * held) + above / (WATER_HEAT * held)
    return found


def _outside(path: str, values: Array, bounds: Range) -> list[Outside]:
    if not values.size:
        return []
    # Two numbers to look at; what is not a number is neither, and found by others.
    if values.min() >= bounds.low and values.max() <= bounds.high:
        return []
    wrong = np.argwhere((values < bounds.low) | (values > bounds.high))
    if not len(wrong):
        return []
    step, *place = wrong[0].tolist()
    return [Outside(path, float(values[tuple(wrong[0])]), step, tuple(place), bounds.words)]
