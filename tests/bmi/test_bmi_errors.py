"""Errors name the function or the variable, the value and the remedy."""

from __future__ import annotations

import inspect
import pickle

import bmi_cases as cases
import numpy as np
import pytest

from bmi_noahpy import BmiNoahPy

VALUE = np.zeros(1)
INDEX = np.zeros(1, dtype=int)
TEMPERATURE = "soil__temperature"
NEEDS_RUN = {
    "update": (),
    "update_until": (3600.0,),
    "get_current_time": (),
    "get_end_time": (),
    "get_time_step": (),
    "get_value": (TEMPERATURE, VALUE),
    "get_value_ptr": (TEMPERATURE,),
    "get_value_at_indices": (TEMPERATURE, VALUE, INDEX),
    "set_value": (TEMPERATURE, VALUE),
    "set_value_at_indices": (TEMPERATURE, INDEX, VALUE),
    "get_var_nbytes": (TEMPERATURE,),
    "get_var_location": (TEMPERATURE,),
    "get_grid_type": (0,),
    "get_grid_size": (0,),
    "get_grid_x": (0, VALUE),
}


@pytest.mark.parametrize("function", NEEDS_RUN)
def test_a_call_before_initialize_says_what_is_missing(function):
    with pytest.raises(RuntimeError, match=rf"^{function}: the model is not initialized. Call initialize"):
        getattr(BmiNoahPy(), function)(*NEEDS_RUN[function])


@pytest.mark.parametrize("nothing", [None, ""])
def test_initialize_without_a_file_is_refused(nothing):
    with pytest.raises(ValueError, match="initialize: no configuration file"):
        BmiNoahPy().initialize(nothing)


def test_a_configuration_that_is_refused_leaves_the_component_uninitialized(tmp_path):
    model = cases.started(tmp_path)
    sections = cases.configuration(general={"deep_temperature": -3.0})
    with pytest.raises(ValueError, match=r"general\.deep_temperature"):
        model.initialize(str(cases.write_case(tmp_path, sections)))
    with pytest.raises(RuntimeError, match="update: the model is not initialized"):
        model.update()


@pytest.mark.parametrize(
    "function", [name for name in dir(BmiNoahPy) if "_var_" in name and "name" not in name] + ["get_value_ptr"]
)
def test_an_unknown_name_brings_the_nearest_valid_ones(tmp_path, function):
    model = cases.started(tmp_path)
    with pytest.raises(ValueError, match=r"unknown variable 'soil_temperature'. Did you mean .*soil__temperature"):
        getattr(model, function)("soil_temperature")
    assert len(inspect.signature(getattr(model, function)).parameters) == 1


