"""Going on: with the same run only, and always possible after an error."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from configurations import changed, read, write, write_weather
from typer.testing import CliRunner

from bmi_noahpy.cli import app
from bmi_noahpy.runs import blocks
from bmi_noahpy.runs import execute as runner
from bmi_noahpy.runs.launch import Launch, launch
from bmi_noahpy.runs.restart import RestartError

PERIOD = {"start": "2020-01-01T00:00", "end": "2020-01-01T18:00", "step": 3600}


def settings(**changes) -> dict:
    return {
        "period": PERIOD,
        "forcing": {"file": "weather.csv", "format": "csv"},
        "output": {"file": "out.nc", "every": 2},
        "restart": {"every": "5 hours"},
        "execution": "eager",
        **changes,
    }


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write_weather(tmp_path / "weather.csv", 30)
    monkeypatch.setattr(blocks, "FIRST_LENGTH", 3)
    monkeypatch.setattr(blocks, "LARGEST_GROWTH", 1.0)
    return tmp_path


def stopped(folder: Path, monkeypatch, steps: int, error: BaseException, **changes) -> None:
    """A run that breaks when it wants to go beyond a number of steps."""
    take = runner.take_block

    def breaks(run, state, first, last, outputs):
        if first >= steps:
            raise error
        return take(run, state, first, last, outputs)

    with monkeypatch.context() as patch:
        patch.setattr(runner, "take_block", breaks)
        with pytest.raises(type(error)):
            launch(read(settings(**changes), folder))


def reworded(path: Path, hour: int, old: str, new: str) -> None:
    """Change one value of a three-hourly record."""
    lines = path.read_text().splitlines()
    lines[1 + hour // 3] = lines[1 + hour // 3].replace(old, new)
    path.write_text("\n".join(lines) + "\n")


# --- another run


FORCING = settings()["forcing"]
OTHER_RUNS = {
    "corrections": ({"forcing": {**FORCING, "corrections": {"air_temperature": {"offset": 1.0}}}}, "air_temperature"),
    "utc_offset": ({"forcing": {**FORCING, "time": {"utc_offset": 1.0}}}, "forcing up to then differ in"),
    "vegetation": ({"vegetation.fraction": 0.31}, "vegetation_fraction"),
    "leaf area": ({"vegetation.leaf_area_index": 2.0}, "leaf_area_index"),
    "initial": ({"initial.skin_temperature": 268.0}, "initial differ in skin_temperature"),
    "spin-up": ({"spin_up": {"period": "3 hours", "cycles": 1}}, "spin_up"),
    "sampling": ({"output": {"file": "out.nc", "every": 3}}, "every 2 steps, this run writes every 3 steps"),
}


@pytest.mark.parametrize("what", OTHER_RUNS)
def test_another_run_does_not_go_on_from_the_files_of_this_one(folder, monkeypatch, what):
    stopped(folder, monkeypatch, 12, OSError("no space"))
    changes, message = OTHER_RUNS[what]
    before = (folder / "out.nc").read_bytes()
    with pytest.raises((RestartError, ValueError), match=message):
        launch(read(settings(**changes), folder), Launch(resume=True))
    assert (folder / "out.nc").read_bytes() == before


def test_another_forcing_file_is_noticed_up_to_the_restart_and_free_after_it(folder, monkeypatch):
    stopped(folder, monkeypatch, 12, OSError("no space"))
    weather = (folder / "weather.csv").read_text()
    # The last restart is at 10 h.
    reworded(folder / "weather.csv", 6, ",60000,", ",60001,")
    with pytest.raises(RestartError, match="belongs to another run: forcing up to then differ in air_pressure"):
        launch(read(settings(), folder), Launch(resume=True))
    (folder / "weather.csv").write_text(weather)
    reworded(folder / "weather.csv", 15, ",60000,", ",60001,")
    assert launch(read(settings(), folder), Launch(resume=True)).first_step == 10


def test_a_run_that_began_from_a_restart_file_is_resumed(folder, monkeypatch):
    launch(read(settings(output={"file": "first.nc", "every": 2}), folder))
    file = sorted((folder / "first_restart").iterdir())[0]
    section = {"every": "5 hours", "from": str(file)}
    launch(read(settings(restart=section, output={"file": "whole.nc", "every": 2}), folder))
    stopped(folder, monkeypatch, 17, OSError("no space"), restart=section)
    assert launch(read(settings(restart=section), folder), Launch(resume=True)).first_step == 15
    with xr.open_dataset(folder / "whole.nc") as whole, xr.open_dataset(folder / "out.nc") as out:
        np.testing.assert_array_equal(whole.soil_temperature, out.soil_temperature)


# --- stuck


def test_an_error_before_the_first_restart_file_does_not_stop_later_runs(folder, monkeypatch):
    stopped(folder, monkeypatch, 3, OSError("no space"))
    assert (folder / "out.nc").exists()
    for _ in range(2):
        stopped(folder, monkeypatch, 3, OSError("no space"), output={"file": "out.nc", "every": 2, "overwrite": True})
    summary = launch(read(settings(), folder), Launch(resume=True))
    assert (summary.first_step, summary.steps_done) == (0, 19)


def test_a_foreign_file_is_not_taken_for_an_unfinished_output(folder):
    xr.Dataset({"a": 1.0}).to_netcdf(folder / "out.nc")
    before = (folder / "out.nc").read_bytes()
    with pytest.raises(FileExistsError, match="--overwrite"):
        launch(read(settings(), folder), Launch(resume=True))
    assert (folder / "out.nc").read_bytes() == before


def test_restart_files_that_are_all_damaged_lead_back_to_the_beginning(folder, monkeypatch):
    stopped(folder, monkeypatch, 12, OSError("no space"))
    for path in (folder / "out_restart").iterdir():
        path.write_bytes(path.read_bytes()[:1000])
    site = write(folder / "site.yaml", changed(settings()))
    result = CliRunner().invoke(app, ["run", str(site), "--resume", "--no-plot"])
    assert result.exit_code == 0, result.output
    assert len(re.findall("It is passed over", result.stderr)) == 2
    assert "running from the beginning" in result.stderr
