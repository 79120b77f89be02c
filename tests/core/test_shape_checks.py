"""What a step or a run is given is checked by name before any time is spent on it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from random_columns import random_case

from noahpy_core import NoahModel, SoilColumn, equilibrium_liquid, initial_state, map_tensors, run, step_function
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
    "half precision": (
        {"state": changed(CASE.state, "snow.depth", lambda x: x.to(torch.bfloat16))},
        r"^state.snow.depth: is bfloat16, of 2 digits\. Use float64, or float32",
    ),
    "complex": (
        {"parameters": changed(CASE.parameters, "soil.porosity", lambda x: x.to(torch.complex128))},
        r"^parameters.soil.porosity: is complex128, of complex numbers\.",
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
    with pytest.raises(ShapeError, match=r"^forcing.wind_speed: has the shape \(2,\), 2 columns, but state"):
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


@pytest.mark.parametrize("dt", ["1800", None, True, [1800.0], 1800j])
@pytest.mark.parametrize("execution", ["eager", "compiled"])
def test_a_step_length_that_is_no_number_is_refused(execution, dt):
    with pytest.raises(ValueError, match=r"^dt: .* is no number\. Give seconds, as 1800\.0"):
        steps(execution, dt=dt)


@pytest.mark.parametrize("name", ["checkpoint_every", "truncate_every"])
@pytest.mark.parametrize("value", [2.5, "2", True])
def test_an_interval_is_a_whole_number(name, value):
    with pytest.raises(ValueError, match=rf"^{name}: {value!r} is no whole number of steps"):
        run(MODEL, CASE.state, SERIES, CASE.parameters, CASE.dt, outputs=["soil.temperature"], **{name: value})


ONE_FOR_ALL = {"state": ("state",), "state and forcing": ("state", "forcing"), "all but dt": ("state", "parameters")}


@pytest.mark.parametrize("ones", ONE_FOR_ALL.values(), ids=ONE_FOR_ALL)
def test_one_column_of_state_stands_for_all_however_it_is_run(ones):
    few = {name: getattr(CASE, name).select(0) for name in ones}
    weather = map_tensors(lambda x: x.expand(3, -1), few.pop("forcing", CASE.forcing))
    full = {name: part.select([0] * 6) if len(part) > 1 else part for name, part in few.items()}
    full = {name: map_tensors(lambda x: x.expand(*x.shape[:-1], 6), part) for name, part in full.items()}
    found = [steps(how, weather, **few) for how in ("eager", "compiled")]
    expected = steps("eager", weather, **full)
    for one in found:
        torch.testing.assert_close(one.outputs, expected.outputs, rtol=1e-12, atol=1e-12)
        assert one.final_state.snow.depth.shape == (6,)


@pytest.mark.parametrize("execution", ["eager", "compiled"])
def test_layers_of_several_columns_are_as_many_as_the_other_columns(execution):
    column = SoilColumn(CASE.column.thickness.expand(-1, 3).clone())
    model = NoahModel(column)
    with pytest.raises(ShapeError, match=r"^state.soil.temperature: .* 6 columns, but the thickness of"):
        run(model, CASE.state, SERIES, CASE.parameters, 1800.0, outputs=["skin_temperature"], execution=execution)
    one = [tree.select(0) for tree in (CASE.state, CASE.parameters)]
    weather = map_tensors(lambda x: x[:, :1], SERIES)
    found = run(model, one[0], weather, one[1], 1800.0, outputs=["skin_temperature"], execution=execution)
    assert found.outputs["skin_temperature"].shape == (3, 3)


PROFILES = {
    "soil_temperature": torch.full((4, 1), 272.0, dtype=torch.float64),
    "soil_moisture": torch.full((4, 1), 0.3, dtype=torch.float64),
    "soil_liquid": torch.full((4, 1), 0.1, dtype=torch.float64),
}
SURFACE = {
    name: torch.full((1,), value, dtype=torch.float64)
    for name, value in {
        "skin_temperature": 270.0,
        "snow_water_equivalent": 0.0,
        "snow_depth": 0.0,
        "canopy_water": 0.0,
        "albedo": 0.2,
        "roughness_length": 0.05,
        "specific_humidity": 0.002,
    }.items()
}
FAULTY = {
    "a dimension": (
        {"soil_moisture": PROFILES["soil_moisture"][:, 0]},
        r"soil_moisture: has the shape \(4,\), not \[layer",
    ),
    "layers": ({"soil_liquid": PROFILES["soil_liquid"][:3]}, "soil_liquid: has 3 layers, where there are 4"),
    "a layer of the surface": ({"albedo": PROFILES["soil_liquid"]}, r"albedo: has the shape \(4, 1\), not \[column\]"),
    "columns": (
        {"albedo": torch.zeros(2), "snow_depth": torch.zeros(3)},
        r"albedo: has the shape \(2,\), 2 columns, where others have 3",
    ),
    "a number": ({"canopy_water": 0.0}, "canopy_water: is a float, not a tensor"),
    "too much liquid": (
        {"soil_liquid": PROFILES["soil_liquid"] + 0.3},
        r"soil_liquid is 0\.4 in layer 1, column 0, more",
    ),
    "half precision": ({"albedo": torch.zeros(1, dtype=torch.float16)}, r"albedo: is float16, of 3 digits"),
}


@pytest.mark.parametrize("what", FAULTY)
def test_an_initial_state_is_made_of_what_belongs_together(what):
    column = SoilColumn(torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64))
    initial_state(column, **PROFILES, **SURFACE)
    changes, message = FAULTY[what]
    with pytest.raises(ValueError, match=f"^initial state: {message}"):
        initial_state(column, **{**PROFILES, **SURFACE, **changes})


def test_equilibrium_is_between_profiles_of_one_shape():
    temperature = CASE.state.soil.temperature
    with pytest.raises(ShapeError, match=r"^equilibrium_liquid: soil_moisture: has the shape \(4,\), not "):
        equilibrium_liquid(temperature, CASE.state.soil.moisture[:, 0], CASE.parameters)
    with pytest.raises(ShapeError, match=r"^equilibrium_liquid: soil.porosity: has 4 layers, where there are 3"):
        equilibrium_liquid(temperature[:3], CASE.state.soil.moisture[:3], CASE.parameters)


@pytest.mark.parametrize("thickness", [np.array([0.1, 0.2]), torch.tensor([1, 2]), [0.1, 0.2]])
def test_layers_are_floating_point_tensors(thickness):
    with pytest.raises(ValueError, match=r"^soil column: thickness is "):
        SoilColumn(thickness)
