"""Time in seconds from zero, and update_until."""

from __future__ import annotations

import bmi_cases as cases
import numpy as np
import pytest


@pytest.fixture
def model(tmp_path):
    return cases.started(tmp_path)


def test_time_is_counted_in_seconds_from_zero(model):
    assert model.get_time_units() == "s"
    assert (model.get_start_time(), model.get_current_time(), model.get_time_step()) == (0.0, 0.0, cases.STEP)
    assert model.get_end_time() == cases.RECORDS * cases.STEP
    for getter in ("start_time", "current_time", "time_step", "end_time"):
        assert type(getattr(model, f"get_{getter}")()) is float
    model.update()
    assert model.get_current_time() == cases.STEP


def test_update_until_takes_the_steps_to_that_time(tmp_path):
    model, other = cases.started(tmp_path), cases.started(tmp_path)
    model.update_until(3 * cases.STEP)
    for _ in range(3):
        other.update()
    assert model.get_current_time() == 3 * cases.STEP
    assert np.array_equal(cases.read(model, "soil__temperature"), cases.read(other, "soil__temperature"))


def test_update_until_now_does_nothing(model):
    model.update()
    before = cases.read(model, "soil__temperature")
    model.update_until(model.get_current_time())
    assert np.array_equal(cases.read(model, "soil__temperature"), before)


@pytest.mark.parametrize(
    ("time", "message"),
    [
        (1800.0, r"time 1800.0 s lies before the current time 3600.0 s"),
        (5000.0, r"time 5000.0 s is not a whole number of steps of 3600.0 s from now, 3600.0 s"),
        (np.nan, r"time nan s"),
    ],
)
def test_times_that_no_step_ends_at_are_refused(model, time, message):
    model.update()
    # pymt then steps and interpolates by itself.
    with pytest.raises(ValueError, match=message) as error:
        model.update_until(time)
    assert isinstance(error.value, NotImplementedError)
    assert model.get_current_time() == cases.STEP


def test_the_end_time_can_be_reached_but_not_passed(model):
    model.update_until(model.get_end_time())
    with pytest.raises(RuntimeError, match=r"update: the forcing ends after 30 steps; no value for land_surface_air__"):
        model.update()
    assert model.get_current_time() == model.get_end_time()
