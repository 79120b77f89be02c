"""What may be said of observations that are not recognised: from Python, in a calibration, for a figure."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from bmi_noahpy import read_observations
from bmi_noahpy.calibration.file.observed import read_file
from bmi_noahpy.calibration.file.sections import ObservationFile
from bmi_noahpy.cli import app
from bmi_noahpy.config import ConfigurationError
from bmi_noahpy.config.observation_section import read_reading
from bmi_noahpy.observations.flags import flag_of
from bmi_noahpy.observations.notes import ObservationWarning
from bmi_noahpy.observations.reading import read_as
from bmi_noahpy.observations.simulated import PlotError

EXCEL = "Datum;Zeit;T_3;Lage;W5\n01.02.2020;13:00;1,5;ok;6999\n02.02.2020;13:00;2,5;ok;23,5\n"
SETTINGS = [
    "time.name=[Datum, Zeit]",
    "time.format=day-first",
    "time.zone=Europe/Zurich",
    "missing=6999",
    "text.decimal=,",
    "variables={T_3: {quantity: soil_temperature, depth: 5 cm, units: degC}, "
    "W5: {quantity: soil_liquid_water, depth: 0.05, units: percent, label: instant}}",
]


def file(folder, text: str, name: str = "obs.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def as_expected(found):
    soil, water = found
    assert soil.times[0] == np.datetime64("2020-02-01T12:00")
    np.testing.assert_allclose(soil.values, [274.65, 275.65])
    assert (soil.quantity, soil.depth, water.quantity, water.depth) == (
        "soil_temperature", 0.05, "soil_liquid_water", 0.05,
    )  # fmt: skip
    np.testing.assert_allclose(water.values, [0.235])
    assert water.window == "instant"


@pytest.mark.filterwarnings("ignore::bmi_noahpy.observations.notes.ObservationWarning")
def test_a_table_of_an_office_program_is_read_with_what_is_said_of_it(tmp_path):
    as_expected(read_as(file(tmp_path, EXCEL), read_reading(SETTINGS)))


@pytest.mark.filterwarnings("ignore::bmi_noahpy.observations.notes.ObservationWarning")
def test_python_and_a_calibration_say_the_same_by_the_same_keys(tmp_path):
    path = file(tmp_path, EXCEL)
    said = {
        "time": {"name": ("Datum", "Zeit"), "format": "day-first", "zone": "Europe/Zurich"},
        "text": {"decimal": ","},
        "missing": [6999],
        "variables": {
            "T_3": {"quantity": "soil_temperature", "depth": "5 cm", "units": "degC"},
            "W5": {"quantity": "soil_liquid_water", "depth": 0.05, "units": "percent", "label": "instant"},
        },
    }
    as_expected(read_observations(path, **said))
    section = ObservationFile.model_validate({"file": str(path), **said}, context={"folder": tmp_path, "read": {}})
    as_expected(read_file(section))


def test_units_that_are_said_go_before_those_of_the_name(tmp_path):
    path = file(tmp_path, "time,snow_depth_m,Tsoil_5cm\n2020-01-01,35,41\n2020-01-02,40,43\n")
    found = read_observations(path, variables={"snow_depth_m": {"units": "cm"}, "Tsoil_5cm": {"units": "degF"}})
    np.testing.assert_allclose(found[0].values, [0.35, 0.40])
    np.testing.assert_allclose(found[1].values, [278.15, 279.2611], atol=1e-4)


def test_what_is_said_goes_before_what_a_name_seems_to_be(tmp_path):
    path = file(tmp_path, "time,T_2m_degC,LE_qc\n2020-01-01,4,50\n2020-01-02,5,60\n")
    said = {"T_2m_degC": {"quantity": "soil_temperature"}, "LE_qc": {"quantity": "latent_heat_flux", "units": "W m-2"}}
    soil, heat = read_observations(path, variables=said)
    assert (soil.depth, soil.values.tolist(), heat.values.tolist()) == (2.0, [277.15, 278.15], [50.0, 60.0])


def netcdf(path, **attributes):
    times = np.datetime64("2020-07-01T12:00", "ns") + np.arange(3) * np.timedelta64(1, "h")
    data = xr.Dataset({"T_1": ("time", [10.0, 6999.0, 12.0], attributes)}, {"time": times})
    data.to_netcdf(path)
    return path


def test_a_variable_of_netcdf_is_read_with_what_is_said_of_it(tmp_path):
    path = netcdf(tmp_path / "obs.nc", units="degC")
    said = {"T_1": {"quantity": "soil_temperature", "depth": 0.1}}
    (series,) = read_observations(path, time={"zone": "Asia/Tokyo"}, missing=[6999], variables=said)
    assert (series.depth, series.values.tolist()) == (0.1, [283.15, 285.15])
    assert series.times[0] == np.datetime64("2020-07-01T03:00")
    (series,) = read_observations(path, time={"label": "end"}, missing=[6999], variables=said)
    assert (series.times[0], series.window) == (np.datetime64("2020-07-01T11:00"), "start")


@pytest.mark.parametrize("name", ["theta_m3_m3", "theta_0", "theta"])
def test_a_name_with_units_in_it_is_read_beside_depths_of_the_file(tmp_path, name):
    times = np.datetime64("2020-07-01", "ns") + np.arange(2) * np.timedelta64(1, "D")
    depths = {"time": times, "depth": ("depth", [5.0, 10.0], {"units": "cm"})}
    xr.Dataset({name: (("time", "depth"), [[0.1, 0.3], [0.2, 0.4]])}, depths).to_netcdf(tmp_path / "obs.nc")
    upper, lower = read_observations(tmp_path / "obs.nc")
    assert (upper.quantity, upper.depth, lower.depth) == ("soil_liquid_water", 0.05, 0.1)
    assert (upper.values.tolist(), lower.values.tolist()) == ([0.1, 0.2], [0.3, 0.4])


FLUXES = "time,LE_F_MDS,LE_F_MDS_QC\n2020-01-01T00:00,10,0\n2020-01-01T00:30,20,1\n2020-01-01T01:00,30,2\n"


def test_flags_count_where_that_is_said_and_are_told_of_where_not(tmp_path):
    path = file(tmp_path, FLUXES)
    with pytest.warns(ObservationWarning, match=r"LE_F_MDS \(LE_F_MDS_QC\): the flags beside are not applied"):
        (every,) = read_observations(path)
    assert every.values.tolist() == [10.0, 20.0, 30.0]
    with pytest.warns(ObservationWarning, match="LE_F_MDS: 2 of 3 values are left out by LE_F_MDS_QC"):
        (measured,) = read_observations(path, variables={"LE_F_MDS": {"flag": "LE_F_MDS_QC"}})
    assert measured.values.tolist() == [10.0]
    reading = read_reading(["variables={LE_F_MDS: {flag: LE_F_MDS_QC, good: [0, 1]}}"])
    (filled,) = read_as(path, reading)
    assert filled.values.tolist() == [10.0, 20.0]
    with pytest.raises(PlotError, match=r"variables\.LE_F_MDS\.flag: no column 'QC' among"):
        read_observations(path, variables={"LE_F_MDS": {"flag": "QC"}})


@pytest.mark.parametrize(
    ("name", "flag"),
    [("LE_1_1_1", "LE_SSITC_TEST"), ("H", "qc_H"), ("Tsoil_5cm_degC", "Tsoil_5cm_flag"), ("Tsoil_9cm_degC", None)],
)
def test_the_flags_of_a_column_are_found_by_its_name(name, flag):
    assert flag_of(name, ["H", "LE_1_1_1", "LE_SSITC_TEST", "qc_H", "Tsoil_5cm_flag", "Tsoil_5cm_degC"]) == flag


def test_flags_that_are_words_count_in_netcdf_too(tmp_path):
    times = np.datetime64("2020-07-01", "ns") + np.arange(3) * np.timedelta64(1, "h")
    flags = np.array(["good", "Bad", "GOOD"], dtype=object)
    variables = {"Qle": ("time", [1.0, 2.0, 3.0], {"units": "W m-2"}), "qle_flag": ("time", flags)}
    xr.Dataset(variables, {"time": times}).to_netcdf(tmp_path / "obs.nc")
    (series,) = read_observations(tmp_path / "obs.nc", variables={"Qle": {"flag": "qle_flag", "good": "good"}})
    assert series.values.tolist() == [1.0, 3.0]


def test_flags_of_depths_are_met_whatever_the_order_of_their_dimensions(tmp_path):
    times = np.datetime64("2020-07-01", "ns") + np.arange(2) * np.timedelta64(1, "h")
    variables = {
        "soil_temperature": (("time", "depth"), [[280.0, 281.0], [282.0, 283.0]], {"units": "K"}),
        "bad": (("depth", "time"), [[0, 1], [0, 0]]),
        "other": ("time", [0, 0]),
    }
    depths = {"time": times, "depth": ("depth", [5.0, 10.0], {"units": "cm"})}
    xr.Dataset(variables, depths).to_netcdf(tmp_path / "obs.nc")
    first, second = read_observations(tmp_path / "obs.nc", variables={"soil_temperature": {"flag": "bad"}})
    assert (first.values.tolist(), second.values.tolist()) == ([280.0], [281.0, 283.0])
    with pytest.raises(PlotError, match="Flags must be those of the values"):
        read_observations(tmp_path / "obs.nc", variables={"soil_temperature": {"flag": "other"}})


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"time": {"utc_ofset": 1}}, "time: unknown key 'utc_ofset'. Did you mean 'utc_offset'"),
        ({"variables": {"T9": {"units": "K"}}}, "variables: no column 'T9' among time, x"),
        ({"variables": {"x": {"units": "K"}}}, "its name says no quantity. Add variables.x.quantity"),
        ({"variables": {"x": {"quantity": "soil_temperature"}}}, "no depth in its name. Add variables.x.depth"),
        ({"variables": {"x": {"quantity": "soil_temp"}}}, "unknown quantity 'soil_temp'. Did you mean"),
        ({"variables": {"x": {"quantity": "albedo", "depth": "deep"}}}, "variables.x.depth: 'deep' is no depth"),
        ({"time": {"label": "begin"}}, "time.label: 'begin' is unknown. Use one of start, end, middle, instant"),
        (
            {"variables": {"x": {"label": "ending"}}},
            "variables.label: 'ending' is unknown. Use one of start, end, middle",
        ),
        ({"time": {"name": "clock"}}, "obs.csv: time.name: no column 'clock'"),
        ({"time": {"utc_offset": 1, "zone": "Asia/Tokyo"}}, "time: zone and utc_offset are given"),
    ],
)
def test_what_is_said_wrongly_is_refused_by_its_key(tmp_path, said, words):
    with pytest.raises(PlotError, match=words):
        read_observations(file(tmp_path, "time,x\n2020-01-01,1\n2020-01-02,2\n"), **said)


def test_what_is_said_of_tables_is_refused_of_netcdf(tmp_path):
    path = netcdf(tmp_path / "obs.nc", units="degC")
    for said in ({"text": {"decimal": ","}}, {"time": {"format": "day-first"}}):
        with pytest.raises(PlotError, match=r"text and time\.format are of text tables"):
            read_observations(path, **said)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("time.zon=Asia/Tokyo", "time.zon"),
        ("missing=none", "missing"),
        ("variables={x: {quantity: albdo}}", "unknown quantity 'albdo'. Did you mean 'albedo'"),
        ("variables={T: {unit: K}}", "variables.T.unit: unknown key. Did you mean 'units'"),
        ("decimal", "is not a setting. Write key=value"),
    ],
)
def test_single_keys_are_checked_as_those_of_a_file_are(setting, words):
    with pytest.raises(ConfigurationError, match=words) as error:
        read_reading([setting])
    assert "--read" in str(error.value)


def test_the_command_takes_them_and_refuses_them_without_observations(tmp_path):
    output = tmp_path / "out.nc"
    output.write_bytes(b"")
    told = CliRunner().invoke(app, ["plot", str(output), "--read", "missing=6999"])
    assert told.exit_code != 0
    assert "there are none. Add --observations" in " ".join(told.output.split())
    path = file(tmp_path, "time,x\n2020-01-01,1\n")
    told = CliRunner().invoke(app, ["plot", str(output), "--observations", str(path), "--read", "time.name=y"])
    assert "time.name: no column 'y'" in " ".join(told.output.split())


def test_depths_of_thaw_are_read_with_what_is_said_of_them(tmp_path):
    from bmi_noahpy.observations.thaw import read_thaw_depths

    path = file(tmp_path, "node;2020;2021\n1;8,5;9,0\n2;6999;8,0\n")
    reading = read_reading(["missing=6999", "text.decimal=,", "variables={'2020': {units: dm}, '2021': {units: dm}}"])
    found = read_thaw_depths(path, reading)
    assert found["thaw_depth_m"].tolist() == pytest.approx([0.85, 0.85])
    assert found["points"].tolist() == [1, 2]
    with pytest.raises(PlotError, match="only text, missing and units are said"):
        read_thaw_depths(path, read_reading(["time.utc_offset=1"]))


def test_series_that_are_not_scored_are_named_with_the_reason(tmp_path):
    from made_up_run import made_up_run, output_spec, write_steps

    from bmi_noahpy.observations.simulated import read_column
    from bmi_noahpy.output import OutputWriter
    from bmi_noahpy.plot.comparison import compare

    run = made_up_run(thickness=(0.1, 0.3), step=86400.0, steps=4)
    with OutputWriter(tmp_path / "out.nc", run, output_spec()) as writer:
        write_steps(writer, run, 4, block=4, change=lambda number, state, fluxes: (state, fluxes))
    output = read_column(tmp_path / "out.nc")
    day = str(output.data["time_bnds"].values[0, 0])[:10]
    path = file(tmp_path, f"time,Tsoil_5cm_K,Tsoil_9m_K\n{day},270,270\n")
    with pytest.warns(ObservationWarning, match=r"not scored: Tsoil_9m_K \(9 m is below the soil of 0.4 m\)"):
        (found,) = compare(output, read_observations(path))
    assert found.observed.column == "Tsoil_5cm_K"
