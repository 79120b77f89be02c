"""The enthalpy heat step: budgets at any step length, the freezing curve, order, batches, and failures."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from heat_columns import FREEZING, HeatCase, heat_case
from random_columns import Draw, random_case
from torch import Tensor

from noahpy_core.errors import ConvergenceError
from noahpy_core.model import NoahModel
from noahpy_core.options import Options
from noahpy_core.parameters import SoilParameters
from noahpy_core.physics import enthalpy_root, enthalpy_system
from noahpy_core.physics.freezing import FreezingCurve, Koren1999, NiuYang2006
from noahpy_core.simulation import iterate, run
from noahpy_core.trees import map_tensors

DAY = 86400.0
LENGTHS = (60.0, 1800.0, 10800.0, DAY, 30.0 * DAY)
FUSION, GRAVITY = 3.335e5, 9.81


@pytest.fixture(params=[Koren1999, NiuYang2006], ids=lambda scheme: scheme.__name__)
def curve(request) -> FreezingCurve:
    return request.param()


def select(case: HeatCase, index: object) -> HeatCase:
    """The same case with some columns only."""
    pick = lambda x: x[..., index]  # noqa: E731
    return dataclasses.replace(
        case,
        temperature=pick(case.temperature),
        liquid=pick(case.liquid),
        ice=pick(case.ice),
        coupling=type(case.coupling)(*map(pick, case.coupling)),
        conductivity=pick(case.conductivity),
        parameters=map_tensors(pick, case.parameters),
    )


def extreme_case(columns: int, seed: int) -> HeatCase:
    """Neighbouring layers and the surface anywhere between -60 and 60 degC, and water off the curve."""
    case = heat_case(columns, seed=seed, span=60.0)
    temperature = Draw(seed + 2, columns).uniform(FREEZING - 60.0, FREEZING + 60.0, 20)
    return dataclasses.replace(case, temperature=temperature)


# --- budgets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dt", LENGTHS)
def test_heat_is_conserved_at_any_step_length(dt, curve):
    case = heat_case(500, seed=1)
    heat = case.step(curve, dt)
    error = dt * (heat.storage_change - heat.top_flux + heat.bottom_flux)
    assert (error.abs() / case.heat_content()).max() < 1e-12
    assert (error.abs() / case.heat_moved(heat, dt)).max() < 1e-8


@pytest.mark.parametrize("dt", LENGTHS)
def test_water_is_conserved_and_its_liquid_part_is_on_the_curve(dt, curve):
    case = heat_case(500, seed=2)
    heat = case.step(curve, dt)
    on_curve, _ = curve.equilibrium(heat.temperature, case.total, case.parameters.soil)
    torch.testing.assert_close(heat.liquid, on_curve, rtol=0.0, atol=0.0)
    torch.testing.assert_close(heat.liquid + heat.ice, case.total, rtol=0.0, atol=1e-15)
    assert heat.ice.min() >= 0.0
    assert (heat.liquid < case.total).any()


@pytest.mark.parametrize(
    "dt", [DAY, pytest.param(1800.0, marks=pytest.mark.slow)], ids=["daily steps", "half-hourly steps"]
)
@pytest.mark.parametrize("isolated", [True, False], ids=["isolated", "through a winter"])
def test_a_year_conserves_heat(dt, isolated):
    """Relative to the heat moved in the year, or, where soon none is moved, to the heat content."""
    case, steps, curve = heat_case(20, 4, seed=3), round(365 * DAY / dt), Koren1999()
    case = case.isolated() if isolated else case
    error = moved = torch.zeros_like(case.temperature[0])
    for number in range(steps):
        season = FREEZING + 15.0 * math.sin(2.0 * math.pi * number / steps)
        case = case.with_temperature_of_surface(torch.full_like(error, season))
        heat = case.step(curve, dt)
        error = error + dt * (heat.storage_change - heat.top_flux + heat.bottom_flux)
        moved = moved + case.heat_moved(heat, dt)
        case = case.after(heat)
    assert (error.abs() / (case.heat_content() if isolated else moved)).max() < 1e-10


def test_an_isolated_column_keeps_its_enthalpy_and_ends_at_one_temperature(curve):
    case = heat_case(20, 4, seed=4, regime="freeze_up").isolated()
    for _ in range(20):
        heat = case.step(curve, 100.0 * DAY)
        assert heat.top_flux.abs().max() < 1e-20
        assert heat.bottom_flux.abs().max() < 1e-20
        case = case.after(heat)
    # Freezing soil passes little heat on while its temperature hardly changes: the last thousandths take years.
    assert (case.temperature.amax(0) - case.temperature.amin(0)).max() < 0.02


# --- order -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dt", [1800.0, DAY, 30.0 * DAY])
@pytest.mark.parametrize("warming", [1e-3, 1.0, 30.0])
def test_a_warmer_boundary_cools_no_layer_and_freezes_no_water(dt, warming, curve):
    case = heat_case(300, seed=5)
    before = case.step(curve, dt)
    above = case.with_temperature_of_surface(case.coupling.temperature + warming).step(curve, dt)
    below = case.with_general(deep_temperature=case.parameters.general.deep_temperature + warming).step(curve, dt)
    for after in (above, below):
        assert (after.temperature - before.temperature).min() > -1e-9
        assert (after.liquid - before.liquid).min() > -1e-9
    assert (above.temperature[0] > before.temperature[0]).all()


def test_no_layer_leaves_the_range_of_what_it_touches(curve):
    case = heat_case(300, seed=6).on_curve(curve)
    ends = torch.stack([case.coupling.temperature, case.parameters.general.deep_temperature])
    known = torch.cat([case.temperature, ends])
    heat = case.step(curve, DAY)
    assert (heat.temperature >= known.amin(0) - 1e-9).all()
    assert (heat.temperature <= known.amax(0) + 1e-9).all()


# --- thresholds ------------------------------------------------------------------------------------------------------


def test_water_on_its_floor_never_freezes():
    case = heat_case(100, seed=7, span=40.0)
    floor = torch.full_like(case.liquid, 0.02)
    dry = dataclasses.replace(case, liquid=floor, ice=torch.zeros_like(floor))
    heat = dry.step(Koren1999(), DAY)
    assert heat.temperature.min() < FREEZING - 5.0
    torch.testing.assert_close(heat.liquid, floor, rtol=0.0, atol=0.0)
    torch.testing.assert_close(heat.ice, torch.zeros_like(floor), rtol=0.0, atol=0.0)


def test_saturated_soil_starts_to_freeze_where_suction_balances_the_depression(curve):
    case = heat_case(50, seed=8)
    porosity, suction = case.parameters.soil.porosity, case.parameters.soil.saturated_suction
    expected = FREEZING / (1.0 + suction * GRAVITY / FUSION)
    torch.testing.assert_close(curve.freezing_point(porosity, case.parameters.soil), expected, rtol=1e-14, atol=0.0)
    for offset, frozen in ((1e-6, False), (-1e-6, True)):
        liquid, slope = curve.equilibrium(expected + offset, porosity, case.parameters.soil)
        assert ((liquid < porosity) == frozen).all()
        assert ((slope > 0) == frozen).all()


@pytest.mark.parametrize("dt", [60.0, DAY, 30.0 * DAY])
def test_an_isolated_column_at_its_freezing_point_stays_there(dt, curve):
    case = heat_case(50, seed=9).isolated()
    moisture = 0.8 * case.parameters.soil.porosity[:1].expand_as(case.total)
    soil = map_tensors(lambda x: x[:1].expand_as(x), case.parameters.soil)
    parameters = dataclasses.replace(case.parameters, soil=soil)
    temperature = curve.freezing_point(moisture, soil)
    case = dataclasses.replace(
        case, temperature=temperature, liquid=moisture, ice=torch.zeros_like(moisture), parameters=parameters
    )
    heat = case.step(curve, dt)
    torch.testing.assert_close(heat.temperature, temperature, rtol=0.0, atol=1e-11)
    torch.testing.assert_close(heat.liquid, moisture, rtol=0.0, atol=1e-9)


@pytest.mark.parametrize("degrees", [-0.5, 0.0, 0.5], ids=["below", "at", "above"])
def test_heat_taken_from_a_layer_at_its_freezing_point_becomes_ice(degrees):
    case = heat_case(50, 4, seed=10).isolated()
    moisture = 0.9 * case.parameters.soil.porosity
    temperature = Koren1999().freezing_point(moisture, case.parameters.soil)
    case = dataclasses.replace(case, temperature=temperature, liquid=moisture, ice=torch.zeros_like(moisture))
    case = dataclasses.replace(case, coupling=case.coupling._replace(factor=torch.full((50,), 5.0).double()))
    case = case.with_temperature_of_surface(temperature[0] + degrees)
    heat = case.step(Koren1999(), 3600.0)
    if degrees < 0:
        assert (heat.ice[0] > 0).all()
    if degrees > 0:
        assert (heat.temperature[0] > temperature[0]).all()
    error = heat.storage_change - heat.top_flux + heat.bottom_flux
    assert (3600.0 * error.abs() / case.heat_content()).max() < 1e-12


# --- batches and number types ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dt", [1800.0, DAY])
def test_columns_together_equal_columns_one_by_one(dt, curve):
    case = heat_case(18, seed=11)
    together = case.step(curve, dt)
    for number in range(18):
        alone, column = select(case, slice(number, number + 1)).step(curve, dt), slice(number, number + 1)
        torch.testing.assert_close(alone.temperature, together.temperature[:, column], rtol=1e-12, atol=0.0)
        # A temperature's last digit, 6e-14 K, moves liquid water and latent heat by the slope of the curve.
        torch.testing.assert_close(alone.liquid, together.liquid[:, column], rtol=0.0, atol=1e-11)
        stored = dt * (alone.storage_change - together.storage_change[column])
        assert stored.abs().item() < 1e-12 * case.heat_content()[number].item()


def single_precision(case: HeatCase) -> HeatCase:
    return dataclasses.replace(
        case,
        column=case.column.to(dtype=torch.float32),
        **{name: getattr(case, name).float() for name in ("temperature", "liquid", "ice", "conductivity")},
        coupling=type(case.coupling)(*(x.float() for x in case.coupling)),
        parameters=map_tensors(lambda x: x.float(), case.parameters),
    )


@pytest.mark.parametrize("dt", [1800.0, DAY])
def test_single_precision_converges_and_stays_close_to_double(dt):
    case = heat_case(2000, seed=12).on_curve(Koren1999())
    exact, approximate = case.step(Koren1999(), dt), single_precision(case).step(Koren1999(), dt)
    assert approximate.temperature.dtype == torch.float32
    # A temperature's last digit is 3e-5 K: within that of the freezing point single precision misses the curve.
    temperature_error = (approximate.temperature - exact.temperature).abs().flatten()
    liquid_error = (approximate.liquid - exact.liquid).abs().flatten()
    assert temperature_error.quantile(0.999) < 5e-3
    assert liquid_error.quantile(0.999) < 1e-3
    assert temperature_error.max() < 1.0


@pytest.mark.parametrize("dt", [60.0, 1800.0, DAY])
def test_single_precision_closes_the_balance_to_the_last_digit_of_temperature(curve, dt):
    case = single_precision(heat_case(2000, seed=15).on_curve(curve))
    step = case.step(curve, dt)
    residual = step.top_flux - step.bottom_flux - step.storage_change
    # Steps of a temperature near 273 K are 3e-5 K; on the curve itself they would free a thousand times the heat.
    steps_of_heat = 4.0e6 * case.column.thickness.sum(0) * 3.1e-5 / dt
    assert bool((residual.abs() < steps_of_heat + 1.0e-2).all())


def test_each_column_may_have_its_own_step_length(curve):
    case, dt = heat_case(5, seed=13), torch.tensor(LENGTHS, dtype=torch.float64)
    together = case.step(curve, dt)
    for number, length in enumerate(LENGTHS):
        alone = case.step(curve, length)
        torch.testing.assert_close(together.temperature[:, number], alone.temperature[:, number], rtol=1e-12, atol=0.0)


# --- convergence -----------------------------------------------------------------------------------------------------


@pytest.fixture
def solves(monkeypatch) -> list[int]:
    """Number of tridiagonal solves so far."""
    count, original = [0], enthalpy_system.solve_tridiagonal

    def counted(*parts: Tensor) -> Tensor:
        count[0] += 1
        return original(*parts)

    monkeypatch.setattr(enthalpy_system, "solve_tridiagonal", counted)
    return count


def test_ten_thousand_ordinary_columns_need_at_most_fifty_solves_for_a_day(solves, curve):
    heat_case(10000, 4, seed=14).step(curve, DAY)
    assert solves[0] <= 50


@pytest.mark.parametrize("dt", [60.0, DAY, 30.0 * DAY])
def test_extreme_columns_stay_far_from_the_bound_on_solves(dt, solves, curve):
    case = extreme_case(2000, seed=15)
    heat = case.step(curve, dt)
    error = dt * (heat.storage_change - heat.top_flux + heat.bottom_flux)
    assert (error.abs() / case.heat_content()).max() < 1e-12
    assert solves[0] <= enthalpy_root.LARGEST_NUMBER_OF_SOLVES / 4


class ByTemperature(NiuYang2006):
    """The same curve, whose equilibrium counts as its own: it is solved with temperature as the unknown."""

    def equilibrium(self, temperature: Tensor, total: Tensor, soil: SoilParameters) -> tuple[Tensor, Tensor]:
        return super().equilibrium(temperature, total, soil)


@pytest.mark.parametrize("dt", [60.0, 1800.0, DAY])
def test_both_unknowns_of_the_iteration_lead_to_the_same_root(dt):
    case = extreme_case(300, seed=18).on_curve(NiuYang2006())
    by_water, by_temperature = case.step(NiuYang2006(), dt), case.step(ByTemperature(), dt)
    torch.testing.assert_close(by_water.temperature, by_temperature.temperature, rtol=0.0, atol=1e-10)
    assert (by_water.ice > 0).any()
    assert (by_water.ice == 0).any()


def test_soil_that_freezes_a_little_needs_few_solves(solves, curve):
    heat_case(2000, seed=19, span=2.0).on_curve(curve).step(curve, 1800.0)
    assert 1 < solves[0] <= 12


@pytest.mark.parametrize("scheme", [Koren1999, NiuYang2006])
def test_the_factor_of_ice_is_that_of_the_term_of_ice(scheme):
    class Half(scheme):
        def ice_term(self, ice: Tensor) -> Tensor:
            return 0.5 * ice

    ice = torch.linspace(0.0, 0.5, 6, dtype=torch.float64)
    torch.testing.assert_close(scheme().ice_factor(ice), torch.exp(scheme().ice_term(ice)), rtol=1e-14, atol=0.0)
    torch.testing.assert_close(Half().ice_factor(ice), torch.exp(0.5 * ice), rtol=1e-14, atol=0.0)


def test_a_column_that_cannot_be_solved_is_named():
    case = heat_case(5, 4, seed=16)
    broken = case.coupling.temperature.clone()
    broken[3] = torch.nan
    with pytest.raises(ConvergenceError, match=r"1 of 5 columns .* first column 3 .*Check its forcing"):
        case.with_temperature_of_surface(broken).step(Koren1999(), DAY)


RUNNERS = {
    "iterate": lambda model, state, series, *rest: list(iterate(model, state, map(series.at, range(3)), *rest)),
    "run": lambda *arguments: run(*arguments, outputs=["soil.temperature"]),
}


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_run_names_the_step_and_the_column_that_failed(runner):
    case = random_case(4, seed=17, regime="temperate")
    model = NoahModel(case.column, Options(phase_change="enthalpy"))
    series = map_tensors(lambda x: x.expand(3, *x.shape).clone(), case.forcing)
    series.air_temperature[1, 2] = torch.nan
    arguments = (case.parameters, 3600.0)
    with pytest.raises(ConvergenceError, match=r"step 1: .*1 of 4 columns .* first column 2 "):
        RUNNERS[runner](model, case.state, series, *arguments)