@pytest.fixture
def model(tmp_path):
    return cases.started(tmp_path)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        (TEMPERATURE, np.full(4, 270.0), r"^soil__temperature: 4 values given, 5 needed"),
        (TEMPERATURE, np.array(270.0), r"^soil__temperature: 1 values given, 5 needed"),
        (TEMPERATURE, [270.0, 271.0, np.inf, 270.0, 270.0], r"soil__temperature: value inf at index 2 is not finite"),
        (TEMPERATURE, np.array(["a"] * 5), r"soil__temperature: values must be numbers"),
        (TEMPERATURE, np.full(5, 15.0), r"soil__temperature: value 15 K at index 0 is outside 180 to 350 K"),
        ("snowpack__leq_depth", [101.0], r"snowpack__leq_depth: value 101 m at index 0 is outside 0 to 100 m"),
        ("soil__porosity", np.full(5, 1.2), r"soil__porosity: value 1.2 m3 m-3 at index 0 is outside 0.05 to 0.95"),
        ("land_surface_air__temperature", [np.nan], r"land_surface_air__temperature: value nan at index 0"),
        ("land_surface_air__temperature", np.ma.masked_greater([285.0], 280.0), "some values are masked"),
        ("land_surface_air__temperature", np.array([285.0 + 1.0j]), "must be real numbers"),
        ("land_surface_air__temperature", [12.0], r"value 12 K at index 0 is outside 150 to 350 K"),
        (
            "atmosphere_water__liquid_equivalent_precipitation_rate",
            [-1e-4],
            r"precipitation_rate: value -0.0001 mm s-1 at index 0 is outside 0 to 0.2 mm s-1",
        ),
        (
            "land_surface_water__runoff_depth",
            [0.0],
            r"land_surface_water__runoff_depth is computed by the model and cannot be set",
        ),
        ("ngen::mass_in", [0.0], r"ngen::mass_in is computed by the model"),
    ],
)
def test_values_that_cannot_be_taken_are_refused_and_nothing_changes(model, name, values, message):
    before = cases.read(model, name)
    with pytest.raises(ValueError, match=message):
        model.set_value(name, values)
    assert np.array_equal(cases.read(model, name), before, equal_nan=True)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (TEMPERATURE, -3.0, "degC"),
        ("land_surface_air__temperature", 12.0, "degC"),
        ("land_surface_air__pressure", 850.0, "hPa"),
        ("land_surface_air__pressure", 85.0, "kPa"),
        ("atmosphere_water__liquid_equivalent_precipitation_rate", 4.0, "mm of an hour or a day"),
        ("atmosphere_bottom_air_water~vapor__mass_fraction", 0.7, "a relative humidity"),
        ("atmosphere_bottom_air_water~vapor__mass_fraction", 6.0, "g kg-1"),
    ],
)
def test_the_units_that_refused_values_look_like_are_named(model, name, value, words):
    size = cases.read(model, name).size
    with pytest.raises(ValueError, match=rf"{name}: .* The numbers look like {words}: convert them\."):
        model.set_value(name, np.full(size, value))


@pytest.mark.parametrize("index", [-1, 5])
def test_an_index_outside_is_named(model, index):
    with pytest.raises(IndexError, match=rf"soil__temperature: index {index} is outside 0 to 4"):
        model.set_value_at_indices(TEMPERATURE, np.array([0, index]), np.array([270.0, 270.0]))
    with pytest.raises(IndexError, match=rf"index {index} is outside"):
        model.get_value_at_indices(TEMPERATURE, np.empty(1), np.array([index]))


def test_values_and_indices_must_be_as_many(model):
    with pytest.raises(ValueError, match="soil__temperature: 1 values given, 2 needed"):
        model.set_value_at_indices(TEMPERATURE, np.array([0, 1]), np.array([270.0]))


def test_an_array_of_another_size_is_refused(model):
    with pytest.raises(ValueError, match="soil__temperature: the array given holds 4 values, 5 are needed"):
        model.get_value(TEMPERATURE, np.empty(4))


def test_writing_to_an_output_through_its_pointer_is_refused(model):
    pointer = model.get_value_ptr("land_surface_water__runoff_depth")
    pointer[:] = 1.0
    with pytest.raises(ValueError, match="runoff_depth is computed by the model"):
        model.update()
    assert pointer[0] == 0.0


@pytest.mark.parametrize("grid", [3, -1])
def test_an_unknown_grid_is_refused(model, grid):
    with pytest.raises(ValueError, match=rf"get_grid_rank: unknown grid {grid}. Grids are 0"):
        model.get_grid_rank(grid)


def test_a_state_that_becomes_infinite_is_reported_and_not_taken(model, monkeypatch):
    model.update()
    original = model._run._quick_step

    def breaks(*arguments):
        state, fluxes = original(*arguments)
        state.soil.temperature[3] = np.nan
        return state, fluxes

    monkeypatch.setattr(model._run, "_quick_step", breaks)
    before = cases.read(model, TEMPERATURE)
    with pytest.raises(ArithmeticError, match=r"step 2 makes soil\.temperature not finite in column 0") as caught:
        model.update()
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.step, error.variable, error.column) == (2, "soil.temperature", 0)
    assert str(error) == str(caught.value)
    assert np.array_equal(cases.read(model, TEMPERATURE), before)
