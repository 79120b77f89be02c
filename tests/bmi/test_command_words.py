"""What the commands list, complete and say, beyond the results of a run."""

from __future__ import annotations

import re

import pytest
from configurations import changed, write, write_weather
from test_namelist import header
from typer.main import get_command
from typer.testing import CliRunner

from bmi_noahpy import simulate
from bmi_noahpy.cli import app
from bmi_noahpy.config import load_configuration
from noahpy_core.presets import ABOUT

COMMANDS = sorted(get_command(app).commands)
RECORD = "".join(f"{value:17.10f}" for value in (3.0, 180.0, 269.0, 60.0, 615.0, 48.0, 243.0)) + f"{0.0:17.10f}"
"""Wind, its direction, temperature, humidity, pressure [hPa], radiation, precipitation."""


def call(*arguments: object, **options: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], **options)


def words(text: str) -> str:
    """Text without line breaks and frames."""
    return " ".join(re.sub(r"[│┃]", " ", text).split())


@pytest.fixture
def site(tmp_path):
    write_weather(tmp_path / "weather.csv")
    changes = {"period.end": "2020-01-01T15:00", "forcing": {"file": "weather.csv"}, "output": {"file": "out.nc"}}
    return write(tmp_path / "site.yaml", changed(changes))


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_the_short_option_for_help_is_known_to_every_command(command):
    named = [command] if command else []
    short, long = call(*named, "-h"), call(*named, "--help")
    assert short.exit_code == 0
    assert short.stdout == long.stdout
    assert "Usage:" in short.stdout


def test_a_shell_completes_commands_options_and_topics():
    assert "--install-completion" in call("--help").stdout
    for typed, expected in (("noahpy ch", "check"), ("noahpy run --ov", "--overwrite"), ("noahpy info pre", "presets")):
        parts = typed.split()
        environment = {"_NOAHPY_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(parts) - 1)}
        assert call(env=environment, prog_name="noahpy").stdout.split() == [expected]


def test_every_convention_of_communities_is_listed_with_its_units_stamps_and_totals():
    listed = words(call("info", "presets").stdout)
    for name in (
        "era5", "era5-land", "fluxnet", "ameriflux", "aorc", "hrldas", "wrf", "gldas", "cmfd", "plumber2",
        "esm-snowmip", "surfex", "fsm", "summa", "smet",
    ):  # fmt: skip
        assert f" {name} " in listed
    for text in (
        "ssrd [J m-2, end, since_midnight]",
        "RAINC + RAINNC [mm, end, since_start]",
        "VPD_F or VPD_F_MDS [hPa]",
    ):
        assert text in listed


def test_the_numbering_of_soil_classes_is_said_in_the_template_the_lists_and_the_output(tmp_path, site):
    call("init", tmp_path / "new.yaml")
    template = " ".join((tmp_path / "new.yaml").read_text().replace("#", " ").split())
    assert "noah and noahpy count from 1 clay to 12 sand, 13 gravel, 14 bedrock" in template
    assert "HRLDAS, SOILPARM.TBL) from 1 sand to 12 clay, 14 water, 15 bedrock" in template
    listed = words(call("info", "tables").stdout)
    for table, numbering in (
        ("noah", "1 clay to 12 sand"),
        ("noahpy", "1 clay to 12 sand"),
        ("stas", "1 sand to 12 clay, as public SOILPARM.TBL, WRF and HRLDAS"),
        ("stas-2010", "1 sand to 12 clay, with the values that later SOILPARM.TBL correct"),
    ):
        assert f"soil.table: {table} ({numbering})" in listed
    found = simulate(load_configuration(site, ["soil.table=stas", "period.end=2020-01-01T00:00"]))
    assert found.attrs["soil_classes"].startswith("numbers of the table stas: 1 sand to 12 clay")


def test_the_schemes_of_a_preset_are_printed_with_what_they_stand_for(site):
    released = "Noah 3.4.1 as it was released; its lower boundary lies at 8 m (deep_temperature_depth)"
    assert ABOUT["noah-3.4.1"] == released
    first = ("--set", "period.end=2020-01-01T00:00", "--execution", "eager", "--no-plot")
    run = call("run", site, "--set", "schemes={preset: noah-3.4.1}", *first)
    assert run.exit_code == 0, run.output
    assert f"Schemes: noah-3.4.1 ({released})." in words(run.stderr)
    shown = words(call("check", site, "--set", "schemes={preset: noah-3.4.1, infiltration: schaake1996}").stdout)
    assert f"Schemes: noah-3.4.1 ({released}), but infiltration: schaake1996" in shown


def test_a_run_of_noahs_text_format_says_which_schemes_it_uses(tmp_path):
    rows = [f"2000 01 01 {hour:02d} 00{RECORD}" for hour in range(0, 24, 3)]
    rows += [row.replace("2000 01 01", "2000 01 02") for row in rows]
    (tmp_path / "site.txt").write_text(header(enddate='"200001010000"') + "\n".join(rows) + "\n")
    result = call("run", tmp_path / "site.txt", "--output", tmp_path / "out.nc", "--execution", "eager", "--no-plot")
    assert result.exit_code == 0, result.output
    assert "Schemes: noah-permafrost (Noah 3.4.1 with the frozen-soil hydraulics, conductivity" in words(result.stderr)


def test_a_key_is_set_for_runs_of_several_step_lengths_and_refused_for_a_reference(tmp_path, site):
    result = call("verify", "--steps", "10800", site, "--set", "period.end=never")
    assert result.exit_code == 2
    assert "period.end" in result.stderr
    assert "'never' is not a time" in result.stderr
    refused = call("verify", tmp_path / "reference.nc", "--set", "period.end=2020-01-01")
    assert refused.exit_code == 2
    assert "--set: only with --steps" in words(refused.stderr)


def test_a_sweep_takes_a_key_that_is_the_same_for_all_its_runs(site):
    result = call("sweep", site, "--set", "general.deep_temperature=271,272", "--set", "period.end=never")
    assert result.exit_code == 2
    assert "'never' is not a time" in result.stderr


def test_a_configuration_is_begun_from_records_of_a_convention(tmp_path):
    names = "TIMESTAMP_START,TIMESTAMP_END,TA_F,PA_F,VPD_F,WS_F,SW_IN_F,LW_IN_F,P_F"
    rows = [f"201907010{hour}00,201907010{hour + 1}00,12.5,95.0,4.0,2.5,0,330,0.6" for hour in range(9)]
    (tmp_path / "site.csv").write_text("\n".join([names, *rows]) + "\n")
    path = tmp_path / "site.yaml"
    result = call("init", path, "--from", tmp_path / "site.csv", "--preset", "fluxnet")
    assert result.exit_code == 0, result.output
    settings = ["domain={latitude: 47, longitude: 8.5}", "forcing.time.utc_offset=0"]
    forcing = load_configuration(path, settings).forcing
    assert forcing.preset == "fluxnet"
    shown = words(call("check", path, *(part for key in settings for part in ("--set", key))).stdout)
    for text in ("air_temperature K 285.65", "air_pressure Pa 95000", "precipitation kg m-2 s-1 0.000166667"):
        assert text in shown
    unknown = call("init", tmp_path / "other.yaml", "--from", tmp_path / "site.csv", "--preset", "fluxnett")
    assert unknown.exit_code == 2
    assert "Did you mean 'fluxnet'?" in words(unknown.stderr)
    assert not (tmp_path / "other.yaml").exists()
