"""Calibrations that are validated again and again, and scores that stand beside simple predictions."""

import csv
import dataclasses
import datetime

import numpy as np
import pytest
import torch
from calibration_cases import write_calibration, write_observations, write_site
from typer.testing import CliRunner

from bmi_noahpy import calibrate, load_calibration
from bmi_noahpy.calibration import judge, together
from bmi_noahpy.calibration.file.sections import Interval, Span
from bmi_noahpy.calibration.problem.fit import Fit
from bmi_noahpy.calibration.results.ensemble import EXCESS, build_ensemble, reach
from bmi_noahpy.calibration.results.report import remarks
from bmi_noahpy.calibration.results.scoring import ScoreRow, below_benchmarks, comparable_scores, worsened
from bmi_noahpy.calibration.results.uncertainty import Estimate, covariance, effective_count
from bmi_noahpy.calibration.splits import splits
from bmi_noahpy.cli import app
from bmi_noahpy.config import ConfigurationError
from bmi_noahpy.observations.scores import Scores

DAY = datetime.timedelta(days=1)
PERIODS = {
    "calibration": {"start": "2020-04-01", "end": "2020-04-09"},
    "validation": {"start": "2020-04-09", "end": "2020-04-17", "splits": "swap"},
}
JUDGED = {
    "calibration": PERIODS["calibration"],
    "validation": {"start": "2020-04-09", "end": "2020-04-12"},
    "optimiser": {"name": "levenberg_marquardt", "iterations": 1},
    "starts": 2,
    "results": "judged",
}


def instant(text):
    return datetime.datetime.fromisoformat(text)


def span(start, end, without=None):
    return Span(start=instant(start), end=instant(end), without=without)


def test_a_part_left_out_of_a_period_does_not_count_and_does_not_overlap():
    middle = Interval(start=instant("2001-01-01"), end=instant("2002-01-01"))
    whole = span("2000-01-01", "2003-01-01", middle)
    times = np.array(["2000-06-01", "2001-06-01", "2002-06-01", "2003-06-01"], "datetime64[ns]")
    assert whole.mask(times).tolist() == [True, False, True, False]
    assert not whole.overlaps(span("2001-01-01", "2002-01-01"))
    assert whole.overlaps(span("2000-06-01", "2001-06-01"))


@pytest.fixture
def site(tmp_path):
    write_site(tmp_path)
    write_observations(tmp_path, noise=0.05)
    return tmp_path


def test_swapped_periods_are_two_calibrations_in_folders_of_their_own(site):
    first, second = splits(load_calibration(write_calibration(site, PERIODS)))
    assert (first.name, second.name) == ("as_given", "swapped")
    assert first.calibration.calibration == second.calibration.validation.span
    assert first.calibration.validation.span == second.calibration.calibration
    assert first.calibration.results.folder.name == "as_given"


def test_every_whole_year_is_left_out_once(site):
    calibration = load_calibration(write_calibration(site, {"validation": {"splits": "leave_one_year_out"}}))
    years = calibration.model_copy(update={"calibration": span("2000-09-01", "2003-10-15")})
    found = splits(years)
    judged = [one.calibration.validation.span for one in found]
    assert [one.start.year for one in judged] == [2000, 2001, 2002]
    assert judged[-1].end == instant("2003-10-15"), "the rest belongs to the last year"
    for one in found:
        assert not one.calibration.calibration.overlaps(one.calibration.validation.span)
    middle = found[1].calibration.calibration
    assert (middle.start, middle.without.start) == (instant("2000-09-01"), instant("2001-09-01"))


def test_years_that_are_not_there_are_refused(site):
    calibration = load_calibration(write_calibration(site, {"validation": {"splits": "leave_one_year_out"}}))
    with pytest.raises(ConfigurationError, match=r"validation\.splits: leave_one_year_out needs 2 whole years"):
        splits(calibration)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"splits": "swap"}, "needs start and end"),
        ({"start": "2020-04-09"}, "needs start and end"),
        ({"splits": "leave_one_year_out", "start": "2020-04-09", "end": "2020-04-10"}, "Remove start and end"),
        ({"start": "2020-04-09", "end": "2020-04-08"}, "not after its start"),
    ],
)
def test_a_validation_that_says_too_little_or_too_much_is_refused(site, given, text):
    with pytest.raises(ConfigurationError, match=text):
        load_calibration(write_calibration(site, {**PERIODS, "validation": given}))


