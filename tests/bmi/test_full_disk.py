"""A full disk is called so; the records are kept, and the run goes on when there is room again."""

from __future__ import annotations

import errno

import numpy as np
import pytest
import xarray as xr
from configurations import changed, read, write, write_weather
from typer.testing import CliRunner

from bmi_noahpy.cli import app
from bmi_noahpy.files import space
from bmi_noahpy.files.space import FullDisk, SpaceWarning, told_when_full
from bmi_noahpy.output import OutputWriter
from bmi_noahpy.output.journal import Journal
from bmi_noahpy.output.records import RecordRows
from bmi_noahpy.runs import blocks
from bmi_noahpy.runs.launch import Launch, launch
from bmi_noahpy.runs.prepare import prepare


def settings(**changes) -> dict:
    return {
        "period": {"start": "2020-01-01T00:00", "end": "2020-01-01T12:00", "step": 3600},
        "forcing": {"file": "weather.csv", "format": "csv"},
        "output": {"file": "out.nc"},
        "restart": {"every": "4 hours"},
        "execution": "eager",
        **changes,
    }


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write_weather(tmp_path / "weather.csv", 16)
    monkeypatch.setattr(blocks, "FIRST_LENGTH", 2)
    monkeypatch.setattr(blocks, "LARGEST_GROWTH", 1.0)
    return tmp_path


def fails_from(count: int, error: BaseException, original):
    calls = iter(range(10**6))

    def fails(*given):
        if next(calls) >= count:
            raise error
        return original(*given)

    return fails


@pytest.mark.parametrize("where", ["journal", "file"])
def test_the_place_and_where_the_records_are_is_said_and_the_run_goes_on_later(folder, monkeypatch, where):
    launch(read(settings(output={"file": "whole.nc"}), folder))
    site = write(folder / "site.yaml", changed(settings()))
    with monkeypatch.context() as patch:
        if where == "journal":
            error = OSError(errno.ENOSPC, "No space left on device")
            patch.setattr(Journal, "append", fails_from(4, error, Journal.append))
        else:
            # What the netCDF library says of a full disk.
            patch.setattr(RecordRows, "write", fails_from(2, RuntimeError("NetCDF: HDF error"), RecordRows.write))
            patch.setattr(space, "free_bytes", lambda path: 100)
        result = CliRunner().invoke(app, ["run", str(site), "--no-plot"])
    assert result.exit_code == 1, result.output
    assert "no room on its disk" in result.stderr
    assert "records are kept in" in result.stderr
    assert "--resume" in result.stderr
    assert launch(read(settings(), folder), Launch(resume=True)).steps_done == 13
    with xr.open_dataset(folder / "whole.nc") as whole, xr.open_dataset(folder / "out.nc") as out:
        np.testing.assert_array_equal(whole.soil_temperature, out.soil_temperature)


def test_an_error_that_is_no_full_disk_stays_what_it_is(tmp_path):
    for error in (OSError(errno.EIO, "Input/output error"), RuntimeError("NetCDF: HDF error")):
        with pytest.raises(type(error)) as caught, told_when_full(tmp_path / "out.nc", 100, lambda: "kept"):
            raise error
        assert not isinstance(caught.value, FullDisk)


def test_a_disk_with_too_little_room_is_warned_of_before_the_run(folder, monkeypatch):
    monkeypatch.setattr(space, "free_bytes", lambda path: 1000)
    with pytest.warns(SpaceWarning, match=r"out\.nc: about .* MiB will be needed .*output\.every"):
        launch(read(settings(), folder))


@pytest.mark.parametrize("output", [{"every": 1}, {"every": 5}, {"daily": ["mean", "max"]}])
def test_the_estimate_is_that_of_the_numbers_written(folder, output):
    configuration = read(settings(output={"file": "out.nc", **output}), folder)
    writer = OutputWriter(folder / "x.nc", prepare(configuration), configuration.output)
    launch(configuration)
    with xr.open_dataset(folder / "out.nc", decode_times=False) as data:
        written = sum(data[name].nbytes for name in data.variables if "time" in data[name].dims)
    assert 0.9 * written <= writer.estimated_bytes <= 2.5 * written
