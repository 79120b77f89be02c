"""Litter and moss on the soil: hand-worked resistances, less evaporation, closed budgets, derivatives, and refusal."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from random_columns import Case, layered, random_case
from torch import Tensor

from noahpy_core import NoahModel, Parameters, preset
from noahpy_core.parameters import in_effect
from noahpy_core.physics.atmosphere import diagnose_air
from noahpy_core.physics.soil_cover import resistance_of_cover
from noahpy_core.state import Fluxes, State

CASE = random_case(90, seed=4)


def covered(parameters: Parameters, litter: Tensor | None = None, moss: Tensor | None = None) -> Parameters:
    vegetation = dataclasses.replace(parameters.vegetation, litter_area_index=litter, moss_resistance=moss)
    return dataclasses.replace(parameters, vegetation=vegetation)


def like(value: float) -> Tensor:
    return torch.full_like(CASE.parameters.vegetation.root_layers, value)


def step(parameters: Parameters, case: Case = CASE) -> tuple[State, Fluxes]:
    return NoahModel(case.column, preset("conservative"))(layered(case.state), case.forcing, parameters, case.dt)


def test_the_resistance_of_litter_and_moss_is_the_one_worked_by_hand():
    air = diagnose_air(CASE.forcing, CASE.parameters.general)
    given = covered(CASE.parameters, like(0.5), like(120.0)).vegetation
    found = resistance_of_cover(given, air, like(0.05))
    wind, height = float(CASE.forcing.wind_speed[7]), float(CASE.parameters.general.wind_height[7])
    friction = 0.4 * math.sqrt(wind**2 + 0.01) / math.log(height / 0.05)
    assert found[7].item() == pytest.approx((1.0 - math.exp(-0.5)) / (0.004 * friction) + 120.0, rel=1e-12)
    assert not resistance_of_cover(CASE.parameters.vegetation, air, like(0.05)).any()


def test_covered_soil_evaporates_less_and_water_and_enthalpy_close():
    with torch.no_grad():
        _, bare = step(CASE.parameters)
        state, fluxes = step(covered(CASE.parameters, like(0.5), like(300.0)))
    from_soil = bare.soil_evaporation > 1.0e-9
    assert from_soil.sum() > 10
    assert (fluxes.soil_evaporation[from_soil] < bare.soil_evaporation[from_soil]).all()
    assert fluxes.water_residual.abs().max() * CASE.dt.max() < 1.0e-9
    assert fluxes.enthalpy_residual.abs().max() < 1.0e-8
    assert torch.isfinite(state.soil.temperature).all()


def test_no_litter_and_no_moss_are_the_same_bits_as_none_given():
    with torch.no_grad():
        none, given = step(CASE.parameters)[1], step(covered(CASE.parameters, like(0.0), like(0.0)))[1]
    assert torch.equal(none.latent_heat_flux, given.latent_heat_flux)


@pytest.mark.parametrize(("name", "value", "change"), [("litter", 0.5, 1.0e-4), ("moss", 150.0, 1.0e-2)])
def test_derivatives_by_litter_and_moss_are_those_of_differences(name, value, change):
    def latent(resistance: Tensor) -> Tensor:
        return step(covered(CASE.parameters, **{name: resistance}))[1].latent_heat_flux

    resistance = like(value).requires_grad_()
    latent(resistance).sum().backward()
    with torch.no_grad():
        difference = (latent(like(value + change)) - latent(like(value - change))) / (2.0 * change)
    assert (difference.abs() > 1.0e-6).sum() > 10
    assert (resistance.grad - difference).abs().max() < 1.0e-5 * difference.abs().max()


def test_noahs_step_refuses_what_it_does_not_read():
    model = NoahModel(CASE.column, preset("noah-permafrost"))
    with pytest.raises(ValueError, match=r"vegetation.moss_resistance: .*preset 'conservative'"):
        model(CASE.state, CASE.forcing, covered(CASE.parameters, moss=like(10.0)), CASE.dt)


def test_a_parameter_that_is_not_given_is_what_the_model_takes_for_it():
    assert torch.equal(in_effect(CASE.parameters, "vegetation.litter_area_index"), like(0.0))
    assert torch.equal(in_effect(CASE.parameters, "snow.fresh_albedo"), like(0.85))
    assert in_effect(CASE.parameters, "soil.organic_matter").shape == CASE.parameters.soil.porosity.shape
    assert in_effect(CASE.parameters, "soil.porosity") is CASE.parameters.soil.porosity
