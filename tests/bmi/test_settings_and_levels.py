"""Single keys on the command line, and how much a command says."""

from __future__ import annotations

import io

import pytest
from calibration_cases import write_calibration
from configurations import changed, write, write_weather
from rich.console import Console
from typer.testing import CliRunner

from bmi_noahpy.cli import app
from bmi_noahpy.cli.messages import log_level
from bmi_noahpy.config import ConfigurationError
from bmi_noahpy.config.merging import with_settings
from bmi_noahpy.runs import progress


@pytest.fixture
def site(tmp_path):
    write_weather(tmp_path / "weather.csv")
    changes = {"period.end": "2020-01-01T15:00", "forcing": {"file": "weather.csv"}, "output": {"file": "out.nc"}}
    return write(tmp_path / "site.yaml", changed(changes))


@pytest.mark.parametrize("command", ["run", "check", "calibrate", "sensitivity"])
def test_a_key_is_set_on_every_command_that_reads_a_configuration(tmp_path, site, command):
    file = site if command in ("run", "check") else write_calibration(tmp_path)
    key = "period.end" if command in ("run", "check") else "run.period.end"
    result = CliRunner().invoke(app, [command, str(file), "--set", f"{key}=never"])
    assert result.exit_code == 2
    assert key in result.stderr
    assert "'never' is not a time" in result.stderr


def test_a_key_of_the_run_is_laid_over_the_file_that_a_calibration_names():
    assert with_settings({"run": "site.yaml"}, ["run.period.end=2020"]) == {
        "run": {"base": "site.yaml", "period": {"end": 2020}}
    }


def test_a_key_below_a_bare_name_keeps_the_name():
    found = with_settings(
        {"forcing": {"variables": {"air_temperature": "T"}}}, ["forcing.variables.air_temperature.units=degC"]
    )
    assert found["forcing"]["variables"]["air_temperature"] == {"name": "T", "units": "degC"}


def test_a_key_below_a_number_is_refused_instead_of_replacing_it():
    with pytest.raises(ConfigurationError, match=r"general\.deep_temperature holds 271\.0, which has no keys"):
        with_settings({"general": {"deep_temperature": 271.0}}, ["general.deep_temperature.units=K"])


@pytest.mark.parametrize(("level", "warned", "placed"), [("error", 0, 0), ("warning", 1, 0), ("debug", 1, 1)])
def test_the_level_says_which_warnings_are_shown_and_where_they_come_from(site, level, warned, placed):
    before = log_level.get()
    try:
        arguments = ["--log-level", level, "check", str(site), "--set", "forcing.interval=60"]
        result = CliRunner().invoke(app, arguments)
    finally:
        log_level.set(before)
    assert result.exit_code == 0, result.output
    assert result.stderr.count("Warning: forcing.interval") == warned
    assert result.stderr.count("(ConfigurationWarning, ") == placed


def test_progress_is_a_line_now_and_then_where_there_is_no_terminal(monkeypatch):
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    text = io.StringIO()
    with progress.shown_progress(Console(file=text, width=200)) as shown:
        task = shown.add_task("Running", total=1000)
        for done in range(0, 1001, 10):
            now = float(done)
            shown.update(task, completed=done)
    lines = text.getvalue().splitlines()
    assert lines[0] == "Running: 30 of 1000, about 16 min left"
    assert len(lines) == 9


def test_a_run_says_what_its_schemes_stand_for(site):
    result = CliRunner().invoke(app, ["run", str(site), "--no-plot", "--set", "schemes.turbulence=paulson1970"])
    assert "Schemes: noah-permafrost (Noah 3.4.1 with the frozen-soil hydraulics" in result.stderr
    assert "but turbulence: paulson1970." in result.stderr
    assert "conservative" in CliRunner().invoke(app, ["info", "schemes"]).stdout


@pytest.mark.parametrize("clock", ["utc_offset=-3", "zone=America/Sao_Paulo"])
def test_a_problem_of_records_is_told_in_the_time_of_the_file(site, clock):
    lines = (site.parent / "weather.csv").read_text().splitlines()
    local = [line.replace("2020-01-01T00:00", "2020-01-01T00:00").replace("Z", "") for line in lines]
    broken = local[5].split(",")
    local[5] = ",".join([broken[0], "999", *broken[2:]])
    (site.parent / "weather.csv").write_text("\n".join(local))
    result = CliRunner().invoke(app, ["check", str(site), "--set", f"forcing.time.{clock}"])
    assert result.exit_code == 2
    assert f"({broken[0][:16]})" in " ".join(result.stderr.split())
