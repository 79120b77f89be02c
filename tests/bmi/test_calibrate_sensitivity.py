from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
import xarray as xr
from calibration_cases import write_calibration, write_observations, write_site

from bmi_noahpy.calibration import load_calibration
from bmi_noahpy.calibration.sensitivity.analysis import SEASONS, analyse, load_analysis
from bmi_noahpy.calibration.sensitivity.report import write_report
from bmi_noahpy.config import ConfigurationError
from bmi_noahpy.runs.prepare import prepare
from noahpy_core.simulation import run

MAM = SEASONS.index("MAM")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    write_site(folder)
    write_observations(folder)
    return folder


def test_a_sensitivity_is_the_change_of_the_mean_between_two_runs(site):
    changes = {
        "parameters": {
            "soil.porosity": {"by": "layer", "bounds": [0.3, 0.65]},
            "soil.saturated_suction": {"by": "one", "bounds": [0.01, 0.65]},
        },
        "sensitivity": {"depths": [0.04, 0.155], "quantities": ["soil_temperature"]},
    }
    found = analyse(load_calibration(write_calibration(site, changes)))
    assert found.parameters[-1] == "soil.saturated_suction"
    assert found.values.shape == (5, 1, 2, 4)

    def mean(delta: float) -> float:
        porosity = [0.476, 0.476 + delta, 0.465, 0.465]
        run_with = {"base": "site.yaml", "soil": {"parameters": {"porosity": porosity}}}
        prepared = prepare(load_calibration(write_calibration(site, {"run": run_with})).run)
        with torch.no_grad():
            path = run(
                prepared.model,
                prepared.initial_state,
                prepared.forcing.block(0, 16),
                prepared.parameters,
                prepared.step,
                outputs=["soil.temperature"],
            )
        return float(path.outputs["soil.temperature"][:, 1].mean())  # its middle is at 0.155 m

    derivative = (mean(1e-5) - mean(-1e-5)) / 2e-5
    assert found.derivatives[1, 0, 1, MAM] == pytest.approx(derivative, rel=1e-4)
    assert found.values[1, 0, 1, MAM] == pytest.approx(derivative * 0.35, rel=1e-4)
    assert np.isnan(found.values[..., [season for season in range(4) if season != MAM]]).all()


def test_relative_sensitivities_are_for_one_per_cent_and_offsets_keep_their_range(site):
    parameters = {"soil.porosity": {"by": "one"}, "forcing.longwave_down": {"bounds": [-10, 10]}}
    by_scale = {}
    for scale in ("range", "relative"):
        changes = {"parameters": parameters, "sensitivity": {"scale": scale, "depths": [0.1]}}
        by_scale[scale] = analyse(load_calibration(write_calibration(site, changes)))
    relative = by_scale["relative"]
    np.testing.assert_allclose(relative.values[0], 0.01 * relative.at[0] * relative.derivatives[0])
    np.testing.assert_allclose(by_scale["range"].values[0], 0.9 * relative.derivatives[0])
    np.testing.assert_allclose(relative.values[1], 20.0 * relative.derivatives[1])


def test_the_configuration_of_a_run_is_asked_for_every_parameter_it_has(site):
    asked = load_analysis(site / "site.yaml")
    assert "soil.porosity" in asked.parameters
    assert "soil.wilting_point" not in asked.parameters  # it follows from others
    assert "soil.material" not in asked.parameters
    assert asked.results.folder == site / "site_sensitivity"


def test_files_hold_what_was_found(site, tmp_path):
    found = analyse(load_calibration(write_calibration(site)))
    paths = write_report(found, tmp_path / "results")
    assert [path.name for path in paths] == ["sensitivity.csv", "sensitivity.nc", "sensitivity.png"]
    with (tmp_path / "results" / "sensitivity.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == np.isfinite(found.values).sum()
    with xr.open_dataset(paths[1]) as data:
        one = data["soil_temperature"].sel(parameter="soil.porosity", season="MAM", depth=0.5)
        row = next(
            row
            for row in rows
            if (row["parameter"], row["quantity"], row["depth_m"]) == ("soil.porosity", "soil_temperature", "0.5")
        )
        assert float(row["sensitivity"]) == pytest.approx(float(one), rel=1e-6)


def test_a_depth_below_the_soil_is_refused(site):
    with pytest.raises(ConfigurationError, match="3 m is below the soil"):
        analyse(load_calibration(write_calibration(site, {"sensitivity": {"depths": [0.1, 3.0]}})))
