"""The heat of a step: the equations of skins, snow and soil, their solution, and the fluxes that follow from it."""

from __future__ import annotations

import torch
from torch import Tensor

from noahpy_core.constants import FREEZING_POINT, LATENT_HEAT_FUSION, SPECIFIC_HEAT_ICE
from noahpy_core.numerics import at_most
from noahpy_core.parameters import Parameters
from noahpy_core.physics.coupled_heat import solve_coupled
from noahpy_core.physics.coupled_solver import first_guess
from noahpy_core.physics.coupled_system import (
    SnowRows,
    SoilRows,
    System,
    bare_skin_balance,
    snow_flow,
    snow_skin_balance,
    snow_warmth,
    visible_skin,
)
from noahpy_core.physics.energy_balance import shaded_conductivity
from noahpy_core.physics.soil_enthalpy import soil_store
from noahpy_core.state import Forcing, State
from noahpy_core.steps.conservative.pack import frosted, pack_after_heat, unstored_heat
from noahpy_core.steps.conservative.parts import HeatStep, Schemes, Surroundings
from noahpy_core.steps.conservative.skins import bare_skin, snow_skin


def heat_step(
    schemes: Schemes, state: State, forcing: Forcing, around: Surroundings, parameters: Parameters,
    dt: Tensor | float,
) -> HeatStep:  # fmt: skip
    """The coupled system solved, and all that follows from its fluxes.

    Parameters
    ----------
    schemes : Of the slots.
    state : At the start of the step.
    forcing, parameters : Of the step, resolved.
    around : What is known before heat is exchanged.
    dt : Length of the step. [s]

    Raises
    ------
    ConvergenceError : naming the columns whose equations were not solved.
    """
    system = heat_system(schemes, state, forcing, around, parameters, dt)
    at = solve_coupled(schemes.curve, system, first_guess(system, state.soil.temperature, state.skin_temperature))
    warmth, _ = snow_warmth(system.snow, at.enthalpy)
    over_snow = snow_skin_balance(system, at.snow_skin, warmth[0]).balance
    on_ground = bare_skin_balance(system, at.bare_skin, at.warmth[0]).balance
    cover, number = system.cover, system.snow_layers

    deep = (system.deep_temperature - FREEZING_POINT).expand_as(cover)
    every = torch.cat([warmth, at.warmth, deep[None]])
    conducted = system.between * (every[:-1] - every[1:])
    flow, _ = snow_flow(system.snow, at.enthalpy)
    layers, left = pack_after_heat(
        schemes, around.snowy, over_snow, warmth[0], conducted[:number], flow, parameters, dt
    )
    frost = (1.0 - cover) * on_ground.condensation * on_ground.frost_share
    frost_heat = SPECIFIC_HEAT_ICE * at_most(at.bare_skin, 0.0) * frost
    layers = frosted(layers, frost * dt, frost_heat * dt, schemes.snow.fresh_density(around.air))
    left = left._replace(vapour_heat=left.vapour_heat - frost_heat)

    through_base = cover * conducted[number - 1]
    sublimed = cover * (over_snow.from_ice - over_snow.condensation) - frost
    into_pack = around.snowy.arriving_heat + cover * over_snow.heat + LATENT_HEAT_FUSION * sublimed
    out_of_pack = through_base + left.heat + left.vapour_heat
    through_base = through_base + unstored_heat(state.snow, layers, into_pack, out_of_pack, dt)

    given = around.added.heat
    into_soil = through_base + (1.0 - cover) * on_ground.heat
    falling = conducted[number:]
    arriving = torch.cat([into_soil[None], falling[:-1]])
    return HeatStep(
        system=system,
        at=at,
        snow_temperature=FREEZING_POINT + warmth,
        snow_skin=FREEZING_POINT + visible_skin(at.snow_skin, warmth[0]),
        bare_skin=FREEZING_POINT + at.bare_skin,
        over_snow=over_snow,
        on_ground=on_ground,
        layers=layers,
        left_pack=left,
        soil_gain=dt * (arriving - falling) if given is None else dt * (arriving - falling + given),
        soil_flux=into_soil,
        deep_flux=falling[-1],
        sublimed=sublimed,
    )


def heat_system(
    schemes: Schemes, state: State, forcing: Forcing, around: Surroundings, parameters: Parameters,
    dt: Tensor | float,
) -> System:  # fmt: skip
    """The equations of the step.

    Parameters
    ----------
    schemes : Of the slots.
    state : At the start of the step.
    forcing, parameters : Of the step, resolved.
    around : What is known before heat is exchanged.
    dt : Length of the step. [s]
    """
    snowy, air, rows = around.snowy, around.air, around.snowy.patch
    skin = snow_skin(schemes, state, forcing, around, parameters, dt)
    vapour = dt * skin.melting_vapour
    held = LATENT_HEAT_FUSION * schemes.snow.held(snowy, parameters.snow)
    top, between, bare = _conductances(schemes, state, around, parameters)
    return System(
        snow=SnowRows(rows.mass, rows.enthalpy, held, snowy.largest_flow(held, vapour), vapour),
        soil=_soil_rows(schemes, state, around, parameters, dt),
        snow_skin=skin,
        bare_skin=bare_skin(schemes, state, forcing, around, parameters, dt),
        cover=snowy.cover,
        top=top,
        between=between,
        bare=bare,
        deep_temperature=parameters.general.deep_temperature,
        dt=dt + torch.zeros_like(air.temperature),
    )


def _soil_rows(
    schemes: Schemes, state: State, around: Surroundings, parameters: Parameters, dt: Tensor | float
) -> SoilRows:
    soil = state.soil
    store = soil_store(soil.moisture, schemes.column.thickness, parameters)
    start, given = store.enthalpy_at(soil.warmth, soil.ice), around.added.heat
    return SoilRows(
        start=start if given is None else start + dt * given,
        store=store,
        b=parameters.soil.clapp_hornberger_b,
        suction=parameters.soil.saturated_suction,
        porosity=parameters.soil.porosity,
    )


def _conductances(
    schemes: Schemes, state: State, around: Surroundings, parameters: Parameters
) -> tuple[Tensor, Tensor, Tensor]:
    """From snow skin to snow, between all layers and to the deep boundary, from bare skin to soil. [W m-2 K-1]"""
    soil, general, thickness = state.soil, parameters.general, schemes.column.thickness
    conductivity = schemes.soil_thermal(soil.liquid_water, soil.ice, parameters.soil)
    half = 0.5 * thickness / conductivity
    deepest = general.deep_temperature_depth - schemes.column.node_depth[-1]
    top, inner, lowest = around.snowy.conductances()

    to_soil, within = 1.0 / (lowest + half[0]), 1.0 / (half[:-1] + half[1:])
    between = torch.cat([inner, to_soil[None], within, (conductivity[-1] / deepest)[None]])
    shaded = shaded_conductivity(conductivity[0], general.canopy_shading_coefficient, around.ground.vegetation_fraction)
    return top, between, shaded / (0.5 * thickness[0])
