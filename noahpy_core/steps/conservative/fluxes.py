"""The fluxes and diagnostics of a conservative step, in the names of `Fluxes`."""

from __future__ import annotations

import torch
from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.constants import (
    FREEZING_POINT,
    LATENT_HEAT_FUSION,
    LATENT_HEAT_VAPORISATION,
    SPECIFIC_HEAT_ICE,
    WATER_HEAT,
)
from noahpy_core.diagnostics import soil_diagnostics
from noahpy_core.numerics import at_most, safe_divide
from noahpy_core.parameters import Parameters
from noahpy_core.physics.closed_balance import LATENT_HEAT_ICE
from noahpy_core.physics.snow_layers import snow_temperature
from noahpy_core.state import Fluxes, Forcing, SnowState, State
from noahpy_core.steps.conservative.closure import energy_closure, water_closure
from noahpy_core.steps.conservative.pack import stored_layers
from noahpy_core.steps.conservative.parts import ConservativeParts

LEAST_LAYER = 1.0e-9
"""Mass of a layer of snow below which there is none. [kg m-2]"""


def conservative_fluxes(
    parts: ConservativeParts, before: State, after: State, forcing: Forcing, parameters: Parameters,
    column: SoilColumn, dt: Tensor | float,
) -> Fluxes:  # fmt: skip
    """All fluxes and diagnostics of a step (see `Fluxes` for each one's meaning and unit).

    Parameters
    ----------
    parts : What the parts of the step have found.
    before, after : State at the start and end.
    forcing, parameters : Of the step.
    column : Soil layers.
    dt : Length of the step. [s]
    """
    water, energy = _water(parts, before, dt), _energy(parts, forcing)
    values = {**water, **energy, **_surface(parts), **soil_diagnostics(after, parameters, column)}
    values["evaporation_ratio"] = safe_divide(values["latent_heat_flux"], values["potential_latent_heat_flux"])
    none = torch.zeros_like(after.skin_temperature)
    values |= dict.fromkeys(("numerical_water_source", "numerical_heat_source", "freezing_rain_heat"), none)
    values["melt_heat"] = LATENT_HEAT_FUSION * values["snow_melt"]
    if parts.moved.missing is not None:
        values["numerical_water_source"] = parts.moved.missing
    values |= water_closure(values, _gained(parts, values, forcing), before, after, column, dt)
    values |= energy_closure(parts, values, before, after, parameters, column, dt)
    values["snow_temperature"] = _snow_temperature(after.snow)
    values["snow_liquid_water"] = parts.heat.layers.liquid
    values["snow_outflow"] = parts.heat.left_pack.water
    return Fluxes(**values)


def _snow_temperature(snow: SnowState) -> Tensor:
    """Temperature of the layers there are at the end, else the melting point, ``[snow layer, column]``. [K]"""
    layers = stored_layers(snow)
    there = layers.mass > LEAST_LAYER
    temperature = snow_temperature(layers.enthalpy, torch.where(there, layers.mass, 1.0))
    return torch.where(there, temperature, FREEZING_POINT)


def _gained(parts: ConservativeParts, values: dict[str, Tensor], forcing: Forcing) -> Tensor:
    """Precipitation and what others add, ``[column]``. [kg m-2 s-1]"""
    added = parts.around.added.all_water
    return forcing.precipitation if added is None else forcing.precipitation + added + values["numerical_water_source"]


def _water(parts: ConservativeParts, before: State, dt: Tensor | float) -> dict[str, Tensor]:
    around, heat, water = parts.around, parts.heat, parts.moved.water
    cover, over_snow, on_ground = around.snowy.cover, heat.over_snow, heat.on_ground
    bare = 1.0 - cover
    sublimation, frost_on_snow = cover * over_snow.soil, cover * over_snow.condensation
    evaporated = bare * (on_ground.soil + on_ground.canopy + on_ground.plants)
    condensed = bare * on_ground.condensation + frost_on_snow
    # By all the ice there was and came: rain that falls on snow melts some, or freezes, before anything else happens.
    ice = stored_layers(before.snow).ice.sum(0) - heat.layers.ice.sum(0)
    melt = ice / dt + around.snowfall - heat.sublimed
    return {
        "rainfall": around.rainfall,
        "snowfall": around.snowfall,
        "potential_evaporation": cover * over_snow.potential + bare * on_ground.potential,
        "evapotranspiration": evaporated + sublimation - condensed,
        "soil_evaporation": bare * on_ground.soil,
        "canopy_evaporation": bare * on_ground.canopy,
        "transpiration": bare * on_ground.plants,
        "root_uptake": torch.cat([(parts.moved.uptake[0] - bare * on_ground.soil)[None], parts.moved.uptake[1:]]),
        "sublimation": sublimation,
        "dew": condensed,
        "snow_melt": melt,
        "throughfall": parts.canopy.drip,
        "infiltration": water.infiltration,
        "surface_runoff": water.surface_runoff + water.exfiltration,
        "drainage": water.drainage,
        "saturation_excess": torch.zeros_like(cover),
    }


def _energy(parts: ConservativeParts, forcing: Forcing) -> dict[str, Tensor]:
    around, heat = parts.around, parts.heat
    cover, over_snow, on_ground = around.snowy.cover, heat.over_snow, heat.on_ground
    bare, air = 1.0 - cover, around.air
    system = heat.system
    shortwave = 1.0 - cover * around.snowy.albedo - bare * around.ground.albedo
    cold = at_most(air.temperature, FREEZING_POINT) - FREEZING_POINT
    warmth = WATER_HEAT * around.rainfall * (air.temperature - FREEZING_POINT)
    potential = cover * LATENT_HEAT_ICE * over_snow.potential + bare * LATENT_HEAT_VAPORISATION * on_ground.potential
    return {
        "absorbed_radiation": cover * system.snow_skin.absorbed + bare * system.bare_skin.absorbed,
        "net_shortwave": forcing.shortwave_down * shortwave,
        "longwave_up": cover * over_snow.emission + bare * on_ground.emission,
        "sensible_heat_flux": cover * over_snow.sensible + bare * on_ground.sensible,
        "latent_heat_flux": cover * over_snow.latent + bare * on_ground.latent,
        "potential_latent_heat_flux": potential,
        "ground_heat_flux": cover * over_snow.heat + bare * on_ground.heat,
        "soil_heat_flux": heat.soil_flux,
        "deep_heat_flux": heat.deep_flux,
        "precipitation_heat": -(warmth + SPECIFIC_HEAT_ICE * around.snowfall * cold),
    }


def _surface(parts: ConservativeParts) -> dict[str, Tensor]:
    around, heat = parts.around, parts.heat
    cover, ground, resistance = around.snowy.cover, around.ground, around.resistance
    bare = 1.0 - cover
    return {
        "albedo": cover * around.snowy.albedo + bare * ground.albedo,
        "snow_free_albedo": ground.albedo,
        "emissivity": cover * heat.system.snow_skin.emissivity + bare * ground.emissivity,
        "snow_free_emissivity": ground.emissivity,
        "snow_cover_fraction": cover,
        "vegetation_fraction": ground.vegetation_fraction,
        "leaf_area_index": ground.leaf_area_index,
        "bulk_richardson_number": cover * heat.over_snow.richardson + bare * heat.on_ground.richardson,
        "canopy_resistance": resistance.resistance,
        "plant_coefficient": safe_divide(heat.on_ground.plants, heat.on_ground.potential),
        "light_stress": resistance.light,
        "temperature_stress": resistance.temperature,
        "humidity_stress": resistance.humidity,
        "moisture_stress": resistance.moisture,
    }
