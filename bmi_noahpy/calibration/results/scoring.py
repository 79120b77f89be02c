"""Scores of simulated against observed series, before and after calibration, in each period."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from bmi_noahpy.atomic import replaced
from bmi_noahpy.calibration.file.sections import Span
from bmi_noahpy.calibration.problem.fit import Fit
from bmi_noahpy.calibration.problem.targets import Target
from bmi_noahpy.observations.scores import Scores, scores

BEFORE, AFTER = "configured", "calibrated"
PERIODS = ("calibration", "validation")


@dataclasses.dataclass(frozen=True)
class Compared:
    """Simulated values of all observations, by the run as configured and as calibrated."""

    targets: Sequence[Target]
    simulated: dict[str, list[Tensor]]


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
    return Compared(fit.targets, {run: [one[:, 0] for one in found] for run, found in simulated.items()})


def score_rows(fit: Fit, compared: Compared) -> list[ScoreRow]:
    """Scores of every series, period and run, where there are observations."""
    rows = []
    for number, target in enumerate(compared.targets):
        for period in PERIODS:
            chosen = _inside(target, getattr(fit.calibration, period), period)
            if not chosen.any():
                continue
            for run, simulated in compared.simulated.items():
                found = scores(simulated[number].numpy()[chosen], target.values.numpy()[chosen])
                rows.append(ScoreRow(target.name, target.quantity, target.depth, period, run, found))
    return rows


def _inside(target: Target, span: Span | None, period: str) -> np.ndarray:
    if span is None:
        return np.full(target.times.shape, period == "calibration")
    return (target.times >= np.datetime64(span.start, "ns")) & (target.times < np.datetime64(span.end, "ns"))


def mean_score(rows: Sequence[ScoreRow], quantity: str, period: str, run: str = AFTER, score: str = "nse") -> float:
    """Mean of a score over the series of a quantity; NaN without any."""
    values = [
        getattr(row.scores, score) for row in rows if (row.quantity, row.period, row.run) == (quantity, period, run)
    ]
    return float(np.nanmean(values)) if values else float("nan")


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
