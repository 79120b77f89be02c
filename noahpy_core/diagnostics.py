"""The fluxes of a step from its parts, and the closure of its budgets."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.budget import soil_water_storage, water_residual
from noahpy_core.column import SoilColumn
from noahpy_core.constants import GAS_CONSTANT_DRY_AIR, HEAT_CAPACITY_AIR, LATENT_HEAT_FUSION
from noahpy_core.exchange import Exchange
from noahpy_core.numerics import safe_divide
from noahpy_core.parameters import Parameters
from noahpy_core.physics.canopy import Interception
from noahpy_core.physics.energy_balance import SurfaceBalance
from noahpy_core.physics.evaporation import latent_heat
from noahpy_core.physics.snow import PackBalance
from noahpy_core.physics.soil_heat import SoilHeat
from noahpy_core.physics.soil_water import SoilWater
from noahpy_core.physics.soil_water_richards import RichardsWater
from noahpy_core.physics.sources import Sources
from noahpy_core.state import Fluxes, Forcing, State


class StepParts(NamedTuple):
    """Everything the schemes of one step returned."""

    exchange: Exchange
    balance: SurfaceBalance
    snow: PackBalance
    canopy: Interception
    water: SoilWater | RichardsWater
    heat: SoilHeat
    added: Sources
    missing: Tensor | None
    """Water that a sink of soil water asked for and did not find, ``[column]``. [kg m-2 s-1]"""


def assemble_fluxes(
    parts: StepParts, before: State, after: State, forcing: Forcing, parameters: Parameters, column: SoilColumn,
    dt: Tensor | float,
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
    exchange, balance = parts.exchange, parts.balance
    cover = torch.where(after.snow.water_equivalent > 0, exchange.surface.snow_cover, 0.0)
    values = {
        **_water(parts),
        **_energy(parts, forcing, before, cover),
        **_surface(exchange, cover),
        **soil_diagnostics(after, parameters, column),
    }
    values["evaporation_ratio"] = safe_divide(values["latent_heat_flux"], values["potential_latent_heat_flux"])
    values["numerical_water_source"] = (
        parts.water.created + parts.canopy.created + (parts.snow.created - exchange.pack.removed) / dt
    )
    if parts.missing is not None:
        values["numerical_water_source"] = values["numerical_water_source"] + parts.missing
    lost = values["evapotranspiration"] + values["surface_runoff"] + values["drainage"] + values["saturation_excess"]
    gained = forcing.precipitation + values["numerical_water_source"]
    added = parts.added.all_water
    if added is not None:
        gained = gained + added
    values["water_residual"] = water_residual(before, after, column, gained, lost, dt)
    spent = (
        values["longwave_up"] + values["sensible_heat_flux"] + values["latent_heat_flux"] + balance.ground_heat
        + values["precipitation_heat"] + values["freezing_rain_heat"] + values["melt_heat"]
        + values["numerical_heat_source"]
    )  # fmt: skip
    values["energy_residual"] = exchange.radiation - spent
    arrived = parts.heat.top_flux - parts.heat.bottom_flux
    if parts.added.heat is not None:
        arrived = arrived + parts.added.heat.sum(0)
    values["soil_heat_residual"] = arrived - parts.heat.storage_change
    return Fluxes(**values)


def _water(parts: StepParts) -> dict[str, Tensor]:
    evaporation, water = parts.exchange.evaporation, parts.water
    transpiration = evaporation.roots.sum(0)
    vapour = evaporation.soil + evaporation.canopy + transpiration + evaporation.sublimation
    return {
        "rainfall": parts.exchange.precipitation.liquid,
        "snowfall": parts.exchange.precipitation.solid,
        "potential_evaporation": evaporation.potential,
        "evapotranspiration": vapour - evaporation.dew - evaporation.frost,
        "soil_evaporation": evaporation.soil,
        "canopy_evaporation": evaporation.canopy,
        "transpiration": transpiration,
        "root_uptake": evaporation.roots,
        "sublimation": evaporation.sublimation,
        "dew": evaporation.dew + evaporation.frost,
        "snow_melt": parts.snow.melt,
        "throughfall": parts.canopy.drip,
        "infiltration": water.infiltration,
        "surface_runoff": water.surface_runoff,
        "drainage": water.drainage,
        "saturation_excess": water.saturation_excess,
    }


def _energy(parts: StepParts, forcing: Forcing, before: State, cover: Tensor) -> dict[str, Tensor]:
    """Energy fluxes; what the solver used and what is reported may differ, and the difference is booked.

    Sensible heat is reported with a heat capacity 1e-4 smaller than the solver's, latent heat of condensation with the
    snow cover at the end of the step: both as the original.
    """
    exchange, balance = parts.exchange, parts.balance
    air, evaporation, potential = exchange.air, exchange.evaporation, exchange.potential
    contrast = balance.skin_temperature - air.potential_temperature

    transfer = exchange.conductance.heat * HEAT_CAPACITY_AIR * air.pressure
    sensible = transfer / (GAS_CONSTANT_DRY_AIR * air.virtual_temperature) * contrast
    potential_latent = evaporation.potential * latent_heat(cover)
    latent = torch.where(evaporation.potential > 0, evaporation.heat, potential_latent)
    melt_heat = parts.snow.melt * LATENT_HEAT_FUSION

    unaccounted = balance.discrepancy - melt_heat
    unaccounted = unaccounted + (potential.heat_transfer * contrast - sensible) + (evaporation.heat - latent)

    return {
        "absorbed_radiation": exchange.radiation,
        "net_shortwave": forcing.shortwave_down * (1.0 - before.surface.albedo),
        "longwave_up": balance.emission,
        "sensible_heat_flux": sensible,
        "latent_heat_flux": latent,
        "potential_latent_heat_flux": potential_latent,
        "ground_heat_flux": balance.ground_heat,
        "soil_heat_flux": parts.heat.top_flux,
        "deep_heat_flux": parts.heat.bottom_flux,
        "precipitation_heat": balance.precipitation_heat,
        "freezing_rain_heat": potential.freezing_rain_heat,
        "melt_heat": melt_heat,
        "numerical_heat_source": unaccounted,
    }


def _surface(exchange: Exchange, cover: Tensor) -> dict[str, Tensor]:
    ground, surface, resistance = exchange.ground, exchange.surface, exchange.resistance
    return {
        "albedo": surface.albedo,
        "snow_free_albedo": ground.albedo,
        "emissivity": surface.emissivity,
        "snow_free_emissivity": ground.emissivity,
        "snow_cover_fraction": cover,
        "vegetation_fraction": ground.vegetation_fraction,
        "leaf_area_index": ground.leaf_area_index,
        "bulk_richardson_number": exchange.conductance.richardson,
        "canopy_resistance": resistance.resistance,
        "plant_coefficient": resistance.plant_coefficient,
        "light_stress": resistance.light,
        "temperature_stress": resistance.temperature,
        "humidity_stress": resistance.humidity,
        "moisture_stress": resistance.moisture,
    }


def soil_diagnostics(after: State, parameters: Parameters, column: SoilColumn) -> dict[str, Tensor]:
    """Water of the soil column and of the root zone.

    Parameters
    ----------
    after : State at the end of the step.
    parameters : Porosity, wilting point and roots are read.
    column : Soil layers.
    """
    soil, moisture = parameters.soil, after.soil.moisture
    assert soil.wilting_point is not None
    rooted = torch.where(parameters.vegetation.rooted(column), column.thickness, 0.0)
    held = ((moisture - soil.wilting_point) * rooted).sum(0)
    largest = ((soil.porosity - soil.wilting_point) * rooted).sum(0)
    return {
        "soil_water_storage": soil_water_storage(moisture, column),
        "root_zone_saturation": safe_divide(held, largest),
    }
