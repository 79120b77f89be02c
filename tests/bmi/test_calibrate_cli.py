from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import xarray as xr
import yaml
from calibration_cases import TRUTH, write_calibration, write_observations, write_site
from typer.testing import CliRunner

from bmi_noahpy import load_configuration
from bmi_noahpy.calibration import load_calibration
from bmi_noahpy.calibration.problem.fit import Fit
from bmi_noahpy.calibration.results.calibrated import write_calibrated
from bmi_noahpy.cli import app

ENDLESS = {
    "optimiser": {"name": "adam", "iterations": 1000000, "learning_rate": 0.01, "patience": 1000000},
    "stop": {"patience": 1000000},
}


def call(*arguments: str | Path):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def words(text: str) -> str:
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split())


@pytest.fixture
def site(tmp_path):
    write_site(tmp_path)
    write_observations(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    """A finished calibration with a validation, a bias and an initial value."""
    folder = tmp_path_factory.mktemp("calibrated")
    write_site(folder)
    write_observations(folder)
    parameters = {
        "soil.porosity": {"by": "one", "bounds": [0.35, 0.7]},
        "soil.quartz_fraction": {"by": "one", "bounds": [0.05, 0.9]},
        "forcing.longwave_down": {"bounds": [-5, 5]},
        "forcing.precipitation": {"bounds": [0.8, 1.3]},
        "initial.soil_temperature": {"bounds": [-0.5, 0.5], "layers": "2-4"},
    }
    changes = {
        "parameters": parameters,
        "starts": 2,
        "optimiser": {"name": "levenberg_marquardt", "iterations": 8},
        "calibration": {"start": "2020-04-01", "end": "2020-04-11"},
        "validation": {"start": "2020-04-11", "end": "2020-04-17"},
    }
    result = call("calibrate", write_calibration(folder, changes))
    assert result.exit_code == 0, result.output
    return folder, result


def test_everything_about_a_calibration_is_in_its_folder(calibrated):
    folder, result = calibrated
    names = {path.name for path in (folder / "results").iterdir()}
    assert names == {
        "calibrated.yaml",
        "checkpoint.pt",
        "convergence.csv",
        "convergence.png",
        "observed_soil_temperature.png",
        "observed_soil_water.png",
        "parameters.csv",
        "parameters.png",
        "scores.csv",
        "starts.csv",
        "trajectory.nc",
    }
    text = words(result.stdout)
    assert "forcing.precipitation" in text
    assert "Computed: " in text


def test_the_calibrated_run_reproduces_the_scores_of_its_calibration(calibrated):
    folder, _ = calibrated
    result = call("run", folder / "results" / "calibrated.yaml", "--no-plot", "--output", folder / "again.nc")
    assert result.exit_code == 0, result.output
    fit = Fit(load_calibration(write_calibration(folder)))
    with xr.open_dataset(folder / "again.nc") as data, (folder / "results" / "scores.csv").open() as file:
        temperature = torch.as_tensor(data["soil_temperature"].values)
        rows = {(row["series"], row["period"], row["run"]): row for row in csv.DictReader(file)}
    target = next(target for target in fit.targets if target.name == "Tsoil_0.12m_K")
    misfit = target.of({"soil.temperature": temperature[..., None]}, 1)[:, 0] - target.values
    for period, part in (("calibration", misfit[:10]), ("validation", misfit[10:])):
        rmse = float(rows["Tsoil_0.12m_K", period, "calibrated"]["rmse"])
        assert float((part**2).mean().sqrt()) == pytest.approx(rmse, rel=1e-4, abs=1e-9)


def test_scores_improve_and_parameters_are_given_with_their_uncertainty(calibrated):
    folder, _ = calibrated
    with (folder / "results" / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    rmse = {(row["series"], row["period"], row["run"]): float(row["rmse"]) for row in rows}
    for series in {row["series"] for row in rows}:
        assert rmse[series, "calibration", "calibrated"] < 0.5 * rmse[series, "calibration", "configured"]
    with (folder / "results" / "parameters.csv").open() as file:
        porosity = next(row for row in csv.DictReader(file) if row["name"] == "soil.porosity")
    assert float(porosity["low"]) <= float(porosity["value"]) <= float(porosity["high"])
    assert float(porosity["error"]) > 0.0
    assert float(porosity["value"]) == pytest.approx(TRUTH["porosity"], abs=0.05)


def test_the_calibrated_run_repeats_the_spin_up_of_its_calibration(site):
    changes = {
        "spin_up": {"cycles": 2, "period": "4 days"},
        "parameters": {"forcing.longwave_down": {"bounds": [-9, 9]}},
    }
    fit = Fit(load_calibration(write_calibration(site, changes)))
    unknowns = torch.tensor([[0.7]], dtype=torch.float64)
    path = write_calibrated(fit, unknowns, site / "calibrated.yaml")
    result = call("run", path, "--no-plot")
    assert result.exit_code == 0, result.output
    assert "not settled after 2 repetitions" in words(result.stderr)
    with xr.open_dataset(site / "trajectory.nc") as data:
        temperature = torch.as_tensor(data["soil_temperature"].values)[..., None]
    target, simulated = fit.fitted[0], fit.simulate(unknowns)[0]
    torch.testing.assert_close(target.of({"soil.temperature": temperature}, 1), simulated, rtol=0.0, atol=1e-9)


def test_a_run_whose_calibrated_pores_are_full_can_be_run(site):
    pores = {"soil.porosity": {"by": "one", "bounds": [0.2, 0.3]}}
    fit = Fit(load_calibration(write_calibration(site, {"parameters": pores})))
    for number in range(20):
        unknowns = torch.tensor([[0.37 * number - 3.5]], dtype=torch.float64)
        path = write_calibrated(fit, unknowns, site / "calibrated.yaml")
        initial = load_configuration(path).initial
        assert max(initial.soil_moisture) <= 0.3


def test_results_are_not_replaced_unless_asked_for(site):
    quick = {"optimiser": {"name": "adam", "iterations": 1}}
    path = write_calibration(site, quick)
    assert call("calibrate", path).exit_code == 0
    again = call("calibrate", path)
    assert again.exit_code == 2
    assert "--resume" in again.stderr
    assert call("calibrate", path, "--overwrite").exit_code == 0
    both = call("calibrate", path, "--overwrite", "--resume")
    assert both.exit_code == 2
    assert "only one" in words(both.stderr)


def test_all_problems_of_a_file_are_shown_before_anything_is_computed(site):
    changes = {"parameters": {"soil.porosty": {}}, "objective": "rmse", "starts": -1}
    result = call("calibrate", write_calibration(site, changes))
    assert result.exit_code == 2
    text = words(result.stderr)
    assert "3 problems" in text
    assert "'soil.porosity'" in text
    assert not (site / "results").exists()


def start_process(path: Path) -> subprocess.Popen[str]:
    code = "from bmi_noahpy.cli import app; app()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "calibrate", str(path)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


PATIENCE = 600.0
"""Ends a test that hangs; a busy machine takes long to start a process and to make its kernels. [s]"""


def wait_for(path: Path) -> None:
    end = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        signal.SIGTERM,
        pytest.param(getattr(signal, "SIGKILL", None), marks=pytest.mark.slow),
    ],
    ids=lambda n: getattr(n, "name", "none"),
)
def test_the_best_parameters_so_far_survive_an_end_at_any_time(site, number):
    path = write_calibration(site, ENDLESS)
    process = start_process(path)
    try:
        wait_for(site / "results" / "calibrated.yaml")
        time.sleep(0.5)
        process.send_signal(number)
        output, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    if number in (signal.SIGINT, signal.SIGTERM):
        assert process.returncode == 130
        assert "--resume" in words(output)
    run = yaml.safe_load((site / "results" / "calibrated.yaml").read_text())
    assert 0.35 <= run["soil"]["parameters"]["porosity"][0] <= 0.7
    done = torch.load(site / "results" / "checkpoint.pt", weights_only=True)["progress"]["history"].shape[0]
    longer = {**ENDLESS, "optimiser": {**ENDLESS["optimiser"], "iterations": done + 2}}
    result = call("calibrate", write_calibration(site, longer), "--resume")
    assert result.exit_code == 0, result.output
    assert f"Going on after iteration {done}" in words(result.stderr)
    assert (site / "results" / "trajectory.nc").exists()


def test_sensitivities_of_a_plain_configuration_are_shown_and_written(site):
    result = call("sensitivity", site / "site.yaml", "--results", site / "sensitivity")
    assert result.exit_code == 0, result.output
    text = words(result.stdout)
    assert "soil.porosity, class 8" in text
    assert "soil liquid water [m3 m-3]" in text
    assert {path.suffix for path in (site / "sensitivity").iterdir()} == {".csv", ".nc", ".png"}
