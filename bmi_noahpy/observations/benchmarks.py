"""Simple predictions of an observed series, which a model has to beat before its score means anything.

Each is fitted on the values of some times, those of a calibration, and predicts at all times. None knows a value of
the times that it is judged at.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Times = NDArray[np.datetime64]
Mask = NDArray[np.bool_]

DAY = np.timedelta64(1, "D")
YEAR_DAYS = 365.2425
SEASON_HALF_WIDTH = 15.0
"""Days before and after a date whose values make its mean seasonal course."""
MEANS_IN_DAYS = (1, 7, 30, 90)
"""Lengths of the running means of air temperature that the regression takes."""
NEAR_DAYS = 10.0
"""How far in the year a value may be from the date that it stands for."""

SEASON, REGRESSION, LAST_YEAR = "seasonal course", "air temperature regression", "last year"
BENCHMARKS = (SEASON, REGRESSION, LAST_YEAR)


def benchmarks(times: Times, values: Floats, fitted: Mask, air_times: Times, air: Floats) -> dict[str, Floats]:
    """Predictions at all times, by name; NaN where one cannot be made.

    Parameters
    ----------
    times : Of the observed values, rising, ``[observation]``.
    values : Observed, NaN where missing, ``[observation]``.
    fitted : The values that benchmarks may know, ``[observation]``.
    air_times : Of the air temperature, rising, ``[record]``.
    air : Air temperature, ``[record]``. [K]
    """
    known = fitted & np.isfinite(values)
    return {
        SEASON: seasonal_course(times, values, known),
        REGRESSION: air_temperature_regression(times, values, known, air_times, air),
        LAST_YEAR: value_a_year_away(times, values, known),
    }


def seasonal_course(times: Times, values: Floats, known: Mask) -> Floats:
    """Mean of the known values within half a month of the same date in any year."""
    date = _days(times) % YEAR_DAYS
    order = np.argsort(date[known], kind="stable")

    # The dates stand three times in a row, so that the window of a day in January reaches into December.
    dates = (np.array([-YEAR_DAYS, 0.0, YEAR_DAYS])[:, None] + date[known][order]).ravel()
    total = np.concatenate([[0.0], np.cumsum(np.tile(values[known][order], 3))])
    first = np.searchsorted(dates, date - SEASON_HALF_WIDTH, side="left")
    last = np.searchsorted(dates, date + SEASON_HALF_WIDTH, side="right")
    return np.where(last > first, (total[last] - total[first]) / np.maximum(last - first, 1), np.nan)


def value_a_year_away(times: Times, values: Floats, known: Mask) -> Floats:
    """Persistence from year to year: the known value of the same date in the nearest year, the one before first.

    Every time has one, as far as a year of the known ones is complete: years that lie farther from them too.
    """
    day = _days(times)
    own, given = day[known], values[known]
    found = np.full(values.shape, np.nan)
    if not own.size:
        return found

    farthest = int(np.ceil(max(day[-1] - own[0], own[-1] - day[0]) / YEAR_DAYS))
    for years in range(farthest, 0, -1):
        for shift in (years * YEAR_DAYS, -years * YEAR_DAYS):
            wanted = day + shift
            after = np.clip(np.searchsorted(own, wanted), 0, own.size - 1)
            before = np.maximum(after - 1, 0)
            nearest = np.where(np.abs(own[before] - wanted) <= np.abs(own[after] - wanted), before, after)
            # Nearer years are looked at last, the year before after all: they are what is taken.
            found = np.where(np.abs(own[nearest] - wanted) <= NEAR_DAYS, given[nearest], found)
    return found


def air_temperature_regression(times: Times, values: Floats, known: Mask, air_times: Times, air: Floats) -> Floats:
    """Linear regression on the means of air temperature over the last 1, 7, 30 and 90 days, by least squares."""
    predictors = np.column_stack([np.ones(times.shape), *trailing_means(times, air_times, air).values()])
    usable = known & np.isfinite(predictors).all(axis=1)
    if usable.sum() <= predictors.shape[1]:
        return np.full(values.shape, np.nan)
    weights, *_ = np.linalg.lstsq(predictors[usable], values[usable], rcond=None)
    return np.asarray(predictors @ weights, dtype=np.float64)


def trailing_means(times: Times, air_times: Times, air: Floats) -> Mapping[int, Floats]:
    """Mean air temperature over the days before each time, by their number; over what there is at the beginning."""
    total = np.concatenate([[0.0], np.cumsum(air)])
    end = np.maximum(np.searchsorted(air_times, times, side="right"), 1)
    means = {}
    for days in MEANS_IN_DAYS:
        begin = np.minimum(np.searchsorted(air_times, times - days * DAY, side="right"), end - 1)
        means[days] = (total[end] - total[begin]) / (end - begin)
    return means


def _days(times: Times) -> Floats:
    return np.asarray((times - np.datetime64("2000-01-01")) / DAY, dtype=np.float64)
