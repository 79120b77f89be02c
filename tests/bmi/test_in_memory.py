"""A run from Python without files: a DataFrame or a Dataset in, a Dataset out, units checked on the way."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from configurations import changed, read, write_weather

import bmi_noahpy
from bmi_noahpy import ConfigurationError, simulate
from bmi_noahpy.config import read_configuration


def weather() -> pd.DataFrame:
    """The three-hourly records of the valid configuration."""
    hours = pd.date_range("2020-01-01", periods=16, freq="3h")
    number = np.arange(16)
    columns = {
        "Tair [degC]": 265.0 + number - 273.15,
        "PSurf_hPa": np.full(16, 600.0),
        "Qair [g kg-1]": np.full(16, 2.0),
        "Wind_m_s": np.full(16, 3.0),
        "SWdown [W m-2]": 10.0 * number,
        "LWdown [W m-2]": np.full(16, 220.0),
        "Precip_mm": np.full(16, 0.108),
    }
    return pd.DataFrame(columns, index=hours)


def test_a_frame_and_a_dataset_give_the_run_of_the_file(tmp_path):
    write_weather(tmp_path / "weather.csv")
    filed = simulate(read_configuration(changed({"forcing.file": "weather.csv"}), tmp_path))
    framed = simulate(read({}), weather())
    names = {"Tair [degC]": "Tair", "PSurf_hPa": "PSurf", "Qair [g kg-1]": "Qair", "Wind_m_s": "Wind",
             "SWdown [W m-2]": "SWdown", "LWdown [W m-2]": "LWdown", "Precip_mm": "Precip"}  # fmt: skip
    units = {"Tair": "degC", "PSurf": "hPa", "Qair": "g kg-1", "Wind": "m s-1", "SWdown": "W m-2", "LWdown": "W m-2",
             "Precip": "mm"}  # fmt: skip
    data = xr.Dataset.from_dataframe(weather().rename(columns=names).rename_axis("time"))
    for name, unit in units.items():
        data[name].attrs["units"] = unit
    stored = simulate(read({}), data)
    for found in (framed, stored):
        for name in ("soil_temperature", "soil_liquid_water", "sensible_heat_flux"):
            np.testing.assert_allclose(found[name].values, filed[name].values, rtol=1e-5)
    assert framed["soil_temperature"].attrs["units"] == "K"
    assert framed.sizes["time"] == 16


def test_units_are_asked_for_and_mistakes_in_them_are_caught():
    bare = weather().rename(columns={"Tair [degC]": "Tair"})
    with pytest.raises(ConfigurationError, match=r"air_temperature \(Tair\): no units. Say them: units="):
        simulate(read({}), bare)
    with pytest.raises(ConfigurationError, match="The values look like degC"):
        simulate(read({}), bare, units={"Tair": "K"})
    assert simulate(read({}), bare, units={"Tair": "degC"}, variables=["soil.temperature"]).sizes["time"] == 16
    humid = weather().rename(columns={"Qair [g kg-1]": "Qair [percent]"})
    with pytest.raises(ConfigurationError, match="are a ratio of percent"):
        simulate(read({}), humid)


def test_a_frame_without_times_and_a_run_without_records_are_refused():
    with pytest.raises(ConfigurationError, match="the index is RangeIndex, not times"):
        simulate(read({}), weather().reset_index(drop=True))
    with pytest.raises(ValueError, match="names no forcing file"):
        simulate(read({}))
    with pytest.raises(TypeError, match=r"'site.yaml' is a path\. Give load_configuration\('site.yaml'\)"):
        simulate("site.yaml", weather())
    with pytest.raises(TypeError, match=r"configuration: a dict\. Give what load_configuration returns"):
        bmi_noahpy.prepare({})
    assert "simulate" in bmi_noahpy.__all__
