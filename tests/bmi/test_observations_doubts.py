"""Files of observations as a new user brings them: what cannot be right is refused, what is doubtful is told."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr

from bmi_noahpy import read_observations
from bmi_noahpy.observations.columns import Column, read_name
from bmi_noahpy.observations.daily_cycle import clock_doubt, hours_later
from bmi_noahpy.observations.notes import ObservationWarning
from bmi_noahpy.observations.observed import Pairs
from bmi_noahpy.observations.simulated import PlotError
from bmi_noahpy.observations.thaw import read_thaw_depths
from bmi_noahpy.tabular import TableError, read_text_table

HOURS = [f"2020-06-01T{hour:02d}:00" for hour in range(24)]
DAYS = [f"2020-06-{day:02d}" for day in range(1, 20)]


def file(folder, text: str, name: str = "obs.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def rows(header: str, values, stamps=HOURS) -> str:
    """A table whose rows are what `values` says of each number."""
    return header + "\n" + "".join(f"{stamp},{values(number)}\n" for number, stamp in enumerate(stamps))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (rows("time,snow_depth_cm", lambda n: 999 if n % 5 == 0 else 30), r"999 stands there 5 times; .*missing: 999"),
        (rows("time,LE_W_m2", lambda n: -99.99 if n % 4 == 0 else n), r"-99.99 stands there 6 times"),
        (rows("time,theta_5cm_percent", lambda n: 0.2 + 0.001 * n), "are they fractions, and not per cent"),
        (rows("time,snow_depth_mm", lambda n: 0.3 + 0.001 * n), "no value is above 0.00032 m; are they metres"),
        (rows("time,snow_depth_m", lambda n: 5 + n / 2), "the greatest value is 16.5 m; are they cm"),
        (rows("time,SWE_mm", lambda n: 0.3 + 0.01 * n), "are they metres, and not mm"),
        (rows("time,Rnet", lambda n: 10 + 0.1 * n), r"Rnet: no units; taken as W m-2"),
        (rows("time,Rnet_W_m2", lambda n: 10 + 0.1 * n), "are they MJ m-2"),
        (rows("time,snow_depth_cm", lambda n: -0.3 - 0.1 * n if n < 4 else n), "4 small negative values, to -0.006 m"),
        (rows("time,Tsoil_5cm_K", lambda n: 280, HOURS * 3), "times that are there twice: 48"),
        (rows("time,Tsoil_5cm_K", lambda n: 280 + n, HOURS[::-1]), "not in the order of time"),
        (rows("time,Tsoil_5cm_K", lambda n: 280 + n, [f"{d}T12:00" for d in DAYS]), "stamps are at 12:00"),
        (rows("time,Tsoil_5cm_K", lambda n: 280, [f"2020-{m:02d}-15" for m in range(1, 9)]), "day 15 of the month"),
        (rows("time (CET),Tsoil_5cm_K", lambda n: 280 + n), r"time \(CET\) is by its name \(CET\) a local time"),
        (rows("time,Tsoil_5cm_K", lambda n: 280, ["2020-01-01T00:00Z", "2020-01-01T01:00"]), "1 of 2 times carry no"),
        (rows("time,snow_depth_lake_m", lambda n: n / 10), "snow_depth_lake_m: taken by the first words of the name"),
        (rows("time,Tsoil_0.2cm_K", lambda n: 280 + n), "0.2cm is taken as the probe c at 0.2 m"),
        (rows("time,Tsoil_5cm_K,station", lambda n: f"{280 + n},A"), "not used, by their names: station"),
    ],
)
def test_what_is_doubtful_is_told_with_the_remedy(tmp_path, text, told):
    with pytest.warns(ObservationWarning, match=told):
        assert read_observations(file(tmp_path, text))


def test_nothing_is_told_of_what_is_right(tmp_path):
    header = "time,Tsoil_5cm [degC],theta_5cm [%],snow_depth_cm,SWE_mm,LE_W_m2,albedo"
    text = rows(header, lambda n: f"{n},{20 + n},{n},{10 * n},{30 * n},0.{n + 10}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read_observations(file(tmp_path, text))) == 6


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (rows("time,Tsoil_5cm_degC", lambda n: 280 + n), r"look like K: say so \(variables.Tsoil_5cm_degC.units: K\)"),
        (rows("time,theta_5cm", lambda n: 20 + n), "The values look like percent"),
        (rows("time,LE_W_m2", lambda n: 9999 if n == 3 else n), r"line 5, row 4 .*If 9999 means missing, say so"),
        (rows("time,snow_depth_cm", lambda n: -1 if n % 5 == 0 else 30), "If -1 means missing, say so"),
        (rows("time,Tsoil_5cm_K", lambda n: "inf" if n == 3 else 280), r"row 4 .* is inf K"),
        (rows("time,Tsoil_5cm_K", lambda n: (280, "", 281)[n % 3], [HOURS[0]] * 3), "280 and 281 at the same time"),
        (
            "time,Tsoil_5cm_K,snow_depth_m\n-,degC,cm\n2020-01-01,-5,35\n2020-01-02,-5,35\n",
            "'K' by its name, 'degC' by",
        ),
        (
            "time;LE_W_m2;SWE_mm\n2020-01-01;1,5;1.000\n2020-01-02;2,5;2.000\n2020-01-03;2,5;3,5\n",
            "one thousand or one",
        ),
        ("Date/Depth,5,10,20\n2020-01-01,-1,-2,-3\n2020-01-02,-1,-2,-3\n", r"depths in m or in cm\? Write '5 \[cm\]'"),
        (
            "time,Tsoil_5cm_K\n2020-01-01,280*\n2020-01-02,281\n2020-01-03,282\n",
            "line 2 .* lies between names and records",
        ),
        ('time,Tsoil_5cm_K\n2020-01-01,"280\n2020-01-02,281"\n2020-01-03,282\n', "a quote .* is not closed"),
        (
            rows("time,Tsoil_5cm_K", lambda n: 280, ["2020-01-01T00:00", "2020-01-01T0-1:00"]),
            "record 2 is .* not a time",
        ),
        ("date,Tsoil_5cm_K\n0020-05-01,280\n0020-05-02,281\n", "record 1 is in the year 0020. Write years with four"),
        ("year,month,day,albedo\n20,5,1,0.2\n20,5,2,0.2\n", "record 1 is in the year 0020"),
        ("date,Tsoil_5cm_K\n01/02/2020,280\n01/03/2020,281\n", "Say which: format: day-first"),
    ],
)
@pytest.mark.filterwarnings("ignore::bmi_noahpy.observations.notes.ObservationWarning")
def test_what_cannot_be_right_is_refused_with_the_remedy(tmp_path, text, words):
    with pytest.raises(PlotError, match=words):
        read_observations(file(tmp_path, text))


def test_everything_that_is_wrong_with_a_file_is_told_at_once(tmp_path):
    text = rows("time,Tsoil_5cm_K,snow_depth,theta_5cm", lambda n: f"6999,{n},30")
    with pytest.raises(PlotError, match=r"(?s)Tsoil_5cm_K: .*snow_depth: no units.*theta_5cm: .*percent"):
        read_observations(file(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Date,T soil 5 cm (degC)\n13/6/2020 1:00 PM,1\n14/6/2020 1:00 PM,2\n", "2020-06-13T13:00"),
        ("Date,Time,Tsoil_5cm_degC\n2020-01-01,24:00,1\n2020-01-02,01:00,2\n", "2020-01-02T00:00"),
        ("Year,DOY,HHMM,Tsoil_5cm_degC\n2020,1,30,1\n2020,1,100,2\n", "2020-01-01T00:30"),
        ("Year,DOY,HHMM,Tsoil_5cm_degC\n2020,1,2400,1\n2020,2,100,2\n", "2020-01-02T00:00"),
        ("time_UTC+1;Tsoil_5cm_degC\n2020-01-01 00:00;1,5\n2020-01-01 01:00;2,5\n", "2019-12-31T23:00"),
    ],
)
def test_clocks_of_many_kinds_are_read(tmp_path, text, first):
    (series,) = read_observations(file(tmp_path, text))
    assert series.times[0] == np.datetime64(first)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Rn_lw_W_m2", "'lw'"),
        ("albedo_nir", "'nir'"),
        ("snow_depth_new_cm", "'new'"),
        ("theta_ice_5cm", "'ice'"),
        ("theta_sat_5cm", "'sat'"),
        ("swe_change_mm", "'change'"),
        ("Tsurf_air_K", "'air'"),
        ("Tsoil_5cm_mod", "of a model, not observed"),
        ("G_8cm_W_m2", "at 0.08 m, not at the surface"),
        ("LE_CORR_25", "quality, spread"),
        ("Tsoil_5cm_F", "units 'F' in its name are not understood"),
        ("LE_mm_d", "units 'mm' in its name"),
        ("SWE_in", "units 'in' in its name"),
        ("Tsoil_05m", "0.5 m or 5 m deep"),
        ("Tsoil_0_05m", "Write 0.05m or 0-05m"),
    ],
)
def test_a_part_a_change_or_a_model_is_not_the_quantity(name, reason):
    found = read_name(name)
    assert isinstance(found, str)
    assert reason in found


@pytest.mark.parametrize(
    ("name", "depth", "units"),
    [
        ("Tsoil_5cm_degF", 0.05, "degF"),
        ("Rn_MJ_m2_d", None, "MJ m-2 d-1"),
        ("theta_5cm_m3m3", 0.05, "m3 m-3"),
        ("SWC_5cm_%", 0.05, "percent"),
        ("Qle_W/m2", None, "W m-2"),
        ("Tsoil_0p05m_degC", 0.05, "degC"),
        ("Tsoil 0,1 m [°C]", 0.1, "°C"),
        ("theta_0p1-0p3m", 0.2, None),
        ("Tsoil_05cm_K", 0.05, "K"),
    ],
)
def test_units_and_depths_in_the_spellings_of_the_field_are_read(name, depth, units):
    found = read_name(name)
    assert isinstance(found, Column)
    assert (found.depth, found.units) == (depth, units)


def test_elements_of_a_loggers_array_are_not_taken_for_units(tmp_path):
    header = '"TOA5","Alp"\n"TIMESTAMP","VWC_5cm_Avg(1)","VWC_9cm_Avg(2)"\n"TS","m^3/m^3","%"\n"","Avg","Avg"\n'
    path = file(tmp_path, header + '"2020-01-01 01:00:00",0.2,30\n"2020-01-01 02:00:00",0.2,31\n', "logger.dat")
    with pytest.warns(ObservationWarning, match="TIMESTAMP is a logger's clock, and nothing says how far it is"):
        first, second = read_observations(path)
    np.testing.assert_allclose([first.values, second.values], [[0.2, 0.2], [0.3, 0.31]])


def test_two_columns_of_one_name_are_both_of_what_it_says(tmp_path):
    path = file(tmp_path, "time,theta_5cm_percent,theta_5cm_percent\n2020-01-01,20,21\n2020-01-02,22,23\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read_observations(path)
    np.testing.assert_allclose([series.values for series in found], [[0.2, 0.22], [0.21, 0.23]])


def test_a_zone_of_smet_may_have_minutes_and_a_wrong_one_is_refused(tmp_path):
    text = "SMET 1.1 ASCII\n[HEADER]\nstation_id=x\ntz={}\nfields=timestamp TSS\n[DATA]\n2020-01-01T06:00 270\n"
    assert read_text_table(file(tmp_path, text.format("+5:45"), "a.smet")).layout.utc_offset == 5.75
    with pytest.raises(TableError, match="the key 'tz' of its header is 'CET', not a number"):
        read_text_table(file(tmp_path, text.format("CET"), "b.smet"))


TIMES = np.datetime64("2020-06-01", "ns") + np.arange(24) * np.timedelta64(1, "h")


def netcdf(path, variables, coordinates=None):
    data = xr.Dataset(variables, {"time": TIMES, **(coordinates or {})})
    data.to_netcdf(path)
    return path


KELVIN = np.linspace(280.0, 282.0, 24)
BOTH = np.stack([KELVIN, KELVIN], 1)


@pytest.mark.parametrize(
    ("variables", "coordinates", "words"),
    [
        ({"soil_temperature": (("time", "depth"), BOTH)}, {"depth": [5.0, 10.0]}, "depths without units"),
        ({"soil_temperature": (("time", "station"), BOTH)}, {"station": [1, 2]}, "has the dimensions time, station"),
        ({"soil_temperature": ("time", KELVIN)}, {}, "no depth: add a coordinate depth"),
        ({"x": ("time", KELVIN)}, {}, "no variable to compare among x"),
        ({"snow_depth": ("time", KELVIN), "albedo": ("time", KELVIN)}, {}, r"(?s)snow_depth: no units.*albedo: row 1"),
    ],
)
def test_netcdf_that_cannot_be_understood_is_refused(tmp_path, variables, coordinates, words):
    with pytest.raises(PlotError, match=words):
        read_observations(netcdf(tmp_path / "obs.nc", variables, coordinates))


def test_netcdf_is_read_by_the_words_of_its_names_and_the_rest_is_named(tmp_path):
    variables = {
        "Tsoil_5cm": ("time", KELVIN, {"units": "K"}),
        "Qle": ("time", np.where(KELVIN > 281.0, np.float32(-999.9), np.float32(50.0)), {"units": "W/m2"}),
        "Qle_qc": ("time", KELVIN),
        "hottest": (
            "time",
            KELVIN,
            {"units": "K", "standard_name": "surface_temperature", "cell_methods": "time: max"},
        ),
        "Tair": ("time", KELVIN, {"units": "K"}),
    }
    variables["hottest"][2]["cell_methods"] = "time: maximum"
    with pytest.warns(ObservationWarning, match=r"Qle_qc \(quality.*hottest \(a maximum\), Tair"):
        soil, heat = read_observations(netcdf(tmp_path / "obs.nc", variables))
    assert (soil.depth, heat.quantity, heat.values.tolist()) == (0.05, "latent_heat_flux", [50.0] * 12)


def test_depths_beside_a_dimension_of_layers_count(tmp_path):
    variables = {"soil_temperature": (("time", "layer"), BOTH, {"units": "K"})}
    depths = {"layer_depth": ("layer", [5.0, 20.0], {"units": "cm", "positive": "down"})}
    found = read_observations(netcdf(tmp_path / "obs.nc", variables, depths))
    assert [series.depth for series in found] == [0.05, 0.2]


def test_depths_of_thaw_tell_what_is_not_used_and_what_looks_like_a_code(tmp_path):
    text = "site,year,ALT_cm\nU1,2019,50\nU2,2019,80\nU2,2020,999\n"
    with pytest.warns(ObservationWarning) as told:
        read_thaw_depths(file(tmp_path, text))
    words = " ".join(str(entry.message) for entry in told)
    assert "not used: site; rows of the same time are averaged" in words
    assert "999 stands there once; if it means missing" in words
    with pytest.raises(PlotError, match="in ALT_cm and in thaw_depth"):
        read_thaw_depths(file(tmp_path, "year,ALT_cm,thaw_depth\n2019,50,51\n"))


def cycles(hours: float, *, days: int = 10, noise: float = 0.0) -> Pairs:
    """Radiation by day, the observed one later."""
    times = np.datetime64("2020-06-01", "ns") + np.arange(24 * days) * np.timedelta64(1, "h")
    number = np.arange(times.size)

    def sun(shift: float):
        return 500.0 * np.maximum(np.sin(2.0 * np.pi * (number - 6.0 - shift) / 24.0), 0.0) - 60.0

    scatter = noise * np.random.default_rng(3).standard_normal(times.size)
    return Pairs(times, sun(0.0), 0.8 * sun(hours) + scatter)


@pytest.mark.parametrize("hours", [-9.0, -1.0, 0.0, 5.75, 11.0])
def test_the_time_between_two_daily_cycles_is_found(hours):
    assert hours_later(cycles(hours, noise=50.0)) == pytest.approx(hours, abs=0.3)


def test_an_observed_cycle_that_is_hours_off_is_told_and_one_that_nothing_tells_is_not():
    told = clock_doubt("net_radiation", cycles(8.0))
    assert told is not None
    assert "8.0 h after the simulated one, as if its clock were ahead of what is said" in told
    assert clock_doubt("net_radiation", cycles(1.0)) is None
    assert clock_doubt("latent_heat_flux", cycles(3.0)) is None
    assert clock_doubt("soil_temperature", cycles(8.0)) is None
    assert hours_later(cycles(8.0, days=3)) is None
    flat = cycles(8.0)
    assert hours_later(Pairs(flat.times, flat.simulated, np.full(flat.times.size, 3.0))) is None
    assert hours_later(cycles(8.0, noise=5000.0)) is None
