"""Observations of any usual convention: names, depths, units, codes of missing values, order."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr

from bmi_noahpy.observations.columns import Column, read_name
from bmi_noahpy.observations.notes import ObservationWarning
from bmi_noahpy.observations.reading import read_observations
from bmi_noahpy.observations.simulated import PlotError
from bmi_noahpy.tabular import TimeSpec


def table(folder, text: str, name: str = "obs.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("Tsoil_0.10m_K", Column("soil_temperature", 0.1, "K")),
        ("Tsoil_A_0.10bm_K", Column("soil_temperature", 0.1, "K")),
        ("Tsoil_0.10cm_K", Column("soil_temperature", 0.1, "K")),
        ("Tsoil_5cm_K", Column("soil_temperature", 0.05, "K")),
        ("TS_50mm [degC]", Column("soil_temperature", 0.05, "degC")),
        ("Soil Temperature 20 cm (C)", Column("soil_temperature", 0.2, "C")),
        ("VWC_10cm_Avg", Column("soil_liquid_water", 0.1, None)),
        ("theta_total_0.5m_m3_m3", Column("soil_moisture", 0.5, "m3 m-3")),
        ("snow_depth_lake_cm", Column("snow_depth", None, "cm")),
        ("HS [cm]", Column("snow_depth", None, "cm")),
        ("LE_F_MDS", Column("latent_heat_flux", None, None)),
        ("Tsoil_0-10cm_degC", Column("soil_temperature", 0.05, "degC", (0.0, 0.1))),
        ("Tsoil 10 - 20 cm [degC]", Column("soil_temperature", 0.15, "degC", (0.1, 0.2))),
        ("theta_0.1to0.3m_m3_m3", Column("soil_liquid_water", 0.2, "m3 m-3", (0.1, 0.3))),
        ("theta_5cm-15cm", Column("soil_liquid_water", 0.1, None, (0.05, 0.15))),
        ("theta_30_5cm", Column("soil_liquid_water", 0.05, None)),
        ("Tsoil_2m_degC", Column("soil_temperature", 2.0, "degC")),
        ("T_20cm_degC", Column("soil_temperature", 0.2, "degC")),
        ("Tair_2m_K", None),
        ("wind_10m", None),
    ],
)
def test_a_name_says_quantity_depth_and_units(name, column):
    assert read_name(name) == column


@pytest.mark.parametrize("name", ["T_2m_degC", "t2m_degC", "T 2m [degC]", "T_10m_degC", "T_1.5m_K"])
def test_a_temperature_of_nothing_in_particular_high_up_is_not_taken_for_soil(name):
    found = read_name(name)
    assert isinstance(found, str)
    assert found.startswith("of air or of soil? Write Tsoil_")


@pytest.mark.parametrize(
    ("name", "other"),
    [("ts_air_2m_degC", "air"), ("Tsoil_air_5cm_K", "air"), ("ts_snow_20cm", "snow"), ("st canopy 2m [K]", "canopy")],
)
def test_a_name_with_air_or_snow_in_it_is_not_of_soil(name, other):
    assert read_name(name) == f"of {other}, not of soil"


@pytest.mark.parametrize(
    "name",
    [
        "LE_qc", "LE_F_MDS_QC", "qc_LE", "H_SSITC_TEST", "LE_strg", "theta_5cm_qc", "Tsoil_5cm_flag", "Tsoil_5cm_n",
        "snow_depth_qc", "albedo_std", "Tsoil_std_5cm_degC", "Tsoil_5cm_Std", "Tsoil_5cm_Max", "Tsoil_5cm_Min_degC",
        "SWE_error_kg_m2", "TS_5cm_p95", "Tskin_Max [degC]",
    ],
)  # fmt: skip
def test_quality_spread_and_extremes_are_not_the_values(name):
    assert read_name(name) == "quality, spread, extremes or numbers of values, not the values"


def test_what_is_left_out_is_named_with_the_reason_and_the_values_are_those_of_the_other_columns(tmp_path):
    header = "time,T_2m_degC,Tsoil_5cm_degC,Tsoil_5cm_Std,LE_qc,LE_W_m2\n"
    path = table(tmp_path, header + "2020-01-01T00:00,12,3,0.1,0,100\n2020-01-01T01:00,13,4,0.1,1,90\n")
    with pytest.warns(ObservationWarning, match=r"T_2m_degC \(of air.*Tsoil_5cm_Std \(quality.*LE_qc \(quality"):
        found = {series.quantity: series.values.tolist() for series in read_observations(path)}
    assert found == {"soil_temperature": [276.15, 277.15], "latent_heat_flux": [100.0, 90.0]}


def test_extremes_and_spread_that_only_the_header_of_a_logger_names_are_left_out(tmp_path):
    header = '"TOA5","Alp"\n"TIMESTAMP","Tsoil_5cm","Tsoil_9cm","Tsoil_7cm"\n"TS","Deg C","Deg C","Deg C"\n'
    rows = '"","Avg","Max","Std"\n"2020-01-01 01:00:00",1.0,9.0,0.1\n"2020-01-01 02:00:00",2.0,9.0,0.1\n'
    with pytest.warns(ObservationWarning, match=r"Tsoil_9cm \(a maximum of the interval.*Tsoil_7cm \(a standard"):
        (series,) = read_observations(table(tmp_path, header + rows, "logger.dat"))
    assert series.values.tolist() == [274.15, 275.15]


def test_the_depth_of_a_layer_is_its_middle_and_that_is_said(tmp_path):
    path = table(tmp_path, "time,Tsoil_0-10cm_degC\n2020-01-01,3\n2020-01-02,4\n")
    with pytest.warns(ObservationWarning, match=r"layer from 0 to 0.1 m; its middle, 0.05 m, is the depth"):
        (series,) = read_observations(path)
    assert series.depth == 0.05


def test_two_numbers_that_may_be_a_layer_or_the_number_of_a_probe_are_not_guessed(tmp_path):
    path = table(tmp_path, "time,theta_10_20cm_m3_m3\n2020-01-01,0.3\n2020-01-02,0.3\n")
    with pytest.raises(PlotError, match=r"a layer, or a probe called 10\? Write 10-20cm, or 20cm_10"):
        read_observations(path)


def smet(folder, zone: str):
    header = f"SMET 1.1 ASCII\n[HEADER]\nstation_id=x\nnodata=-999\n{zone}fields=timestamp TSS\n[DATA]\n"
    rows = "".join(f"2020-06-01T{hour:02d}:00:00 {270 + hour}.0\n" for hour in (9, 12, 15))
    return table(folder, header + rows, "station.smet")


def test_the_offset_that_a_header_declares_counts_unless_another_is_asked_for(tmp_path):
    (series,) = read_observations(smet(tmp_path, "tz=9\n"))
    # Stamps are the end of three hours: 09:00 at UTC+9 is 00:00 UTC, and the mean begins at 21:00.
    assert series.times[0] == np.datetime64("2020-05-31T21:00")
    (series,) = read_observations(smet(tmp_path, "tz=9\n"), TimeSpec(utc_offset=1.0))
    assert series.times[0] == np.datetime64("2020-06-01T05:00")
    (series,) = read_observations(smet(tmp_path, ""))
    assert series.times[0] == np.datetime64("2020-06-01T06:00")


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("time (UTC+9)", "2019-12-31T15:30"),
        ("Local time [GMT-03:30]", "2020-01-01T04:00"),
        ("time [UTC]", "2020-01-01T00:30"),
    ],
)
def test_the_offset_in_the_name_of_the_time_counts(tmp_path, name, first):
    (series,) = read_observations(table(tmp_path, f"{name},Tskin_K\n2020-01-01T00:30,270\n2020-01-01T01:30,271\n"))
    assert series.times[0] == np.datetime64(first)


@pytest.mark.parametrize(("window", "first"), [("auto", "06:00"), ("instant", "09:00"), ("centre", "09:00")])
def test_what_is_asked_of_stamps_is_said_of_those_in_the_file(tmp_path, window, first):
    (series,) = read_observations(smet(tmp_path, ""))
    assert series.times_for(window)[0] == np.datetime64(f"2020-06-01T{first}")
    header = '"TOA5","Alp"\n"TIMESTAMP","Tskin"\n"TS","K"\n"","Avg"\n'
    rows = '"2020-06-01 09:00:00",270\n"2020-06-01 12:00:00",271\n'
    (series,) = read_observations(table(tmp_path, header + rows, "logger.dat"))
    assert series.times_for(window)[0] == np.datetime64(f"2020-06-01T{first}")


def test_a_sample_of_a_logger_is_of_its_moment(tmp_path):
    header = '"TOA5","Alp"\n"TIMESTAMP","Tskin"\n"TS","K"\n"","Smp"\n'
    rows = '"2020-06-01 09:00:00",270\n"2020-06-01 12:00:00",271\n'
    (series,) = read_observations(table(tmp_path, header + rows, "logger.dat"))
    assert (series.stamped("auto"), series.times[0]) == ("instant", np.datetime64("2020-06-01T09:00"))


def test_a_soil_column_without_a_depth_is_named_with_the_reason(tmp_path):
    path = table(tmp_path, "time,SWC_1_1_1,Tsoil_5cm_K\n2020-01-01T00:00,20,270\n2020-01-01T01:00,20,271\n")
    with pytest.warns(ObservationWarning, match=r"SWC_1_1_1 \(no depth with its unit"):
        (series,) = read_observations(path)
    assert series.depth == 0.05


def test_units_of_columns_are_converted(tmp_path):
    path = table(
        tmp_path, "time;Tsoil_5cm [degC];HS [cm];SWC_5cm [%]\n01.01.2020 13:00;1,5;35;20\n14.01.2020 13:00;2;40;\n"
    )
    found = {series.quantity: series for series in read_observations(path)}
    np.testing.assert_allclose(found["soil_temperature"].values, [274.65, 275.15])
    np.testing.assert_allclose(found["snow_depth"].values, [0.35, 0.40])
    np.testing.assert_allclose(found["soil_liquid_water"].values, [0.2])


def test_temperatures_without_units_are_what_they_can_only_be(tmp_path):
    path = table(tmp_path, "Date/Time,0.1,0.5\n2020-01-01,-4.0,-3.0\n2020-01-02,-5.0,-3.5\n")
    with pytest.warns(ObservationWarning, match="can only be degC"):
        found = read_observations(path)
    assert [series.depth for series in found] == [0.1, 0.5]
    np.testing.assert_allclose(found[0].values, [269.15, 268.15])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "time,Tsoil_5cm_K\n2020-01-01,278\n2020-01-02,6999\n",
            r"row 2 \(2020-01-02T00:00\) is 6999 K, outside 190 to 350",
        ),
        ("time,snow_depth\n2020-01-01,0.3\n", "no units. Write them into its name"),
        ("time,Tsoil_5cm_K\n2020-01-01,278\n2020-01-01,279\n", "278 and 279 at the same time, 2020-01-01T00:00"),
        ("time,SWC_5cm [kg/kg]\n2020-01-01,0.2\n", "ratio of masses, and this is one of volumes"),
        ("time,Tsoil_5cm [hPa]\n2020-01-01,278\n", "hPa"),
        ("date,snow_depth_m\n01/11/2015,0.1\n01/12/2015,0.4\n", "reads as day or as month first"),
        ("time,Tair_K\n2020-01-01,270\n2020-01-02,270\n", "no column to compare among Tair_K"),
    ],
)
def test_what_cannot_be_true_or_understood_is_refused_with_its_place(tmp_path, text, message):
    with pytest.raises(PlotError, match=message):
        read_observations(table(tmp_path, text))


def test_codes_order_and_repetition_do_not_matter(tmp_path):
    rows = ["2020-01-01T02:00,272", "2020-01-01T00:00,270", "2020-01-01T01:00,-9999", "2020-01-01T00:00,270"]
    (series,) = read_observations(table(tmp_path, "time,Tsoil_5cm_K\n" + "\n".join(rows) + "\n"))
    assert series.values.tolist() == [270.0, 272.0]
    assert series.spacing == 3600.0


def test_stamps_at_the_end_of_intervals_are_moved_to_their_beginning(tmp_path):
    header = '"TOA5","Alp"\n"TIMESTAMP","T_10cm_Avg"\n"TS","Deg C"\n"","Avg"\n'
    path = table(tmp_path, header + '"2020-01-01 01:00:00",1.0\n"2020-01-01 02:00:00",2.0\n', "logger.dat")
    (series,) = read_observations(path, TimeSpec(utc_offset=1.0))
    assert series.times[0] == np.datetime64("2019-12-31T23:00")
    assert series.stamped("auto") == "start"


def test_units_of_netcdf_and_of_its_depths_are_converted(tmp_path):
    times = np.datetime64("2020-01-01", "ns") + np.arange(3) * np.timedelta64(1, "h")
    data = xr.Dataset(
        {
            "ts": (("time", "depth"), [[5.0, 4.0], [-9999.0, 4.0], [6.0, 4.5]], {"standard_name": "soil_temperature"}),
            "snow_depth": ("time", [35.0, 36.0, 37.0], {"units": "cm"}),
        },
        {"time": times, "depth": ("depth", [-10.0, -50.0], {"units": "cm"})},
    )
    data["ts"].attrs["units"] = "degC"
    data.to_netcdf(tmp_path / "obs.nc")
    found = read_observations(tmp_path / "obs.nc")
    assert [series.depth for series in found] == [None, 0.1, 0.5]
    np.testing.assert_allclose(found[1].values, [278.15, 279.15])
    np.testing.assert_allclose(found[0].values, [0.35, 0.36, 0.37])


def test_station_files_are_read_as_before(shared):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for site in ("yakou", "toolik"):
            files = sorted((shared / "data" / site).glob("*soil*.csv")) + sorted(
                (shared / "data" / site).glob("obs*.csv")
            )
            assert files
            for path in files:
                assert {series.quantity for series in read_observations(path)} & {
                    "soil_temperature",
                    "soil_liquid_water",
                }
