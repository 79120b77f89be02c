"""Files of conventions without a preset, read with the lines that the documentation gives for them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml

from bmi_noahpy.forcing import ForcingTable, StreamedTable, open_forcing
from bmi_noahpy.forcing.humidity import specific_humidity
from bmi_noahpy.forcing.presets import presets

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "file-conventions.md"
HOURS = 6
START = np.datetime64("2019-06-13T00:00", "s")
STAMPS = START + np.arange(HOURS) * np.timedelta64(1, "h")
TEMPERATURE = 280.0 + np.arange(HOURS)
RAIN = np.array([0.0, 1.0, 0.0, 2.0, 0.0, 0.0])


def lines_of(title: str) -> str:
    """The YAML below a heading of the page."""
    found = re.search(rf"^### {re.escape(title)}\n.*?```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert found is not None
    return found[1]


def read(title: str, folder: Path) -> ForcingTable | StreamedTable:
    spec = yaml.safe_load(lines_of(title))
    spec["file"] = folder / spec["file"]
    if "missing" in spec:
        spec["text"] = {**spec.get("text", {}), "missing": (float(spec.pop("missing")),)}
    if "text" in spec and "columns" in spec["text"]:
        spec["text"]["columns"] = tuple(spec["text"]["columns"])
    return open_forcing(spec)


def netcdf(path: Path, **columns: np.ndarray | float) -> None:
    fields = {name: ("time", np.broadcast_to(values, HOURS).astype(float)) for name, values in columns.items()}
    xr.Dataset(fields, {"time": STAMPS.astype("datetime64[ns]")}).to_netcdf(path)


def write_vic(folder: Path) -> None:
    netcdf(
        folder / "vic.nc", tas=TEMPERATURE - 273.15, pres=90.0, vp=0.5, wind=3.0, dswrf=100.0, dlwrf=300.0, prcp=RAIN
    )


def write_cosipy(folder: Path) -> None:
    netcdf(folder / "cosipy.nc", T2=TEMPERATURE, PRES=900.0, RH2=50.0, U2=3.0, G=100.0, LWin=300.0, RRR=RAIN)


def write_geotop(folder: Path) -> None:
    rows = ["Date,Iprec,WindS,WindDir,RelHum,AirT,SWglob"]
    for row, stamp in enumerate(STAMPS):
        local = str(stamp + np.timedelta64(1, "h"))
        date = f"{local[8:10]}/{local[5:7]}/{local[:4]} {local[11:16]}"
        rows.append(f"{date},{RAIN[row]},3.0,-9999,50.0,{TEMPERATURE[row] - 273.15:.2f},100.0")
    (folder / "geotop.txt").write_text("\n".join(rows))


def write_parflow(folder: Path) -> None:
    rows = [
        f"{stamp} 100.0 300.0 {float(RAIN[row]) / 3600.0!r} {TEMPERATURE[row]} 1.8 -2.4 90000.0 0.004"
        for row, stamp in enumerate(STAMPS)
    ]
    (folder / "parflow.txt").write_text("\n".join(rows))


WRITERS = {"VIC": write_vic, "COSIPY": write_cosipy, "GEOtop": write_geotop, "ParFlow with CLM": write_parflow}


@pytest.mark.parametrize("title", WRITERS)
def test_the_lines_of_the_page_read_a_file_of_the_convention(title, tmp_path):
    WRITERS[title](tmp_path)
    table = read(title, tmp_path)
    values = table.values
    assert table.times[0] == START
    np.testing.assert_allclose(values["air_temperature"][:, 0], TEMPERATURE, atol=0.006)
    np.testing.assert_allclose(values["precipitation"][:, 0], RAIN / 3600.0, rtol=1e-9)
    np.testing.assert_allclose(values["wind_speed"], 3.0, rtol=1e-12)
    np.testing.assert_allclose(values["shortwave_down"], 100.0)
    if title == "VIC":
        expected = 0.622 * 500.0 / (9e4 - 0.378 * 500.0)
        np.testing.assert_allclose(values["specific_humidity"], expected, rtol=1e-3)
    if title == "COSIPY":
        humid = specific_humidity(np.full(HOURS, 0.5), TEMPERATURE, np.full(HOURS, 9e4))
        found = values.get("specific_humidity", values.get("relative_humidity"))
        np.testing.assert_allclose(found[:, 0], humid if "specific_humidity" in values else 0.5, rtol=1e-9)
    if title == "GEOtop":
        assert values["air_pressure"][0, 0] == pytest.approx(84556.0, rel=1e-3)
        assert 200.0 < values["longwave_down"][0, 0] < 330.0


def test_the_page_names_every_preset():
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in presets() if f"{name}`" not in page] == []


@pytest.mark.parametrize("with_times", [True, False])
def test_a_file_of_hrldas_for_each_hour_has_its_time_in_it_or_in_its_name(tmp_path, with_times):
    names = {"T2D": TEMPERATURE, "PSFC": 9e4, "Q2D": 4e-3, "U2D": 1.8, "V2D": -2.4, "SWDOWN": 100.0, "LWDOWN": 300.0,
             "RAINRATE": RAIN / 3600.0}  # fmt: skip
    for row, stamp in enumerate(STAMPS):
        fields = {
            name: (("Time", "south_north", "west_east"), np.full((1, 1, 1), np.broadcast_to(values, HOURS)[row]))
            for name, values in names.items()
        }
        data = xr.Dataset(fields)
        if with_times:
            data["Times"] = (("Time",), np.array([str(stamp).replace("T", "_").encode()]))
        name = str(stamp)[:13].replace("-", "").replace("T", "")
        data.to_netcdf(tmp_path / f"{name}.LDASIN_DOMAIN1", engine="netcdf4")
    table = open_forcing({"file": tmp_path / "*.LDASIN_DOMAIN1", "preset": "hrldas"})
    assert table.times[0] == START
    assert table.records == HOURS
    np.testing.assert_allclose(table.values["air_temperature"][:, 0], TEMPERATURE)
