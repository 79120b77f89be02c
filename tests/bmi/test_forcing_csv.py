"""CSV records: names, units, times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bmi_noahpy.forcing import ForcingError, ForcingSeries, PrescribedVegetation, open_forcing
from bmi_noahpy.forcing.humidity import specific_humidity

ROWS = {
    "time": ["2020-01-01T00:00", "2020-01-01T01:00", "2020-01-01T02:00"],
    "Tair_degC": [-5.0, -4.0, 1.5],
    "PSurf_hPa": [900.0, 901.0, 902.5],
    "RH_percent": [80.0, 85.0, 90.0],
    "Wind_m_s": [1.0, 2.0, 3.0],
    "SWdown_W_m2": [0.0, 10.0, 50.0],
    "LWdown_W_m2": [200.0, 210.0, 220.0],
    "Precip_mm_h": [0.0, 3.6, 0.72],
}


def write(folder: Path, columns: dict, name: str = "weather.csv") -> Path:
    path = folder / name
    rows = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def without(*names: str, **others) -> dict:
    return {key: values for key, values in ROWS.items() if key not in names} | others


def test_units_of_the_header_are_converted(tmp_path):
    table = open_forcing({"file": write(tmp_path, ROWS)})
    values = {name: array[:, 0] for name, array in table.values.items()}
    np.testing.assert_allclose(values["air_temperature"], [268.15, 269.15, 274.65], rtol=1e-15)
    np.testing.assert_allclose(values["air_pressure"], [90_000.0, 90_100.0, 90_250.0], rtol=1e-15)
    np.testing.assert_allclose(values["relative_humidity"], [0.8, 0.85, 0.9], rtol=1e-15)
    np.testing.assert_allclose(values["precipitation"], [0.0, 1.0e-3, 2.0e-4], rtol=1e-14)
    assert table.interval == np.timedelta64(3600, "s")


@pytest.mark.parametrize("header", ["Tair [degC]", "tair (C)", "air_temperature_degC", "TAS_C"])
def test_headers_are_recognised_in_their_usual_forms(tmp_path, header):
    table = open_forcing({"file": write(tmp_path, without("Tair_degC", **{header: ROWS["Tair_degC"]}))})
    assert table.values["air_temperature"][0, 0] == pytest.approx(268.15, rel=1e-15)


def test_names_and_units_of_the_configuration_go_before_those_of_the_header(tmp_path):
    columns = without("Tair_degC", **{"Tair_K": [1.0, 1.0, 1.0], "sensor 7": [23.0, 24.8, 32.0]})
    variables = {"air_temperature": {"name": "sensor 7", "units": "degF"}}
    table = open_forcing({"file": write(tmp_path, columns), "variables": variables})
    np.testing.assert_allclose(table.values["air_temperature"][:, 0], [268.15, 269.15, 273.15], rtol=1e-14)


def test_specific_humidity_goes_before_relative_humidity_unless_that_is_configured(tmp_path):
    path = write(tmp_path, ROWS | {"Qair_kg_kg": [0.001, 0.002, 0.003]})
    assert "relative_humidity" not in open_forcing({"file": path}).values
    table = open_forcing({"file": path, "variables": {"relative_humidity": "RH_percent"}})
    assert "specific_humidity" not in table.values


def test_wind_components_and_rain_and_snow_are_combined(tmp_path):
    phases = {"Rainf_kg_m2_s": [1e-4] * 3, "Snowf_kg_m2_s": [2e-4] * 3}
    columns = without("Wind_m_s", "Precip_mm_h", u10=[3.0] * 3, v10=[-4.0] * 3, **phases)
    table = open_forcing({"file": write(tmp_path, columns)})
    np.testing.assert_allclose(table.values["wind_speed"], 5.0, rtol=1e-15)
    np.testing.assert_allclose(table.values["precipitation"], 3.0e-4, rtol=1e-15)
    np.testing.assert_allclose(table.values["snowfall"], 2.0e-4, rtol=1e-15)


def test_amounts_per_record_become_rates_over_the_interval(tmp_path):
    columns = without("Precip_mm_h", "SWdown_W_m2", Precip_mm=[0.0, 3.6, 7.2], SWdown_J_m2=[0.0, 3.6e5, 7.2e5])
    table = open_forcing({"file": write(tmp_path, columns)})
    np.testing.assert_allclose(table.values["precipitation"][:, 0], [0.0, 1e-3, 2e-3], rtol=1e-14)
    np.testing.assert_allclose(table.values["shortwave_down"][:, 0], [0.0, 100.0, 200.0], rtol=1e-14)


@pytest.mark.parametrize(
    ("times", "options"),
    [
        (["2020-01-01T00:00Z", "2020-01-01T01:00Z", "2020-01-01T02:00Z"], {}),
        (["2020-01-01 08:00:00+08:00", "2020-01-01 09:00:00+08:00", "2020-01-01 10:00:00+08:00"], {}),
        (["2020-01-01 08:00", "2020-01-01 09:00", "2020-01-01 10:00"], {"utc_offset": 8}),
        (["01.01.2020 00h", "01.01.2020 01h", "01.01.2020 02h"], {"format": "%d.%m.%Y %Hh"}),
    ],
)
def test_times_are_utc_whatever_their_form(tmp_path, times, options):
    table = open_forcing({"file": write(tmp_path, ROWS | {"time": times}), "time": options})
    expected = np.array(ROWS["time"], dtype="datetime64[s]")
    assert (table.times == expected).all()


def test_missing_quantities_are_all_named_with_what_the_file_has_and_what_is_accepted(tmp_path):
    path = write(tmp_path, without("Wind_m_s", "LWdown_W_m2"))
    with pytest.raises(ForcingError, match=r"missing wind_speed .or wind_u and wind_v., longwave_down") as error:
        open_forcing({"file": path})
    assert "Precip_mm_h" in str(error.value)
    assert "sfcWind" in str(error.value)
    assert str(path) in str(error.value)


def test_two_columns_for_one_quantity_are_refused(tmp_path):
    path = write(tmp_path, ROWS | {"air_temperature_K": [270.0] * 3})
    with pytest.raises(ForcingError, match=r"both 'Tair_degC' and 'air_temperature_K' could be air_temperature"):
        open_forcing({"file": path})


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        (ROWS | {"Tair_degC": [1.0, "x7", 2.0]}, {}, r"Tair_degC: record 2 .line 3. is 'x7', not a number"),
        (ROWS | {"Tair_degC": [1.0, "2_0", 2.0]}, {}, r"Tair_degC: record 2 .line 3. is '2_0', not a number"),
        (ROWS | {"time": ["2020-01-01", "soon", "later"]}, {}, r"time: record 2 is 'soon', not a time in ISO 8601"),
        (without("time"), {}, r"no time among Tair_degC"),
        (ROWS, {"time": {"name": "clock"}}, r"forcing.time.name: no column 'clock' among time"),
        (ROWS, {"variables": {"wind_speed": "gusts"}}, r"forcing.variables.wind_speed.name: no variable 'gusts'"),
        (ROWS, {"variables": {"windspeed": "Wind_m_s"}}, r"unknown quantity 'windspeed'. Did you mean 'wind_speed'"),
        (
            ROWS,
            {"variables": {"air_temperature": {"name": "Tair_degC", "units": "hPa"}}},
            r"air_temperature \(Tair_degC\): units 'hPa' do not give 'K'",
        ),
        (
            ROWS,
            {"variables": {"air_temperature": {"name": "Tair_degC", "units": "kelwin"}}},
            r"units 'kelwin' do not give 'K'",
        ),
        (ROWS, {"tme": "time"}, r"forcing: unknown key 'tme'. Did you mean 'time'"),
        (ROWS, {"format": "excel"}, r"unknown format 'excel'. Use noah_ascii, csv, netcdf"),
        (ROWS, {"fill": "linear"}, r"forcing.fill: 'linear' is not available"),
    ],
)
def test_errors_name_the_place_the_value_and_the_remedy(tmp_path, columns, options, message):
    with pytest.raises(ForcingError, match=message):
        open_forcing({"file": write(tmp_path, columns), **options})


def test_a_short_row_is_refused(tmp_path):
    path = write(tmp_path, ROWS)
    path.write_text(path.read_text() + "2020-01-01T03:00,1.0\n")
    with pytest.raises(ForcingError, match="record 4 has 2 values, the header 8"):
        open_forcing({"file": path})


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ForcingError, match=r"nowhere\.csv"):
        open_forcing({"file": tmp_path / "nowhere.csv"})


@pytest.mark.parametrize(
    ("site", "records", "interval"),
    [
        ("yakou", 1461, 86400),
        ("toolik", 4855, 86400),
        ("col_de_porte", 6552, 3600),
        ("reynolds_mountain_east", 8784, 3600),
    ],
)
def test_station_files_load_without_configuration(shared, site, records, interval):
    table = open_forcing({"file": shared / "data" / site / "forcing.csv"})
    assert table.records == records
    assert table.interval == np.timedelta64(interval, "s")
    assert table.values["specific_humidity"].shape == (records, 1)


def test_relative_and_specific_humidity_of_a_station_agree(shared):
    path = shared / "data" / "col_de_porte" / "forcing.csv"
    direct = open_forcing({"file": path}).values
    relative = open_forcing({"file": path, "variables": {"relative_humidity": "RH_frac"}}).values
    converted = specific_humidity(relative["relative_humidity"], relative["air_temperature"], relative["air_pressure"])
    # The station's own formula differs below freezing.
    warm = direct["air_temperature"] > 273.15
    np.testing.assert_allclose(converted[warm], direct["specific_humidity"][warm], rtol=0.03)


def test_rain_plus_snow_of_a_station_is_its_precipitation(shared):
    path = shared / "data" / "col_de_porte" / "forcing.csv"
    total = open_forcing({"file": path}).values["precipitation"]
    parts = {"rainfall": "Rainf_kg_m2_s", "snowfall": "Snowf_kg_m2_s"}
    summed = open_forcing({"file": path, "variables": parts}).values["precipitation"]
    np.testing.assert_allclose(summed, total, rtol=1e-4, atol=1e-9)


def test_a_station_year_drives_a_run_from_its_first_to_its_last_record(shared):
    table = open_forcing({"file": shared / "data" / "yakou" / "forcing.csv"})
    series = ForcingSeries(table, table.times[0], 86400.0, table.records, PrescribedVegetation(0.4))
    last = series.at(series.steps - 1)
    assert last.air_temperature.tolist() == [table.values["air_temperature"][-1, 0]]
