"""From a file of records to a configuration that runs, without knowing its keys."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from bmi_noahpy.cli import app
from bmi_noahpy.config import ConfigurationError, load_configuration, load_mapping
from bmi_noahpy.runs.prepare import prepare

RECORDS = 96


def logger_file(path):
    """Two days of half hours of a Campbell logger, stamps at the end of the interval."""
    header = [
        '"TOA5","Alp","CR1000","1234","CR1000.Std.32","CPU:met.CR1","5","Met"',
        '"TIMESTAMP","RECORD","AirTC_Avg","RH","WS_ms_Avg","SlrW_Avg","LWdown_Avg","Rain_mm_Tot","BP_mbar_Avg"',
        '"TS","RN","Deg C","%","meters/second","W/m2","W/m2","mm","mbar"',
        '"","","Avg","Smp","Avg","Avg","Avg","Tot","Avg"',
    ]
    rows = []
    for number in range(RECORDS):
        time = np.datetime64("2019-06-01T00:30") + number * np.timedelta64(30, "m")
        sun = max(0.0, 600.0 * np.sin(np.pi * (number / 2 % 24 - 6) / 12))
        rain = 0.2 if number % 7 == 0 else 0
        text = str(time).replace("T", " ")
        rows.append(f'"{text}:00",{number},{5 + number % 5},80,{2 + number % 3},{sun:.1f},300,{rain},850')
    path.write_text("\n".join([*header, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_logger_file_becomes_a_configuration_that_runs(tmp_path):
    source, target = logger_file(tmp_path / "met.dat"), tmp_path / "site.yaml"
    result = CliRunner().invoke(app, ["init", str(target), "--from", str(source)])
    assert result.exit_code == 0, result.output
    written = yaml.safe_load(target.read_text())
    assert written["forcing"]["variables"]["precipitation"] == {"name": "Rain_mm_Tot", "units": "mm", "label": "end"}
    assert written["forcing"]["variables"]["relative_humidity"]["label"] == "instant"
    assert "# guess: the file does not say where it is" in target.read_text()
    run = prepare(load_configuration(target, ["domain.latitude=46.8", "domain.longitude=0"]))
    rain = run.forcing.block(0, run.steps).precipitation[:, 0].numpy() * run.step
    assert rain.sum() == pytest.approx(0.2 * len([n for n in range(1, RECORDS) if n % 7 == 0]))


def test_a_check_shows_what_would_be_read_and_warns_of_a_shifted_clock(tmp_path):
    source, target = logger_file(tmp_path / "met.dat"), tmp_path / "site.yaml"
    CliRunner().invoke(app, ["init", str(target), "--from", str(source)])
    result = CliRunner().invoke(app, ["check", str(target), "--set", "domain.longitude=120"])
    assert result.exit_code == 0, result.output
    for text in ("every 1800 s", "mean of its interval", "silt loam", "the sun is highest at"):
        assert text in result.output.replace("\n", " "), text


def test_running_a_data_file_names_the_command_that_looks_at_it(tmp_path):
    result = CliRunner().invoke(app, ["run", str(logger_file(tmp_path / "met.dat"))])
    assert result.exit_code == 2
    assert "noahpy init met.yaml --from met.dat" in result.output
    assert len(result.output) < 500


def test_what_is_not_certain_is_guessed_and_said(tmp_path):
    rows = [f"{1 + n:02d}/06/2019,{n + 0.5},5,80,2,100,300,900" for n in range(12)]
    header = "Date,Rain,Tair_degC,RH_percent,Wind_m_s,SWdown_W_m2,LWdown_W_m2,PSurf_hPa"
    (tmp_path / "w.csv").write_text("\n".join([header, *rows]) + "\n")
    result = CliRunner().invoke(app, ["init", str(tmp_path / "s.yaml"), "--from", str(tmp_path / "w.csv")])
    assert result.exit_code == 0, result.output
    said = result.output.replace("\n", " ")
    for text in ("day-first is a guess", "mm is a guess", "accumulated since_start is a guess", "what a time stamp is"):
        assert text in said, text
    assert load_configuration(tmp_path / "s.yaml").forcing.time.format == "day-first"


@pytest.mark.parametrize(
    ("names", "stamp", "found"),
    [
        ("Datum/Zeit", "{day:02d}.06.2019 12:30", "Datum/Zeit"),
        ("Dag;Klokke", "{day:02d}.06.2019;12:30", ["Dag", "Klokke"]),
    ],
)
def test_a_time_is_found_by_what_stands_in_it(tmp_path, names, stamp, found):
    rows = [f"{stamp.format(day=day)};5,5;80;2" for day in range(10, 20)]
    (tmp_path / "w.csv").write_text("\n".join([f"{names};Tair [degC];RH [%];Wind [m/s]", *rows]) + "\n")
    result = CliRunner().invoke(app, ["init", str(tmp_path / "s.yaml"), "--from", str(tmp_path / "w.csv")])
    assert result.exit_code == 0, result.output
    assert "by what stands in it" in result.output.replace("\n", " ")
    forcing = load_mapping(tmp_path / "s.yaml")["forcing"]
    assert forcing["time"]["name"] == found
    assert set(forcing["variables"]) == {"air_temperature", "relative_humidity", "wind_speed"}


def test_a_base_and_settings_are_laid_over_each_other(tmp_path):
    source, target = logger_file(tmp_path / "met.dat"), tmp_path / "site.yaml"
    CliRunner().invoke(app, ["init", str(target), "--from", str(source)])
    (tmp_path / "below").mkdir()
    other = tmp_path / "below" / "other.yaml"
    other.write_text("base: ../site.yaml\nname: Other\nsoil: {classes: sandy loam}\n", encoding="utf-8")
    read = load_configuration(other, ["general.wind_height=3"])
    assert (read.name, read.soil.classes, read.general.wind_height) == ("Other", 9, 3.0)
    assert read.forcing.file == source
    assert load_mapping(other)["period"] == load_mapping(target)["period"]
    other.write_text("base: other.yaml\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="leads back to itself"):
        load_configuration(other)
    with pytest.raises(ConfigurationError, match="'period' is not a setting"):
        load_configuration(target, ["period"])


def test_conventions_and_the_schema_are_listed():
    listed = CliRunner().invoke(app, ["info", "presets"]).output
    for name in ("era5-land", "fluxnet", "esm-snowmip", "smet"):
        assert name in listed
    schema = yaml.safe_load(CliRunner().invoke(app, ["schema"]).output)
    assert {"forcing", "soil", "period"} <= set(schema["properties"])
