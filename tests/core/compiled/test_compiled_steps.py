"""Single compiled steps follow what changes between them: states, shapes, hooks."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from compiled_cases import COVER
from random_columns import Case, layered, random_case
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from noahpy_core import NoahModel, Options, State, preset, step_function
from noahpy_core.compiled import NotCompiled
from noahpy_core.physics.turbulence import Chen1997
from noahpy_core.trees import map_tensors

SETUP = COVER[1]
CASE = SETUP.case(6, seed=601)


def arguments(case: Case) -> tuple[Any, ...]:
    return case.state, case.forcing, case.parameters, case.dt


def warmed(state: State) -> Tensor:
    return state.soil.temperature + 1.0


@pytest.mark.parametrize("valid_for", [None, 3])
def test_data_replaced_in_the_state_given_back_last_is_what_the_next_step_begins_with(valid_for):
    step = step_function(SETUP.model(CASE), "compiled", valid_for=valid_for)
    state, _ = step(*arguments(CASE))
    copied = map_tensors(Tensor.clone, state)
    temperature = warmed(state)
    expected = dataclasses.replace(copied, soil=dataclasses.replace(copied.soil, temperature=temperature.clone()))
    state.soil.temperature.data = temperature
    found = map_tensors(Tensor.clone, step(state, CASE.forcing, CASE.parameters, CASE.dt)[0])
    fresh = step_function(SETUP.model(CASE), "compiled")(expected, CASE.forcing, CASE.parameters, CASE.dt)[0]
    assert torch.equal(found.soil.temperature, fresh.soil.temperature)
    assert torch.equal(found.skin_temperature, fresh.skin_temperature)


@pytest.mark.parametrize("columns", [1, 6])
@pytest.mark.parametrize("change", ["in place", "data", "negated data", "object"])
def test_forcing_that_changes_between_steps_is_followed_or_refused(columns, change):
    case = CASE.select(slice(0, columns))
    step = step_function(SETUP.model(case), "compiled", valid_for=3)
    forcing = map_tensors(Tensor.clone, case.forcing)
    state, _ = step(case.state, forcing, case.parameters, case.dt)
    before = map_tensors(Tensor.clone, state)
    warmer = forcing.air_temperature + 3.0
    if change == "in place":
        forcing.air_temperature.add_(3.0)
    elif change == "object":
        forcing = dataclasses.replace(forcing, air_temperature=warmer)
    else:
        forcing.air_temperature.data = warmer if change == "data" else torch._neg_view(-warmer)
    if change == "negated data" and forcing.air_temperature.is_neg():
        with pytest.raises(NotCompiled, match="negated"):
            step(state, forcing, case.parameters, case.dt)
        return
    found, _ = step(state, forcing, case.parameters, case.dt)
    expected = dataclasses.replace(map_tensors(Tensor.clone, case.forcing), air_temperature=warmer)
    fresh, _ = step_function(SETUP.model(case), "compiled")(before, expected, case.parameters, case.dt)
    assert torch.equal(found.skin_temperature, fresh.skin_temperature)


def test_forcing_that_is_refused_half_way_leaves_nothing_for_the_next_step():
    case = CASE.select(slice(0, 1))
    step = step_function(SETUP.model(case), "compiled", valid_for=3)
    state, _ = step(*arguments(case))
    before = map_tensors(Tensor.clone, state)
    wrong = {"air_temperature": case.forcing.air_temperature + 9.0, "precipitation": case.forcing.precipitation.float()}
    with pytest.raises(NotCompiled, match="precipitation"):
        step(state, dataclasses.replace(case.forcing, **wrong), case.parameters, case.dt)
    found, _ = step(state, case.forcing, case.parameters, case.dt)
    fresh, _ = step_function(SETUP.model(case), "compiled")(before, case.forcing, case.parameters, case.dt)
    assert torch.equal(found.skin_temperature, fresh.skin_temperature)


def test_columns_and_snow_layers_may_change_between_steps():
    step = step_function(SETUP.model(CASE), "compiled")
    for case in (CASE, CASE.select(slice(0, 2)), CASE):
        state, _ = step(*arguments(case))
        fresh, _ = step_function(SETUP.model(case), "compiled")(*arguments(case))
        assert torch.equal(state.skin_temperature, fresh.skin_temperature)

    one = CASE.select(slice(0, 1))
    step = step_function(SETUP.model(CASE), "compiled")
    step(*arguments(one))
    spread = map_tensors(lambda x: x.expand(*x.shape[:-1], 6), one.forcing)
    state, _ = step(one.state, spread, one.parameters, one.dt)
    assert state.skin_temperature.shape == (6,)


@pytest.mark.slow
def test_the_number_of_snow_layers_may_change_between_steps():
    case = random_case(6, 4, seed=602)
    model = NoahModel(case.column, preset("conservative"))
    step = step_function(model, "compiled")
    for layers in (1, 2):
        state, _ = step(layered(case.state, layers), case.forcing, case.parameters, case.dt)
        assert state.snow.layer_mass is not None
        assert state.snow.layer_mass.shape == (layers, 6)


def test_a_remainder_of_temperatures_after_states_without_one_is_seen_by_the_step_of_noah():
    step = step_function(NoahModel(CASE.column, Options(phase_change="heat_limited")), "compiled")
    state, _ = step(*arguments(CASE))
    soil = dataclasses.replace(state.soil, temperature_remainder=torch.zeros_like(state.soil.temperature))
    with pytest.raises(ValueError, match=r"^soil.temperature_remainder: the state has one"):
        step(dataclasses.replace(state, soil=soil), CASE.forcing, CASE.parameters, CASE.dt)


@pytest.mark.slow
def test_a_remainder_of_temperatures_may_come_and_go_between_steps():
    case = random_case(6, 4, seed=602)
    model, state = NoahModel(case.column, preset("conservative")), layered(case.state)
    step, given = step_function(model, "compiled"), (case.forcing, case.parameters, case.dt)
    for remainder in (None, torch.full_like(state.soil.temperature, 5.0e-4), None):
        soil = dataclasses.replace(state.soil, temperature_remainder=remainder)
        start = dataclasses.replace(state, soil=soil)
        found = step(start, *given)[0].soil
        fresh = step_function(model, "compiled")(start, *given)[0].soil
        assert (found.temperature_remainder is None) is (remainder is None)
        assert torch.equal(found.temperature, fresh.temperature)


def test_a_hook_registered_after_the_first_step_is_followed_or_refused():
    model = SETUP.model(CASE)
    strict, lenient = step_function(model, "compiled"), step_function(model)
    before = lenient(*arguments(CASE))[0].skin_temperature.clone()
    strict(*arguments(CASE))
    handle = model.schemes["soil_thermal"].register_forward_hook(lambda module, given, result: 0.5 * result)
    after = lenient(*arguments(CASE))[0].skin_temperature
    assert not torch.equal(after, before)
    assert torch.equal(after, model(*arguments(CASE))[0].skin_temperature)
    with pytest.raises(NotCompiled, match="not possible any more, because it has hooks"):
        strict(*arguments(CASE))
    handle.remove()
    assert torch.equal(strict(*arguments(CASE))[0].skin_temperature, before)


class HalfCover(nn.Module):
    def forward(self, water_equivalent, parameters):
        return 0.5 * torch.ones_like(water_equivalent)


def test_a_hook_of_a_module_of_ones_own_is_followed_or_refused():
    model = NoahModel(CASE.column, SETUP.options, processes={"snow_cover": HalfCover()})
    strict, lenient = step_function(model, "compiled"), step_function(model)
    before = strict(*arguments(CASE))[0].skin_temperature.clone()
    lenient(*arguments(CASE))
    inner = model.schemes["snow_cover"].scheme
    handle = inner.register_forward_hook(lambda module, given, result: 0.1 * result)
    after = lenient(*arguments(CASE))[0].skin_temperature
    assert not torch.equal(after, before)
    assert torch.equal(after, model(*arguments(CASE))[0].skin_temperature)
    with pytest.raises(NotCompiled, match="because it has hooks"):
        strict(*arguments(CASE))
    handle.remove()
    assert torch.equal(strict(*arguments(CASE))[0].skin_temperature, before)


class ScaledCover(nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.5, dtype=dtype))
        self.table = np.array([1.0, 2.0])
        self.places = {0}

    def forward(self, water_equivalent, parameters):
        share = self.scale * float(self.table[0]) / (1.0 + min(self.places))
        return share * torch.ones_like(water_equivalent)


def replaced_data(scheme):
    scheme.scale.data = torch.tensor(0.25, dtype=scheme.scale.dtype)


def scaled_data(scheme):
    scheme.scale.data.mul_(0.5)


def changed_array(scheme):
    scheme.table[0] = 0.5


def changed_set(scheme):
    scheme.places.clear()
    scheme.places.add(1)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
@pytest.mark.parametrize("change", [replaced_data, scaled_data, changed_array, changed_set])
def test_whatever_changes_in_a_scheme_of_ones_own_the_next_step_follows(change, dtype):
    model = NoahModel(CASE.column, SETUP.options, processes={"snow_cover": ScaledCover(dtype)})
    snowy = dataclasses.replace(CASE.state.snow, water_equivalent=CASE.state.snow.water_equivalent + 20.0)
    case = dataclasses.replace(CASE, state=dataclasses.replace(CASE.state, snow=snowy))
    step = step_function(model, "compiled")
    before = step(*arguments(case))[0].surface.albedo.clone()
    change(model.schemes["snow_cover"].scheme)
    after, eager = step(*arguments(case))[0], model(*arguments(case))[0]
    assert not torch.allclose(after.surface.albedo, before)
    torch.testing.assert_close(after.surface.albedo, eager.surface.albedo, rtol=1e-6, atol=0.0)


def test_a_hook_of_all_modules_is_followed():
    model = SETUP.model(CASE)
    step = step_function(model)
    step(*arguments(CASE))
    seen = []
    handle = register_module_forward_hook(lambda module, given, result: seen.append(type(module)))
    try:
        step(*arguments(CASE))
    finally:
        handle.remove()
    assert type(model) in seen


def test_methods_of_built_in_schemes_are_not_replaced():
    with pytest.raises(AttributeError, match=r"Chen1997\.forward is a method of a built-in scheme.*Derive a class"):
        Chen1997.forward = lambda self, *given: None


def test_parts_of_a_model_are_not_replaced_as_modules():
    model = NoahModel(CASE.column)
    with pytest.raises(AttributeError, match="cannot be changed once a model has been built with it"):
        model.step.register_module("turbulence", None)
