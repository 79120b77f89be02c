"""Files as six communities write them, set down without the table of presets, and what they mean, worked by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bmi_noahpy.forcing import ForcingTable, open_forcing

HOUR = np.timedelta64(1, "h")
MIDNIGHT = np.datetime64("2019-07-01T00:00", "ns")


def values(table: ForcingTable, quantity: str, count: int) -> list[float]:
    return [float(value) for value in table.values[quantity][:count, 0]]


def near(*expected: float):
    return pytest.approx(list(expected), rel=2e-5)


def climate_store(path: Path, hours: int, fields: dict[str, tuple[object, str]]) -> Path:
    """As the Climate Data Store delivers it: one cell, ``valid_time``, units with ``**``."""
    stamps = MIDNIGHT + np.arange(hours) * HOUR
    dims = ("valid_time", "latitude", "longitude")
    xr.Dataset(
        {
            name: (dims, np.broadcast_to(value, hours).reshape(hours, 1, 1).astype("float64"), {"units": units})
            for name, (value, units) in fields.items()
        },
        {
            "valid_time": stamps,
            "latitude": ("latitude", [46.75], {"units": "degrees_north"}),
            "longitude": ("longitude", [9.75], {"units": "degrees_east"}),
            "number": 0,
            "expver": ("valid_time", np.full(hours, "0001")),
        },
    ).to_netcdf(path)
    return path


AIR = {
    "t2m": (np.arange(280.0, 284.0), "K"),
    "d2m": (273.15, "K"),
    "sp": (1.0e5, "Pa"),
    "u10": (3.0, "m s**-1"),
    "v10": (-4.0, "m s**-1"),
}


def test_totals_of_era5_are_those_of_the_hour_before_their_stamp(tmp_path):
    file = climate_store(
        tmp_path / "era5.nc",
        4,
        AIR
        | {
            "ssrd": ([1.0, 36000.0, 360000.0, 720000.0], "J m**-2"),
            "strd": (1080000.0, "J m**-2"),
            "tp": ([1.0, 0.0018, 0.0036, 0.0], "m"),
            "sf": ([1.0, 0.0, 0.0009, 0.0], "m of water equivalent"),
        },
    )
    table = open_forcing({"file": file, "preset": "era5"})
    assert table.times[0] == MIDNIGHT
    assert values(table, "air_temperature", 3) == [280.0, 281.0, 282.0]
    assert values(table, "shortwave_down", 3) == near(10.0, 100.0, 200.0)
    assert values(table, "longwave_down", 3) == near(300.0, 300.0, 300.0)
    assert values(table, "precipitation", 3) == near(5.0e-4, 1.0e-3, 0.0)
    assert values(table, "snowfall", 3) == near(0.0, 2.5e-4, 0.0)
    assert values(table, "wind_speed", 1) == [5.0]
    # Vapour of 611.21 Pa: 0.622 * 611.21 / (100000 - 0.378 * 611.21)
    assert values(table, "specific_humidity", 1) == near(0.0038105)
    assert {"shortwave_down", "precipitation"} <= table.means
    assert "air_temperature" not in table.means


def test_totals_of_era5_land_begin_at_midnight_and_that_of_midnight_is_of_the_day_before(tmp_path):
    # 1 mm in every hour, and k W m-2 of sun in the hour that begins at k.
    hours = np.arange(27)
    ended = np.where(hours % 24 == 0, 24, hours % 24)
    air = {name: (np.mean(value), units) for name, (value, units) in AIR.items()}
    file = climate_store(
        tmp_path / "land.nc",
        27,
        air
        | {
            "ssrd": (3600.0 * ended * (ended - 1) / 2.0, "J m**-2"),
            "strd": (3600.0 * 300.0 * ended, "J m**-2"),
            "tp": (0.001 * ended, "m"),
        },
    )
    table = open_forcing({"file": file, "preset": "era5-land"})
    assert table.times[0] == MIDNIGHT
    assert values(table, "shortwave_down", 26) == pytest.approx([*range(24), 0, 1], abs=1e-6)
    assert values(table, "longwave_down", 26) == near(*[300.0] * 26)
    assert values(table, "precipitation", 26) == near(*[1.0 / 3600.0] * 26)


def test_a_table_of_fluxnet_is_in_local_time_with_kilopascals_and_a_deficit_in_hectopascals(tmp_path):
    (tmp_path / "FLX_XX-Xxx_FULLSET_HH.csv").write_text(
        "TIMESTAMP_START,TIMESTAMP_END,TA_F_MDS,TA_F_MDS_QC,TA_ERA,TA_F,TA_F_QC,SW_IN_POT,SW_IN_F,SW_IN_F_QC,LW_IN_F,"
        "LW_IN_F_QC,VPD_F,VPD_F_QC,PA_F,PA_F_QC,P_ERA,P_F,P_F_QC,WS_F,WS_F_QC,USTAR,RH,NETRAD\n"
        "201907010000,201907010030,-9999,-9999,11.0,12.5,0,0,0,0,330.5,0,4.0,0,95.0,0,0.1,0.9,0,2.5,0,0.2,71,-40\n"
        "201907010030,201907010100,-9999,-9999,11.0,12.0,0,0,20.5,0,331.5,0,3.0,0,95.1,0,0.1,0.0,0,2.0,0,-9999,75,-41\n"
        "201907010100,201907010130,-9999,-9999,11.0,11.5,2,0,40.5,0,332.5,0,2.0,0,95.2,0,0.1,1.8,0,1.5,0,0.1,80,-42\n"
    )
    file = tmp_path / "FLX_XX-Xxx_FULLSET_HH.csv"
    table = open_forcing({"file": file, "preset": "fluxnet", "time": {"utc_offset": 1}})
    assert table.times.astype("datetime64[m]").tolist() == list(
        np.array(["2019-06-30T23:00", "2019-06-30T23:30", "2019-07-01T00:00"], "datetime64[m]").tolist()
    )
    assert values(table, "air_temperature", 3) == near(285.65, 285.15, 284.65)
    assert values(table, "air_pressure", 3) == near(95000.0, 95100.0, 95200.0)
    assert values(table, "shortwave_down", 3) == near(0.0, 20.5, 40.5)
    assert values(table, "precipitation", 3) == near(5.0e-4, 0.0, 1.0e-3)
    assert values(table, "wind_speed", 3) == near(2.5, 2.0, 1.5)
    # Saturation at 12.5 degC is 1449.3 Pa, less 400 Pa: 0.622 * 1049.3 / (95000 - 0.378 * 1049.3)
    assert values(table, "specific_humidity", 1) == near(0.0068991)
    assert "air_temperature" in table.means


def test_a_base_file_of_ameriflux_has_comments_percent_and_the_code_of_missing_values(tmp_path):
    (tmp_path / "AMF_US-Xxx_BASE_HH_1-5.csv").write_text(
        "# Site: US-Xxx\n# Version: 1-5\n"
        "TIMESTAMP_START,TIMESTAMP_END,CO2,TA,RH,PA,WS,WD,SW_IN,LW_IN,P,SWC_1_1_1,TS_1_1_1\n"
        "202001010000,202001010030,410,-3.5,85,84.5,1.5,270,0,240,0.36,-9999,0.1\n"
        "202001010030,202001010100,411,-3.0,84,84.6,1.0,265,0,241,0,-9999,0.1\n"
    )
    file = tmp_path / "AMF_US-Xxx_BASE_HH_1-5.csv"
    table = open_forcing({"file": file, "preset": "ameriflux", "time": {"utc_offset": -7}})
    assert table.times[0] == np.datetime64("2020-01-01T07:00")
    assert values(table, "air_temperature", 2) == near(269.65, 270.15)
    assert values(table, "relative_humidity", 2) == near(0.85, 0.84)
    assert values(table, "air_pressure", 2) == near(84500.0, 84600.0)
    assert values(table, "precipitation", 2) == near(2.0e-4, 0.0)
    assert values(table, "longwave_down", 2) == near(240.0, 241.0)


def test_a_smet_file_has_multipliers_and_a_zone_in_its_header_and_stamps_at_the_end(tmp_path):
    (tmp_path / "station.smet").write_text(
        "SMET 1.1 ASCII\n[HEADER]\nstation_id = XXX2\nstation_name = Made up\nlatitude = 46.8\nlongitude = 9.8\n"
        "altitude = 2540\nnodata = -999\ntz = 1\n"
        "fields = timestamp TA RH VW DW ISWR RSWR ILWR PSUM P HS\n"
        "units_offset = 0 273.15 0 0 0 0 0 0 0 0 0\n"
        "units_multiplier = 0 1 0.01 1 1 1 1 1 1 100 0.01\n[DATA]\n"
        "2019-01-01T01:00 -5.5 90 1.5 180 0 0 230 3.6 760 55\n"
        "2019-01-01T02:00 -6.0 91 2.5 190 0 0 231 0.0 761 56\n"
        "2019-01-01T03:00 -6.5 92 3.5 -999 0 -999 232 1.8 762 57\n"
    )
    table = open_forcing({"file": tmp_path / "station.smet", "preset": "smet"})
    assert table.times[0] == np.datetime64("2018-12-31T23:00")
    assert values(table, "air_temperature", 3) == near(267.65, 267.15, 266.65)
    assert values(table, "relative_humidity", 3) == near(0.90, 0.91, 0.92)
    assert values(table, "air_pressure", 3) == near(76000.0, 76100.0, 76200.0)
    assert values(table, "precipitation", 3) == near(1.0e-3, 0.0, 5.0e-4)
    assert values(table, "longwave_down", 3) == near(230.0, 231.0, 232.0)


def test_output_of_wrf_has_mixing_ratio_texts_of_time_and_two_running_totals_of_rain(tmp_path):
    stamps = ["2019-07-01_00:00:00", "2019-07-01_01:00:00", "2019-07-01_02:00:00", "2019-07-01_03:00:00"]
    fields = {
        "T2": ([280.0, 281.0, 282.0, 283.0], "K"),
        "Q2": (0.006, "kg kg-1"),
        "PSFC": (90000.0, "Pa"),
        "U10": (0.6, "m s-1"),
        "V10": (0.8, "m s-1"),
        "SWDOWN": ([0.0, 50.0, 150.0, 250.0], "W m-2"),
        "GLW": (310.0, "W m-2"),
        "RAINC": ([7.0, 8.0, 9.0, 10.0], "mm"),
        "RAINNC": ([3.0, 3.5, 4.5, 4.5], "mm"),
    }
    dims = ("Time", "south_north", "west_east")
    cell = {"XLAT": 46.8, "XLONG": 9.8}
    data = xr.Dataset(
        {
            name: (dims, np.broadcast_to(value, 4).reshape(4, 1, 1).astype("float32"), {"units": units})
            for name, (value, units) in fields.items()
        }
        | {name: (dims, np.full((4, 1, 1), value, "float32")) for name, value in cell.items()}
        | {"Times": ("Time", np.array(stamps, dtype="S19"))}
    )
    data.to_netcdf(tmp_path / "wrfout_d01_2019-07-01_00:00:00")
    table = open_forcing({"file": tmp_path / "wrfout_d01_2019-07-01_00:00:00", "format": "netcdf", "preset": "wrf"})
    assert table.times[0] == MIDNIGHT
    assert values(table, "air_temperature", 3) == near(280.0, 281.0, 282.0)
    assert values(table, "specific_humidity", 1) == near(0.006 / 1.006)
    assert values(table, "wind_speed", 1) == near(1.0)
    # What fell from one stamp to the next: 1.5, 2.0 and 1.0 mm.
    assert values(table, "precipitation", 3) == near(1.5 / 3600.0, 2.0 / 3600.0, 1.0 / 3600.0)
    assert values(table, "shortwave_down", 3) == near(0.0, 50.0, 150.0)
    assert "shortwave_down" not in table.means
