"""A run with several values of some keys."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import xarray as xr
from configurations import changed, write, write_weather
from typer.testing import CliRunner

from bmi_noahpy import simulate, sweep
from bmi_noahpy.cli import app
from bmi_noahpy.config import ConfigurationError, load_configuration
from bmi_noahpy.forcing import open_forcing
from bmi_noahpy.runs.execute import execute
from bmi_noahpy.runs.scheme_warnings import SchemeWarning


@pytest.fixture
def site(tmp_path):
    write_weather(tmp_path / "weather.csv")
    changes = {
        "period.end": "2020-01-01T15:00",
        "forcing": {"file": "weather.csv"},
        "output": {"file": "out.nc", "variables": ["soil.temperature", "skin_temperature"]},
    }
    return write(tmp_path / "site.yaml", changed(changes))


def alone(site, *settings: str) -> xr.Dataset:
    return simulate(load_configuration(site, settings))


def test_runs_that_differ_in_numbers_are_points_of_one_file_and_equal_to_runs_alone(site):
    keys = ["soil.parameters.porosity=0.42,0.5", "forcing.corrections.air_temperature.offset=0,-1.5,2"]
    found = sweep(site, keys)
    assert found.together
    assert len(found.settings) == 6
    with xr.open_dataset(site.with_name("site_sweep.nc"), decode_timedelta=False) as data:
        assert data["sweep_soil_parameters_porosity"].values.tolist() == [0.42] * 3 + [0.5] * 3
        assert data["sweep_soil_parameters_porosity"].attrs["configuration_key"] == "soil.parameters.porosity"
        for point, settings in enumerate(found.settings):
            single = alone(site, *(f"{key}={value}" for key, value in settings.items()))
            np.testing.assert_allclose(
                data["soil_temperature"].isel(point=point), single["soil_temperature"], rtol=0, atol=1e-9
            )
        assert np.ptp(data["skin_temperature"].isel(time=-1).values) > 0.1


def test_records_that_several_runs_take_are_read_once(site, monkeypatch):
    read = []

    def noting(*arguments, **options):
        read.append(options["biases"])
        return open_forcing(*arguments, **options)

    monkeypatch.setattr("bmi_noahpy.runs.forcing_of_run.open_forcing", noting)
    sweep(site, ["soil.parameters.porosity=0.42,0.45,0.5"])
    assert len(read) == 1
    read.clear()
    # Corrections are part of what is checked.
    sweep(site, ["soil.parameters.porosity=0.42,0.5", "forcing.corrections.air_temperature.offset=0,2"], overwrite=True)
    assert {biases["air_temperature"] for biases in read} == {(1.0, 0.0), (1.0, 2.0)}


def test_runs_with_other_layers_are_run_one_after_the_other(site):
    layers = "soil.thickness=[0.1,0.3,0.6,1.0],[0.2,0.3,0.6,1.0]"
    found = sweep(site, [layers])
    assert not found.together
    assert [summary.path.name for summary in found.summaries] == ["site_sweep_0.nc", "site_sweep_1.nc"]
    with pytest.raises(FileExistsError, match=r"site_sweep_0\.nc exists"):
        sweep(site, [layers])


def test_what_is_given_in_some_runs_only_keeps_them_apart(site):
    found = sweep(site, ["vegetation.leaf_area_index=null,5.0"])
    assert not found.together
    ends = []
    for summary, area in zip(found.summaries, ("null", "5.0"), strict=True):
        with xr.open_dataset(summary.path, decode_timedelta=False) as data:
            ends.append(float(data["soil_temperature"][-1, 0]))
        expected = alone(site, f"vegetation.leaf_area_index={area}")["soil_temperature"]
        assert ends[-1] == pytest.approx(float(expected[-1, 0]), abs=1e-9)
    assert ends[0] != ends[1]


def test_an_interrupt_ends_the_sweep(site, monkeypatch):
    def interrupted(*given, **how):
        return dataclasses.replace(execute(*given, **how), interrupted=True)

    monkeypatch.setattr("bmi_noahpy.runs.sweep.execute", interrupted)
    found = sweep(site, ["soil.thickness=[0.1,0.3,0.6,1.0],[0.2,0.3,0.6,1.0]"])
    assert len(found.summaries) == 1


def test_a_sweep_warns_of_its_step_and_writes_no_state_of_a_spin_up(site):
    spin_up = ["spin_up.file=spun.nc", "spin_up.period=6 hours", "spin_up.cycles=1", "period.step=3 hours"]
    keys = [*spin_up, "soil.parameters.porosity=0.42,0.5"]
    with pytest.warns(SchemeWarning, match="period.step"):
        sweep(site, keys)
    assert not site.with_name("spun.nc").exists()


def test_the_command_lists_its_runs_and_its_output(site):
    result = CliRunner().invoke(app, ["sweep", str(site), "--set", "vegetation.fraction=0.1,0.6"])
    assert result.exit_code == 0, result.output
    assert "point 1: vegetation.fraction=0.6" in result.stdout
    assert "6 steps each" in result.stdout
    assert "2 runs as columns of one batch" in result.stderr


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (["soil.parameters.porosity=0.4,2"], "soil.parameters.porosity: impossible value 2"),
        (["soil.parameters.porosity="], "has no value"),
        (["soil.parameters.porosity"], "is not a setting"),
        ([], "Say what varies"),
        (["restart.keep=2,3"], "neither writes nor reads restart files"),
        (["domain.latitude=[60.0, 61.0]"], "has several columns"),
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused(site, keys, words):
    with pytest.raises(ConfigurationError, match=words):
        sweep(site, keys)
    assert not site.with_name("site_sweep.nc").exists()
