"""What ``noahpy check`` shows is right, and what it warns of."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from configurations import changed, write
from typer.testing import CliRunner

from bmi_noahpy import simulate
from bmi_noahpy.cli import app
from bmi_noahpy.config import load_configuration
from bmi_noahpy.runs.outline import outlined
from bmi_noahpy.runs.prepare import prepare
from bmi_noahpy.runs.snow_share import snow_share

HOURS = np.arange(96)
DAYLIGHT = np.maximum(np.sin(np.pi * (HOURS % 24 - 6.0) / 12.0), 0.0)
"""Of the hour that begins at each: symmetric about noon of the beginnings, half an hour before that of the hours."""


def columns(**others: object) -> dict[str, object]:
    """Four days: 2 m s-1 of wind, 70 % of humidity, 24 mm a day of which a third falls in frost."""
    usual: dict[str, object] = {
        "Tair_degC": np.where(HOURS % 24 < 8, -1.0, 5.0),
        "PSurf_hPa": 700.0,
        "RH_percent": 70.0,
        "Wind_m_s": 2.0,
        "SWdown_W_m2": 600.0 * DAYLIGHT,
        "LWdown_W_m2": 250.0,
        "Precip_mm": 1.0,
    }
    return {name: value for name, value in (usual | others).items() if value is not None}


def site(folder: Path, table: dict[str, object], **changes: object) -> Path:
    """A configuration at longitude 0 with records of an hour."""
    names, values = list(table), [np.broadcast_to(value, HOURS.shape) for value in table.values()]
    rows = [",".join(["time", *names])]
    for hour in HOURS:
        stamp = f"2020-01-{1 + hour // 24:02d}T{hour % 24:02d}:00"
        rows.append(",".join([stamp, *(repr(float(value[hour])) for value in values)]))
    (folder / "weather.csv").write_text("\n".join(rows) + "\n")
    settings = {
        "domain": {"latitude": 40.0, "longitude": 0.0},
        "period": {"start": "2020-01-01T00:00", "end": "2020-01-04T23:00", "step": 3600},
        "forcing": {"file": "weather.csv"},
        "output": {"file": "out.nc"},
    }
    return write(folder / "site.yaml", changed(settings | changes))


def checked(path: Path) -> tuple[str, str]:
    """What the command prints, and what it warns of, without line breaks and frames."""
    result = CliRunner().invoke(app, ["check", str(path)])
    assert result.exit_code == 0, result.output
    return tuple(" ".join(re.sub(r"[│┃]", " ", text).split()) for text in (result.stdout, result.stderr))


def test_every_number_of_the_screen_is_that_of_the_file(tmp_path):
    shown, warned = checked(site(tmp_path, columns(), **{"soil.classes": 8}))
    for text in (
        "Test site: 1 column",
        "Period: 2020-01-01 00:00:00 to 2020-01-04 23:00:00 UTC, 96 steps of 3600 s",
        "96 records from 2020-01-01T00:00:00 to 2020-01-04T23:00:00, every 3600 s, no gaps",
        # 24 mm a day; eight hours of 24 are at -1 degC.
        "8766 mm of precipitation a year, 33 % of it at or below 0 degC",
        # Sun of hours beginning at 6 to 18 h is highest in the hour from 12 to 13 h; the sun is 4 to 5 minutes late.
        "sun highest at 12.5 h UTC, expected 12.1 h",
        "4 layers to 2 m; classes of table noah: 8 silt loam",
        "classes of table usgs: 9 mixed shrubland/grassland",
        "noah-permafrost (Noah 3.4.1 with the frozen-soil hydraulics",
        "air_temperature K 276.15 272.15 278.15 at the beginning of its interval Tair_degC [degC]",
        "air_pressure Pa 70000 70000 70000 at the beginning of its interval PSurf_hPa [hPa]",
        "relative_humidity 1 0.7 0.7 0.7 at the beginning of its interval RH_percent [percent]",
        "wind_speed m s-1 2 2 2 at the beginning of its interval Wind_m_s [m s-1]",
        # The mean of sin(pi n / 12), n = 1 ... 11, over 24 hours is cot(pi / 24) / 24 = 0.31649.
        "shortwave_down W m-2 189.894 0 600 mean of its interval SWdown_W_m2 [W m-2]",
        "precipitation kg m-2 s-1 0.000277778 0.000277778 0.000277778 mean of its interval Precip_mm [mm]",
    ):
        assert text in shown
    assert "forcing" not in warned


@pytest.mark.parametrize(
    ("schemes", "air", "share"),
    [
        # Eight hours of 24 at -1 degC, the others at 5 degC.
        ({"preset": "noah-permafrost"}, 5.0, "33 % of it snow (snow: noah)"),
        ({"preset": "conservative", "phase": "threshold"}, 5.0, "33 % of it snow (phase: threshold)"),
        # Of 0.5 degC, a ramp from 0 to 1 degC lets one half fall as snow: 1 / 3 + 1 / 2 * 2 / 3.
        ({"preset": "conservative", "phase": "ramp"}, 0.5, "67 % of it snow (phase: ramp)"),
        # 1 / (1 + exp(-10.04 + 1.41 T + 0.09 RH)) at 70 %: 0.9937 at -1 degC, 0.9745 at 0, 0.0321 at 5.
        ({"preset": "conservative"}, 5.0, "35 % of it snow (phase: jennings2018)"),
    ],
)
def test_the_share_of_snow_is_that_of_the_scheme_of_the_run(tmp_path, schemes, air, share):
    shown, _ = checked(site(tmp_path, columns(Tair_degC=np.where(HOURS % 24 < 8, -1.0, air)), schemes=schemes))
    assert share in shown
    warmer = site(tmp_path, columns(Tair_degC=-1.0), schemes=schemes, forcing={
        "file": "weather.csv", "corrections": {"air_temperature": {"offset": 21.0}}
    })  # fmt: skip
    assert "0 % of it snow (" in checked(warmer)[0]


@pytest.mark.parametrize(
    ("output", "records"),
    [
        ({"file": "out.nc"}, 6),
        (None, 6),
        ({"file": "out.nc", "every": 4}, 2),
        ({"file": "out.nc", "daily": ["mean", "max"], "variables": ["soil.temperature", "snow.depth"]}, 1),
    ],
    ids=str,
)
def test_what_the_run_will_write_is_what_it_writes(tmp_path, output, records):
    path = site(tmp_path, columns(), **{"period.end": "2020-01-01T05:00", "output": output})
    shown, _ = checked(path)
    found = re.search(r"Output: .*, (\d+) numbers in (\d+) records, (\S+) MiB", shown).groups()
    written = simulate(load_configuration(path))
    variables = [values for name, values in written.data_vars.items() if values.dims[:1] == ("time",)]
    total = sum(values.size for values in variables if "bnds" not in values.dims)
    assert written.sizes["time"] == records
    assert (int(found[1]), int(found[0]) * int(found[1])) == (records, total)
    assert float(found[2]) == pytest.approx(8 * total / 2**20, rel=5e-3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"output.variables": ["snow.layer_mass"]}, "output.variables: 'snow.layer_mass' is of layered snow"),
        ({"restart": {"from": "missing.nc"}}, "missing.nc: there is none"),
        ({"restart": {"from": "weather.csv"}}, "weather.csv: cannot be read"),
        ({"output.file": "site.yaml"}, "output.file: {folder}/site.yaml is the file of configuration"),
        (
            {"spin_up": {"period": "1 day", "file": "weather.csv"}},
            "spin_up.file: {folder}/weather.csv is the file of forcing.file",
        ),
        ({"spin_up": {"period": "1 day"}, "output.file": "out.zarr"}, "spin_up: the spin-up of a run in tiles"),
    ],
    ids=str,
)
def test_what_a_run_refuses_at_once_the_check_refuses_in_the_same_words(tmp_path, changes, words):
    path = site(tmp_path, columns(), **changes)
    said = []
    for command in (["run", "--no-plot"], ["check"]):
        result = CliRunner().invoke(app, [*command, str(path)])
        assert result.exit_code == 2, result.output
        said.append("".join(result.stderr.split()).partition("Error:")[2])
    assert "".join(words.format(folder=tmp_path).split()) in said[0]
    assert said[1] == said[0]


def test_layers_of_snow_are_counted_as_many(tmp_path):
    output = {"file": "out.nc", "variables": ["snow.layer_mass", "snow.depth", "soil.temperature"]}
    shown, _ = checked(site(tmp_path, columns(), schemes={"preset": "conservative"}, output=output))
    assert "Output:" in shown
    assert " 8 numbers in 96 records" in shown


def test_parts_and_other_measures_of_humidity_are_named_with_their_own_units(tmp_path):
    table = columns(
        RH_percent=None, Wind_m_s=None, Precip_mm=None, VPD_hPa=1.0, U_wind_m_s=3.0, V_wind_m_s=4.0, Rainf_mm=0.75,
        Snowf_mm=0.25,
    )  # fmt: skip
    names = {"wind_u": "U_wind_m_s", "wind_v": "V_wind_m_s", "vapour_pressure_deficit": "VPD_hPa"}
    variables = {quantity: {"name": name} for quantity, name in names.items()}
    shown, _ = checked(site(tmp_path, table, forcing={"file": "weather.csv", "variables": variables}))
    for text in (
        "25 % of it snow, as the file says",
        "wind_speed m s-1 5 5 5 at the beginning of its interval U_wind_m_s [m s-1], V_wind_m_s [m s-1]",
        "VPD_hPa [hPa]",
        "Rainf_mm [mm], Snowf_mm [mm]",
    ):
        assert text in shown


def test_units_that_nothing_states_are_called_so(tmp_path):
    shown, _ = checked(site(tmp_path, columns(Wind_m_s=None, Wind=2.0)))
    assert "Wind [m s-1, not stated]" in shown


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({"Wind_m_s": None, "Wind_mm_s": 2.0}, "the mean wind is 0.002 m s-1, which does not occur"),
        ({"Precip_mm": 5000.0 / 720.0}, "precipitation amounts to 5000 mm a month: check its units"),
        ({"RH_percent": 0.7}, "the mean relative humidity is 0.7 %, which does not occur: are its values fractions?"),
        ({"SWdown_W_m2": 600.0 * np.roll(DAYLIGHT, 12)}, "the sun is highest at 00:30 UTC, expected at longitude 0 is"),
    ],
)
def test_what_is_implausible_is_warned_of_and_the_usual_is_not(tmp_path, others, words):
    assert words in checked(site(tmp_path, columns(**others)))[1]


def test_rock_at_the_surface_is_doubted_where_the_other_numbering_has_water(tmp_path):
    path = site(tmp_path, columns(), **{"soil.classes": 14, "initial.soil_moisture": 0.1})
    assert "14 at the surface is bedrock in the table 'noah'. In WRF, HRLDAS and public" in checked(path)[1]


def test_a_run_says_on_the_error_stream_what_the_check_warns_of(tmp_path):
    path = site(tmp_path, columns(Wind_m_s=None, Wind_mm_s=2.0), **{"period.end": "2020-01-01T13:00"})
    result = CliRunner().invoke(app, ["run", str(path), "--output", str(tmp_path / "out.nc"), "--no-plot"])
    assert result.exit_code == 0, result.output
    assert "the mean wind is 0.002 m s-1" in " ".join(result.stderr.split())
    assert "the mean wind" not in result.stdout


@pytest.mark.parametrize("preset", ["noah-permafrost", "conservative"])
def test_the_share_of_snow_by_rule_is_that_of_the_scheme_itself(tmp_path, preset):
    around_freezing = 2.5 * np.sin(HOURS) + 0.7
    humidity = 60.0 + 35.0 * np.cos(2.0 * HOURS)
    table = columns(Tair_degC=around_freezing, RH_percent=humidity, Precip_mm=1.0 + np.sin(3.0 * HOURS))
    changes = {"schemes": {"preset": preset}, "period.step": 1800}
    configuration = load_configuration(site(tmp_path, table, **changes))
    by_rule, by_scheme = snow_share(outlined(configuration)), snow_share(prepare(configuration))
    assert by_rule[1] == by_scheme[1]
    assert 0.1 < by_rule[0] < 0.9
    assert by_rule[0] == pytest.approx(by_scheme[0], rel=1e-12)


def test_records_as_they_lie_in_memory_are_no_cause_of_a_warning(tmp_path):
    # torch says only once a process that an array must not be written to.
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        said = checked(site(tmp_path, columns(), schemes={"preset": "conservative", "phase": "ramp"}))[1]
    finally:
        torch.set_warn_always(before)
    assert "Warning" not in said
