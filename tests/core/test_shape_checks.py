"""What a step or a run is given is checked by name before any time is spent on it."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from random_columns import random_case

from noahpy_core import NoahModel, map_tensors, run, step_function
from noahpy_core.errors import ShapeError
from noahpy_core.quantities import get_quantity, replace_quantity

CASE = random_case(6, seed=3)
MODEL = NoahModel(CASE.column)
SERIES = map_tensors(lambda x: x.expand(3, -1), CASE.forcing)


def step(execution, **changed):
    case = dataclasses.replace(CASE, **changed)
    stepped = MODEL if execution == "eager" else step_function(MODEL, "compiled")
    return stepped(case.state, case.forcing, case.parameters, case.dt)


def steps(execution, forcing=SERIES, outputs=("soil.temperature",), **changed):
    case = dataclasses.replace(CASE, **changed)
    return run(MODEL, case.state, forcing, case.parameters, case.dt, outputs=outputs, execution=execution)


def changed(tree, path, change):
    return replace_quantity(tree, path, change(get_quantity(tree, path)))


WRONG = {
    "layers of the state": (
        {"state": changed(CASE.state, "soil.ice", lambda x: x[:3])},
        r"^state.soil.ice: has the shape \(3, 6\), 3 layers, but the model has 4\.",
    ),
    "layers of parameters": (
        {"parameters": changed(CASE.parameters, "soil.porosity", lambda x: torch.cat([x, x]))},
        r"^parameters.soil.porosity: has the shape \(8, 6\), 8 layers, but the model has 4\.",
    ),
    "columns": (
        {"state": changed(CASE.state, "snow.age", lambda x: x[:5])},
        r"^state.snow.age: has the shape \(5,\), 5 columns, but state.soil.temperature has 6\.",
    ),
    "numpy": (
        {"state": changed(CASE.state, "skin_temperature", lambda x: x.numpy())},
        r"^state.skin_temperature: is a numpy.ndarray, not a tensor\. Convert it, as with torch.as_tensor",
    ),
    "a number": (
        {"parameters": changed(CASE.parameters, "general.wind_height", lambda x: 10.0)},
        r"^parameters.general.wind_height: is a builtins.float, not a tensor",
    ),
    "no column": (
        {"parameters": changed(CASE.parameters, "snow.deep_snow_albedo", lambda x: x[0])},
        r"^parameters.snow.deep_snow_albedo: has the shape \(\), not \[column\]",
    ),
    "state for parameters": ({"parameters": CASE.state}, r"^parameters: is a State\. Give a Parameters\."),
    "nothing": (
        {"state": changed(CASE.state, "canopy_water", lambda x: None)},
        r"^state.canopy_water: is a builtins.NoneType, not a tensor",
    ),
}


@pytest.mark.parametrize("execution", ["eager", "compiled"])
@pytest.mark.parametrize("wrong", WRONG)
def test_what_does_not_fit_a_step_or_a_run_is_named(wrong, execution):
    given, message = WRONG[wrong]
    with pytest.raises(ShapeError, match=message):
        step(execution, **given)
    with pytest.raises(ShapeError, match=message):
        steps(execution, **given)


@pytest.mark.parametrize("execution", ["eager", "compiled"])
def test_a_series_for_a_step_and_a_step_for_a_series_are_told_apart(execution):
    with pytest.raises(ShapeError, match=r"forcing.air_temperature: has the shape \(3, 6\), a series\. Give one step"):
        step(execution, forcing=SERIES)
    with pytest.raises(ShapeError, match=r"forcing.air_temperature: has the shape \(6,\), one step\. Give a series"):
        steps(execution, forcing=CASE.forcing)


@pytest.mark.parametrize("execution", ["eager", "compiled"])
def test_a_series_of_another_length_is_named(execution):
    short = dataclasses.replace(SERIES, wind_speed=SERIES.wind_speed[:2])
    with pytest.raises(ShapeError, match=r"wind_speed: has the shape \(2, 6\), 2 times, but .*air_temperature has 3"):
        steps(execution, forcing=short)


def test_a_later_step_of_another_shape_is_named_too():
    stepped = step_function(MODEL, "compiled")
    stepped(CASE.state, CASE.forcing, CASE.parameters, CASE.dt)
    few = dataclasses.replace(CASE.forcing, wind_speed=CASE.forcing.wind_speed[:2])
    with pytest.raises(ShapeError, match=r"^forcing.wind_speed: has the shape \(2,\), others 6 columns"):
        stepped(CASE.state, few, CASE.parameters, CASE.dt)


def test_one_column_stands_for_all():
    one = map_tensors(lambda x: x[..., :1], CASE.parameters)
    every = map_tensors(lambda x: x.expand(*x.shape[:-1], 6), one)
    shared, single = step("eager", parameters=one), step("eager", parameters=every)
    assert torch.equal(shared[0].skin_temperature, single[0].skin_temperature)


def test_one_name_of_an_output_is_told_from_a_list():
    with pytest.raises(ValueError, match=r"outputs: 'soil.temperature' is one name.*Give \['soil.temperature'\]"):
        steps("eager", outputs="soil.temperature")


@pytest.mark.parametrize("execution", ["eager", "compiled"])
@pytest.mark.parametrize("name", ["snow.layer_mass", "snow_temperature"])
def test_an_output_of_layered_snow_is_refused_without_snow_layers(execution, name):
    with pytest.raises(KeyError, match=rf"output '{name}' is of layered snow, and this state has no snow layers"):
        steps(execution, outputs=[name])


@pytest.mark.parametrize("execution", ["eager", "compiled"])
@pytest.mark.parametrize("shape", [(2,), (6, 1), (2, 3)])
def test_step_lengths_are_one_or_one_per_column(execution, shape):
    lengths = torch.full(shape, 1800.0, dtype=torch.float64)
    with pytest.raises(ShapeError, match=r"^dt: has the shape"):
        step(execution, dt=lengths)
    with pytest.raises(ShapeError, match=r"^dt: has the shape"):
        steps(execution, dt=lengths)


@pytest.mark.parametrize("execution", ["eager", "compiled"])
def test_a_negative_step_length_in_a_tensor_is_refused(execution):
    with pytest.raises(ValueError, match=r"^dt: a step of -1800.0 s"):
        step(execution, dt=torch.tensor(-1800.0, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.int64, torch.float32, torch.float64])
def test_a_step_length_changed_in_place_is_followed_and_checked(dtype):
    stepped, dt = step_function(MODEL, "compiled"), torch.tensor(1800, dtype=dtype)
    stepped(CASE.state, CASE.forcing, CASE.parameters, dt)
    dt.fill_(10800)
    followed, _ = stepped(CASE.state, CASE.forcing, CASE.parameters, dt)
    expected, _ = step("compiled", dt=10800.0)
    assert torch.equal(followed.soil.temperature, expected.soil.temperature)
    dt.fill_(-1)
    with pytest.raises(ValueError, match=r"^dt: a step of -1.0 s"):
        stepped(CASE.state, CASE.forcing, CASE.parameters, dt)


def test_outputs_may_be_an_iterator():
    assert list(steps("eager", outputs=(name for name in ["soil.moisture"])).outputs) == ["soil.moisture"]
