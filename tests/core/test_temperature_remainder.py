"""What a soil temperature in kelvins has no digits for: heat is not lost, in single precision neither."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from heat_columns import heat_case
from random_columns import Case, layered, random_case
from test_enthalpy import single_precision
from torch import Tensor
from torch.autograd.forward_ad import dual_level, make_dual, unpack_dual

from noahpy_core import NoahModel, Options, SoilState, State, preset, run, step_function
from noahpy_core.parameters import Parameters
from noahpy_core.physics.enthalpy import EnthalpySoilHeat
from noahpy_core.physics.freezing import Koren1999, NiuYang2006
from noahpy_core.physics.soil_enthalpy import soil_after
from noahpy_core.physics.soil_heat import heat_conduction
from noahpy_core.state import Fluxes, Forcing
from noahpy_core.trees import map_tensors

LATENT_HEAT_FUSION = 3.335e5


def enthalpy(state: State, parameters: Parameters, thickness: Tensor) -> Tensor:
    """Of soil and snow in double precision, from its definition and the numbers of the state alone. [J m-2]"""
    state, parameters = state.to(torch.float64), parameters.to(torch.float64)
    soil, snow = state.soil, state.snow
    assert soil.temperature_remainder is not None
    assert snow.layer_mass is not None
    assert snow.layer_enthalpy is not None
    capacity = (1.0 - parameters.soil.porosity) * parameters.general.mineral_heat_capacity
    capacity = capacity + 4.2e6 * soil.liquid_water + 2.106e6 * soil.ice
    melting = float(torch.tensor(273.15, dtype=thickness.dtype))
    warmth = (soil.temperature - melting) + soil.temperature_remainder
    content = (capacity * warmth - 1000.0 * LATENT_HEAT_FUSION * soil.ice) * thickness.double()
    return content.sum(0) + (snow.layer_enthalpy - LATENT_HEAT_FUSION * snow.layer_mass).sum(0)


def entered(fluxes: Fluxes) -> Tensor:
    """Enthalpy that a column has gained by its fluxes. [W m-2]"""
    fluxes = fluxes.to(torch.float64)
    assert fluxes.advected_heat is not None
    gained = fluxes.absorbed_radiation - fluxes.longwave_up - fluxes.sensible_heat_flux - fluxes.latent_heat_flux
    return gained + fluxes.advected_heat - fluxes.deep_heat_flux


COMPILED = pytest.param("compiled", marks=pytest.mark.slow)


def series(case: Case, steps: int) -> Forcing:
    """The same weather in each step."""
    return map_tensors(lambda value: value.expand(steps, *value.shape), case.forcing)


@pytest.mark.parametrize("layers", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_each_step_closes_in_single_precision_by_the_numbers_of_its_states(layers):
    case = random_case(45, layers, seed=3).to(torch.float32)
    dt = torch.full_like(case.dt, 300.0)
    model, state = NoahModel(case.column, preset("conservative")), layered(case.state)
    for number in range(2):
        with torch.no_grad():
            after, fluxes = model(state, case.forcing, case.parameters, dt)
        gained = enthalpy(after, case.parameters, case.column.thickness)
        gained = gained - enthalpy(state, case.parameters, case.column.thickness)
        # Random columns are not in equilibrium. In their first step, 1e8 J m-2 pass between ice and temperature.
        allowed = 1.0e-3 if number else 0.1
        assert (gained / 300.0 - entered(fluxes)).abs().max() < allowed
        # What the model says of itself is that.
        assert fluxes.enthalpy_residual is not None
        assert fluxes.enthalpy_residual.abs().max() < allowed
        assert after.soil.temperature_remainder is not None
        assert after.soil.temperature_remainder.abs().max() < 2.0e-5
        state = after


def test_warming_by_less_than_a_digit_adds_up():
    water = torch.full((1, 1), 0.2)
    soil = SoilState(torch.full((1, 1), 280.0), water, 0.0 * water, 0.0 * water)
    without = SoilState(torch.full((1, 1), 280.0), water, 0.0 * water)
    for _ in range(1000):
        soil = soil_after(soil, water, 0.0 * water, torch.full((1, 1), 1.0e-6))
        without = soil_after(without, water, 0.0 * water, torch.full((1, 1), 1.0e-6))
    assert soil.temperature_remainder is not None
    exact = soil.temperature.double() + soil.temperature_remainder.double()
    assert (exact - 280.001).abs().max() < 1.0e-8
    assert without.temperature.item() == 280.0


@pytest.mark.parametrize("way", ["eager", COMPILED])
def test_a_state_without_a_remainder_stays_one_and_differs_by_round_off(way):
    case = random_case(18, seed=3)
    model, whole = NoahModel(case.column, preset("conservative")), layered(case.state)
    state = dataclasses.replace(whole, soil=dataclasses.replace(whole.soil, temperature_remainder=None))
    given = series(case, 1), case.parameters, case.dt
    with torch.no_grad():
        found = run(model, state, *given, outputs=["enthalpy_residual"], execution=way)
        other = run(model, whole, *given, outputs=[], execution=way).final_state
    assert found.final_state.soil.temperature_remainder is None
    assert found.outputs["enthalpy_residual"].abs().max() < 1.0e-6
    assert torch.allclose(found.final_state.soil.temperature, other.soil.temperature, rtol=0.0, atol=1e-9)
    with pytest.raises(KeyError, match=r"soil.temperature_remainder' is not in this state"):
        run(model, state, *given, outputs=["soil.temperature_remainder"])


@pytest.mark.parametrize("way", ["eager", "compiled"])
def test_the_step_of_noah_refuses_a_remainder_which_it_would_lose(way):
    case = random_case(2, 4, seed=3)
    soil = layered(case.state).soil
    with pytest.raises(ValueError, match=r"^soil.temperature_remainder: the state has one, and Noah's step keeps none"):
        step_function(NoahModel(case.column, preset("noah-permafrost")), way)(
            dataclasses.replace(case.state, soil=soil), case.forcing, case.parameters, case.dt
        )


@pytest.mark.parametrize("way", ["eager", COMPILED])
def test_noahs_step_with_enthalpy_closes_in_single_precision_where_the_state_keeps_all_digits(way):
    case = random_case(90, 20, seed=3).to(torch.float32)
    model, dt = NoahModel(case.column, Options(phase_change="enthalpy")), torch.full_like(case.dt, 300.0)
    assert model.keeps_remainder
    soil = dataclasses.replace(case.state.soil, temperature_remainder=torch.zeros_like(case.state.soil.ice))
    states = {"with": dataclasses.replace(case.state, soil=soil), "without": case.state}
    worst = {}
    for name, state in states.items():
        with torch.no_grad():
            given = model, state, series(case, 3), case.parameters, dt
            found = run(*given, outputs=["soil_heat_residual"], execution=way)
        # Random columns are not in equilibrium: in their first step, 1e8 J m-2 pass between ice and temperature.
        worst[name] = found.outputs["soil_heat_residual"][1:].abs().max().item()
        assert found.outputs["soil_heat_residual"][0].abs().max() < (0.05 if name == "with" else 2.0)
        assert (found.final_state.soil.temperature_remainder is None) == (name == "without")
    assert worst["with"] < 1.0e-3
    assert worst["without"] > 0.05


@pytest.mark.parametrize("curve", [Koren1999(), NiuYang2006()], ids=["koren1999", "niu_yang2006"])
@pytest.mark.parametrize("dt", [60.0, 300.0, 3600.0])
def test_the_enthalpy_step_closes_by_the_numbers_of_its_states_in_single_precision(curve, dt):
    case = single_precision(heat_case(500, seed=15).on_curve(curve))
    capacity = heat_conduction(
        case.liquid, case.ice, case.coupling, case.conductivity, case.column, case.parameters
    ).capacity.double()  # fmt: skip
    none = torch.zeros_like(case.temperature)
    heat = EnthalpySoilHeat(case.column, curve)(
        case.temperature, case.liquid, case.ice, case.coupling, case.conductivity, case.parameters, dt, remainder=none
    )
    assert heat.remainder is not None
    warmed = heat.temperature.double() - case.temperature.double() + heat.remainder.double()
    thawed = 3.335e8 * case.column.thickness.double() * (heat.liquid.double() - case.liquid.double())
    gained = (capacity * warmed + thawed).sum(0) / dt
    assert (gained - (heat.top_flux - heat.bottom_flux).double()).abs().max() < 1.0e-3
    assert (gained - heat.storage_change.double()).abs().max() < 1.0e-3


@pytest.mark.parametrize("curve", [Koren1999(), NiuYang2006()], ids=["koren1999", "niu_yang2006"])
def test_with_a_remainder_the_enthalpy_step_is_the_same_in_double_precision_with_its_derivatives(curve):
    case = heat_case(20, seed=16)
    none = torch.zeros_like(case.temperature, requires_grad=True)
    temperature = case.temperature.clone().requires_grad_()
    given = case.liquid, case.ice, case.coupling, case.conductivity, case.parameters, 3600.0
    step = EnthalpySoilHeat(case.column, curve)
    plain, kept = step(temperature, *given), step(temperature, *given, remainder=none)
    assert kept.remainder is not None
    # The balance has more digits than the root.
    assert torch.allclose(kept.temperature + kept.remainder, plain.temperature, rtol=0.0, atol=1.0e-8)
    assert torch.equal(kept.liquid, plain.liquid)
    assert (3600.0 * (kept.top_flux - kept.bottom_flux - kept.storage_change)).abs().max() < 1.0e-7

    weights = torch.linspace(0.5, 1.5, none.numel(), dtype=torch.float64).reshape(none.shape)
    (expected,) = torch.autograd.grad((plain.temperature * weights).sum(), [temperature])
    found = torch.autograd.grad((kept.temperature * weights).sum(), [temperature, none])
    for one in found:
        assert torch.allclose(one, expected, rtol=1.0e-10, atol=1.0e-12)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["eager", "compiled"])
def test_temperature_and_remainder_are_one_warmth_to_derivatives(way):
    case = random_case(18, seed=3)
    model, whole = NoahModel(case.column, preset("conservative")), layered(case.state)
    forcing = series(case, 1 if way == "eager" else 4)
    given = [torch.zeros_like(whole.soil.temperature, requires_grad=True) for _ in range(2)]

    def after(warmer: Tensor, remainder: Tensor) -> SoilState:
        soil = dataclasses.replace(
            whole.soil, temperature=whole.soil.temperature + warmer, temperature_remainder=remainder
        )
        state = dataclasses.replace(whole, soil=soil)
        return run(model, state, forcing, case.parameters, case.dt, outputs=[], execution=way).final_state.soil

    found = after(*given)
    weights = torch.linspace(0.5, 1.5, found.temperature.numel(), dtype=torch.float64).reshape(found.temperature.shape)
    by_temperature, by_remainder = torch.autograd.grad((found.temperature * weights).sum(), given, retain_graph=True)
    # A temperature is also a first guess, on which nothing depends beyond round-off.
    assert torch.allclose(by_temperature, by_remainder, rtol=1.0e-9, atol=1.0e-12)

    # Nothing but round-off is in the remainder at the end: all of the derivative is the temperature's.
    assert found.temperature_remainder is not None
    assert found.temperature_remainder.abs().max() < 1.0e-13
    of_round_off = torch.autograd.grad(found.temperature_remainder.sum(), given, allow_unused=True)
    assert all(part is None or not bool(part.any()) for part in of_round_off)

    # Forward, and by differences.
    with torch.no_grad(), dual_level():
        warmer = [make_dual(torch.zeros_like(weights), direction) for direction in (0.5 * weights, 0.5 * weights)]
        changed = unpack_dual(after(*warmer).temperature).tangent
    assert changed is not None
    assert torch.allclose((changed * weights).sum(), (by_temperature * weights).sum(), rtol=1.0e-9)
    with torch.no_grad():
        ends = [after(sign * 1.0e-6 * weights, torch.zeros_like(weights)).temperature for sign in (-1.0, 1.0)]
    differences = (ends[1] - ends[0]) / 2.0e-6
    assert ((changed - differences).abs() / (1.0 + differences.abs())).quantile(0.97) < 1.0e-4


@pytest.mark.slow
def test_kernels_of_noahs_step_agree_with_eager_where_the_state_keeps_all_digits():
    case = random_case(18, 4, seed=5)
    model = NoahModel(case.column, Options(phase_change="enthalpy"))
    found = []
    for way in ("eager", "compiled"):
        warmer = torch.zeros_like(case.state.soil.temperature, requires_grad=True)
        remainder = torch.zeros_like(case.state.soil.temperature, requires_grad=True)
        soil = dataclasses.replace(
            case.state.soil, temperature=case.state.soil.temperature + warmer, temperature_remainder=remainder
        )
        state = dataclasses.replace(case.state, soil=soil)
        after = run(model, state, series(case, 2), case.parameters, case.dt, outputs=[], execution=way).final_state.soil
        assert after.temperature_remainder is not None
        gradients = torch.autograd.grad(after.temperature.sum() + after.ice.sum(), [warmer, remainder])
        found.append((after.temperature.detach() + after.temperature_remainder.detach(), after.ice.detach(), gradients))
    (temperature, ice, by_state), (other, other_ice, other_by_state) = found
    assert torch.allclose(temperature, other, rtol=0.0, atol=1.0e-9)
    assert torch.allclose(ice, other_ice, rtol=0.0, atol=1.0e-10)
    for one, same in zip(by_state, other_by_state, strict=True):
        assert torch.allclose(one, same, rtol=1.0e-7, atol=1.0e-9)
