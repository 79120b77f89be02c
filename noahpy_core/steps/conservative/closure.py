"""The closure of a step's budgets: change of every store, less what went in, plus what came out."""

from __future__ import annotations

from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.constants import (
    HEAT_CAPACITY_SOIL_ICE,
    HEAT_CAPACITY_SOIL_WATER,
    LATENT_HEAT_FUSION,
    WATER_DENSITY,
)
from noahpy_core.parameters import Parameters
from noahpy_core.physics.soil_enthalpy import soil_store
from noahpy_core.physics.soil_heat import FUSION
from noahpy_core.state import State
from noahpy_core.steps.conservative.pack import enthalpy_gain, stored_layers
from noahpy_core.steps.conservative.parts import ConservativeParts


def water_closure(
    values: dict[str, Tensor], gained: Tensor, before: State, after: State, column: SoilColumn,
    dt: Tensor | float,
) -> dict[str, Tensor]:  # fmt: skip
    """Residual of the column's water, ``[column]``. [kg m-2 s-1]

    Parameters
    ----------
    values : Fluxes of the step by name.
    gained : Precipitation and what others add, ``[column]``. [kg m-2 s-1]
    before, after : State at the start and end.
    column : Soil layers.
    dt : Length of the step. [s]
    """
    assert after.snow.layer_mass is not None
    assert before.snow.layer_mass is not None
    old, new = before.soil, after.soil
    moisture = (new.liquid_water - old.liquid_water) + (new.ice - old.ice)
    pack = (after.snow.layer_mass - before.snow.layer_mass).sum(0)
    stored = (moisture * column.thickness).sum(0) * WATER_DENSITY + pack + after.canopy_water - before.canopy_water
    lost = values["evapotranspiration"] + values["surface_runoff"] + values["drainage"]
    return {"water_residual": stored / dt - (gained - lost)}


def energy_closure(
    parts: ConservativeParts, values: dict[str, Tensor], before: State, after: State, parameters: Parameters,
    column: SoilColumn, dt: Tensor | float,
) -> dict[str, Tensor]:  # fmt: skip
    """Residuals of skin, soil and the whole column, and the heat that water carries across its bounds. [W m-2]

    Parameters
    ----------
    parts : What the parts of the step have found.
    values : Fluxes of the step by name.
    before, after : State at the start and end.
    parameters : Of the step.
    column : Soil layers.
    dt : Length of the step. [s]
    """
    heat, moved, snowy = parts.heat, parts.moved, parts.around.snowy
    into_soil = moved.through[0] - moved.through[-1] - moved.evaporated_heat
    into_pack = snowy.arriving_heat - heat.left_pack.heat - heat.left_pack.vapour_heat
    advected = into_pack + into_soil + LATENT_HEAT_FUSION * heat.sublimed

    soil_gain = _soil_enthalpy_gain(before, after, parameters, column) / dt
    snow_gain = enthalpy_gain(before.snow, stored_layers(after.snow)) / dt
    spent = values["longwave_up"] + values["sensible_heat_flux"] + values["latent_heat_flux"]
    spent = spent + values["ground_heat_flux"]
    arriving = values["ground_heat_flux"] - values["deep_heat_flux"]
    given = parts.around.added.heat
    if given is not None:
        into_soil, arriving = into_soil + given.sum(0), arriving + given.sum(0)
    return {
        "energy_residual": values["absorbed_radiation"] - spent,
        "soil_heat_residual": values["soil_heat_flux"] - values["deep_heat_flux"] + into_soil - soil_gain,
        "advected_heat": advected,
        "enthalpy_residual": arriving + advected - (soil_gain + snow_gain),
    }


def _soil_enthalpy_gain(before: State, after: State, parameters: Parameters, column: SoilColumn) -> Tensor:
    """Of the soil, ``[column]``. [J m-2]

    Parameters
    ----------
    before, after : State at the start and end.
    parameters : Of the step.
    column : Soil layers.
    """
    old, new = before.soil, after.soil
    thawed, frozen = new.liquid_water - old.liquid_water, new.ice - old.ice
    change = new.temperature - old.temperature
    if old.temperature_remainder is not None and new.temperature_remainder is not None:
        change = change + (new.temperature_remainder - old.temperature_remainder)
    # By differences: of the enthalpies themselves, of which a column has 1e8 to 1e9 J m-2, round-off would be seen.
    warmed = soil_store(new.moisture, column.thickness, parameters).capacity(new.ice) * change
    capacity = HEAT_CAPACITY_SOIL_WATER * thawed + HEAT_CAPACITY_SOIL_ICE * frozen
    gained = warmed + capacity * old.warmth - FUSION * frozen
    return (column.thickness * gained).sum(0)
