"""Repeating the beginning of the forcing until the soil no longer changes."""

from __future__ import annotations

import dataclasses
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr
from configurations import changed, problems, read, write, write_weather
from typer.testing import CliRunner

from bmi_noahpy.cli import app
from bmi_noahpy.runs import blocks
from bmi_noahpy.runs.launch import launch
from bmi_noahpy.runs.prepare import prepare
from bmi_noahpy.runs.restart import read_restart
from bmi_noahpy.runs.spin_up import SpinUpWarning, Tolerance, spin_up, spin_up_steps, total_water
from noahpy_core.quantities import get_quantity, quantities
from noahpy_core.state import State

DAY_STEPS = 8


def settings(**changes) -> dict:
    """Two days of weather in two columns, one of which is far from its deep temperature."""
    return {
        "domain.longitude": [92.0, 93.0],
        "domain.latitude": [33.0],
        "forcing": {"file": "weather.csv", "format": "csv"},
        "output": {"file": "out.nc"},
        "initial.snow_depth": [[0.0, 0.2]],
        "initial.snow_water_equivalent": [[0.0, 40.0]],
        "execution": "eager",
        **changes,
    }


@pytest.fixture
def folder(tmp_path):
    write_weather(tmp_path / "weather.csv")
    return tmp_path


@pytest.fixture
def run(folder):
    return prepare(read(settings(), folder))


def repeated(run, times: int) -> State:
    """The first day again and again, step by step."""
    state = run.initial_state
    for _ in range(times):
        for step in range(DAY_STEPS):
            state, _ = run.model(state, run.forcing.at(step), run.parameters, run.step)
    return state


def test_the_state_is_that_after_the_repetitions_with_all_its_memory(run, monkeypatch):
    monkeypatch.setattr(blocks, "FIRST_LENGTH", 3)
    with pytest.warns(SpinUpWarning):
        result = spin_up(run, steps=DAY_STEPS, cycles=3, tolerance=Tolerance(0.0, 0.0))
    expected = repeated(run, 3)
    for path, _ in quantities(State):
        if get_quantity(expected, path) is not None:
            assert torch.equal(get_quantity(result.state, path), get_quantity(expected, path)), path
    assert float(result.state.snow.water_equivalent[1]) > 30.0


def test_every_repetition_reports_its_largest_changes_and_their_columns(run):
    seen = []
    with pytest.warns(SpinUpWarning):
        result = spin_up(run, steps=DAY_STEPS, cycles=2, tolerance=Tolerance(0.0, 0.0), report=seen.append)
    assert seen == result.cycles
    one, two = repeated(run, 1), repeated(run, 2)
    deep = (two.soil.temperature[-1] - one.soil.temperature[-1]).abs()
    water = np.abs(total_water(two, run.thickness) - total_water(one, run.thickness))
    assert deep[0] != deep[1]
    assert water[0] != water[1]
    assert result.cycles[1].deep_temperature == (float(deep.max()), int(deep.argmax()))
    assert result.cycles[1].total_water == (float(water.max()), int(water.argmax()))


