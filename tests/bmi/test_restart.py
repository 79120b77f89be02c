"""A run that goes on later equals one that was never cut short, to the last bit."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from configurations import changed, problems, read, write, write_weather
from killed_run import MOMENTS
from typer.testing import CliRunner

from bmi_noahpy.cli import app
from bmi_noahpy.runs import blocks
from bmi_noahpy.runs import execute as runner
from bmi_noahpy.runs.launch import Launch, launch
from bmi_noahpy.runs.prepare import prepare
from bmi_noahpy.runs.restart import DamagedRestart, RestartError, RestartWarning, files, read_restart
from noahpy_core.quantities import get_quantity, quantities
from noahpy_core.state import State

REPOSITORY = Path(__file__).resolve().parents[2]
STEPS = 34

EVERY, FIFTH = {"every": 1}, {"every": 5}
DAILY = {"daily": ["mean", "min", "max"], "variables": ["soil.temperature", "latent_heat_flux", "snow.density"]}


def settings(**changes) -> dict:
    """Hourly steps from an evening on, a restart file every seven."""
    return {
        "period": {"start": "2020-01-01T18:00", "end": "2020-01-03T03:00", "step": 3600},
        "forcing": {"file": "weather.csv", "format": "csv"},
        "output": {"file": "out.nc", **EVERY},
        "restart": {"every": "7 hours", "keep": 3},
        "execution": "eager",
        **changes,
    }


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write_weather(tmp_path / "weather.csv", 30)
    monkeypatch.setattr(blocks, "FIRST_LENGTH", 3)
    monkeypatch.setattr(blocks, "LARGEST_GROWTH", 1.0)
    return tmp_path


def go(folder: Path, name: str = "out.nc", how: dict | None = None, **changes):
    """Launch the configuration with changes."""
    return launch(read(settings(**changes), folder), Launch(output=folder / name, **(how or {})))


def stopped_after(monkeypatch, steps: int, error: BaseException) -> None:
    """Let the run break when it wants to go beyond a number of steps."""
    take = runner.take_block

    def breaks(run, state, first, last, outputs):
        if first >= steps:
            raise error
        return take(run, state, first, last, outputs)

    monkeypatch.setattr(runner, "take_block", breaks)


def assert_same(one: Path, other: Path) -> None:
    """Every number of two output files, missing ones too."""
    with xr.open_dataset(one, decode_times=False) as a, xr.open_dataset(other, decode_times=False) as b:
        assert a.sizes["time"] > 0
        assert set(a.variables) == set(b.variables)
        for name in a.variables:
            assert a[name].values.tobytes() == b[name].values.tobytes(), name


def assert_same_state(one: State, other: State) -> None:
    for path, _ in quantities(State):
        a, b = get_quantity(one, path), get_quantity(other, path)
        assert (a is None and b is None) or torch.equal(a, b), path


# --- going on


@pytest.mark.parametrize("output", [EVERY, FIFTH, DAILY])
def test_an_interrupted_run_resumed_equals_the_uninterrupted_one(folder, monkeypatch, output):
    output = {"file": "out.nc", **output}
    go(folder, "whole.nc", output=output)
    with monkeypatch.context() as patch:
        stopped_after(patch, 16, KeyboardInterrupt())
        assert go(folder, output=output).interrupted
    assert not (folder / "out.nc.journal").exists()
    summary = go(folder, how={"resume": True}, output=output)
    assert (summary.first_step, summary.steps_done) == (17, STEPS)
    assert_same(folder / "whole.nc", folder / "out.nc")


def test_a_run_that_goes_on_with_other_code_of_the_model_is_told_so(folder, monkeypatch):
    with monkeypatch.context() as patch:
        stopped_after(patch, 16, KeyboardInterrupt())
        go(folder)
    monkeypatch.setattr(files, "source_digest", lambda: "of another revision")
    with pytest.warns(RestartWarning, match=r"code of the model has changed .* Begin anew with --overwrite"):
        assert go(folder, how={"resume": True}).first_step == 17


@pytest.mark.parametrize("output", [FIFTH, DAILY])
def test_a_failed_run_is_resumed_from_its_last_restart_file(folder, monkeypatch, output):
    output = {"file": "out.nc", **output}
    go(folder, "whole.nc", output=output)
    with monkeypatch.context() as patch:
        stopped_after(patch, 20, OSError("no space left"))
        with pytest.raises(OSError, match="no space"):
            go(folder, output=output)
    assert go(folder, how={"resume": True}, output=output).first_step == 14
    assert_same(folder / "whole.nc", folder / "out.nc")


def test_results_do_not_depend_on_the_length_of_blocks(folder, monkeypatch):
    go(folder, "short.nc")
    monkeypatch.setattr(blocks, "FIRST_LENGTH", 1000)
    launch(read(settings(restart=None), folder), Launch(output=folder / "long.nc"))
    assert_same(folder / "short.nc", folder / "long.nc")


@pytest.mark.parametrize("output", [EVERY, DAILY])
def test_a_run_from_a_restart_file_has_the_records_of_the_rest(folder, output):
    output = {"file": "out.nc", **output}
    go(folder, "whole.nc", output=output)
    file = folder / "whole_restart" / "whole_20200102T150000.nc"
    go(folder, how={"restart_from": file}, output=output)
    with (
        xr.open_dataset(folder / "whole.nc", decode_times=False) as whole,
        xr.open_dataset(folder / "out.nc", decode_times=False) as rest,
    ):
        assert 0 < rest.sizes["time"] < whole.sizes["time"]
        xr.testing.assert_identical(whole.isel(time=slice(-rest.sizes["time"], None)).drop_attrs(), rest.drop_attrs())


def test_a_run_is_prolonged_by_a_later_end_and_resume(folder):
    go(folder, "whole.nc", output={"file": "out.nc", **DAILY})
    sooner = settings()["period"] | {"end": "2020-01-02T11:00"}
    go(folder, output={"file": "out.nc", **DAILY}, period=sooner)
    assert go(folder, how={"resume": True}, output={"file": "out.nc", **DAILY}).first_step == 18
    assert_same(folder / "whole.nc", folder / "out.nc")


def test_resuming_a_complete_run_changes_nothing(folder):
    go(folder, output={"file": "out.nc", **DAILY})
    shutil.copy(folder / "out.nc", folder / "before.nc")
    summary = go(folder, how={"resume": True}, output={"file": "out.nc", **DAILY})
    assert summary.first_step == summary.steps_done == STEPS
    assert_same(folder / "before.nc", folder / "out.nc")


def test_the_command_resumes_and_says_from_where(folder, monkeypatch):
    site = write(folder / "site.yaml", changed(settings()))
    monkeypatch.chdir(folder)
    with monkeypatch.context() as patch:
        stopped_after(patch, 16, KeyboardInterrupt())
        assert CliRunner().invoke(app, ["run", str(site), "--no-plot"]).exit_code == 130
    result = CliRunner().invoke(app, ["run", str(site), "--no-plot", "--resume", "--execution", "eager"])
    assert result.exit_code == 0, result.output
    assert f"Going on after step 17 of {STEPS}" in result.stderr
    assert f"{STEPS} steps to 2020-01-03T04:00:00, {STEPS - 17} of them now, in " in result.stdout
    again = CliRunner().invoke(app, ["run", str(site), "--no-plot", "--resume", "--execution", "eager"])
    assert f"{STEPS} steps to 2020-01-03T04:00:00, none of them now\n" in again.stdout


# --- restart files


def test_a_restart_file_gives_back_every_number_of_the_state(folder):
    run = prepare(read(settings(), folder))
    go(folder)
    newest = sorted((folder / "out_restart").iterdir())[-1]
    restart = read_restart(newest, run.initial_state)
    assert (restart.step, restart.time) == (STEPS, np.datetime64("2020-01-03T04:00"))
    state = run.initial_state
    for step in range(STEPS):
        state, _ = run.model(state, run.forcing.at(step), run.parameters, run.step)
    assert_same_state(restart.state, state)
    with xr.open_dataset(newest) as data:
        assert data.time.values == np.datetime64("2020-01-03T04:00")
        assert data.soil_temperature.attrs["units"] == "K"


def test_only_the_newest_restart_files_are_kept(folder):
    go(folder, restart={"every": "5 hours", "keep": 2})
    names = [path.name for path in sorted((folder / "out_restart").iterdir())]
    assert names == ["out_20200103T000000.nc", "out_20200103T040000.nc"]


def test_without_the_section_no_restart_file_is_written(folder):
    go(folder, restart=None)
    assert not (folder / "out_restart").exists()


def damaged(folder: Path, how: str) -> Path:
    newest = sorted((folder / "out_restart").iterdir())[-1]
    content = bytearray(newest.read_bytes())
    if how == "cut short":
        content = content[: len(content) // 2]
    elif how == "no netCDF":
        content = bytearray(b"nothing of use")
    else:
        temperature = read_restart(newest, prepare(read(settings(), folder)).initial_state).state.soil.temperature
        place = content.index(temperature.numpy().tobytes())
        content[place + 3] ^= 1
    newest.write_bytes(content)
    return newest


@pytest.mark.parametrize("how", ["cut short", "no netCDF", "one bit changed"])
def test_a_damaged_restart_file_is_refused_and_resuming_takes_the_one_before(folder, how):
    go(folder, "whole.nc")
    go(folder)
    newest = damaged(folder, how)
    with pytest.raises(DamagedRestart, match=newest.name):
        go(folder, "other.nc", how={"restart_from": newest})
    with pytest.warns(RestartWarning, match=newest.name):
        assert go(folder, how={"resume": True}).first_step == 28
    assert_same(folder / "whole.nc", folder / "out.nc")


MISMATCHES = {
    "step": ({"period": settings()["period"] | {"step": 1800}}, r"step \[s\]: 3600.0 there, 1800.0 here"),
    "layers": (
        {
            "soil": {"thickness": [0.1, 0.3, 0.6], "classes": 7},
            "initial": {"soil_temperature": 271.0, "soil_moisture": 0.2, "soil_liquid": 0.1}
            | {"skin_temperature": 269.0, "albedo": 0.2, "roughness_length": 0.05},
        },
        r"soil_temperature has the shape \[4, 1\], this run needs \[3, 1\]",
    ),
    "scheme": ({"schemes": {"turbulence": "yang2008"}}, "schemes.turbulence: chen1997 there, yang2008 here"),
    "parameter": ({"snow.deep_snow_albedo": 0.7}, "parameters differ in snow.deep_snow_albedo"),
    "thickness": ({"soil.thickness": [0.1, 0.3, 0.6, 1.1]}, "the thickness of layers differ"),
    "place": ({"domain.latitude": 34.0}, "the places of columns differ"),
}


@pytest.mark.parametrize("what", MISMATCHES)
def test_a_restart_file_that_does_not_fit_is_refused_with_what_differs(folder, what):
    go(folder)
    newest = sorted((folder / "out_restart").iterdir())[0]
    changes, message = MISMATCHES[what]
    with pytest.raises(RestartError, match=message):
        go(folder, "other.nc", how={"restart_from": newest}, **changes)
    with pytest.raises(RestartError, match=message):
        go(folder, how={"resume": True}, **changes)


def test_only_the_state_is_taken_over_when_nothing_else_is_wanted(folder):
    go(folder)
    file = sorted((folder / "out_restart").iterdir())[-1]
    section = {"from": str(file), "only_state": True}
    summary = go(folder, "other.nc", **{"restart": section, "schemes": {"turbulence": "yang2008"}})
    assert summary.first_step == 0
    run = prepare(read(settings(schemes={"turbulence": "yang2008"}), folder))
    state, _ = run.model(read_restart(file, run.initial_state).state, run.forcing.at(0), run.parameters, run.step)
    with xr.open_dataset(folder / "other.nc") as data:
        np.testing.assert_array_equal(data.soil_temperature[0], state.soil.temperature[:, 0])


def test_a_restart_outside_the_period_is_refused(folder):
    go(folder)
    newest = sorted((folder / "out_restart").iterdir())[-1]
    with pytest.raises(RestartError, match=r"2020-01-03T04:00:00, but the steps of this run.*restart\.only_state"):
        go(folder, "other.nc", how={"restart_from": newest})


def test_resuming_with_another_output_section_is_refused(folder):
    go(folder)
    with pytest.raises(ValueError, match="same output section"):
        go(folder, how={"resume": True}, output={"file": "out.nc", **DAILY})


def test_resuming_never_replaces_a_file_that_no_unfinished_run_left(folder):
    go(folder)
    shutil.rmtree(folder / "out_restart")
    before = (folder / "out.nc").read_bytes()
    with pytest.raises(FileExistsError, match="no restart files of its run"):
        go(folder, how={"resume": True})
    assert (folder / "out.nc").read_bytes() == before


def test_restart_files_of_an_earlier_run_are_not_mistaken_for_those_of_the_present_one(folder, monkeypatch):
    go(folder)
    later = sorted(path.name for path in (folder / "out_restart").iterdir())
    with monkeypatch.context() as patch:
        stopped_after(patch, 8, OSError("no space left"))
        with pytest.raises(OSError, match="no space"):
            go(folder, how={"overwrite": True})
    assert set(later) < {path.name for path in (folder / "out_restart").iterdir()}
    assert go(folder, how={"resume": True}).first_step == 7


def test_an_interval_of_parts_of_a_step_is_refused(folder):
    assert "no multiple of period.step" in problems(settings(restart={"every": "90 minutes"}), folder)["restart.every"]


def test_resume_needs_the_section_and_no_other_beginning(folder):
    with pytest.raises(ValueError, match="no restart section"):
        go(folder, how={"resume": True}, restart=None)
    with pytest.raises(ValueError, match="--restart-from"):
        go(folder, how={"resume": True, "restart_from": folder / "x.nc"})


# --- killed


def run_killed(folder: Path, moment: str, count: int, **options) -> int:
    """Run the program until it kills itself; its exit status."""
    result = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "killed_run.py"), str(folder / "site.yaml"), moment, str(count)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        **options,
    )
    assert result.returncode in (0, -signal.SIGKILL), result.stderr
    return result.returncode


def assert_readable(path: Path) -> None:
    """The file opens and all of its records are numbers."""
    with xr.open_dataset(path, decode_timedelta=False) as data:
        for name in [name for name in data if str(name).startswith("soil_temperature")]:
            assert np.isfinite(data[name].values).all()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_run_killed_while_it_writes_is_resumed_to_the_same_file(folder):
    output = {"file": "out.nc", "every": 2}
    go(folder, "whole.nc", output=output)
    write(folder / "site.yaml", changed(settings(output=output)))
    # Half a record in the journal; a restart file just in its place, then not yet; half an output file.
    for moment, count in (("journal", 3), ("moved", 2), ("moving", 3), ("publishing", 2)):
        assert run_killed(folder, moment, count) == -signal.SIGKILL
        assert_readable(folder / "out.nc")
    assert run_killed(folder, "never", 0) == 0
    assert_same(folder / "whole.nc", folder / "out.nc")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("output", [EVERY, FIFTH, DAILY])
def test_a_run_killed_at_random_moments_is_resumed_to_the_same_file(folder, output):
    changes = {
        "output": {"file": "out.nc", **output},
        "period": settings()["period"] | {"step": 200},
        "restart": {"every": "1 hour"},
    }
    go(folder, "whole.nc", **changes)
    write(folder / "site.yaml", changed(settings(**changes)))
    chance, kills = random.Random(str(output)), 0
    for attempt in range(8):
        if attempt % 2:
            moment = chance.choice(MOMENTS[:-1])
            kills += run_killed(folder, moment, chance.randint(2, 5) if moment != "publishing" else 1) != 0
        else:
            kills += killed_after(folder, 0.3 + chance.random()) != 0
        if (folder / "out.nc").exists():
            assert_readable(folder / "out.nc")
    assert kills >= 6
    assert run_killed(folder, "never", 0) == 0
    assert_same(folder / "whole.nc", folder / "out.nc")


def killed_after(folder: Path, seconds: float) -> int:
    """Kill the program from outside, a time after it began; its exit status."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "killed_run.py"), str(folder / "site.yaml"), "never", "0"],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    time.sleep(seconds)
    process.kill()
    process.communicate()
    return process.returncode
