"""Forcing files of nine models and data sets, set down without the table of presets, and what they mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bmi_noahpy.forcing import ForcingTable, open_forcing

MIDNIGHT = np.datetime64("2019-07-01T00:00", "ns")
SUN = [0.0, 60.0, 180.0, 240.0]


def netcdf(
    path: Path, fields: dict[str, tuple[object, str]], dims: tuple[str, ...], hours: int = 1, **more: object
) -> Path:
    """Four records of one cell; stamps in the variable of the first dimension."""
    shape = (4, *(1 for _ in dims[1:]))
    variables = {
        name: (dims, np.broadcast_to(value, 4).reshape(shape).astype("float64"), {"units": units})
        for name, (value, units) in fields.items()
    }
    stamps = MIDNIGHT + np.arange(4) * np.timedelta64(hours, "h")
    xr.Dataset(variables | dict(more), {dims[0]: stamps}).to_netcdf(path)
    return path


def gldas(folder: Path) -> Path:
    names = (
        "Tair_f_inst",
        "Qair_f_inst",
        "Psurf_f_inst",
        "Wind_f_inst",
        "SWdown_f_tavg",
        "LWdown_f_tavg",
        "Rainf_f_tavg",
    )
    units = ("K", "kg kg-1", "Pa", "m s-1", "W m-2", "W m-2", "kg m-2 s-1")
    values = (280.0, 0.004, 90000.0, 5.0, [9.0, *SUN[:3]], 300.0, [9e-3, 0.0, 5e-4, 1e-3])
    fields = dict(zip(names, zip(values, units, strict=True), strict=True))
    return netcdf(folder / "GLDAS.nc4", fields, ("time", "lat", "lon"), hours=3)


def cmfd(folder: Path) -> Path:
    fields = {
        "temp": (280.0, "K"), "pres": (90000.0, "Pa"), "shum": (0.004, "kg kg-1"), "wind": (5.0, "m s-1"),
        "srad": (SUN, "W m-2"), "lrad": (300.0, "W m-2"), "prec": ([0.0, 1.8, 3.6, 0.0], "mm hr-1"),
    }  # fmt: skip
    return netcdf(folder / "cmfd.nc", fields, ("time", "lat", "lon"), hours=3)


ALMA = {
    "Tair": (280.0, "K"), "Qair": (0.004, "kg/kg"), "Wind": (5.0, "m/s"), "SWdown": (SUN, "W/m^2"),
    "LWdown": (300.0, "W/m^2"),
}  # fmt: skip


def plumber2(folder: Path) -> Path:
    more = {"PSurf": (90000.0, "Pa"), "Precip": ([0.0, 5e-4, 1e-3, 0.0], "kg/m^2/s"), "RH": (55.0, "%"),
            "VPD": (4.5, "hPa"), "LAI": (2.5, "-"), "LAI_alternative": (3.5, "-")}  # fmt: skip
    return netcdf(folder / "XX-Xxx_2019-2019_FLUXNET2015_Met.nc", ALMA | more, ("time", "y", "x"))


def esm_snowmip(folder: Path) -> Path:
    more = {"PSurf": (90000.0, "Pa"), "Rainf": ([0.0, 5e-4, 0.0, 0.0], "kg m-2 s-1"),
            "Snowf": ([0.0, 0.0, 1e-3, 0.0], "kg m-2 s-1")}  # fmt: skip
    return netcdf(folder / "met_insitu_xxx.nc", ALMA | more, ("time",))


def surfex(folder: Path) -> Path:
    more = {"PSurf": (90000.0, "Pa"), "DIR_SWdown": (0.75 * np.array(SUN), "W/m2"),
            "SCA_SWdown": (0.25 * np.array(SUN), "W/m2"), "Rainf": ([0.0, 5e-4, 0.0, 0.0], "kg/m2/s"),
            "Snowf": ([0.0, 0.0, 1e-3, 0.0], "kg/m2/s"), "Wind_DIR": (180.0, "deg")}  # fmt: skip
    alma = {name: field for name, field in ALMA.items() if name != "SWdown"}
    step = {"FRC_TIME_STP": ((), 3600.0, {"units": "s"}), "ZREF": ("Number_of_points", [2.0], {"units": "m"})}
    return netcdf(folder / "FORCING.nc", alma | more, ("time", "Number_of_points"), **step)


def summa(folder: Path) -> Path:
    fields = {
        "airtemp": ([270.0, 280.0, 280.0, 280.0], "K"), "airpres": (90000.0, "Pa"), "spechum": (0.004, "g g-1"),
        "windspd": (5.0, "m s-1"), "SWRadAtm": ([9.0, *SUN[:3]], "W m-2"), "LWRadAtm": (300.0, "W m-2"),
        "pptrate": ([9e-3, 0.0, 5e-4, 1e-3], "kg m-2 s-1"),
    }  # fmt: skip
    more = {"data_step": ((), 3600.0, {"units": "seconds"}), "hruId": ("hru", [1001])}
    return netcdf(folder / "summa_forcing.nc", fields, ("time", "hru"), **more)


def hrldas(folder: Path) -> Path:
    (folder / "LDASIN").mkdir()
    rain = (0.0, 5e-4, 1e-3, 0.0)
    dims = ("Time", "south_north", "west_east")
    for hour in range(4):
        values = {"T2D": (280.0, "K"), "Q2D": (0.004, "kg/kg"), "PSFC": (90000.0, "Pa"), "U2D": (3.0, "m/s"),
                  "V2D": (4.0, "m/s"), "SWDOWN": (SUN[hour], "W/m^2"), "LWDOWN": (300.0, "W/m^2"),
                  "RAINRATE": (rain[hour], "kg/m^2/s")}  # fmt: skip
        data = xr.Dataset({n: (dims, np.full((1, 1, 1), v, "float32"), {"units": u}) for n, (v, u) in values.items()})
        data["Times"] = ("Time", np.array([f"2019-07-01_{hour:02d}:00:00"], dtype="S19"))
        data.to_netcdf(folder / "LDASIN" / f"20190701{hour:02d}.LDASIN_DOMAIN1")
    return folder / "LDASIN" / "*.LDASIN_DOMAIN1"


def fsm(folder: Path) -> Path:
    rows = [
        (SUN[hour - 1], 300.0, 0.0, (0.0, 5e-4, 1e-3, 0.0)[hour - 1], 280.0, 60.0, 5.0, 90000.0) for hour in range(1, 5)
    ]
    text = "\n".join(f"2019 7 1 {hour} " + " ".join(map(str, row)) for hour, row in enumerate(rows, start=1))
    (folder / "met_XXX.txt").write_text(text + "\n")
    return folder / "met_XXX.txt"


def aorc(folder: Path) -> Path:
    names = ("time,APCP_surface,DLWRF_surface,DSWRF_surface,PRES_surface,SPFH_2maboveground,TMP_2maboveground,"
             "UGRD_10maboveground,VGRD_10maboveground,precip_rate")  # fmt: skip
    rain = (9.9, 0.0, 1.8, 3.6)
    rows = [
        f"2019-07-01 {h:02d}:00:00,{rain[h]},300.0,{SUN[h]},90000.0,0.004,280.0,3.0,-4.0,{rain[h] / 3600}"
        for h in range(4)
    ]
    (folder / "cat-27.csv").write_text("\n".join([names, *rows]) + "\n")
    return folder / "cat-27.csv"


FILES = {
    "gldas": gldas, "cmfd": cmfd, "plumber2": plumber2, "esm-snowmip": esm_snowmip, "surfex": surfex, "summa": summa,
    "hrldas": hrldas, "fsm": fsm, "aorc": aorc,
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_records_of_a_model_are_the_weather_they_describe(name, tmp_path):
    table: ForcingTable = open_forcing({"file": FILES[name](tmp_path), "preset": name})

    def first(quantity: str, count: int = 3) -> list[float]:
        return [float(value) for value in table.values[quantity][:count, 0]]

    assert table.times[0] == MIDNIGHT if name != "summa" else MIDNIGHT - np.timedelta64(1, "h")
    begin = 1 if name == "summa" else 0
    assert first("shortwave_down", 3 + begin)[begin:] == pytest.approx(SUN[:3], rel=1e-6)
    assert first("precipitation", 3 + begin)[begin:] == pytest.approx([0.0, 5e-4, 1e-3], rel=1e-6)
    assert first("longwave_down") == pytest.approx([300.0] * 3)
    assert first("air_temperature", 3 + begin)[begin:] == pytest.approx([280.0] * 3)
    assert first("air_pressure") == pytest.approx([90000.0] * 3)
    assert first("wind_speed") == pytest.approx([5.0] * 3)
    if name == "fsm":
        assert first("relative_humidity") == pytest.approx([0.6] * 3)
    else:
        assert first("specific_humidity") == pytest.approx([0.004] * 3)
    if name in ("esm-snowmip", "surfex"):
        assert first("snowfall") == pytest.approx([0.0, 0.0, 1e-3])
    assert "precipitation" in table.means
    assert "longwave_down" in table.means or name == "aorc"
