"""What is known of a step before heat is exchanged: air, ground, precipitation, the pack with it, and stores."""

from __future__ import annotations

import torch
from torch import Tensor

from noahpy_core.constants import MINIMUM_MOISTURE, WATER_DENSITY
from noahpy_core.numerics import positive_part
from noahpy_core.parameters import Parameters
from noahpy_core.physics.atmosphere import diagnose_air
from noahpy_core.physics.exchange_louis import surface_layer
from noahpy_core.physics.snow_layered import SnowyGround
from noahpy_core.physics.sources import sources
from noahpy_core.physics.surface import Ground, NoahSurface, snow_free_ground
from noahpy_core.physics.surface_resistance import NoSoilResistance
from noahpy_core.state import Forcing, State
from noahpy_core.steps.conservative.parts import Schemes, Surroundings


def surroundings(
    schemes: Schemes, state: State, forcing: Forcing, parameters: Parameters, dt: Tensor | float
) -> Surroundings:
    """Air, vegetation, precipitation by phase, the pack with it, and what can evaporate.

    Parameters
    ----------
    schemes : Of the slots.
    state : At the start of the step.
    forcing, parameters : Of the step, resolved.
    dt : Length of the step. [s]
    """
    soil, snow = state.soil, schemes.snow
    air = diagnose_air(forcing, parameters.general)
    ground = snow_free_ground(forcing, parameters.vegetation)
    snowfall = snow.snowfall(forcing, air)
    rainfall = forcing.precipitation - snowfall
    snowy = snow.snowed_on(state.snow, snowfall, rainfall, air, parameters.snow, dt)
    ground, snowy, snow_emissivity = _seen(schemes, state, ground, snowy, parameters)

    neutral = surface_layer(air, ground.roughness_length).neutral / air.density
    resistance = schemes.canopy_resistance(
        soil, air, ground, forcing.shortwave_down, neutral, ground.emissivity, parameters
    )

    # Over the step the canopy is on average as wet as after half of the rain it catches.
    caught = ground.vegetation_fraction * (1.0 - snowy.cover) * rainfall
    limits = schemes.transitions.limits(snowfall)
    wet = limits.smaller(state.canopy_water + 0.5 * dt * caught, parameters.vegetation.canopy_capacity)
    one = torch.ones_like(snowfall)
    shares = schemes.evaporation(soil, wet, ground, one, one, parameters)
    to_soil = schemes.soil_resistance(soil, ground, parameters)
    if not isinstance(schemes.soil_resistance, NoSoilResistance):
        # A resistance stands in the place of the wetness function.
        shares = shares._replace(soil=one - ground.vegetation_fraction)
    available = positive_part(soil.liquid_water - MINIMUM_MOISTURE) * schemes.column.thickness * WATER_DENSITY
    added = sources(forcing, soil.temperature)
    return Surroundings(
        air,
        ground,
        rainfall,
        snowfall,
        snowy,
        resistance,
        to_soil,
        shares,
        available,
        caught,
        snow_emissivity,
        added,
    )


def _seen(
    schemes: Schemes, state: State, ground: Ground, snowy: SnowyGround, parameters: Parameters
) -> tuple[Ground, SnowyGround, Tensor]:
    """Ground and snow with the albedo that each is seen with, and the emissivity of the snow."""
    emissivity = parameters.snow.snow_emissivity
    assert emissivity is not None
    if isinstance(schemes.surface, NoahSurface):
        return ground, snowy, emissivity
    # A scheme of one's own knows one surface under more or less snow: the two tiles are its ends.
    none = torch.zeros_like(snowy.cover)
    bare_albedo, bare_emissivity = schemes.surface(ground, none, state.snow.age, parameters)
    snow_albedo, emissivity = schemes.surface(ground, none + 1.0, state.snow.age, parameters)
    ground = ground._replace(albedo=bare_albedo, emissivity=bare_emissivity)
    return ground, snowy._replace(albedo=snow_albedo), emissivity
