"""Calls in a wrong order, times that cannot be reached, missing weather, and several components in one process."""

from __future__ import annotations

import bmi_cases as cases
import numpy as np
import pytest

from bmi_noahpy import BmiNoahPy

SOIL, SKIN, AIR = "soil__temperature", "land_surface__temperature", "land_surface_air__temperature"


def test_after_finalize_the_component_wants_to_be_initialized_again(tmp_path):
    model = cases.started(tmp_path)
    model.update()
    model.finalize()
    for call in (model.update, model.get_current_time, lambda: model.get_value_ptr(SOIL)):
        with pytest.raises(RuntimeError, match="not initialized"):
            call()
    model.initialize(str(tmp_path / "run.yaml"))
    assert model.get_current_time() == 0.0


def test_initialize_again_without_finalize_starts_afresh(tmp_path):
    model, fresh = cases.started(tmp_path), cases.started(tmp_path)
    model.set_value(SOIL, np.full(cases.LAYERS, 280.0))
    model.update()
    model.initialize(str(tmp_path / "run.yaml"))
    for component in (model, fresh):
        component.update()
    assert np.array_equal(cases.read(model, SOIL), cases.read(fresh, SOIL))


def test_names_units_and_types_are_known_before_initialize_and_after_finalize(tmp_path):
    model = cases.started(tmp_path)
    model.finalize()
    for component in (model, BmiNoahPy()):
        names = (*component.get_input_var_names(), *component.get_output_var_names())
        assert len(names) == component.get_input_item_count() + component.get_output_item_count()
        assert all(component.get_var_units(name) and component.get_var_type(name) == "float64" for name in names)


@pytest.mark.parametrize(
    ("time", "message"),
    [
        (0.0, r"update_until: time 0\.0 s lies before the current time 7200\.0 s"),
        (-3600.0, r"update_until: time -3600\.0 s lies before"),
        (9000.0, r"update_until: time 9000\.0 s is not a whole number of steps of 3600\.0 s"),
        (np.nan, r"update_until: time nan s"),
        (np.inf, r"update_until: time inf s"),
    ],
)
def test_a_time_that_cannot_be_reached_is_refused_and_nothing_is_computed(tmp_path, time, message):
    model = cases.started(tmp_path)
    model.update_until(2 * cases.STEP)
    before = cases.read(model, SOIL)
    with pytest.raises(ValueError, match=message):
        model.update_until(time)
    assert model.get_current_time() == 2 * cases.STEP
    assert np.array_equal(cases.read(model, SOIL), before)


def test_update_until_now_does_nothing(tmp_path):
    model = cases.started(tmp_path)
    model.update()
    before = cases.read(model, SOIL)
    model.update_until(model.get_current_time())
    assert np.array_equal(cases.read(model, SOIL), before)


def test_a_step_after_the_weather_has_ended_is_an_error_that_leaves_the_state(tmp_path):
    model = cases.started(tmp_path, cases.configuration(period={"end": "2007-04-10T01:00"}))
    model.update_until(model.get_end_time())
    before = cases.read(model, SOIL)
    with pytest.raises(RuntimeError, match=r"update: the forcing ends after 2 steps; no value for land_surface_air"):
        model.update()
    assert np.array_equal(cases.read(model, SOIL), before)
    assert model.get_current_time() == model.get_end_time()


def test_inputs_that_were_not_set_are_named_all_at_once(tmp_path):
    model = cases.started(tmp_path, cases.configuration(forcing=None))
    cases.supply(model, 0)
    model.update()
    other = cases.started(tmp_path, cases.configuration(forcing=None))
    other.set_value(AIR, np.array([270.0]))
    with pytest.raises(RuntimeError, match="update: no value for land_surface_air__pressure") as error:
        other.update()
    missing = set(other.get_input_var_names()) - {AIR}
    assert all(name in str(error.value) for name in missing)
    assert AIR not in str(error.value)
    assert error.value.step == 1
    assert missing <= set(error.value.variables)


def test_an_error_within_a_step_does_not_stop_the_run(tmp_path):
    model, undisturbed = cases.started(tmp_path), cases.started(tmp_path)
    for wrong in (np.full(cases.LAYERS, np.nan), np.full(cases.LAYERS + 1, 270.0)):
        with pytest.raises(ValueError, match=SOIL):
            model.set_value(SOIL, wrong)
    pointer = model.get_value_ptr(SKIN)
    pointer[0] = np.inf
    with pytest.raises(ValueError, match=SKIN):
        model.update()
    for component in (model, undisturbed):
        component.update_until(2 * cases.STEP)
    assert np.array_equal(cases.read(model, SOIL), cases.read(undisturbed, SOIL))


def test_two_components_taken_in_turns_do_not_see_each_other(tmp_path):
    column, grid = cases.started(tmp_path / "a"), cases.started(tmp_path / "b", cases.grid_configuration())
    alone = cases.started(tmp_path / "c")
    pointer = column.get_value_ptr(SOIL)
    for _ in range(4):
        column.update()
        grid.set_value(AIR, np.full(6, 290.0))
        grid.update()
        alone.update()
    assert np.array_equal(cases.read(column, SOIL), cases.read(alone, SOIL))
    assert np.array_equal(pointer, cases.read(alone, SOIL))
    grid.finalize()
    column.update()
    assert column.get_current_time() == 5 * cases.STEP


def test_a_change_of_the_working_directory_between_calls_does_no_harm(tmp_path, monkeypatch):
    folder = tmp_path / "case"
    cases.write_case(folder, cases.configuration())
    monkeypatch.chdir(folder)
    model = BmiNoahPy()
    model.initialize("run.yaml")
    monkeypatch.chdir(tmp_path)
    model.update_until(2 * cases.STEP)
    assert np.isfinite(cases.read(model, SOIL)).all()