def test_it_ends_with_the_first_repetition_in_which_every_column_has_settled(run):
    with pytest.warns(SpinUpWarning):
        cycles = spin_up(run, steps=DAY_STEPS, cycles=6, tolerance=Tolerance(0.0, 0.0)).cycles
    water = [cycle.total_water.value for cycle in cycles]
    # The first repetition is still wetting the soil of one column, then snow grows ever more slowly.
    assert water[1] > water[2] > water[3] > water[4] > water[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = spin_up(run, steps=DAY_STEPS, cycles=6, tolerance=Tolerance(1.0, water[0]))
        assert (result.settled, len(result.cycles)) == (True, 1)
    state = dataclasses.replace(run, initial_state=result.state)
    limit = (cycles[3].deep_temperature.value, water[3])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = spin_up(state, steps=DAY_STEPS, cycles=6, tolerance=Tolerance(limit[0], limit[1]))
    assert (result.settled, len(result.cycles)) == (True, 3)


def test_the_bound_on_repetitions_warns_with_what_was_reached(run):
    reached = r"not settled after 2 repetitions.*K \(column [01]\).*kg m-2 \(column [01]\)"
    with pytest.warns(SpinUpWarning, match=reached):
        result = spin_up(run, steps=DAY_STEPS, cycles=2, tolerance=Tolerance(1e-9, 1e6))
    assert not result.settled


def test_total_water_is_that_of_soil_snow_and_canopy(run):
    state = run.initial_state
    soil = 1000.0 * (0.1 * 0.2 + 0.3 * 0.25 + 0.6 * 0.3 + 1.0 * 0.3)
    np.testing.assert_allclose(total_water(state, run.thickness), [soil, soil + 40.0])
    wet = dataclasses.replace(state, canopy_water=torch.full((2,), 0.25, dtype=torch.float64))
    np.testing.assert_allclose(total_water(wet, run.thickness), [soil + 0.25, soil + 40.25])


def test_a_failure_names_the_repetition(run):
    def block(first, last):
        series = run.forcing.block(first, last)
        spoilt = series.air_temperature.clone()
        spoilt[max(3 - first, 0) :] = torch.nan
        return dataclasses.replace(series, air_temperature=spoilt)

    spoilt = dataclasses.replace(run, forcing=SimpleNamespace(block=block))
    with pytest.raises(blocks.NonFiniteState, match=r"^spin_up: repetition 1: .* in step 4,"):
        spin_up(spoilt, steps=DAY_STEPS, cycles=2)


def test_more_steps_than_the_run_has_are_refused(run):
    with pytest.raises(ValueError, match="17 steps are to be repeated, but the run has 16"):
        spin_up(run, steps=17)


@pytest.mark.parametrize(
    ("start", "period", "days"),
    [
        ("2019-03-01", "1 year", 366),
        ("2021-01-01", "1 year", 365),
        ("2020-02-29", "1 year", 366),
        ("2020-01-01", "4 years", 1461),
        ("2020-01-01", 43200.0, 0.5),
    ],
)
def test_a_year_is_one_of_the_calendar(run, start, period, days):
    moved = dataclasses.replace(run, start=np.datetime64(start))
    assert spin_up_steps(moved, period) == days * DAY_STEPS


def test_the_run_starts_from_the_spun_up_state_at_the_beginning_of_the_period(folder):
    section = {"period": "1 day", "cycles": 2, "total_water": 0.0, "file": "spun_up.nc"}
    said = []
    with pytest.warns(SpinUpWarning):
        summary = launch(read(settings(spin_up=section), folder), say=said.append)
    assert (summary.first_step, summary.steps_done) == (0, 16)
    assert [text.split(":")[0] for text in said] == ["Spin-up 1", "Spin-up 2", "Spun-up state"]
    run = prepare(read(settings(), folder))
    state, _ = run.model(repeated(run, 2), run.forcing.at(0), run.parameters, run.step)
    with xr.open_dataset(folder / "out.nc") as data:
        np.testing.assert_array_equal(data.soil_temperature[0, :, 0], state.soil.temperature)
    restart = read_restart(folder / "spun_up.nc", run.initial_state)
    assert (restart.step, restart.time) == (0, np.datetime64("2020-01-01T00:00"))
    launch(read(settings(restart={"from": "spun_up.nc"}, output={"file": "again.nc"}), folder))
    with xr.open_dataset(folder / "out.nc") as one, xr.open_dataset(folder / "again.nc") as other:
        xr.testing.assert_identical(one.drop_attrs(), other.drop_attrs())


def test_the_command_reports_the_spin_up(folder, monkeypatch):
    monkeypatch.chdir(folder)
    section = {"period": "1 day", "cycles": 1, "deep_temperature": "0.001 K"}
    site = write(folder / "site.yaml", changed(settings(spin_up=section)))
    result = CliRunner().invoke(app, ["run", str(site), "--no-plot"])
    assert result.exit_code == 0, result.output
    assert "Spin-up 1: deep temperature changed by at most" in result.stderr
    assert "Warning: spin_up.cycles: not settled after 1 repetitions" in result.stderr


def test_a_spin_up_longer_than_the_run_is_refused(folder):
    found = problems(settings(spin_up={"period": "1 year"}), folder)
    assert "'1 year' takes 2928 steps, but the run has 16" in found["spin_up.period"]
