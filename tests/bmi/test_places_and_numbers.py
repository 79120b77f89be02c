"""Records of another place, classes of another table, and folders of records."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml
from configurations import read, write_weather
from typer.testing import CliRunner

from bmi_noahpy import prepare
from bmi_noahpy.cli import app
from bmi_noahpy.forcing import open_forcing
from bmi_noahpy.region.domain import Domain

SMET = """SMET 1.1 ASCII
[HEADER]
station_id = X
latitude = 46.8
longitude = 9.8
altitude = 2500
nodata = -999
tz = 0
fields = timestamp TA P RH VW ISWR ILWR PSUM
[DATA]
"""


def site(latitude: float, longitude: float) -> Domain:
    return Domain("column", np.array([latitude]), np.array([longitude]))


def write_netcdf(path: Path, start: int = 0, **place: float) -> Path:
    times = np.datetime64("2020-01-01", "ns") + np.arange(start, start + 4) * np.timedelta64(3, "h")
    units = {"Tair": "K", "PSurf": "Pa", "Qair": "kg kg-1", "Wind": "m s-1", "SWdown": "W m-2", "LWdown": "W m-2",
             "Precip": "kg m-2 s-1"}  # fmt: skip
    values = {"Tair": 270.0, "PSurf": 9e4, "Qair": 1e-3, "Wind": 2.0, "SWdown": 0.0, "LWdown": 250.0, "Precip": 0.0}
    data = xr.Dataset({n: ("time", np.full(4, v), {"units": units[n]}) for n, v in values.items()}, {"time": times})
    for name, value in place.items():
        data[name] = ((), value)
    data.to_netcdf(path)
    return path


@pytest.mark.parametrize(("longitude", "told"), [(9.9, False), (369.9, False), (19.9, True)])
def test_records_of_another_place_are_told_of(tmp_path, longitude, told):
    (tmp_path / "x.smet").write_text(
        SMET + "2020-01-01T00:00 270 90000 0.8 2 0 250 0\n2020-01-01T01:00 270 90000 0.8 2 0 250 0\n"
    )
    stored = write_netcdf(tmp_path / "x.nc", latitude=46.8, longitude=9.8)
    for spec in ({"file": tmp_path / "x.smet", "preset": "smet"}, {"file": stored}):
        notes = " ".join(open_forcing(spec, domain=site(46.7, longitude)).notes)
        assert ("its records are of 46.8, 9.8, 7" in notes) == told
        assert ("check domain.latitude" in notes) == told


def test_rock_at_the_surface_is_doubted(tmp_path):
    write_weather(tmp_path / "weather.csv")
    common = {"forcing": {"file": "weather.csv"}, "soil.thickness": [0.1, 0.3, 0.6], "initial.soil_moisture": 0.1,
              "initial.soil_liquid": 0.1, "initial.soil_temperature": 276.0}  # fmt: skip
    with pytest.warns(UserWarning, match="14 at the surface is bedrock in the table 'noah'"):
        prepare(read(common | {"soil.classes": 14}, tmp_path))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        prepare(read(common | {"soil.classes": [9, 9, 14]}, tmp_path))
    assert not [one for one in caught if "bedrock" in str(one.message)]


def test_a_folder_of_netcdf_is_looked_at_as_a_whole(tmp_path):
    (tmp_path / "era").mkdir()
    write_netcdf(tmp_path / "era" / "a.nc", lat=46.8, lon=9.8)
    write_netcdf(tmp_path / "era" / "b.nc", start=4, lat=46.8, lon=9.8)
    result = CliRunner().invoke(app, ["init", str(tmp_path / "site.yaml"), "--from", str(tmp_path / "era")])
    assert result.exit_code == 0, result.output
    written = yaml.safe_load((tmp_path / "site.yaml").read_text())
    assert written["forcing"]["file"] == "era/*.nc"
    assert written["domain"]["latitude"] == 46.8
    assert written["name"] == "era"
    assert str(written["period"]["end"]).startswith("2020-01-01T21")


def test_of_a_folder_of_tables_one_must_be_named(tmp_path):
    (tmp_path / "logs").mkdir()
    write_weather(tmp_path / "logs" / "a.csv")
    target = tmp_path / "site.yaml"
    assert CliRunner().invoke(app, ["init", str(target), "--from", str(tmp_path / "logs")]).exit_code == 0
    assert yaml.safe_load(target.read_text())["forcing"]["file"] == "logs/a.csv"
    write_weather(tmp_path / "logs" / "b.csv")
    result = CliRunner().invoke(app, ["init", str(target), "--overwrite", "--from", str(tmp_path / "logs")])
    assert result.exit_code == 2
    assert "holds several tables: a.csv, b.csv" in result.stderr
