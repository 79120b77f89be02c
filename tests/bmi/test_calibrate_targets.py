from __future__ import annotations

import numpy as np
import pytest
import torch
from calibration_cases import write_calibration, write_observations, write_site

from bmi_noahpy.calibration import load_calibration
from bmi_noahpy.calibration.file.sections import Objective
from bmi_noahpy.calibration.problem.fit import Fit
from bmi_noahpy.calibration.problem.objectives import losses, residual_scales
from bmi_noahpy.calibration.problem.targets import Steps, level_of, sample
from bmi_noahpy.cli import app
from bmi_noahpy.observations.observed import Observed, pair
from bmi_noahpy.observations.scores import scores
from bmi_noahpy.observations.simulated import Series
from noahpy_core.column import SoilColumn

START = np.datetime64("2020-01-01T00:00", "s")


def observed(spacing: float, count: int, offset: float = 0.0, quantity: str = "soil_temperature") -> Observed:
    seconds = offset + spacing * np.arange(count)
    times = START.astype("datetime64[ns]") + (seconds * 1e9).astype("timedelta64[ns]")
    return Observed("x", quantity, None, times, 270.0 + np.sin(np.arange(count)), spacing)


@pytest.mark.parametrize("window", ["auto", "start", "centre", "instant"])
@pytest.mark.parametrize("step", [3600.0, 10800.0, 86400.0])
@pytest.mark.parametrize(("spacing", "offset"), [(86400.0, 0.0), (86400.0, -57600.0), (3600.0, 1800.0), (10800.0, 0.0)])
@pytest.mark.parametrize("quantity", ["soil_temperature", "latent_heat_flux"])
def test_simulated_values_are_those_that_comparison_figures_pair(window, step, spacing, offset, quantity):
    steps = Steps(START, step, round(4 * 86400 / step))
    seen = observed(spacing, round(3 * 86400 / spacing), offset, quantity)
    values = np.random.default_rng(0).normal(size=steps.count)
    valid = steps.end if quantity == "soil_temperature" else steps.begin + (steps.end - steps.begin) // 2
    expected = pair(Series("x", "K", steps.begin, steps.end, valid, values), seen, window).complete()
    found = sample(seen, steps, window)
    if expected.times.size == 0:
        assert found is None
        return
    sampling, times, truth = found
    np.testing.assert_allclose(
        sampling.of(torch.as_tensor(values)[:, None])[:, 0].numpy(), expected.simulated, atol=1e-12
    )
    np.testing.assert_allclose(truth, expected.observed, atol=1e-12)
    assert (times == expected.times).all()


def test_a_depth_is_met_between_the_middles_of_layers():
    column = SoilColumn(torch.tensor([0.1, 0.3, 0.6], dtype=torch.float64))  # middles 0.05, 0.25, 0.7
    series = torch.tensor([[[1.0], [3.0], [12.0]]], dtype=torch.float64)
    found = [float(level_of(depth, column).of(series)) for depth in (0.0, 0.05, 0.15, 0.25, 0.475, 0.9)]
    assert found == pytest.approx([1.0, 1.0, 2.0, 3.0, 7.5, 12.0])
    assert level_of(1.01, column) is None


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    write_site(folder)
    write_observations(folder, noise=0.3)
    return folder


def test_an_output_file_serves_as_observations_that_its_run_meets_exactly(site):
    from typer.testing import CliRunner

    result = CliRunner().invoke(app, ["run", str(site / "site.yaml"), "--no-plot", "--overwrite"])
    assert result.exit_code == 0, result.output
    fit = Fit(
        load_calibration(
            write_calibration(
                site,
                {
                    "observations": {
                        "file": "site.nc",
                        "quantities": ["soil_temperature", "soil_liquid_water", "sensible_heat_flux"],
                    }
                },
            )
        )
    )
    assert len(fit.targets) == 9
    for target, simulated in zip(fit.targets, fit.simulate(None, fit.targets), strict=True):
        assert len(target.values) == 16
        torch.testing.assert_close(simulated[:, 0], target.values, rtol=0.0, atol=1e-9)


def test_objectives_are_the_scores_of_the_figures(site):
    fit = Fit(load_calibration(write_calibration(site)))
    simulated = fit.simulate(None)
    found = [
        scores(one[:, 0].numpy(), target.values.numpy()) for one, target in zip(simulated, fit.fitted, strict=True)
    ]
    nse = losses(Objective(name="nse"), fit.fitted, simulated)
    kge = losses(Objective(name="kge"), fit.fitted, simulated)
    assert float(nse) == pytest.approx(1.0 - np.mean([one.nse for one in found]), rel=1e-12)
    assert float(kge) == pytest.approx(1.0 - np.mean([one.kge for one in found]), rel=1e-9)


@pytest.mark.parametrize("name", ["nse", "gaussian", "huber"])
def test_scaled_residuals_have_the_objective_as_their_sum_of_squares(site, name):
    fit = Fit(
        load_calibration(
            write_calibration(
                site,
                {
                    "observations": {
                        "file": "observed.csv",
                        "quantities": {
                            "soil_temperature": {"weight": 2.0, "error": 1.3},
                            "soil_liquid_water": {"error": 0.02},
                        },
                    }
                },
            )
        )
    )
    # Small misfits, for which huber is quadratic.
    simulated = [target.values[:, None] + 0.01 * target.error for target in fit.fitted]
    objective = Objective(name=name)
    squares = sum(
        float(((scale * (one - target.values[:, None])) ** 2).sum())
        for scale, one, target in zip(residual_scales(objective, fit.fitted), simulated, fit.fitted, strict=True)
    )
    assert squares == pytest.approx(float(losses(objective, fit.fitted, simulated)), rel=1e-10)


def test_huber_grows_linearly_from_its_threshold(site):
    fit = Fit(load_calibration(write_calibration(site)))
    objective = Objective(name="huber", delta=2.0)

    def cost(errors: float) -> float:
        return float(losses(objective, fit.fitted, [t.values[:, None] + errors * t.error for t in fit.fitted]))

    assert cost(1.0) == pytest.approx(0.5)
    assert cost(10.0) == pytest.approx(2.0 * (10.0 - 1.0))
