"""Scores of simulated against observed series, before and after calibration, in each period."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bmi_noahpy.atomic import replaced
from bmi_noahpy.calibration.file.calibration import Calibration
from bmi_noahpy.calibration.problem.fit import Fit
from bmi_noahpy.calibration.problem.targets import Steps, Target
from bmi_noahpy.observations.benchmarks import BENCHMARKS, benchmarks
from bmi_noahpy.observations.scores import Scores, scores

BEFORE, AFTER, ENSEMBLE = "configured", "calibrated", "ensemble"
PERIODS = ("calibration", "validation")
LEAST_SHARE = 0.9
"""Of the observations of a period, for which a simple prediction must say something to have a score there."""


@dataclasses.dataclass(frozen=True)
class Compared:
    """Predictions of all observations: of the run as configured, as calibrated, of the ensemble, and of benchmarks."""

    targets: Sequence[Target]
    simulated: dict[str, list[Tensor]]

    def with_prediction(self, name: str, values: list[Tensor]) -> Compared:
        """The same with one more prediction, after those of runs and before those of benchmarks."""
        runs = {run: found for run, found in self.simulated.items() if run not in BENCHMARKS}
        others = {run: found for run, found in self.simulated.items() if run in BENCHMARKS}
        return Compared(self.targets, {**runs, name: values, **others})


@dataclasses.dataclass(frozen=True)
class ScoreRow:
    """Scores of one series in one period by one run."""

    series: str
    quantity: str
    depth: float | None
    period: str
    run: str
    scores: Scores


def compare(fit: Fit, unknowns: Tensor) -> Compared:
    """Both runs over the whole period; the calibrated one with unknowns ``[unknown, 1]``."""
    simulated = {
        BEFORE: fit.simulate(None, fit.targets),
        AFTER: fit.simulate(unknowns, fit.targets),
    }
    predictions = {run: [one[:, 0] for one in found] for run, found in simulated.items()}
    return Compared(fit.targets, predictions | _benchmarks(fit))


def _benchmarks(fit: Fit) -> dict[str, list[Tensor]]:
    """What simple predictions make of each series, knowing the calibration period and the weather."""
    found: dict[str, list[Tensor]] = {name: [] for name in BENCHMARKS}
    end = Steps(fit.run.start, fit.run.step, fit.run.steps).end
    air = fit.air_temperature
    for target in fit.targets:
        known = inside(fit.calibration, target, "calibration")
        own = benchmarks(target.times, target.values.numpy(), known, end, air[:, target.cell])
        for name, values in own.items():
            found[name].append(torch.as_tensor(values))
    return found


def score_rows(fit: Fit, compared: Compared) -> list[ScoreRow]:
    """Scores of every series, period and run, where there are observations."""
    rows = []
    for number, target in enumerate(compared.targets):
        for period in PERIODS:
            chosen = inside(fit.calibration, target, period)
            if not chosen.any():
                continue
            for run, simulated in compared.simulated.items():
                found = comparable_scores(run, simulated[number].numpy()[chosen], target.values.numpy()[chosen])
                rows.append(ScoreRow(target.name, target.quantity, target.depth, period, run, found))
    return rows


def comparable_scores(run: str, simulated: NDArray[np.float64], observed: NDArray[np.float64]) -> Scores:
    """Scores of a prediction; none for a simple one that says nothing of a good part of the observations.

    Scores of different observations cannot be compared: a mean seasonal course of a winter is no rival in spring.
    """
    found = scores(simulated, observed)
    if run in BENCHMARKS and found.count < LEAST_SHARE * np.isfinite(observed).sum():
        return scores(np.full_like(observed, np.nan), observed)
    return found


def inside(calibration: Calibration, target: Target, period: str) -> NDArray[np.bool_]:
    """Which observations of a series are in a period: "calibration" or "validation"."""
    if period == "validation":
        span = None if calibration.validation is None else calibration.validation.span
    else:
        span = calibration.calibration
    return np.full(target.times.shape, period == "calibration") if span is None else span.mask(target.times)


def below_benchmarks(rows: Sequence[ScoreRow], period: str) -> list[str]:
    """Series whose prediction has a larger error in a period than a benchmark, each with the best of these."""
    rmse = {(row.series, row.run): row.scores.rmse for row in rows if row.period == period}
    lines = []
    for series in dict.fromkeys(name for name, _ in rmse):
        own = rmse.get((series, ENSEMBLE), rmse.get((series, AFTER), float("nan")))
        others = {name: rmse[series, name] for name in BENCHMARKS if np.isfinite(rmse.get((series, name), np.nan))}
        best = min(others, key=lambda name: others[name], default=None)
        if best is not None and own > others[best]:
            lines.append(f"{series}: RMSE {own:.3g}, {best} {others[best]:.3g}")
    return lines


def worsened(rows: Sequence[ScoreRow]) -> list[str]:
    """Series and periods in which the calibrated run has a larger error than the configured one."""
    rmse = {(row.series, row.period, row.run): row.scores.rmse for row in rows}
    return [
        f"{series} ({period}): RMSE {rmse[series, period, BEFORE]:.3g} -> {after:.3g}"
        for (series, period, run), after in rmse.items()
        if run == AFTER and after > rmse[series, period, BEFORE]
    ]


def mean_score(rows: Sequence[ScoreRow], quantity: str, period: str, run: str = AFTER, score: str = "nse") -> float:
    """Mean of a score over the series of a quantity; NaN without any.

    Parameters
    ----------
    rows : Scores of every series.
    quantity, period, run : Which rows count.
    score : Name of the score.
    """
    values = [
        getattr(row.scores, score) for row in rows if (row.quantity, row.period, row.run) == (quantity, period, run)
    ]
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


def current_scores(fit: Fit) -> dict[str, float]:
    """Mean NSE over the series of each quantity, for the lowest objective found so far."""
    values: dict[str, list[float]] = {}
    for target, simulated in zip(fit.fitted, fit.lowest.simulated, strict=False):
        found = scores(simulated.numpy(), target.values.numpy())
        values.setdefault(target.quantity.replace("_", " "), []).append(found.nse)
    return {name: float(np.nanmean(numbers)) for name, numbers in values.items()}


def write_rows(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    """A CSV file, whole or not at all."""
    with replaced(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return path


def write_scores(path: Path, rows: Sequence[ScoreRow]) -> Path:
    """The scores as CSV."""
    header = ("series", "quantity", "depth_m", "period", "run", "nse", "kge", "rmse", "bias", "count")
    return write_rows(path, header, [_cells(row) for row in rows])


def _cells(row: ScoreRow) -> list[object]:
    depth = "" if row.depth is None else f"{row.depth:g}"
    numbers = [f"{value:.6g}" for value in (row.scores.nse, row.scores.kge, row.scores.rmse, row.scores.bias)]
    return [row.series, row.quantity, depth, row.period, row.run, *numbers, row.scores.count]
