"""The two surfaces of a column, of snow and of bare ground: what their balances read."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from noahpy_core.constants import FREEZING_POINT
from noahpy_core.numerics import positive_part, safe_divide
from noahpy_core.parameters import Parameters
from noahpy_core.physics.closed_balance import BareSkin, SnowSkin, snow_balance
from noahpy_core.physics.exchange_louis import Louis1979, SurfaceLayer, surface_layer
from noahpy_core.physics.exchange_supplied import SuppliedLayer
from noahpy_core.physics.limits import Limits
from noahpy_core.physics.soil_cover import resistance_of_cover
from noahpy_core.state import Forcing, State
from noahpy_core.steps.conservative.parts import Schemes, Surroundings


def snow_skin(
    schemes: Schemes, state: State, forcing: Forcing, around: Surroundings, parameters: Parameters, dt: Tensor | float
) -> SnowSkin:
    """The surface of the snow.

    Parameters
    ----------
    schemes : Of the slots.
    state : At the start of the step.
    forcing, parameters : Of the step, resolved.
    around : What is known before heat is exchanged.
    dt : Length of the step. [s]
    """
    snow, air = parameters.snow, around.air
    assert snow.snow_roughness is not None
    assert snow.windless_exchange is not None
    emissivity = around.snow_emissivity
    absorbed = (1.0 - around.snowy.albedo) * forcing.shortwave_down + emissivity * forcing.longwave_down
    skin = SnowSkin(
        air=_layer(schemes, state, around, snow.snow_roughness, parameters),
        pressure=air.pressure,
        humidity=air.humidity,
        absorbed=absorbed,
        emissivity=emissivity,
        windless=snow.windless_exchange,
        largest_sublimation=around.snowy.largest_sublimation(dt),
        melting_vapour=torch.zeros_like(air.temperature),
        limits=schemes.transitions.limits(air.temperature),
    )
    melting = torch.full_like(air.temperature, FREEZING_POINT)
    return skin._replace(melting_vapour=snow_balance(skin, melting).soil)


def bare_skin(
    schemes: Schemes, state: State, forcing: Forcing, around: Surroundings, parameters: Parameters, dt: Tensor | float
) -> BareSkin:
    """Shares of soil, canopy and plants, and the most each can give; the top layer is shared by soil and roots.

    Parameters
    ----------
    schemes : Of the slots.
    state : At the start of the step.
    forcing, parameters : Of the step, resolved.
    around : What is known before heat is exchanged.
    dt : Length of the step. [s]
    """
    air, ground, shares = around.air, around.ground, around.shares
    limits = schemes.transitions.limits(air.temperature)
    of_top, largest_plant = _of_the_soil(around, limits)
    cover = resistance_of_cover(parameters.vegetation, air, ground.roughness_length)
    return BareSkin(
        air=_layer(schemes, state, around, ground.roughness_length, parameters),
        pressure=air.pressure,
        humidity=air.humidity,
        density=air.density,
        absorbed=(1.0 - ground.albedo) * forcing.shortwave_down + ground.emissivity * forcing.longwave_down,
        emissivity=ground.emissivity,
        soil_share=shares.soil,
        canopy_share=shares.canopy,
        plant_share=positive_part(shares.roots.sum(0)),
        plant_resistance=around.resistance.resistance,
        soil_resistance=around.soil_resistance + cover,
        largest_soil=of_top / dt,
        largest_canopy=positive_part(state.canopy_water) / dt + around.caught,
        largest_plant=largest_plant / dt,
        top_roots=safe_divide(shares.roots[0], shares.roots.sum(0)),
        limits=limits,
    )


def _layer(
    schemes: Schemes, state: State, around: Surroundings, roughness: Tensor, parameters: Parameters
) -> SurfaceLayer | SuppliedLayer:
    """The air over a surface of a roughness length [m]."""
    if isinstance(schemes.turbulence, Louis1979):
        return surface_layer(around.air, roughness)
    memory = dataclasses.replace(state.surface, roughness_length=roughness + torch.zeros_like(around.air.temperature))
    return SuppliedLayer(schemes.turbulence, memory, around.air, parameters.general)


def _of_the_soil(around: Surroundings, limits: Limits) -> tuple[Tensor, Tensor]:
    """Water that evaporation of bare soil, and that plants can have, ``[column]``. [kg m-2]

    Parameters
    ----------
    around : With the water of the layers, and the shares of soil and roots.
    limits : How layers limit what plants can have.
    """
    shares, available = around.shares, around.available
    to_soil = safe_divide(shares.soil, shares.soil + shares.roots[0])
    for_roots = torch.cat([(available[0] * (1.0 - to_soil))[None], available[1:]])
    taken = shares.roots > 0
    # The most the plants can have before the first of their layers is empty.
    until_empty = torch.where(taken, for_roots / torch.where(taken, shares.roots, 1.0), 1.0e9)
    smallest = until_empty[0]
    for layer in until_empty[1:].unbind(0):
        smallest = limits.smaller(layer, smallest)
    return available[0] * to_soil, smallest * positive_part(shares.roots.sum(0))
