"""The state before the first step, of tensors and arrays alike: the functions of what is given are handed in."""

from __future__ import annotations

import dataclasses
from typing import Any

from noahpy_core.physics.first_pack import Functions, first_pack
from noahpy_core.state import SnowState, SoilState, State, SurfaceMemory

INITIAL_EMISSIVITY = 0.96
INITIAL_CONDUCTANCE = 1.0e-4
"""First guess of the exchange conductances. [m s-1]"""


def first_state(
    functions: Functions,
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
    snow_layers: int = 0,
    temperature_remainder: bool | None = None,
) -> State:
    """State before the first step; arguments are those of `noahpy_core.initial_state`.

    Parameters
    ----------
    functions : Of what is given.
    """
    like, full_like = skin_temperature, functions.full_like
    surface = SurfaceMemory(
        albedo=albedo,
        emissivity=full_like(like, INITIAL_EMISSIVITY),
        roughness_length=roughness_length,
        snow_free_roughness_length=roughness_length,
        specific_humidity=specific_humidity,
        aerodynamic_conductance=full_like(like, INITIAL_CONDUCTANCE),
        momentum_conductance=full_like(like, INITIAL_CONDUCTANCE),
    )
    soil = SoilState(soil_temperature, soil_liquid, functions.positive_part(soil_moisture - soil_liquid))
    snow = SnowState(snow_water_equivalent, snow_depth, full_like(like, 0.0))
    if snow_layers:
        snow = first_pack(snow, skin_temperature, snow_layers, functions)
    # Layers are of the column that closes, which keeps all digits of its heat.
    if temperature_remainder or (temperature_remainder is None and snow_layers):
        soil = dataclasses.replace(soil, temperature_remainder=full_like(soil_temperature, 0.0))
    return State(soil, snow, surface, canopy_water, skin_temperature)
