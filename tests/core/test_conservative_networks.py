"""An untrained network in each slot of the conservative column that takes one: water and energy close all the same."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from random_columns import layered, random_case
from random_networks import random_scheme
from torch import Tensor

from noahpy_core import NoahModel, preset
from noahpy_core.state import Fluxes, State

pytestmark = pytest.mark.filterwarnings("ignore::noahpy_core.slots.acceptance.SchemeWarning")
STEPS = 2
CASE = random_case(45, seed=3)
QUICK = [("surface", 0), ("snow_cover", 0)]
LONG = [
    ("turbulence", 1), ("surface", 1), ("snow_cover", 1), ("canopy_resistance", 0), ("evaporation", 0),
    ("soil_thermal", 0), ("supercooled_water", 0),
]  # fmt: skip
CASES = [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in LONG)]


def stepped(slot: str, seed: int, warmer: Tensor | float = 0.0) -> tuple[State, Fluxes]:
    network = random_scheme(slot, "enthalpy", seed)
    model = NoahModel(CASE.column, preset("conservative"), {slot: network})
    forcing = dataclasses.replace(CASE.forcing, air_temperature=CASE.forcing.air_temperature + warmer)
    state, fluxes = layered(CASE.state), None
    for _ in range(STEPS):
        state, fluxes = model(state, forcing, CASE.parameters, CASE.dt)
    assert fluxes is not None
    return state, fluxes


@pytest.mark.parametrize(("slot", "seed"), CASES)
def test_water_and_energy_close_with_a_network_in_a_slot(slot, seed):
    with torch.no_grad():
        state, fluxes = stepped(slot, seed)
    assert (fluxes.water_residual.abs() * CASE.dt).max() < 1.0e-9
    assert fluxes.enthalpy_residual.abs().max() < 1.0e-8
    assert fluxes.energy_residual.abs().max() < 1.0e-8
    assert not bool(fluxes.numerical_water_source.any())
    assert state.soil.liquid_water.min() > -1.0e-12
    assert (state.soil.moisture - CASE.parameters.soil.porosity).max() < 1.0e-9


@pytest.mark.slow
@pytest.mark.parametrize("slot", ["turbulence", "surface"])
def test_the_derivative_through_a_network_of_the_surface_is_that_of_differences(slot):
    change = torch.zeros(CASE.columns, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(stepped(slot, 1, change)[1].sensible_heat_flux.sum(), change)
    with torch.no_grad():
        up, down = (stepped(slot, 1, sign * 1.0e-5)[1].sensible_heat_flux for sign in (1.0, -1.0))
    error = (gradient - (up - down) / 2.0e-5).abs() / (1.0 + gradient.abs())
    # A few columns sit at kinks.
    assert error.quantile(0.9) < 1.0e-5


@pytest.mark.parametrize("slot", ["transitions", "thermal_roughness", "snow_melt"])
def test_a_slot_that_the_column_has_no_use_for_refuses_a_network(slot):
    with pytest.raises(ValueError, match="does not go with"):
        NoahModel(CASE.column, preset("conservative"), {slot: random_scheme(slot, "enthalpy", 0)})
