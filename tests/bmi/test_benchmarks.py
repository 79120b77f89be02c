"""Benchmarks of scores: what each predicts, and that none knows what it is judged by."""

import numpy as np
import pytest

from bmi_noahpy.observations.benchmarks import (
    BENCHMARKS,
    LAST_YEAR,
    REGRESSION,
    SEASON,
    benchmarks,
    trailing_means,
)
from bmi_noahpy.observations.scores import scores

TIMES = np.datetime64("2010-01-01") + np.arange(3 * 365).astype("timedelta64[D]")
SEASONAL = 10.0 * np.sin(2 * np.pi * np.arange(3 * 365) / 365.2425)
FIRST_YEARS = np.arange(3 * 365) < 2 * 365


def weather(seed=0):
    return 273.0 + SEASONAL + np.random.default_rng(seed).normal(scale=4.0, size=SEASONAL.size)


def test_a_purely_seasonal_series_is_predicted_by_its_season_and_by_last_year():
    found = benchmarks(TIMES, SEASONAL, FIRST_YEARS, TIMES, weather())
    for name in (SEASON, LAST_YEAR):
        assert scores(found[name][~FIRST_YEARS], SEASONAL[~FIRST_YEARS]).nse > 0.99, name


def test_the_nearest_year_stands_for_years_that_lie_farther_and_the_year_before_goes_first():
    times = np.datetime64("2010-01-01") + np.arange(6 * 365).astype("timedelta64[D]")
    year = np.arange(6 * 365) // 365
    found = benchmarks(times, year.astype(float), (year == 1) | (year == 3), times, np.zeros(times.size))[LAST_YEAR]
    middle = np.arange(6) * 365 + 180
    assert found[middle].tolist() == [1.0, 3.0, 1.0, 1.0, 3.0, 3.0]


def test_a_series_made_of_means_of_air_temperature_is_predicted_by_regression():
    air = weather()
    means = trailing_means(TIMES, TIMES, air)
    truth = 3.0 + 0.2 * means[1] + 0.5 * means[30]
    found = benchmarks(TIMES, truth, FIRST_YEARS, TIMES, air)
    assert found[REGRESSION] == pytest.approx(truth)


def test_trailing_means_are_those_of_the_last_days():
    air = np.arange(100.0)
    times = TIMES[:100]
    means = trailing_means(times, times, air)
    assert means[1][50] == 50.0
    assert means[7][50] == np.mean(air[44:51])
    assert means[90][5] == np.mean(air[:6]), "what there is"


@pytest.mark.parametrize("name", BENCHMARKS)
def test_no_benchmark_knows_the_values_it_is_judged_by(name):
    other = np.where(FIRST_YEARS, SEASONAL, 1e6)
    one = benchmarks(TIMES, SEASONAL, FIRST_YEARS, TIMES, weather())[name]
    two = benchmarks(TIMES, other, FIRST_YEARS, TIMES, weather())[name]
    assert np.array_equal(one, two, equal_nan=True)


def test_what_cannot_be_predicted_is_not_a_number():
    none = np.zeros(TIMES.shape, dtype=bool)
    for name, found in benchmarks(TIMES, SEASONAL, none, TIMES, weather()).items():
        assert np.isnan(found).all(), name


def test_missing_values_do_not_spread():
    holes = SEASONAL.copy()
    holes[::7] = np.nan
    for name, found in benchmarks(TIMES, holes, FIRST_YEARS, TIMES, weather()).items():
        assert np.isfinite(found[~FIRST_YEARS]).all(), name
