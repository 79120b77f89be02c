"""The implicit Richards step: what it keeps, what it limits, and that its equations are solved as they should be."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from random_columns import random_case
from water_columns import CLASSES, FLOOR, STEPS, WaterCase, hard_columns, nearly_sealed

from noahpy_core.constants import LATENT_HEAT_VAPORISATION
from noahpy_core.errors import SchemeError
from noahpy_core.model import NoahModel
from noahpy_core.options import Options
from noahpy_core.physics.retention import pore_space
from noahpy_core.physics.richards import Flow, System, equations, unknown_for
from noahpy_core.physics.richards_profile import profile_of
from noahpy_core.physics.richards_solver import solve_richards
from noahpy_core.physics.soil_water import SoilDemand
from noahpy_core.physics.soil_water_richards import RichardsWater
from noahpy_core.tables import soil_parameters

ROUND_OFF = 1.0e-14


def faces(water: RichardsWater) -> torch.Tensor:
    """Downward flux through every face, from the surface to the bottom. [m s-1]"""
    surface = water.infiltration - water.exfiltration
    return torch.cat([surface[None], water.exchange, water.drainage[None]]) / 1000.0


def taken(water: RichardsWater) -> torch.Tensor:
    """Uptake from every layer. [m s-1]"""
    return (water.root_uptake + torch.cat([water.soil_evaporation[None], 0.0 * water.root_uptake[1:]])) / 1000.0


@pytest.fixture(scope="module")
def hard() -> tuple[WaterCase, RichardsWater]:
    case = hard_columns(400, seed=3)
    return case, case.step()


def test_every_layer_keeps_its_balance_to_round_off(hard):
    case, water = hard
    flux = faces(water)
    gained = case.column.thickness * (water.liquid - case.liquid)
    residual = gained - case.dt * (flux[:-1] - flux[1:] - taken(water))
    size = case.column.thickness * case.liquid + case.dt * flux.abs().amax(0)
    assert (residual.abs() / size).max() < ROUND_OFF


def test_liquid_water_stays_between_its_floor_and_the_room_that_ice_leaves(hard):
    case, water = hard
    assert (water.liquid - (case.parameters.soil.porosity - case.ice)).max() < 1.0e-12
    lowest = torch.minimum(case.liquid, torch.tensor(FLOOR, dtype=torch.float64))
    assert (lowest - water.liquid).max() < 1.0e-12
    assert torch.equal(water.ice, case.ice)


def test_fluxes_are_within_what_is_asked_and_given(hard):
    case, water = hard
    for flux in (water.infiltration, water.exfiltration, water.surface_runoff, water.drainage):
        assert (flux >= 0.0).all()
    assert torch.allclose(water.infiltration + water.surface_runoff, case.supply, rtol=1e-15, atol=0.0)
    assert ((water.soil_evaporation >= 0.0) & (water.soil_evaporation <= case.demand.soil * (1.0 + 1.0e-15))).all()
    assert ((water.root_uptake >= 0.0) & (water.root_uptake <= case.demand.roots * (1.0 + 1.0e-15))).all()
    assert (water.infiltration == case.supply).any(), "no column takes in all"
    assert (water.surface_runoff > 0.0).any(), "no column is ponded"
    assert (water.soil_evaporation < 0.999 * case.demand.soil).any(), "no evaporation is limited"


def test_layers_whose_ice_leaves_less_than_the_least_that_moves_keep_their_water():
    case = nearly_sealed(hard_columns(60, seed=4), seed=5)
    room = case.parameters.soil.porosity - case.ice
    sealed = (room < FLOOR) & (case.liquid >= room)
    assert sealed.any(), "no layer is sealed and full"
    water = case.step()
    flux = faces(water)
    gained = case.column.thickness * (water.liquid - case.liquid)
    residual = gained - case.dt * (flux[:-1] - flux[1:] - taken(water))
    size = case.column.thickness * case.liquid + case.dt * flux.abs().amax(0)
    assert (residual.abs() / (size + 1.0e-6)).max() < 1.0e-12
    assert (water.liquid - room).max() < 1.0e-12
    assert (water.liquid - case.liquid).abs()[sealed].max() < 1.0e-12


def test_full_loam_over_gravel_that_is_nearly_full_of_ice_is_solved_by_steps_that_stop_together():
    def layers(*values: float) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float64)[:, None]

    room, none = layers(0.114092, 0.113664, 0.032445, 0.018593), torch.zeros(1, dtype=torch.float64)
    primary = (layers(4.74, 4.74, 2.53, 2.53), layers(0.1409, 0.1409, 0.004429, 0.004429), room)
    primary = (*primary, layers(2.72e-6, 2.71e-6, 1.79e-5, 0.0))
    flow = Flow(
        old=layers(0.113999, 0.113664, 0.013192, 0.013725), thickness=layers(0.045, 0.046, 0.075, 0.123),
        soil_demand=none, root_demand=0.0 * room, root_minimum=0.0 * room + FLOOR, supply=none + 1.18e-9,
        drainage_factor=none + 0.6, dt=none + 43200.0, unfrozen=1.0 + 0.0 * room, upstream=none,
    )  # fmt: skip
    water = solve_richards(primary, flow)
    stored = (flow.thickness * (water.content - flow.old)).sum(0)
    assert abs(stored - flow.dt * flow.supply).item() < 1.0e-10
    assert (water.content - room).max() < 1.0e-14


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "number"), [(1, 6217), (2, 3312), (5, 28602), (9, 49430), (11, 24968), (12, 37598), (14, 31936)]
)
def test_columns_on_which_all_but_the_last_strategies_cycle_are_solved(seed, number):
    """The hardest of a million: full over sealed, or coarse soil over full fine soil."""
    case = hard_columns(50_000, seed=seed).select(number)
    water = case.step()
    flux = faces(water)
    stored = (case.column.thickness * (water.liquid - case.liquid)).sum(0)
    assert (stored - case.dt * (flux[0] - flux[-1] - taken(water).sum(0))).abs().max() < 1.0e-14
    assert (water.liquid - (case.parameters.soil.porosity - case.ice)).max() < 1.0e-12


def test_in_single_precision_water_is_that_of_the_double_and_the_balance_closes():
    case = hard_columns(60, seed=8, layers=(0.1, 0.3, 0.6, 1.0))
    single = case.to(torch.float32)
    water, double = single.step(), case.step()
    assert water.liquid.dtype == torch.float32
    assert (water.liquid - double.liquid).abs().max() < 1.0e-3
    assert torch.quantile((water.liquid - double.liquid).abs().amax(0), 0.9) < 1.0e-5
    flux = faces(water)
    gained = single.column.thickness * (water.liquid - single.liquid)
    residual = gained - single.dt * (flux[:-1] - flux[1:] - taken(water))
    assert (residual.abs() / (single.column.thickness * single.liquid + single.dt * flux.abs().amax(0))).max() < 1.0e-6


def of_class(case: WaterCase, numbers: torch.Tensor) -> WaterCase:
    """The same columns, each of one class of soil throughout, without ice."""
    soil = soil_parameters(numbers.expand_as(case.liquid)).resolved()
    parameters = dataclasses.replace(case.parameters, soil=soil)
    return dataclasses.replace(case, parameters=parameters, ice=torch.zeros_like(case.liquid))


def somewhere(case: WaterCase, seed: int = 0) -> tuple[System, torch.Tensor]:
    """The equations at random unknowns, from dry to under pressure."""
    pores, flow = pore_space(*case.primary()), case.flow()
    profile = profile_of(flow.old, pores, flow.thickness, flow.unfrozen)
    unknown = unknown_for(pores, flow)
    generator = torch.Generator().manual_seed(seed)
    u = unknown.full * 1.3 * torch.rand(case.liquid.shape, generator=generator, dtype=torch.float64) ** 2
    return equations(u.requires_grad_(), pores, flow, profile, unknown, jacobian=True), u


def test_the_jacobian_is_that_of_the_residual():
    """The chord steps that carry derivatives need it exact."""
    system, u = somewhere(hard_columns(200, seed=5, layers=(0.1, 0.3, 0.6, 1.0)))
    bands = {-1: system.lower, 0: system.diagonal, 1: system.upper}
    for k in range(4):
        row = torch.autograd.grad(system.residual[k].sum(), u, retain_graph=True)[0]
        size = row.abs().sum(0) + 1.0e-15
        for offset, band in bands.items():
            if 0 <= k + offset < 4:
                assert ((band[k] - row[k + offset]).abs() / size).max() < 1.0e-10, (k, offset)


def test_in_one_soil_a_flux_grows_with_the_water_above_and_falls_with_that_below():
    """Then the equations have one solution, within its bounds, however long the step and thick the layers."""
    classes = torch.tensor(CLASSES)
    case = of_class(hard_columns(20 * len(classes), seed=6, layers=(0.05, 0.5, 0.5, 2.0)), classes.repeat(20))
    system, _ = somewhere(case)
    size = system.diagonal
    assert (system.lower / size).max() < 1.0e-12
    assert (system.upper / size).max() < 1.0e-12


@pytest.mark.parametrize("dt", STEPS)
def test_no_class_of_soil_creates_or_loses_water_from_dry_to_full_with_and_without_ice(dt):
    classes = torch.tensor(CLASSES)
    saturation = torch.tensor([0.0, 0.05, 0.3, 0.7, 0.95, 1.0], dtype=torch.float64)
    ice_share = torch.tensor([0.0, 0.5, 0.95, 1.0], dtype=torch.float64)
    grid = torch.cartesian_prod(classes.to(torch.float64), saturation, ice_share)
    case = hard_columns(len(grid), seed=1)
    soil = soil_parameters(grid[:, 0].to(torch.int64).expand_as(case.liquid)).resolved()
    total = FLOOR + (soil.porosity - FLOOR) * grid[:, 1]
    ice = (total - FLOOR) * grid[:, 2]
    case = dataclasses.replace(
        case, ice=ice, liquid=total - ice, dt=torch.full_like(case.dt, dt),
        parameters=dataclasses.replace(case.parameters, soil=soil),
    )  # fmt: skip
    water = case.step()
    stored = (case.column.thickness * (water.liquid - case.liquid)).sum(0)
    flux = faces(water)
    assert (stored - case.dt * (flux[0] - flux[-1] - taken(water).sum(0))).abs().max() < 1.0e-14


def resting(case: WaterCase, **changes: object) -> WaterCase:
    """The same columns with nothing asked or given."""
    none = torch.zeros_like(case.supply)
    general = dataclasses.replace(case.parameters.general, drainage_factor=none)
    parameters = dataclasses.replace(case.parameters, general=general)
    demand = SoilDemand(none, torch.zeros_like(case.liquid))
    return dataclasses.replace(case, supply=none, demand=demand, parameters=parameters, **changes)


def test_a_closed_column_comes_to_rest_in_hydrostatic_equilibrium():
    case = resting(hard_columns(1, seed=2, layers=(0.1,) * 20), dt=torch.tensor([1.0e7], dtype=torch.float64))
    case = of_class(case, torch.tensor([9]))
    case = dataclasses.replace(case, liquid=0.6 * case.parameters.soil.porosity)
    for _ in range(40):
        case = dataclasses.replace(case, liquid=case.step().liquid)
    b, suction, room, _ = case.primary()
    saturation = case.liquid / room
    level = -suction * saturation**-b - case.column.node_depth
    above_water_table = level[saturation < 0.999]
    assert len(above_water_table) > 8
    assert above_water_table.max() - above_water_table.min() < 0.05


def test_steady_seepage_carries_the_supply_through_every_layer():
    """With free drainage a steady supply below the saturated conductivity leaves K(S) equal to it."""
    case = resting(hard_columns(4, seed=2, layers=(0.1, 0.2, 0.3, 0.5, 0.8)))
    case = of_class(case, torch.tensor([1, 7, 9, 11]))
    soil = case.parameters.soil
    supply = 0.3 * soil.saturated_hydraulic_conductivity[0] * 1000.0
    general = dataclasses.replace(case.parameters.general, drainage_factor=torch.ones_like(supply))
    parameters = dataclasses.replace(case.parameters, general=general)
    case = dataclasses.replace(
        case, parameters=parameters, supply=supply, liquid=0.5 * soil.porosity, dt=torch.full_like(supply, 1.0e7)
    )
    for _ in range(30):
        water = case.step()
        case = dataclasses.replace(case, liquid=water.liquid)
    assert torch.allclose(faces(water) * 1000.0, supply.expand(6, 4), rtol=1.0e-9)
    expected = 0.3 ** (1.0 / (2.0 * soil.clapp_hornberger_b + 3.0))
    assert torch.allclose(water.liquid / soil.porosity, expected, rtol=1.0e-6)


@pytest.mark.parametrize("slot", [{"soil_hydraulics": "noah"}, {"phase_change": "heat_limited"}])
def test_schemes_that_do_not_go_with_it_are_refused(slot):
    options = Options(**{"soil_water": "richards", "phase_change": "enthalpy", **slot})
    name = next(iter(slot))
    with pytest.raises(SchemeError, match=rf"^soil_water: 'richards' does not go with '{slot[name]}' as {name}"):
        NoahModel(hard_columns(1).column, options)


RICHARDS = Options(soil_water="richards", phase_change="enthalpy")


@pytest.mark.parametrize("regime", ["temperate", "deep_frost", "saturated", "dry", "snow_melting"])
def test_in_the_model_the_budgets_of_water_and_energy_close_and_the_soil_has_no_source(regime):
    case = random_case(60, 20, seed=11, regime=regime)
    after, fluxes = NoahModel(case.column, RICHARDS)(case.state, case.forcing, case.parameters, case.dt)
    if case.state.snow.water_equivalent.max() == 0.0:
        assert fluxes.numerical_water_source.abs().max() < 1.0e-18
    assert (fluxes.water_residual * case.dt).abs().max() < 1.0e-11
    assert fluxes.energy_residual.abs().max() < 1.0e-10
    assert (after.soil.moisture <= case.parameters.soil.porosity * (1.0 + 1.0e-12)).all()


def test_evaporation_is_what_the_soil_gives_and_the_latent_heat_follows():
    """A dry soil under a thirsty air gives less than Noah's scheme asks of it, and is warmer for it."""
    case = random_case(60, 20, seed=11, regime="dry")
    moist = dataclasses.replace(case.state.soil, liquid_water=torch.full_like(case.state.soil.liquid_water, 0.021))
    case = dataclasses.replace(
        case, state=dataclasses.replace(case.state, soil=moist), dt=torch.full_like(case.dt, 86400.0)
    )
    given = (case.state, case.forcing, case.parameters, case.dt)
    _, asked = NoahModel(case.column, Options(phase_change="enthalpy"))(*given)
    _, fluxes = NoahModel(case.column, RICHARDS)(*given)
    less = asked.soil_evaporation - fluxes.soil_evaporation
    assert less.max() > 0.0
    expected = asked.latent_heat_flux - LATENT_HEAT_VAPORISATION * (less + asked.transpiration - fluxes.transpiration)
    bare = case.state.snow.water_equivalent == 0.0
    assert torch.allclose(fluxes.latent_heat_flux[bare], expected[bare], rtol=1.0e-10)
