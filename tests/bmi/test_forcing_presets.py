"""The same weather in a made-up file of each convention: two lines of configuration read it right."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from made_up_conventions import START, TRUTH, other_quantities, write

from bmi_noahpy.forcing import ForcingError, open_forcing
from bmi_noahpy.forcing.derived import pressure_at
from bmi_noahpy.forcing.humidity_sources import humidity_of
from bmi_noahpy.forcing.presets import presets


@pytest.mark.parametrize("name", presets())
def test_a_file_of_each_convention_gives_the_same_weather(name, tmp_path):
    path = write(name, tmp_path)
    table = open_forcing({"file": path, "preset": name})
    first = int((table.times[0] - START) / np.timedelta64(1, "h"))
    begin = 0
    if presets()[name].label == "end":
        assert table.times[0] == START - np.timedelta64(1, "h")
        first, begin = 0, 1
    for quantity, values in table.values.items():
        if quantity not in TRUTH:
            assert quantity == "relative_humidity"
            np.testing.assert_allclose(values, 0.7, rtol=1e-12)
            continue
        found = values[begin:, 0]
        np.testing.assert_allclose(
            found, TRUTH[quantity][first : first + len(found)], rtol=2e-6, atol=1e-10, err_msg=quantity
        )


def test_what_is_said_goes_before_the_preset(tmp_path):
    path = write("plumber2", tmp_path)
    warmer = {"air_temperature": {"name": "Tair", "units": "degC"}}
    with pytest.raises(ForcingError, match="outside 150 to 350"):
        open_forcing({"file": path, "preset": "plumber2", "variables": warmer})


def test_a_preset_that_does_not_fit_or_exist_is_refused(tmp_path):
    path = write("plumber2", tmp_path)
    with pytest.raises(ForcingError, match=r"none of its variables .* is one of forcing.preset 'era5'"):
        open_forcing({"file": path, "preset": "era5"})
    with pytest.raises(ForcingError, match=r"unknown preset 'plumber'. Did you mean 'plumber2'"):
        open_forcing({"file": path, "preset": "plumber"})


def test_sums_of_an_hour_every_three_hours_are_refused(tmp_path):
    path = write("era5", tmp_path)
    with xr.open_dataset(path) as data:
        data.isel(time=slice(None, None, 3)).to_netcdf(tmp_path / "thinned.nc")
    with pytest.raises(
        ForcingError, match=r"precipitation.*: amounts of forcing.preset era5 are of 1 h, but .* 3 h apart"
    ):
        open_forcing({"file": tmp_path / "thinned.nc", "preset": "era5"})


def test_stamps_that_the_file_declares_otherwise_are_told_of(tmp_path):
    with xr.open_dataset(write("gldas", tmp_path)) as data:
        changed = data.load()
    times = changed["time"].values
    changed["time_bnds"] = (("time", "bnds"), np.stack([times, times + np.timedelta64(1, "h")], 1))
    changed["time"].attrs["bounds"] = "time_bnds"
    changed.to_netcdf(tmp_path / "changed.nc")
    notes = open_forcing({"file": tmp_path / "changed.nc", "preset": "gldas"}).notes
    told = [note for note in notes if "stamps of" in note]
    assert len(told) == 3
    assert "stamps of SWdown_f_tavg are 'start' of their interval by its bounds" in told[0]


def test_humidity_of_each_kind_is_the_same_humidity():
    humidity, temperature, pressure = (TRUTH[name] for name in ("specific_humidity", "air_temperature", "air_pressure"))
    for source in ("dewpoint_temperature", "vapour_pressure_deficit", "mixing_ratio"):
        found = humidity_of(source, other_quantities()[source], temperature, pressure)
        np.testing.assert_allclose(found, humidity, rtol=1e-9, err_msg=source)


def test_pressure_follows_the_standard_atmosphere():
    assert pressure_at(0.0) == 101325.0
    assert pressure_at(5000.0) == pytest.approx(54020.0, rel=1e-3)
