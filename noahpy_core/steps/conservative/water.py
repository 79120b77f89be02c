"""The water of a step after heat has been exchanged: canopy, uptake, and movement through the soil with its heat."""

from __future__ import annotations

import torch
from torch import Tensor

from noahpy_core.constants import FREEZING_POINT, WATER_DENSITY, WATER_HEAT
from noahpy_core.numerics import positive_part, safe_divide
from noahpy_core.parameters import Parameters
from noahpy_core.physics.soil_enthalpy import carry_heat, soil_after, soil_store
from noahpy_core.physics.soil_heat import FUSION
from noahpy_core.physics.soil_water import SoilDemand
from noahpy_core.physics.sources import placed_water
from noahpy_core.state import SoilState, State
from noahpy_core.steps.conservative.parts import CanopyWater, HeatStep, Moved, Schemes, Surroundings

ROUND_OFF = 1.0e-14
"""Share of a store that is left by round-off. [1]"""


def canopy_water(
    schemes: Schemes, state: State, around: Surroundings, heat: HeatStep, parameters: Parameters,
    dt: Tensor | float,
) -> CanopyWater:  # fmt: skip
    """The canopy after rain, dew and evaporation, and what passes it; both fall on bare ground.

    Parameters
    ----------
    schemes : Of the slots.
    state : At the start of the step.
    around : What is known before heat is exchanged.
    heat : With the condensation and the evaporation of canopy water.
    parameters : Of the step.
    dt : Length of the step. [s]
    """
    bare, ground = 1.0 - around.snowy.cover, heat.on_ground
    dew = bare * ground.condensation * (1.0 - ground.frost_share)
    arriving = bare * around.rainfall + dew
    caught = around.ground.vegetation_fraction * arriving
    had = state.canopy_water + dt * caught
    left = had - dt * bare * ground.canopy
    # A canopy that gave all it had is dry: what round-off leaves would have a wet fraction of infinite slope.
    filled = torch.where(left > ROUND_OFF * had, left, 0.0)
    # Exactly full, not but for round-off: beyond, plants would have a negative share.
    kept = schemes.transitions.limits(had).smaller(filled, parameters.vegetation.canopy_capacity)
    drip = (filled - kept) / dt
    return CanopyWater(kept, drip, arriving - caught + drip)


def moved_water(
    schemes: Schemes, before: SoilState, around: Surroundings, heat: HeatStep, throughfall: Tensor,
    parameters: Parameters, dt: Tensor | float,
) -> Moved:  # fmt: skip
    """Soil after evaporation has been taken from it and water has moved through it with its heat.

    Parameters
    ----------
    schemes : Of the slots.
    before : The soil at the start of the step.
    around : What is known before heat is exchanged.
    heat : With soil evaporation and transpiration.
    throughfall : Rain and dew that reach the ground, ``[column]``. [kg m-2 s-1]
    parameters : Of the step, resolved.
    dt : Length of the step. [s]
    """
    store, thickness = heat.system.soil.store, schemes.column.thickness
    frozen = _frozen(schemes, before, heat)
    warmth = before.warmth + store.warmed(before, store.total - frozen, frozen, heat.soil_gain)

    uptake = _uptake(around, heat)
    # By differences: the sum of liquid water and ice has not all the digits of either.
    liquid = before.liquid_water - (frozen - before.ice) - uptake * dt / (thickness * WATER_DENSITY)
    # Where most of the water froze meanwhile, ice makes up for it, at the cost of the layer's heat.
    thawed = positive_part(-liquid)
    liquid, ice = liquid + thawed, positive_part(frozen - thawed)
    # Water leaves at the temperature of its layer, which therefore stays.
    left, source, brought, missing = uptake, None, around.added.ground, None
    if around.added.water is not None:
        placed = placed_water(around.added.water, liquid, ice, parameters.soil.porosity, thickness, dt)
        left, source, missing = uptake - placed.source, placed.source, placed.missing
        brought = placed.surplus if brought is None else brought + placed.surplus
    lost = WATER_HEAT * left * warmth
    kept = store.thickness * (store.capacity(frozen) * warmth - FUSION * (frozen - ice)) - dt * lost

    melt = heat.left_pack
    supply = throughfall + melt.water
    if brought is not None:
        supply = supply + brought
    demand = SoilDemand(torch.zeros_like(supply), torch.zeros_like(uptake), source)
    water = schemes.soil_water(liquid, ice, supply, demand, parameters, dt)
    flux = torch.cat([(water.infiltration - water.exfiltration)[None], water.exchange, water.drainage[None]])
    # Rain has the temperature of the air, water from the snow its own.
    air = around.air.temperature - FREEZING_POINT
    supplied = WATER_HEAT * throughfall * air + melt.heat
    if brought is not None:
        # Water brought is liquid: not colder than melting.
        supplied = supplied + WATER_HEAT * brought * positive_part(air)
    # What runs off takes its share along.
    arriving = safe_divide(water.infiltration, supply) * supplied
    wetted = soil_store(water.liquid + water.ice, thickness, parameters)
    moved = carry_heat(wetted, water.ice, kept, flux, arriving, dt)
    gained = heat.soil_gain + dt * (moved.through[:-1] - moved.through[1:] - lost)
    warmed = wetted.warmed(before, water.liquid, water.ice, gained)
    after = soil_after(before, water.liquid, water.ice, warmed)
    return Moved(after, water, uptake, moved.through, lost.sum(0), missing)


def _frozen(schemes: Schemes, before: SoilState, heat: HeatStep) -> Tensor:
    """Ice of the soil layers after heat has been exchanged. [m3 m-3]"""
    store = heat.system.soil.store
    freezing = schemes.curve.freezing_warmth(store.total, heat.system.soil.curve_parameters())
    return store.frozen(before, heat.soil_gain, heat.at.warmth, heat.at.warmth >= freezing)


def _uptake(around: Surroundings, heat: HeatStep) -> Tensor:
    """Water that soil evaporation and roots take from each layer, ``[layer, column]``. [kg m-2 s-1]"""
    bare, ground = 1.0 - around.snowy.cover, heat.on_ground
    roots = bare * ground.plants * safe_divide(around.shares.roots, around.shares.roots.sum(0))
    return torch.cat([(roots[0] + bare * ground.soil)[None], roots[1:]])
