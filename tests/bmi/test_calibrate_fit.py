from __future__ import annotations

import pytest
import torch
from calibration_cases import write_calibration, write_observations, write_site

from bmi_noahpy.calibration import load_calibration
from bmi_noahpy.calibration.problem.fit import Fit
from bmi_noahpy.calibration.results.uncertainty import covariance, estimates
from bmi_noahpy.calibration.search import first_unknowns
from noahpy_core.errors import ConvergenceError

EVERYTHING = {
    "soil.porosity": {"by": "layer", "bounds": [0.35, 0.7], "spread": 0.1},
    "soil.saturated_suction": {"by": "one", "bounds": [0.05, 0.65]},
    "forcing.longwave_down": {"bounds": [-10, 10]},
    "forcing.precipitation": {"bounds": [0.7, 1.5]},
    "initial.soil_temperature": {"bounds": [-1, 1]},
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    write_site(folder, {"period.end": "2020-04-12T00:00"})
    write_observations(folder, noise=0.2)
    return folder


def fit_of(folder, **changes):
    return Fit(load_calibration(write_calibration(folder, {"parameters": EVERYTHING, "starts": 2, **changes})))


@pytest.mark.parametrize("objective", ["nse", "kge", {"name": "huber", "prior": 0.1}], ids=["nse", "kge", "huber"])
def test_the_gradient_of_every_start_is_that_of_differences(site, objective):
    fit = fit_of(site, objective=objective, optimiser="adam", spin_up={"cycles": 1, "period": "2 days"})
    unknowns = first_unknowns(fit)
    direction = torch.randn(unknowns.shape, dtype=torch.float64, generator=torch.manual_seed(3))
    losses, gradient = fit.gradient(unknowns)
    torch.testing.assert_close(losses, fit.losses(unknowns), rtol=1e-9, atol=0.0)
    step = 1e-5
    difference = (fit.losses(unknowns + step * direction) - fit.losses(unknowns - step * direction)) / (2 * step)
    torch.testing.assert_close((gradient * direction).sum(0), difference, rtol=1e-4, atol=1e-7)


def test_forward_mode_reverse_mode_and_differences_agree(site):
    optimiser = {"name": "levenberg_marquardt", "jacobian": "forward"}
    fit = fit_of(site, optimiser=optimiser, objective={"name": "nse", "prior": 1e-2})
    unknowns = first_unknowns(fit)
    forward = fit.linearised(unknowns)
    fit.calibration.optimiser.jacobian = "difference"
    difference = fit.linearised(unknowns)
    torch.testing.assert_close(forward.residuals, difference.residuals, rtol=1e-7, atol=1e-10)
    size = forward.jacobian.abs().amax(0)
    assert float(((forward.jacobian - difference.jacobian).abs() / size).max()) < 1e-3
    torch.testing.assert_close((forward.residuals**2).sum(0), forward.losses)
    slope = 2.0 * torch.einsum("nsp,ns->ps", forward.jacobian, forward.residuals)
    torch.testing.assert_close(slope, fit.gradient(unknowns)[1], rtol=1e-6, atol=1e-9)


def test_the_jacobian_of_a_compiled_run_is_that_of_torch_and_comes_from_a_kernel(site, monkeypatch):
    fit = fit_of(site, optimiser="levenberg_marquardt")
    unknowns = first_unknowns(fit)
    runs = []
    monkeypatch.setattr("noahpy_core.simulation.recorded_run", lambda *given: runs.append(given))
    found = fit.linearised(unknowns).jacobian
    assert runs == [], "no run goes through torch"
    monkeypatch.undo()
    monkeypatch.setattr(Fit, "_is_compiled", False)
    expected = fit_of(site, optimiser="levenberg_marquardt").linearised(unknowns).jacobian
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9 * expected.abs().max().item())


def test_starts_do_not_influence_each_other(site):
    fit = fit_of(site)
    unknowns = first_unknowns(fit)
    together = fit.gradient(unknowns)[1]
    alone = torch.cat([fit.gradient(unknowns[:, start : start + 1])[1] for start in range(2)], 1)
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-12)


def test_a_start_whose_model_fails_does_not_spoil_the_others(site, monkeypatch):
    fit = fit_of(site)
    unknowns = first_unknowns(fit)
    losses, gradient = fit.gradient(unknowns)
    simulate = fit.simulate

    def failing(some, *rest):
        if bool((some[0] == unknowns[0, 1]).any()):
            raise ConvergenceError("not solved", step=3)
        return simulate(some, *rest)

    monkeypatch.setattr(fit, "simulate", failing)
    found = fit.losses(unknowns)
    assert float(found[0]) == pytest.approx(float(losses[0]))
    assert float(found[1]) == float("inf")
    found, slope = fit.gradient(unknowns)
    torch.testing.assert_close(slope[:, 0], gradient[:, 0])
    assert float(found[1]) == float("inf")
    assert bool((slope[:, 1] == 0.0).all())


def test_a_spin_up_begins_from_what_the_same_parameters_leave(site):
    plain, spun = fit_of(site), fit_of(site, spin_up={"cycles": 3, "period": "5 days"})
    unknowns = first_unknowns(plain)
    assert float((plain.losses(unknowns) - spun.losses(unknowns)).abs().min()) > 1e-4


def test_the_covariance_is_that_of_linear_regression():
    generator = torch.manual_seed(5)
    jacobian = torch.randn(40, 3, dtype=torch.float64, generator=generator)
    residuals = 0.2 * torch.randn(40, dtype=torch.float64, generator=generator)
    expected = (residuals**2).sum() / 37 * torch.linalg.inv(jacobian.T @ jacobian)
    torch.testing.assert_close(covariance(residuals, jacobian), expected)


def test_a_prior_keeps_what_observations_do_not_determine_at_the_value_of_the_run(site):
    parameters = {"snow.snow_cover_shape": {"bounds": [1.0, 5.0]}, "forcing.longwave_down": {"bounds": [-10, 10]}}
    fit = fit_of(site, parameters=parameters, objective={"name": "nse", "prior": 1e-3})
    configured = fit.controls.first_unknowns()[:, None]
    assert float(fit.losses(configured + 2.0) - fit_of(site, parameters=parameters).losses(configured + 2.0)) == (
        pytest.approx(1e-3 * 4.0)
    )
    snow, longwave = estimates(fit, configured)
    assert snow.value == pytest.approx(snow.configured)
    assert longwave.low < longwave.value < longwave.high


def test_intervals_hold_the_truth_and_are_wide_where_observations_say_nothing(site):
    parameters = {
        "soil.quartz_fraction": {"by": "one", "bounds": [0.05, 0.9]},
        "soil.porosity": {"by": "one", "bounds": [0.35, 0.7]},
        "snow.snow_cover_shape": {"bounds": [1.0, 5.0]},
    }
    fit = fit_of(site, parameters=parameters, starts=1)
    truth = torch.cat(
        [
            fit.controls.controls[0].wanted.interval.position(torch.tensor([0.3], dtype=torch.float64)),
            fit.controls.controls[1].wanted.interval.position(torch.tensor([0.55], dtype=torch.float64)),
            torch.tensor([0.5], dtype=torch.float64),
        ]
    )
    quartz, porosity, snow = estimates(fit, torch.logit(truth)[:, None])
    assert quartz.low < 0.3 < quartz.high
    assert porosity.low < 0.55 < porosity.high
    assert porosity.high - porosity.low < 0.1
    assert (snow.low, snow.high) == (1.0, 5.0)
