"""The state before the first step, of tensors and arrays alike: the functions of what is given are handed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from noahpy_core.state import SnowState, SoilState, State, SurfaceMemory

INITIAL_EMISSIVITY = 0.96
INITIAL_CONDUCTANCE = 1.0e-4
"""First guess of the exchange conductances. [m s-1]"""


class Making(NamedTuple):
    """``full_like(x, number)``, and the positive part of something."""

    full_like: Callable[[Any, float], Any]
    positive_part: Callable[[Any], Any]


ARRAYS = Making(np.full_like, lambda values: np.maximum(values, 0.0))


def first_state(
    making: Making,
    *,
    soil_temperature: Any,
    soil_moisture: Any,
    soil_liquid: Any,
    skin_temperature: Any,
    snow_water_equivalent: Any,
    snow_depth: Any,
    canopy_water: Any,
    albedo: Any,
    roughness_length: Any,
    specific_humidity: Any,
) -> State:
    """State before the first step, with snow that has no layers; arguments are those of `noahpy_core.initial_state`.

    Parameters
    ----------
    making : The functions of what is given.
    """
    like = skin_temperature
    surface = SurfaceMemory(
        albedo=albedo,
        emissivity=making.full_like(like, INITIAL_EMISSIVITY),
        roughness_length=roughness_length,
        snow_free_roughness_length=roughness_length,
        specific_humidity=specific_humidity,
        aerodynamic_conductance=making.full_like(like, INITIAL_CONDUCTANCE),
        momentum_conductance=making.full_like(like, INITIAL_CONDUCTANCE),
    )
    soil = SoilState(soil_temperature, soil_liquid, making.positive_part(soil_moisture - soil_liquid))
    snow = SnowState(snow_water_equivalent, snow_depth, making.full_like(like, 0.0))
    return State(soil, snow, surface, canopy_water, skin_temperature)
