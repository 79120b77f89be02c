"""An untrained network in any slot: budgets close, nothing leaves its bounds, and its weights have true gradients."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from random_columns import Case, random_case
from random_networks import SLOTS, random_scheme
from torch import Tensor, nn

from noahpy_core.model import NoahModel
from noahpy_core.options import Options
from noahpy_core.processes import SCHEMES
from noahpy_core.state import Fluxes, Forcing, State
from noahpy_core.trees import map_tensors

pytestmark = pytest.mark.filterwarnings("ignore::noahpy_core.slots.acceptance.SchemeWarning")
COLUMNS, STEPS = 72, 64
PHASE_CHANGE = tuple(SCHEMES["phase_change"])
SEEDS = [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)]
NEAR_THE_HEAT_STEP = ("transitions", "soil_thermal", "supercooled_water")
COMBINATIONS = [
    *((slot, "heat_limited") for slot in SLOTS),
    *(
        pytest.param(slot, "enthalpy", marks=() if slot in NEAR_THE_HEAT_STEP else pytest.mark.slow)
        for slot in SLOTS
        if slot != "phase_change"
    ),
]


def model_with(case: Case, slot: str, phase_change: str, seed: int) -> NoahModel:
    return NoahModel(case.column, Options(phase_change=phase_change), {slot: random_scheme(slot, phase_change, seed)})


def passing_weather(case: Case, step: int) -> Forcing:
    """The weather of every regime, one after the other, in every column."""
    return map_tensors(lambda x: x.roll(step // 4 * 8 + step % 4, -1), case.forcing)


def magnitude_of_water(case: Case, state: State, fluxes: Fluxes) -> Tensor:
    passing = fluxes.evapotranspiration.abs() + fluxes.drainage + fluxes.saturation_excess + fluxes.rainfall
    passing = passing + fluxes.snowfall + fluxes.numerical_water_source.abs()
    return 1.0 + fluxes.soil_water_storage + state.snow.water_equivalent + passing * case.dt


def assert_water_closes(case: Case, before: State, after: State, air: Forcing, fluxes: Fluxes) -> None:
    soil = (after.soil.liquid_water - before.soil.liquid_water) + (after.soil.ice - before.soil.ice)
    gain = 1000.0 * (soil * case.column.thickness).sum(0)
    gain = gain + (after.snow.water_equivalent - before.snow.water_equivalent)
    gain = gain + (after.canopy_water - before.canopy_water)
    lost = fluxes.soil_evaporation + fluxes.canopy_evaporation + fluxes.root_uptake.sum(0) + fluxes.sublimation
    lost = lost - fluxes.dew + fluxes.surface_runoff + fluxes.drainage + fluxes.saturation_excess
    residual = gain - (air.precipitation + fluxes.numerical_water_source - lost) * case.dt
    scaled = residual.abs() / magnitude_of_water(case, before, fluxes)
    assert scaled.max().item() < 5e-14


def assert_energy_closes(case: Case, model: NoahModel, before: State, after: State, fluxes: Fluxes) -> None:
    size = fluxes.absorbed_radiation + fluxes.longwave_up + fluxes.sensible_heat_flux.abs()
    size = size + fluxes.latent_heat_flux.abs() + fluxes.ground_heat_flux.abs() + fluxes.melt_heat
    size = size + fluxes.numerical_heat_source.abs() + fluxes.precipitation_heat.abs()
    assert (fluxes.energy_residual.abs() / size).max().item() < 1e-12
    warming = 4e6 * (after.soil.temperature - before.soil.temperature).abs()
    freezing = 3.335e8 * (after.soil.ice - before.soil.ice).abs()
    exchanged = ((warming + freezing + 4e6 + 3e8) * case.column.thickness).sum(0) / case.dt
    # A temperature is known to 6e-14 K and its melting water to that times the slope of the curve, which may be steep.
    slope = torch.zeros_like(after.soil.temperature)
    if model.options.phase_change == "enthalpy":
        soil = case.parameters.soil.resolved()
        _, slope = model.supercooled_water.equilibrium(after.soil.temperature, after.soil.moisture, soil)
    digits = (6e-14 * 3.335e8 * slope * case.column.thickness).sum(0) / case.dt
    allowed = 4e-12 * (exchanged + fluxes.soil_heat_flux.abs()) + digits
    assert (fluxes.soil_heat_residual.abs() / allowed).max().item() < 1.0


def assert_within_bounds(case: Case, before: State, after: State, fluxes: Fluxes, hottest: float) -> None:
    for leaf in torch.utils._pytree.tree_leaves((after, fluxes)):
        assert bool(torch.isfinite(leaf).all())
    soil, moisture = after.soil, after.soil.moisture
    assert moisture.min().item() >= 0.02 - 1e-15
    assert bool((moisture <= torch.maximum(case.parameters.soil.porosity, before.soil.moisture) + 1e-14).all())
    stores = (soil.liquid_water, soil.ice, after.snow.water_equivalent, after.snow.depth, after.canopy_water)
    for store in stores:
        assert store.min().item() >= 0.0
    assert 150.0 < soil.temperature.min().item() < soil.temperature.max().item() < hottest
    for fraction in (after.surface.albedo, after.surface.emissivity, fluxes.snow_cover_fraction):
        assert 0.0 <= fraction.min().item() <= fraction.max().item() <= 1.0
    assert after.surface.aerodynamic_conductance.min().item() >= 1e-5
    demand = fluxes.soil_evaporation + fluxes.canopy_evaporation + fluxes.transpiration
    assert bool((demand <= fluxes.potential_evaporation.clamp(min=0.0) * (1.0 + 1e-12)).all())
    at_hand = before.snow.water_equivalent + (fluxes.snowfall + fluxes.dew) * case.dt
    assert bool((fluxes.snow_melt * case.dt <= at_hand * (1.0 + 1e-12)).all())


def run_and_check(case: Case, model: NoahModel, hottest: float = 400.0) -> dict[str, int]:
    """Take all steps with budgets and bounds checked after each; how often things happened."""
    state, seen = case.state, {"snowfall": 0, "melt": 0, "frozen": 0, "saturated": 0, "dry": 0}
    for step in range(STEPS):
        air = passing_weather(case, step)
        with torch.no_grad():
            after, fluxes = model(state, air, case.parameters, case.dt)
        assert_water_closes(case, state, after, air, fluxes)
        assert_energy_closes(case, model, state, after, fluxes)
        assert_within_bounds(case, state, after, fluxes, hottest)
        events = (fluxes.snowfall > 0, fluxes.snow_melt > 0, (after.soil.ice > 0).any(0), fluxes.saturation_excess > 0)
        for name, event in zip(seen, (*events, (after.soil.moisture < 0.03).any(0)), strict=True):
            seen[name] += int(event.sum())
        state = after
    return seen


@pytest.mark.parametrize("phase_change", PHASE_CHANGE)
def test_the_weather_goes_through_every_regime(phase_change):
    case = random_case(COLUMNS, 4, seed=40)
    seen = run_and_check(case, NoahModel(case.column, Options(phase_change=phase_change)))
    assert min(seen.values()) > 100, seen


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("slot", "phase_change"), COMBINATIONS)
def test_budgets_close_through_all_weather_with_a_random_network_in_a_slot(slot, phase_change, seed):
    case = random_case(COLUMNS, 4, seed=40 + seed)
    assert run_and_check(case, model_with(case, slot, phase_change, seed))["frozen"] > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_budgets_close_with_random_networks_in_all_slots_at_once(seed):
    case = random_case(COLUMNS, 4, seed=50 + seed)
    networks = {slot: random_scheme(slot, "heat_limited", seed) for slot in SLOTS}
    # black, hardly emitting ground in calm air and full sun for days is hot whatever the model does
    assert run_and_check(case, NoahModel(case.column, None, networks), hottest=600.0)["frozen"] > 0


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_networks_for_evaporation_and_hydraulics_take_no_water_that_is_not_there(seed):
    """With both held to what layers store, nothing is left for the floor of unfrozen soil to create."""
    case = random_case(COLUMNS, 4, seed=60 + seed, regime="dry")
    schemes = {slot: random_scheme(slot, "enthalpy", seed) for slot in ("evaporation", "soil_hydraulics")}
    model, state = NoahModel(case.column, Options(phase_change="enthalpy"), schemes), case.state
    evaporated = 0.0
    for _ in range(20):
        with torch.no_grad():
            state, fluxes = model(state, case.forcing, case.parameters, case.dt)
        created = fluxes.numerical_water_source * case.dt
        assert created.abs().max().item() < 1e-11
        evaporated += (fluxes.soil_evaporation + fluxes.transpiration).sum().item()
    assert evaporated > 0.0


# --- gradients --------------------------------------------------------------------------------------------------------


def column_scores(model: NoahModel, case: Case, steps: int) -> Tensor:
    """A number per column that depends on all of the state and on the fluxes, ``[column]``."""
    state, total = case.state, torch.zeros(case.columns, dtype=torch.float64)
    for step in range(steps):
        state, fluxes = model(state, passing_weather(case, 3 * step), case.parameters, case.dt)
        total = total + fluxes.latent_heat_flux / 300.0 + fluxes.sensible_heat_flux / 300.0 + fluxes.albedo
    score = total + (state.soil.temperature - 273.0).sum(0) + 10.0 * state.soil.moisture.sum(0)
    score = score + 10.0 * state.soil.ice.sum(0) + 0.1 * state.snow.water_equivalent + state.canopy_water
    return score + 0.1 * (state.skin_temperature - 273.0)


class Scores(nn.Module):
    def __init__(self, model: NoahModel, case: Case) -> None:
        super().__init__()
        self.model, self.case = model, case

    def forward(self, steps: int) -> Tensor:
        return column_scores(self.model, self.case, steps)


@pytest.mark.parametrize(("slot", "phase_change"), COMBINATIONS)
def test_gradients_by_the_weights_are_finite_and_those_of_differences(slot, phase_change):
    """In the columns that are smooth there; every switch of the model is met by some other column."""
    case = random_case(COLUMNS, 4, seed=70)
    model = model_with(case, slot, phase_change, 0)
    weights = {name: weight.detach().requires_grad_() for name, weight in model.named_parameters()}
    generator = torch.Generator().manual_seed(5)
    direction = {name: torch.randn(w.shape, generator=generator, dtype=w.dtype) for name, w in weights.items()}

    def scores(size: float = 0.0) -> Tensor:
        moved = {name: weight + size * direction[name] for name, weight in weights.items()}
        return torch.func.functional_call(Scores(model, case), {f"model.{name}": w for name, w in moved.items()}, (3,))

    with torch.no_grad():
        coarse, fine = ((scores(h) - scores(-h)) / (2.0 * h) for h in (1e-5, 1e-6))
    smooth = (coarse - fine).abs() <= 1e-4 * (fine.abs() + 1e-3)
    assert smooth.double().mean().item() > 0.4
    every = torch.autograd.grad(scores().sum(), list(weights.values()))
    assert all(bool(torch.isfinite(gradient).all()) for gradient in every)
    chosen = torch.autograd.grad(scores()[smooth].sum(), list(weights.values()))
    along = sum((g * d).sum() for g, d in zip(chosen, direction.values(), strict=True))
    size = fine[smooth].abs().sum().item()
    assert size > 1e-3, "the weights must matter"
    assert abs(along.item() - fine[smooth].sum().item()) < 1e-4 * size


def test_weights_in_every_slot_are_reached_by_one_gradient():
    case = random_case(COLUMNS, 4, seed=71)
    schemes = {slot: random_scheme(slot, "heat_limited", 3) for slot in SLOTS if slot != "phase_change"}
    del schemes["turbulence"]  # it would replace the scheme that uses the thermal roughness
    del schemes["soil_hydraulics"]  # its conductivity would hide the infiltration capacity
    model = NoahModel(case.column, None, schemes)
    column_scores(model, case, 3).sum().backward()
    idle = [
        name
        for name, weight in model.named_parameters()
        if weight.grad is None or not bool(torch.isfinite(weight.grad).all()) or weight.grad.abs().max() == 0
    ]
    assert idle == []


def test_single_precision_networks_serve_a_single_precision_model():
    case = random_case(18, 4, seed=72).to(torch.float32)
    schemes = {slot: random_scheme(slot, "heat_limited", 0).float() for slot in ("soil_thermal", "evaporation")}
    state, _ = NoahModel(case.column, None, schemes)(case.state, case.forcing, case.parameters, case.dt)
    assert {leaf.dtype for leaf in torch.utils._pytree.tree_leaves(state)} == {torch.float32}
    assert dataclasses.is_dataclass(state)
