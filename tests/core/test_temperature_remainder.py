"""What a soil temperature in kelvins has no digits for: heat is not lost, in single precision neither."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from random_columns import Case, layered, random_case
from torch import Tensor
from torch.autograd.forward_ad import dual_level, make_dual, unpack_dual

from noahpy_core import NoahModel, SoilState, State, preset, run, step_function
from noahpy_core.parameters import Parameters
from noahpy_core.physics.soil_enthalpy import soil_after
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
