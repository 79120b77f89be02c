"""What the validations of several calibrations say together."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from bmi_noahpy.calibration.results.outcome import Outcome
from bmi_noahpy.calibration.results.scoring import ENSEMBLE, mean_score
from bmi_noahpy.observations.benchmarks import BENCHMARKS


@dataclasses.dataclass(frozen=True)
class SplitScore:
    """Mean NSE in validation over the series of a quantity, by one prediction, over the splits."""

    quantity: str
    prediction: str
    mean: float
    lowest: float
    highest: float
    splits: int


def split_scores(outcomes: Sequence[Outcome]) -> list[SplitScore]:
    """What all splits say of the ensemble, of each of its starts, and of the benchmarks."""
    found = []
    quantities = dict.fromkeys(row.quantity for outcome in outcomes for row in outcome.scores)
    for quantity in quantities:
        for run in (ENSEMBLE, *BENCHMARKS):
            means = [mean_score(outcome.scores, quantity, "validation", run) for outcome in outcomes]
            found.append(_summary(quantity, run, means))
        starts = [
            one.nse for o in outcomes for one in o.starts if (one.quantity, one.period) == (quantity, "validation")
        ]
        found.append(_summary(quantity, "each start", starts))
    return [row for row in found if row.splits]


def _summary(quantity: str, prediction: str, values: Sequence[float]) -> SplitScore:
    finite = [value for value in values if np.isfinite(value)]
    if not finite:
        return SplitScore(quantity, prediction, float("nan"), float("nan"), float("nan"), 0)
    return SplitScore(quantity, prediction, float(np.mean(finite)), min(finite), max(finite), len(finite))
