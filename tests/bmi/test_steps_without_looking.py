"""Steps of the component that go on from memory of its own: the same bits as steps that look at everything."""

from __future__ import annotations

import copy
import pickle

import bmi_cases as cases
import numpy as np
import pytest
import torch

from bmi_noahpy import BmiNoahPy
from bmi_noahpy.component.step_errors import ImpossibleStep
from noahpy_core import ConvergenceError

AIR = "land_surface_air__temperature"
TEMPERATURE = "soil__temperature"
OUTPUTS = (TEMPERATURE, "soil_water__volume_fraction", "land_surface__temperature")


def started(folder, *, looking=False, file=True, columns=1) -> BmiNoahPy:
    """A component; with `looking`, as if somebody else had its tensors."""
    sections = cases.configuration() if columns == 1 else cases.grid_configuration()
    model = cases.started(folder, sections if file else sections | {"forcing": None})
    model._run._alone = not looking
    return model


def counted(model: BmiNoahPy, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each step from now on, whether it was taken without looking."""
    again, taken = model._run._quick_step.again, []

    def follow(*arguments):
        found = again(*arguments)
        taken.append(found is not None)
        return found

    monkeypatch.setattr(model._run._quick_step, "again", follow)
    return taken


def outputs(model: BmiNoahPy) -> list[np.ndarray]:
    values = [cases.read(model, name) for name in OUTPUTS if name in model.get_output_var_names()]
    assert values
    return values


def assert_same(one: BmiNoahPy, other: BmiNoahPy) -> None:
    for path in ("in", "out", "stored", "leaked"):
        assert one._run.values.contents.balance.value(path) == other._run.values.contents.balance.value(path)
    for found, expected in zip(outputs(one), outputs(other), strict=True):
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("columns", [1, 6])
def test_a_run_by_rows_of_the_file_has_the_bits_of_one_that_looks(tmp_path, monkeypatch, columns):
    quick = started(tmp_path / "a", columns=columns)
    taken = counted(quick, monkeypatch)
    slow = started(tmp_path / "b", looking=True, columns=columns)
    for _ in range(30):
        quick.update()
        slow.update()
        assert_same(quick, slow)
    assert taken == [False] + [True] * 29


def test_inputs_that_change_and_days_that_pass_are_followed(tmp_path, monkeypatch):
    quick, slow = (started(tmp_path / name, looking=name == "b", file=False) for name in "ab")
    taken = counted(quick, monkeypatch)
    for step in range(60):
        for model in (quick, slow):
            if step % 7 == 0:
                cases.supply(model, step % 20)
            elif step % 5 == 0:
                model.set_value(AIR, np.array([265.0 + step / 10]))
            model.update()
        assert_same(quick, slow)
    # The first one begins with a guess.
    assert sum(taken) >= 57


def test_a_state_or_parameter_that_is_set_is_what_the_next_step_begins_with(tmp_path, monkeypatch):
    quick, slow = (started(tmp_path / name, looking=name == "b") for name in "ab")
    taken = counted(quick, monkeypatch)
    for step in range(8):
        for model in (quick, slow):
            if step == 3:
                model.set_value(TEMPERATURE, cases.read(model, TEMPERATURE) - 1.0)
            if step == 5:
                model.set_value("soil__porosity", cases.read(model, "soil__porosity") + 0.01)
            if step == 6:
                model.get_value_ptr(TEMPERATURE)[0] += 0.5
            model.update()
        assert_same(quick, slow)
    assert taken == [False, True, True, False, True, False, False, True]


def test_what_the_file_gave_is_shown_after_the_step(tmp_path):
    model = started(tmp_path)
    for step in range(4):
        model.update()
        assert cases.read(model, AIR)[0] == cases.weather()["air_temperature"][step]
        assert cases.read(model, "land_surface_wind__y_component_of_velocity")[0] == 0.0


def test_one_who_was_given_the_tensors_may_put_others_in_their_place(tmp_path):
    model, expected = started(tmp_path / "a"), started(tmp_path / "b")
    for _ in range(3):
        model.update()
        expected.update()
    state = model._run.state
    state.soil.temperature.data = state.soil.temperature + 1.0
    expected.set_value(TEMPERATURE, cases.read(expected, TEMPERATURE) + 1.0)
    for _ in range(6):
        model.update()
        expected.update()
        assert np.array_equal(cases.read(model, TEMPERATURE), cases.read(expected, TEMPERATURE))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda run: pickle.loads(pickle.dumps(run))])
def test_a_copy_and_its_original_go_on_alike(tmp_path, copied):
    model = started(tmp_path)
    for _ in range(3):
        model.update()
    other = BmiNoahPy()
    other._run = copied(model._run)
    for _ in range(5):
        model.update()
        other.update()
        assert_same(model, other)


def test_the_last_call_is_told_as_it_was(tmp_path):
    model = started(tmp_path)
    for _ in range(3):
        model.update()
    before, series = model._run.values.state.skin_temperature.clone(), model._run.run.forcing
    model.update()
    (step,) = model._run.last_call
    assert torch.equal(step.state.skin_temperature, before)
    assert torch.equal(step.forcing.air_temperature, series.at(3).air_temperature)
    assert torch.equal(step.wind[0], step.forcing.wind_speed)


def test_an_equation_that_is_not_solved_is_told_with_the_number_of_the_step(tmp_path, monkeypatch):
    model = started(tmp_path)
    model.update()
    before = outputs(model)

    def fails(*arguments):
        raise ConvergenceError("soil heat not solved in column 0")

    with monkeypatch.context() as patch:
        patch.setattr(model._run._quick_step, "again", fails)
        with pytest.raises(ConvergenceError, match=r"^step 2: soil heat not solved"):
            model.update()
    assert all(np.array_equal(*pair) for pair in zip(outputs(model), before, strict=True))
    model.update()
    assert model.get_current_time() == 2 * cases.STEP


def test_a_result_that_is_not_possible_is_refused_and_the_next_step_looks_at_everything(tmp_path, monkeypatch):
    model, expected = started(tmp_path / "a"), started(tmp_path / "b")
    for _ in range(2):
        model.update()
        expected.update()
    again = model._run._quick_step.again

    def breaks(*arguments):
        state, fluxes = again(*arguments)
        state.soil.temperature[1] = 500.0
        return state, fluxes

    with monkeypatch.context() as patch:
        patch.setattr(model._run._quick_step, "again", breaks)
        with pytest.raises(ImpossibleStep, match=r"step 3 makes soil\.temperature 500"):
            model.update()
    for _ in range(5):
        model.update()
        expected.update()
        assert_same(model, expected)
