"""Records that are possible each, but hardly true, are told of; what could be two things is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from configurations import changed, read

from bmi_noahpy.config.from_records import write_from_records
from bmi_noahpy.forcing import ForcingError, open_forcing
from bmi_noahpy.forcing.judgement import implausible
from bmi_noahpy.runs.columns import configured_domain

HOURS = 240
TIMES = np.datetime64("2021-06-01T00:00", "s") + np.arange(HOURS) * np.timedelta64(1, "h")
NOISE = np.random.default_rng(5).random((5, HOURS))
SUN = np.maximum(np.sin(np.pi * (np.arange(HOURS) % 24 - 5.5) / 12.0), 0.0)
RAIN = np.where(NOISE[0] < 0.2, np.round(3.0 * NOISE[1], 1), 0.0)
AIR = {
    "Tair_K": 283.0 + 5.0 * SUN + NOISE[2],
    "RH_percent": 70.0 - 20.0 * SUN,
    "PSurf_Pa": 8.8e4 + 50.0 * NOISE[3],
    "Wind_m_s": 2.0 + 3.0 * NOISE[4],
    "SWdown_W_m2": 800.0 * SUN,
    "LWdown_W_m2": 300.0 + 20.0 * NOISE[0],
    "Precip_mm": RAIN,
}


NAMES = {
    "air_temperature": "Tair_K",
    "relative_humidity": "RH_percent",
    "air_pressure": "PSurf_Pa",
    "wind_speed": "Wind_m_s",
    "shortwave_down": "SWdown_W_m2",
    "longwave_down": "LWdown_W_m2",
}


def table(folder, dates="%Y-%m-%d %H:%M", **changes):
    columns = {name: values for name, values in (AIR | changes).items() if values is not None}
    frame = pd.DataFrame({"time": pd.DatetimeIndex(TIMES).strftime(dates), **columns})
    frame.to_csv(folder / "a.csv", index=False)
    return folder / "a.csv"


def doubts(path, elevation=None) -> str:
    found = open_forcing({"file": path})
    domain = configured_domain(read(changed({"domain": {"latitude": 47.0, "longitude": 0.0}})))
    return " ".join([*found.notes, *implausible(found, domain, elevation)])


def coded(values, code, count=5):
    return np.where(np.isin(np.arange(HOURS), 10 + 7 * np.arange(count)), code, values)


def test_usual_weather_is_not_doubted(tmp_path):
    assert doubts(table(tmp_path), elevation=1200.0) == ""


@pytest.mark.parametrize(
    "file",
    ["bondville/forcing.txt", "col_de_porte/forcing.csv", "tgl/forcing.txt", "toolik/forcing.csv", "yakou/forcing.csv"],
)
def test_measured_weather_is_not_doubted(shared, file):
    found = open_forcing({"file": shared / "data" / file})
    assert (found.notes, implausible(found)) == ((), [])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Precip_mm": coded(RAIN, 99.9)}, "precipitation: 0.02775 kg m-2 s-1 is far from all other values"),
        ({"Tair_K": coded(AIR["Tair_K"], 174.15)}, "174.15 stands there 5 times: if it means missing"),
        (
            {"Tair_K": coded(AIR["Tair_K"], 174.15, 1)},
            "air_temperature: 174.15 K is far from all other values: correct it",
        ),
        ({"Wind_m_s": coded(AIR["Wind_m_s"], 99.9)}, "wind_speed: 99.9 m s-1 is far from all other values"),
        ({"RH_percent": None, "Tdew_K": AIR["Tair_K"] + 5.0}, "the air is cut to saturation in 100 % of the records"),
        ({"RH_percent": None, "VPD_hPa": 60.0}, "the air holds no vapour to speak of in 100 % of the records"),
        ({"RH_percent": None, "Qair_g_kg": 15.0}, "the air is above saturation in"),
        ({"LWdown_W_m2": AIR["LWdown_W_m2"] - 250.0}, "which does not occur: check its units, the time that"),
        ({"SWdown_W_m2": 2.9 * SUN}, "shortwave_down is 2.88 W m-2 at the highest, which no day of latitude 47 has"),
        ({"SWdown_W_m2": 250.0}, "shortwave_down is about the same by day and by night"),
        ({"Snowf_mm": 2.0 * RAIN}, "snowfall exceeds precipitation in"),
        ({"Wind_m_s": 30.0 + NOISE[1]}, "more than any place has"),
    ],
)
def test_what_hardly_occurs_is_told_of(tmp_path, changes, words):
    assert words in doubts(table(tmp_path, **changes))


def test_pressure_at_sea_level_is_doubted_at_a_high_site(tmp_path):
    assert "the mean pressure is 1013 hPa, that of 2500 m is about 747 hPa" in doubts(
        table(tmp_path, PSurf_Pa=101300.0), elevation=2500.0
    )


def test_rain_beside_snowfall_may_be_two_things(tmp_path):
    path = table(tmp_path, Precip_mm=None, Rain_mm=0.5 * RAIN, Snowfall_mm=0.5 * RAIN)
    with pytest.raises(ForcingError, match="'Rain_mm' beside 'Snowfall_mm' may be all precipitation, or rain alone"):
        open_forcing({"file": path})
    found = open_forcing({"file": path, "variables": {"rainfall": {"name": "Rain_mm"}}})
    np.testing.assert_allclose(found.values["precipitation"][:, 0] * 3600.0, RAIN, atol=1e-12)


def test_more_rain_than_precipitation_is_told_of(tmp_path):
    path = table(tmp_path, Precip_mm=0.5 * RAIN, Rain_mm=RAIN)
    wet = int(np.count_nonzero(RAIN))
    words = f"rainfall exceeds precipitation in {wet} records"
    given = {"rainfall": {"name": "Rain_mm"}, "precipitation": {"name": "Precip_mm"}}
    assert any(words in note for note in open_forcing({"file": path, "variables": given}).notes)
    data = pd.read_csv(path, parse_dates=["time"]).set_index("time").to_xarray()
    for name in data.data_vars:
        data[name].attrs["units"] = {"Tair_K": "K", "RH_percent": "%", "PSurf_Pa": "Pa", "Wind_m_s": "m s-1"}.get(
            str(name), "mm" if str(name).endswith("mm") else "W m-2"
        )
    data.to_netcdf(tmp_path / "a.nc")
    found = open_forcing({"file": tmp_path / "a.nc", "variables": {k: v["name"] for k, v in given.items()} | NAMES})
    assert any(words in note for note in found.findings(None).notes())


def test_two_columns_of_one_name_are_refused(tmp_path):
    path = table(tmp_path)
    rows = path.read_text().splitlines()
    path.write_text("\n".join([f"{rows[0]},Tair_K", *(f"{row},290.0" for row in rows[1:])]) + "\n")
    with pytest.raises(ForcingError, match=r"both 'Tair_K' and 'Tair_K.2' could be air_temperature"):
        open_forcing({"file": path})


@pytest.mark.parametrize("dimension", ["height", "member", "expver"])
def test_heights_and_members_are_no_columns(tmp_path, dimension):
    units = {"Tair": "K", "PSurf": "Pa", "Qair": "kg kg-1", "Wind": "m s-1", "SWdown": "W m-2", "LWdown": "W m-2"}
    values = {
        name: ("time", np.full(HOURS, 0.004 if name == "Qair" else 300.0), {"units": u}) for name, u in units.items()
    }
    values["Wind"] = (("time", dimension), np.full((HOURS, 2), 3.0), {"units": "m s-1"})
    values["Precip"] = ("time", np.zeros(HOURS), {"units": "mm h-1"})
    xr.Dataset(values, {"time": TIMES.astype("datetime64[ns]")}).to_netcdf(tmp_path / "a.nc")
    with pytest.raises(ForcingError, match=rf"Wind: its dimension '{dimension}' \(2 long\) is no place"):
        open_forcing({"file": tmp_path / "a.nc"})


def test_hours_that_run_to_24_are_told_of_and_guessed_to_be_ends(tmp_path):
    path = table(tmp_path)
    frame = pd.read_csv(path)
    days = pd.to_datetime(frame.pop("time"))
    parts = {"year": days.dt.year, "month": days.dt.month, "day": days.dt.day, "hour": days.dt.hour + 1}
    pd.DataFrame(parts).join(frame).to_csv(path, index=False)
    assert "its hours run to 24" in " ".join(open_forcing({"file": path}).notes)
    assert open_forcing({"file": path, "time": {"label": "start"}}).notes == ()
    look = write_from_records(path, tmp_path / "a.yaml")
    assert any("its hours run to 24: forcing.time.label end is a guess" in guess for guess in look[1])
    assert "start: 2021-06-01 00:00" in look[0].read_text().replace("T", " ").replace("'", "")


def test_dates_are_read_in_the_way_in_which_they_are_equally_spaced(tmp_path):
    path, guesses = write_from_records(table(tmp_path, dates="%m/%d/%Y %H:%M"), tmp_path / "a.yaml")
    assert any("month-first is a guess, and is equally spaced" in guess for guess in guesses)
    assert "month-first" in path.read_text()


def test_the_place_of_a_sensor_is_no_unit(tmp_path):
    changes = {"RH_percent": None, "Tair_K": None, "TA_1_1_1": AIR["Tair_K"] - 273.15, "RH_1_1_1": AIR["RH_percent"]}
    variables = {"air_temperature": {"name": "TA_1_1_1", "units": "degC"}, "relative_humidity": {"name": "RH_1_1_1"}}
    with pytest.raises(ForcingError, match=r"relative_humidity.*look like percent"):
        open_forcing({"file": table(tmp_path, **changes), "variables": variables})


def test_what_is_asked_for_and_cannot_be_meant_is_refused_or_told_of(tmp_path):
    path = table(tmp_path)
    with pytest.raises(ValueError, match=r"time.utc_offset: 480 is no local time minus UTC in hours"):
        open_forcing({"file": path, "time": {"utc_offset": 480.0}})
    twice = {name: {"name": "Tair_K"} for name in ("air_temperature", "dewpoint_temperature")}
    with pytest.raises(ForcingError, match="'Tair_K' is named for air_temperature and for dewpoint_temperature"):
        open_forcing({"file": path, "variables": twice})
    notes = open_forcing({"file": path, "derive": {"air_pressure": 3000.0}}).notes
    assert notes == (
        f"{path}: air_pressure is not derived: the file has its own, which is used. Remove forcing.derive.air_pressure",
    )


def test_amounts_that_are_called_rates_are_told_by_the_wet_records(tmp_path):
    path = table(tmp_path, Precip_mm=None, Precip_kg_m2_s=5.0 * RAIN)
    with pytest.raises(ForcingError, match=r"precipitation .* The values look like mm h-1"):
        open_forcing({"file": path})
    frame = pd.read_csv(path)
    columns = {
        "Tair": "K", "PSurf": "Pa", "Wind": "m s-1", "SWdown": "W m-2", "LWdown": "W m-2", "Precip": "kg m-2 s-1"
    }  # fmt: skip
    written = [name for name in frame if name.split("_")[0] in columns]
    fields = {name.split("_")[0]: ("time", frame[name], {"units": columns[name.split("_")[0]]}) for name in written}
    fields["RH"] = ("time", frame["RH_percent"], {"units": "%"})
    xr.Dataset(fields, {"time": TIMES.astype("datetime64[ns]")}).to_netcdf(tmp_path / "a.nc")
    with pytest.raises(ForcingError, match=r"precipitation .* The values look like mm h-1"):
        open_forcing({"file": tmp_path / "a.nc"})
