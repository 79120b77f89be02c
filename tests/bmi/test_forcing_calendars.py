"""Forcing of climate models: calendars that are not ours; gaps and codes of missing values in netCDF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray

from bmi_noahpy.forcing import ForcingError, open_forcing
from bmi_noahpy.forcing import streamed as streamed_module

NAMES = {"Tair": "K", "PSurf": "Pa", "Qair": "kg kg-1", "Wind": "m s-1", "SWdown": "W m-2", "LWdown": "W m-2"}


def write(folder: Path, days: int, calendar: str, per_day: int = 1, start: str = "2019-12-31", bounds: bool = False):
    """Records whose wind is the number of the day since the start, and whose temperature tells the time of day."""
    count = days * per_day
    steps = np.arange(count) / per_day
    values = {"Tair": 260.0 + steps % 1.0, "PSurf": 9e4, "Qair": 1e-3, "Wind": np.floor(steps) % 100, "SWdown": 0.0,
              "LWdown": 250.0}  # fmt: skip
    data = xarray.Dataset(
        {name: ("time", np.broadcast_to(values[name], count).copy(), {"units": units}) for name, units in NAMES.items()}
    )
    data["Precip"] = ("time", np.zeros(count), {"units": "kg m-2 s-1"})
    shift = 0.5 / per_day if bounds else 0.0
    data["time"] = ("time", steps + shift, {"units": f"days since {start}", "calendar": calendar})
    if bounds:
        data["time"].attrs["bounds"] = "time_bnds"
        data["time_bnds"] = (("time", "n"), np.stack([steps, steps + 1.0 / per_day], axis=1))
    data.to_netcdf(folder / "model.nc")
    return folder / "model.nc"


def test_without_leap_days_29_february_has_the_records_of_28_february(tmp_path):
    table = open_forcing({"file": write(tmp_path, 90, "noleap", per_day=4)})
    wind = dict(zip(table.times.astype("datetime64[h]"), table.values["wind_speed"][:, 0], strict=True))
    assert np.all(np.diff(table.times) == np.timedelta64(6, "h"))
    assert wind[np.datetime64("2020-02-28T12")] == wind[np.datetime64("2020-02-29T12")] == 59.0
    assert wind[np.datetime64("2020-03-01T00")] == 60.0
    assert table.records == 91 * 4
    assert "29 February has the records of the 28th" in table.notes[0]


def test_of_a_calendar_with_leap_days_only_the_29th_of_common_years_is_left_out(tmp_path):
    table = open_forcing({"file": write(tmp_path, 100, "all_leap", start="2021-01-01")})
    wind = dict(zip(table.times.astype("datetime64[D]"), table.values["wind_speed"][:, 0], strict=True))
    assert wind[np.datetime64("2021-02-28")] == 58.0
    assert wind[np.datetime64("2021-03-01")] == 60.0
    assert table.records == 99


@pytest.mark.parametrize(("year", "length"), [(2019, 365), (2020, 366)])
def test_a_year_of_360_days_fills_ours_and_keeps_the_seasons(tmp_path, year, length):
    table = open_forcing({"file": write(tmp_path, 360, "360_day", per_day=2, start=f"{year}-01-01")})
    assert table.records == 2 * length
    assert np.all(np.diff(table.times) == np.timedelta64(12, "h"))
    midday = table.values["air_temperature"][1::2, 0]
    assert np.all(midday == 260.5)
    days = table.values["wind_speed"][::2, 0]
    expected = (np.arange(length) + 0.5) / length * 360
    early = np.arange(length) < 99
    assert np.array_equal(days[early], np.floor(expected[early]))


def test_bounds_in_another_calendar_say_what_a_stamp_is(tmp_path):
    table = open_forcing({"file": write(tmp_path, 70, "noleap", bounds=True)})
    assert table.times[0] == np.datetime64("2019-12-31T00")
    assert "air_temperature" in table.means


def test_an_offset_from_utc_holds_in_any_calendar(tmp_path):
    spec = {"file": write(tmp_path, 5, "noleap"), "time": {"utc_offset": 2}}
    assert open_forcing(spec).times[0] == np.datetime64("2019-12-30T22")


def with_holes(folder: Path, **faults: float):
    """Hourly records: Tair missing for two hours, Wind a code, and two records left out of the file."""
    path = write(folder, 6, "standard", per_day=24)
    with xarray.open_dataset(path) as found:
        data = found.load()
    data["Tair"][10:12] = np.nan
    data["Wind"] = data["Wind"].astype("f4")
    data["Wind"][30] = 6999.9
    data = data.isel(time=np.r_[0:50, 52:144])
    data.to_netcdf(folder / "holes.nc")
    return folder / "holes.nc"


@pytest.mark.parametrize("memory", [64 * 2**20, 8 * 7 * 8])
def test_gaps_of_netcdf_are_filled_and_reported_however_little_memory_there_is(tmp_path, memory, monkeypatch):
    monkeypatch.setattr(streamed_module, "WINDOW_BYTES", memory)
    spec = {"file": with_holes(tmp_path), "gaps": {"longest": 10800.0}, "text": {"missing": (6999.9,)}}
    table = open_forcing(spec)
    assert table.records == 144
    windows = [table.window(row, row + 4) for row in range(0, 144, 4)]
    air, wind = (np.concatenate([w[name][:, 0] for w in windows]) for name in ("air_temperature", "wind_speed"))
    assert air[10:12] == pytest.approx(260.0 + np.array([10.0, 11.0]) / 24.0, abs=1e-12)
    assert wind[30] == 1.0
    assert wind[50:52].tolist() == [2.0, 2.0]
    notes = "\n".join(table.findings(None).notes())
    assert notes.count("are filled (linear)") == 2 + len(NAMES) + 1
    assert "air_temperature (Tair): 2 missing values at 2019-12-31T10:00 to 2019-12-31T11:00 are filled" in notes


def test_the_same_hours_of_other_days_fill_a_gap_in_netcdf(tmp_path):
    spec = {
        "file": with_holes(tmp_path),
        "gaps": {"longest": 10800.0, "method": "diurnal"},
        "text": {"missing": (6999.9,)},
    }
    air = open_forcing(spec).values["air_temperature"][:, 0]
    assert air[10:12] == pytest.approx(260.0 + np.array([10.0, 11.0]) / 24.0, abs=1e-12)


def test_a_gap_that_is_longer_is_refused(tmp_path):
    spec = {"file": with_holes(tmp_path), "gaps": {"longest": 3600.0}, "text": {"missing": (6999.9,)}}
    with pytest.raises(ForcingError, match=r"air_temperature \(Tair\): record 11 .* is missing"):
        open_forcing(spec)


def test_values_of_netcdf_are_compared_with_their_bounds_as_a_run_corrects_them(tmp_path):
    path = write(tmp_path, 3, "standard")
    with pytest.raises(ForcingError, match="air_temperature"):
        open_forcing({"file": path}, biases={"air_temperature": (1.0, 200.0)})


def test_a_number_that_stands_there_again_and_again_is_pointed_out_as_a_code(tmp_path):
    with xarray.open_dataset(write(tmp_path, 40, "standard")) as found:
        data = found.load()
    data["Wind"][[3, 9, 20]] = 6999.0
    data.to_netcdf(tmp_path / "codes.nc")
    with pytest.raises(ForcingError, match="6999 stands there 3 times: if it means missing, say so"):
        open_forcing({"file": tmp_path / "codes.nc"})
