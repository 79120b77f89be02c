"""What is not the variable, or not in its units, is never taken for it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bmi_noahpy.forcing import ForcingError, open_forcing
from bmi_noahpy.forcing.humidity_sources import vapour_pressure
from bmi_noahpy.forcing.in_memory import table_of

HOURS = 48
TIMES = np.datetime64("2020-06-01T00:00", "s") + np.arange(HOURS) * np.timedelta64(1, "h")
SUN = np.maximum(500.0 * np.sin(2.0 * np.pi * (np.arange(HOURS) - 6) / 24.0), 0.0)
RAIN = np.where(np.arange(HOURS) % 5 == 0, 1.0, 0.0)
AIR = {
    "Tair_K": np.full(HOURS, 280.0),
    "PSurf_Pa": np.full(HOURS, 9.0e4),
    "Qair_kg_kg": np.full(HOURS, 0.004),
    "Wind_m_s": np.full(HOURS, 3.0),
    "SWdown_W_m2": SUN,
    "LWdown_W_m2": np.full(HOURS, 300.0),
    "Precip_mm": RAIN,
}


def table(path, drop: tuple[str, ...] = (), **more):
    columns = {name: values for name, values in AIR.items() if name not in drop} | more
    pd.DataFrame({"time": TIMES.astype(str), **columns}).to_csv(path, index=False)
    return path


def logger(path, names: list[str], kinds: list[str], values: list[float]):
    units = ["Deg C", "mbar", "%", "meters/second", "meters/second", "W/m^2", "W/m^2", "mm"]
    header = ['"TOA5","S","CR1000"', ",".join(["TIMESTAMP", *names]), ",".join(["TS", *units]), ",".join(["", *kinds])]
    rows = [f"{str(time).replace('T', ' ')},{','.join(map(str, values))}" for time in TIMES]
    path.write_text("\n".join([*header, *rows]) + "\n", encoding="utf-8")
    return path


def dataset(path=None, drop: tuple[str, ...] = (), **more):
    names = {"Tair": "K", "PSurf": "Pa", "Qair": "kg kg-1", "Wind": "m s-1", "SWdown": "W m-2", "LWdown": "W m-2"}
    values = dict(zip((*names, "Precip"), AIR.values(), strict=True))
    entries = {name: (values[name], {"units": units}) for name, units in {**names, "Precip": "mm"}.items()}
    entries = {name: entry for name, entry in entries.items() if name not in drop} | more
    data = xr.Dataset(
        {name: ("time", *entry) for name, entry in entries.items()}, {"time": TIMES.astype("datetime64[ns]")}
    )
    if path is None:
        return data
    data.to_netcdf(path)
    return path


NAMES = ["AirTC_Avg", "BP_mbar_Avg", "RH", "WS_ms_S_WVT", "WS_ms_Max", "SlrW_Avg", "LWdown_Avg", "Rain_mm_Tot"]
KINDS = ["Avg", "Avg", "Smp", "WVc", "Max", "Avg", "Avg", "Tot"]
VALUES = [5.0, 900.0, 60.0, 3.0, 9.0, 100.0, 300.0, 0.0]


def test_the_mean_of_a_wind_vector_is_the_wind_and_its_gust_is_named(tmp_path):
    found = open_forcing({"file": logger(tmp_path / "a.dat", NAMES, KINDS, VALUES), "time": {"utc_offset": 0}})
    np.testing.assert_array_equal(found.values["wind_speed"], 3.0)
    assert found.notes == (
        f"{tmp_path / 'a.dat'}: WS_ms_Max is a maximum of wind_speed, not wind_speed itself, and is left out",
    )


def test_the_clock_of_a_logger_without_an_offset_is_told(tmp_path):
    path = logger(tmp_path / "a.dat", NAMES, KINDS, VALUES)
    told = (
        "is a logger's clock, and nothing says how far it is from UTC: it is taken as UTC. Say forcing.time.utc_offset"
    )
    assert any(told in note for note in open_forcing({"file": path}).notes)
    assert not any(told in note for note in open_forcing({"file": path, "time": {"zone": "Asia/Tokyo"}}).notes)


def test_a_column_that_the_logger_declares_a_maximum_is_not_the_variable(tmp_path):
    names = [*NAMES[:3], "Wind", "WS_ms_Avg", *NAMES[5:]]
    path = logger(tmp_path / "a.dat", names, [*KINDS[:3], "Max", "Avg", *KINDS[5:]], [*VALUES[:3], 9, 3, *VALUES[5:]])
    found = open_forcing({"file": path})
    np.testing.assert_array_equal(found.values["wind_speed"], 3.0)
    assert "Wind is a maximum of wind_speed" in found.notes[0]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Wind_Max_m_s", "a maximum"),
        ("WS_ms_Max", "a maximum"),
        ("Wind_min_m_s", "a minimum"),
        ("WS_Std", "a standard"),
    ],
)
def test_an_extreme_alone_leaves_the_quantity_missing_and_says_why(tmp_path, name, kind):
    path = table(tmp_path / "a.csv", drop=("Wind_m_s",), **{name: 9.0})
    with pytest.raises(ForcingError, match=rf"missing wind_speed.*{name} is {kind}.* of wind_speed"):
        open_forcing({"file": path})
    asked = {"wind_speed": {"name": name, "units": "m s-1"}}
    found = open_forcing({"file": path, "variables": asked})
    np.testing.assert_array_equal(found.values["wind_speed"], 9.0)
    assert found.notes == ()


@pytest.mark.parametrize("method", ["maximum", "minimum", "standard_deviation"])
def test_extremes_that_cell_methods_declare_are_not_the_variable(tmp_path, method):
    attributes = {"units": "K", "standard_name": "air_temperature", "cell_methods": f"time: {method} (interval: 1 h)"}
    extreme = {"tas_other": (np.full(HOURS, 290.0), attributes)}
    both = dataset(tmp_path / "a.nc", **extreme)
    found = open_forcing({"file": both})
    np.testing.assert_array_equal(found.window(0, HOURS)["air_temperature"], 280.0)
    assert any("tas_other is a" in note for note in found.notes)
    np.testing.assert_array_equal(table_of(dataset(**extreme)).values["air_temperature"], 280.0)
    alone = dataset(tmp_path / "b.nc", drop=("Tair",), **extreme)
    with pytest.raises(ForcingError, match=r"missing air_temperature.*tas_other is a"):
        open_forcing({"file": alone})


def test_columns_of_a_sum_are_brought_to_one_unit(tmp_path):
    path = table(tmp_path / "a.csv", drop=("Precip_mm",), rain_mm=RAIN, snow_cm=0.5 * RAIN)
    for names in (["rain_mm", "snow_cm"], ["snow_cm", "rain_mm"]):
        found = open_forcing({"file": path, "variables": {"precipitation": {"name": names}}})
        np.testing.assert_allclose(found.values["precipitation"][:, 0] * 3600.0, 6.0 * RAIN, rtol=1e-12)


def test_an_amount_and_a_rate_are_not_summed(tmp_path):
    path = table(tmp_path / "a.csv", drop=("Precip_mm",), rain_mm=RAIN, snow_mm_h=RAIN)
    with pytest.raises(ForcingError, match=r"precipitation \(rain_mm \+ snow_mm_h\).*one unit"):
        open_forcing({"file": path, "variables": {"precipitation": {"name": ["rain_mm", "snow_mm_h"]}}})
    rain = {"rain": (RAIN, {"units": "mm"}), "snow": (RAIN, {"units": "mm h-1"})}
    stored = dataset(tmp_path / "a.nc", drop=("Precip",), **rain)
    with pytest.raises(ForcingError, match=r"precipitation \(rain \+ snow\).*one unit"):
        open_forcing({"file": stored, "variables": {"precipitation": {"name": ["rain", "snow"]}}})


def test_variables_of_a_sum_are_brought_to_one_unit(tmp_path):
    parts = {"direct": (0.7e-3 * SUN, {"units": "kW m-2"}), "diffuse": (0.3 * SUN, {"units": "W m-2"})}
    path = dataset(tmp_path / "a.nc", drop=("SWdown",), **parts)
    for names in (["direct", "diffuse"], ["diffuse", "direct"]):
        found = open_forcing({"file": path, "variables": {"shortwave_down": {"name": names}}})
        np.testing.assert_allclose(found.window(0, HOURS)["shortwave_down"][:, 0], SUN, rtol=1e-12)


def test_a_variable_of_a_sum_without_units_or_that_is_not_there_is_refused(tmp_path):
    path = dataset(tmp_path / "a.nc", drop=("SWdown",), direct=(SUN, {"units": "W m-2"}), diffuse=(SUN, {}))
    for names, text in ((["direct", "diffuse"], "no units attribute"), (["direct", "scattered"], "no variable 'scat")):
        with pytest.raises(ForcingError, match=text):
            open_forcing({"file": path, "variables": {"shortwave_down": {"name": names}}})


@pytest.mark.parametrize("quantity", ["vapour_pressure", "VPD"])
def test_pressures_of_vapour_must_state_their_units(tmp_path, quantity):
    saturated = float(vapour_pressure(np.array(280.0)))
    path = table(tmp_path / "a.csv", drop=("Qair_kg_kg",), **{quantity: 0.5 * saturated / 100.0})
    with pytest.raises(ForcingError, match=r"no units in the header.*Pa, hPa and kPa"):
        open_forcing({"file": path})
    name = "vapour_pressure" if quantity == "vapour_pressure" else "vapour_pressure_deficit"
    found = open_forcing({"file": path, "variables": {name: {"name": quantity, "units": "hPa"}}})
    expected = 0.622 * 0.5 * saturated / (9.0e4 - 0.378 * 0.5 * saturated)
    np.testing.assert_allclose(found.values["specific_humidity"], expected, rtol=1e-3)


def test_shortwave_radiation_too_weak_for_its_units_must_state_them(tmp_path):
    path = table(tmp_path / "a.csv", drop=("SWdown_W_m2",), SWdown=SUN * 3600.0 / 1e6)
    with pytest.raises(ForcingError, match=r"shortwave_down \(SWdown\).*1.8 is too weak"):
        open_forcing({"file": path})
    asked = {"shortwave_down": {"name": "SWdown", "units": "MJ m-2"}}
    found = open_forcing({"file": path, "variables": asked})
    np.testing.assert_allclose(found.values["shortwave_down"][:, 0], SUN, rtol=1e-9)
    dark = table(tmp_path / "b.csv", drop=("SWdown_W_m2",), SWdown=0.0)
    assert open_forcing({"file": dark}).values["shortwave_down"].max() == 0.0