def test_a_part_left_out_is_not_fitted(site):
    periods = {"calibration": {"start": "2020-04-01", "end": "2020-04-17",
                               "without": {"start": "2020-04-05", "end": "2020-04-08"}}}  # fmt: skip
    fit = Fit(load_calibration(write_calibration(site, periods)))
    left_out = Interval(start=instant("2020-04-05"), end=instant("2020-04-08"))
    assert all(not left_out.mask(target.times).any() for target in fit.fitted)
    assert any(left_out.mask(target.times).any() for target in fit.targets)


@pytest.fixture(scope="module")
def swapped(tmp_path_factory):
    folder = tmp_path_factory.mktemp("swapped")
    write_site(folder)
    write_observations(folder, noise=0.05)
    changes = {**PERIODS, "starts": 3, "optimiser": {"name": "levenberg_marquardt", "iterations": 4}}
    result = CliRunner().invoke(app, ["calibrate", str(write_calibration(folder, changes))], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return folder / "results", result


@pytest.fixture(scope="module")
def found(swapped):
    folder = swapped[0].parent
    return folder, calibrate(load_calibration(write_calibration(folder, JUDGED)))


def test_both_splits_and_their_spread_are_written_and_printed(swapped):
    folder, result = swapped
    for name in ("as_given", "swapped"):
        assert {"scores.csv", "starts.csv", "calibrated.yaml"} <= {path.name for path in (folder / name).iterdir()}
    with (folder / "splits.csv").open() as file:
        rows = {(row["quantity"], row["prediction"]): row for row in csv.DictReader(file)}
    ensemble = rows["soil_temperature", "ensemble"]
    assert float(ensemble["lowest"]) <= float(ensemble["mean"]) <= float(ensemble["highest"])
    assert ensemble["splits"] == "2"
    assert "over all splits" in " ".join(result.stdout.split())


def test_scores_stand_beside_those_of_simple_predictions(swapped):
    folder, result = swapped
    with (folder / "as_given" / "scores.csv").open() as file:
        runs = {row["run"] for row in csv.DictReader(file)}
    assert runs == {
        "configured", "calibrated", "ensemble", "seasonal course", "air temperature regression", "last year",
    }  # fmt: skip
    assert "simple predictions" in " ".join(result.stdout.split())


def test_a_simple_prediction_of_few_of_the_observations_has_no_score():
    observed = np.sin(np.arange(40.0))
    half = np.where(np.arange(40) < 20, observed, np.nan)
    assert comparable_scores("ensemble", half, observed).rmse == 0.0
    assert np.isnan(comparable_scores("seasonal course", half, observed).rmse)
    nearly_all = np.where(np.arange(40) < 37, observed, np.nan)
    assert comparable_scores("seasonal course", nearly_all, observed).nse == 1.0


def test_the_ensemble_is_the_mean_of_the_starts_that_fit_by_their_weights(site):
    fit = Fit(load_calibration(write_calibration(site, PERIODS)))
    best = fit.controls.first_unknowns()[:, None]
    starts = torch.cat([best, best + 1e-3, best + 8.0], 1)
    ensemble = build_ensemble(fit, starts)
    assert sum(ensemble.weights.tolist()) == pytest.approx(1.0)
    simulated = fit.simulate(starts, fit.targets)[0][:, list(ensemble.members)]
    torch.testing.assert_close(ensemble.mean[0], simulated @ ensemble.weights)
    assert 0.0 < EXCESS < 1.0
    assert 0.0 <= ensemble.coverage(fit.targets, fit, "calibration") <= 1.0


def test_the_band_covers_nine_in_ten_values_of_normal_noise(site):
    write_observations(site, {}, noise=0.3)
    periods = {"calibration": {"start": "2020-04-01", "end": "2020-04-17"}}
    fit = Fit(load_calibration(write_calibration(site, periods)))
    unchanged = fit.controls.first_unknowns()[:, None]
    ensemble = build_ensemble(fit, unchanged)
    assert ensemble.coverage(fit.targets, fit, "calibration") == pytest.approx(0.9, abs=0.08)


def slow_errors(years, days=365, memory=0.98):
    """Errors of many years ``[day, year]`` that are alike for weeks, of variance 1."""
    generator = torch.Generator().manual_seed(3)
    values = torch.randn(days, years, generator=generator, dtype=torch.float64)
    steps = [values[0]]
    for fresh in values[1:]:
        steps.append(memory * steps[-1] + (1.0 - memory**2) ** 0.5 * fresh)
    return torch.stack(steps)


def test_the_band_holds_in_years_that_were_not_fitted_where_errors_last_for_weeks():
    """A band of the normal distribution, which takes each day for a new error, holds less than nine in ten."""
    known, new = slow_errors(300)[:, :150], slow_errors(300)[:, 150:]
    deviation = (known**2).mean(0).sqrt()
    reached = torch.tensor([reach(year) for year in known.T], dtype=torch.float64)
    covered = [float((new.abs() <= width * deviation).double().mean()) for width in (reached, 1.645)]
    assert covered[0] == pytest.approx(0.9, abs=0.02)
    assert covered[1] < 0.87


def test_the_band_of_very_many_independent_misfits_is_that_of_the_normal_distribution():
    assert reach(torch.randn(40000, generator=torch.Generator().manual_seed(4)).double()) == pytest.approx(
        1.645, abs=2e-3
    )
    assert np.isnan(reach(torch.empty(0)))


def test_a_winter_and_a_summer_of_each_year_are_independent_for_the_band_at_least():
    one_event = torch.linspace(0.0, 1.0, 730).double()
    assert reach(one_event) > 4.0
    assert reach(one_event, 4.0) == pytest.approx(2.132 * 1.25**0.5, rel=1e-3)


def test_successive_misfits_that_are_alike_count_for_less():
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(4000, generator=generator, dtype=torch.float64)
    assert effective_count(noise) == pytest.approx(4000, rel=0.1)
    smooth = [noise[0]]
    for value in noise[1:]:
        smooth.append(0.9 * smooth[-1] + value)
    assert effective_count(torch.stack(smooth)) == pytest.approx(4000 * 0.1 / 1.9, rel=0.15)


def test_half_as_many_independent_values_double_the_variance():
    generator = torch.Generator().manual_seed(2)
    jacobian = torch.randn(4000, 2, generator=generator, dtype=torch.float64)
    residuals = torch.randn(4000, generator=generator, dtype=torch.float64)
    whole, half = covariance(residuals, jacobian), covariance(residuals, jacobian, torch.full((4000,), 0.5).double())
    torch.testing.assert_close(half, 2.0 * whole, rtol=2e-3, atol=0.0)


def test_a_factor_of_the_forcing_is_kept_near_one_unless_told_otherwise(site):
    parameters = {"forcing.precipitation": {"as": "factor", "bounds": [0.2, 5.0]}}
    free = {"name": "nse", "forcing_prior": 0.0}
    kept = Fit(load_calibration(write_calibration(site, {"parameters": parameters})))
    loose = Fit(load_calibration(write_calibration(site, {"parameters": parameters, "objective": free})))
    unknown = torch.tensor([[2.0]], dtype=torch.float64)
    factor = float(kept.controls.values(unknown)["forcing.precipitation"])
    added = float(kept.losses(unknown) - loose.losses(unknown))
    assert added == pytest.approx(0.01 * (np.log(factor) / 0.2) ** 2)
    both = kept.linearised(unknown)
    assert float((both.residuals**2).sum()) == pytest.approx(float(both.losses), rel=1e-9)


@pytest.mark.slow
def test_organic_matter_is_calibrated_from_none_on_with_the_right_gradient(site):
    fit = Fit(load_calibration(write_calibration(site, {"parameters": {"soil.organic_matter": {"layers": "1-2"}}})))
    unknown = torch.tensor([[-0.4]], dtype=torch.float64)
    _, gradient = fit.gradient(unknown)
    step = 1e-4
    difference = (fit.losses(unknown + step) - fit.losses(unknown - step)) / (2 * step)
    assert float(gradient) == pytest.approx(float(difference), rel=1e-4)
    assert float(gradient) != 0.0


def test_weather_that_a_calibration_changed_by_much_is_named(found):
    def estimate(name, units, configured, value):
        return Estimate(name, units, value, configured, 0.1, value, value, 0.5, 3.0)

    estimates = [
        estimate("forcing.snowfall", "1", 1.0, 2.9),
        estimate("forcing.precipitation", "1", 1.0, 0.77),
        estimate("forcing.wind_speed", "1", 1.0, 1.1),
        estimate("forcing.longwave_down", "W m-2", 0.0, 12.0),
        estimate("soil.porosity", "m3 m-3", 0.4, 0.5),
    ]
    (line,) = (one for one in remarks(dataclasses.replace(found[1], estimates=estimates)) if "Weather" in one)
    assert "by more than 20 %: forcing.snowfall x 2.9, forcing.precipitation x 0.77. It may" in line


def row(run, rmse, period="validation"):
    return ScoreRow("Tsoil_0.1m", "soil_temperature", 0.1, period, run, Scores(0.5, 0.5, rmse, 0.0, 10))


def test_what_is_below_a_simple_prediction_or_worse_than_before_is_named():
    rows = [row("configured", 1.0), row("calibrated", 1.2), row("ensemble", 1.1), row("last year", 0.9)]
    assert below_benchmarks(rows, "validation") == ["Tsoil_0.1m: RMSE 1.1, last year 0.9"]
    assert worsened(rows) == ["Tsoil_0.1m (validation): RMSE 1 -> 1.2"]
    assert below_benchmarks([row("ensemble", 0.8), row("last year", 0.9)], "validation") == []


def test_what_was_found_is_judged_on_days_that_were_neither_fitted_nor_validated(found):
    folder, outcome = found
    again = judge(load_calibration(write_calibration(folder, JUDGED)), outcome)
    for first, second in zip(outcome.scores, again.scores, strict=True):
        assert (first.series, first.period, first.run) == (second.series, second.period, second.run)
        assert second.scores.rmse == pytest.approx(first.scores.rmse, rel=1e-12, nan_ok=True)
    assert again.coverage == outcome.coverage
    later = {**JUDGED, "validation": {"start": "2020-04-12", "end": "2020-04-17"}}
    other = judge(load_calibration(write_calibration(folder, later)), outcome)
    count = {row.period: row.scores.count for row in other.scores if row.run == "ensemble"}
    assert count["validation"] == 5
    assert {row.run for row in other.scores} == {row.run for row in outcome.scores}


def test_judging_with_other_parameters_is_refused(found):
    folder, outcome = found
    fewer = {**JUDGED, "parameters": {"soil.porosity": {"by": "one", "bounds": [0.35, 0.7]}}}
    with pytest.raises(ValueError, match=r"found 2 unknowns, the file has 1\. Give the same parameters"):
        judge(load_calibration(write_calibration(folder, fewer)), outcome)


def test_starts_of_several_seeds_are_one_ensemble_in_which_starts_alike_count_once(found):
    folder, outcome = found
    other = dataclasses.replace(
        outcome, found=outcome.found + torch.tensor([[0.0, 0.05]], dtype=torch.float64), losses=outcome.losses * 0.5
    )
    joined = together([outcome, other])
    assert joined.found.shape == (2, 3)
    assert torch.equal(joined.unknowns[:, 0], joined.found[:, int(joined.losses.argmin())])
    judged = judge(load_calibration(write_calibration(folder, JUDGED)), joined)
    assert sum({one.start: one.weight for one in judged.starts}.values()) == pytest.approx(1.0)
    assert any(row.run == "ensemble" for row in judged.scores)
    with pytest.raises(ValueError, match="no outcome"):
        together([])
