"""``noahpy verify --steps``: a site at several step lengths, in Noah's schemes and in the conservative column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from configurations import changed, write, write_weather
from typer.testing import CliRunner

from bmi_noahpy import Configuration, ConfigurationError, launch, read_configuration
from bmi_noahpy.cli import app
from bmi_noahpy.verification.step_length_report import differences
from bmi_noahpy.verification.step_lengths import compare_step_lengths

GRAVEL = {
    "soil.classes": [13, 13, 13, 13],
    "initial.soil_moisture": [0.25, 0.25, 0.25, 0.25],
    "initial.soil_temperature": [281.0, 281.0, 281.0, 281.0],
    "initial.soil_liquid": [0.25, 0.25, 0.25, 0.25],
    "initial.skin_temperature": 281.0,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_weather(tmp_path / "weather.csv")
    return tmp_path


def site(folder: Path, **changes: object) -> Configuration:
    settings = {"forcing": {"file": "weather.csv", "format": "csv"}, "execution": "eager"}
    return read_configuration(changed({**settings, **changes}), folder)


def test_states_are_those_at_the_ends_of_common_intervals_and_fluxes_means_over_them(folder: Path) -> None:
    found = compare_step_lengths(site(folder), [21600, 10800])
    names = ["soil_temperature", "sensible_heat_flux"]
    launch(site(folder, output={"file": "out.nc", "variables": names}))
    assert [run.step for run in found.runs] == [10800.0, 21600.0]
    with xr.open_dataset(folder / "out.nc") as data:
        assert np.allclose(found.runs[0].series["soil.temperature"][..., 0], data.soil_temperature[1::2], rtol=1e-12)
        flux = np.asarray(data.sensible_heat_flux).reshape(-1, 2).mean(axis=1)
        assert np.allclose(found.runs[0].series["sensible_heat_flux"][:, 0], flux, rtol=1e-12)


def test_a_difference_is_that_of_the_runs_with_its_place(folder: Path) -> None:
    found = compare_step_lengths(site(folder), [10800, 21600])
    item = next(item for item in differences(found) if item.quantity == "soil.temperature" and item.depth == 0.05)
    values = found.runs[1].series["soil.temperature"][:, 0] - found.runs[0].series["soil.temperature"][:, 0]
    assert item.absolute == pytest.approx(np.abs(values).mean())
    assert abs(item.largest) == np.abs(values).max() > 0.0
    where = int(np.abs(values).argmax())
    assert item.at == np.datetime64("2020-01-01") + np.timedelta64(21600 * (where + 1), "s")


def test_only_as_much_of_the_period_is_run_as_all_lengths_divide(folder: Path) -> None:
    found = compare_step_lengths(site(folder, **{"period.end": "2020-01-02T18:00"}), [10800, 43200])
    assert found.interval == 43200.0
    assert len(found.runs[0].series["skin_temperature"]) == 3


def test_gravel_creates_water_in_noahs_schemes_and_none_in_the_conservative_column(folder: Path) -> None:
    noah = compare_step_lengths(site(folder, **GRAVEL), [10800, 86400])
    assert noah.runs[1].created.water > 1.0
    closed = compare_step_lengths(site(folder, **GRAVEL, schemes={"preset": "conservative"}), [10800, 86400])
    assert [run.created.water for run in closed.runs] == [0.0, 0.0]
    assert max(run.water_residual for run in closed.runs) < 1e-9


def test_the_spun_up_state_is_that_of_all_step_lengths(folder: Path) -> None:
    told: list[str] = []
    spin_up = {"period": "1 day", "cycles": 2, "file": "spun.nc"}
    with pytest.warns(UserWarning, match="not settled"):
        compare_step_lengths(site(folder, spin_up=spin_up), [10800, 21600], say=told.append)
    assert [text.partition(":")[0] for text in told[:2]] == ["Spin-up 1", "Spin-up 2"]
    assert not (folder / "spun.nc").exists()


@pytest.mark.parametrize(
    ("steps", "changes", "text"),
    [
        ([300], {}, r"--steps: .*300.0.* has one length of a step"),
        (["half", 300], {}, r"--steps: 'half'"),
        ([90.5, 300], {}, r"--steps: 90.5 s is not a whole number"),
        ([300, 100000], {}, r"--steps: impossible value 100000"),
        ([7200, 86400], {"period.end": "2020-01-01T09:00"}, r"--steps: 7200, 86400 s divide 86400 s at least"),
        ([300, 600], {"restart": {"from": "kept.nc"}}, r"restart.from: .*--set restart=null"),
        ([10800, 5400 * 3], {}, r"forcing: "),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_remedy(folder: Path, steps, changes, text) -> None:
    with pytest.raises(ConfigurationError, match=text):
        compare_step_lengths(site(folder, **changes), steps)


def test_the_command_prints_what_is_created_and_writes_every_layer(folder: Path) -> None:
    path = write(folder / "site.yaml", changed({"forcing": {"file": "weather.csv", "format": "csv"}, **GRAVEL}))
    arguments = ["verify", "--steps", "10800,86400", str(path), "--csv", str(folder / "steps.csv")]
    result = CliRunner().invoke(app, [*arguments, "--execution", "eager"])
    assert result.exit_code == 0, result.output
    assert "water created mm a-1" in result.stdout
    assert "schemes={preset: conservative}" in result.stdout
    table = pd.read_csv(folder / "steps.csv")
    assert len(table[table.quantity == "soil.temperature"]) == 4
    assert set(table.step) == {86400.0}
    assert not (folder / "site.nc").exists()


def test_a_configuration_without_step_lengths_is_told_how_to_give_them(folder: Path) -> None:
    path = write(folder / "site.yaml", changed({}))
    result = CliRunner().invoke(app, ["verify", str(path)])
    assert result.exit_code == 2
    assert "noahpy verify --steps 300,3600,10800" in " ".join(result.stderr.split())
