"""What the starts of a calibration are worth in both periods: scores beside simple predictions, ensemble, coverage."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

from bmi_noahpy.calibration.file.calibration import Calibration
from bmi_noahpy.calibration.problem.fit import Fit
from bmi_noahpy.calibration.results.ensemble import Ensemble, build_ensemble
from bmi_noahpy.calibration.results.outcome import Outcome
from bmi_noahpy.calibration.results.scoring import (
    ENSEMBLE,
    PERIODS,
    Compared,
    ScoreRow,
    compare,
    score_rows,
)

ALIKE = 1.0e-6
"""Difference of unknowns below which two starts have found the same: what round-off makes of one in other batches."""


@dataclasses.dataclass(frozen=True)
class Judgement:
    """Predictions, their scores, and the share of observations in the band of the ensemble by period."""

    compared: Compared
    ensemble: Ensemble
    rows: list[ScoreRow]
    coverage: dict[str, float]


def judgement(fit: Fit, starts: Tensor, best: Tensor) -> Judgement:
    """Score what was found.

    Parameters
    ----------
    starts : Unknowns of every start, ``[unknown, start]``.
    best : Those of the best, ``[unknown, 1]``.
    """
    ensemble = build_ensemble(fit, starts)
    compared = compare(fit, best).with_prediction(ENSEMBLE, ensemble.mean)
    coverage = {period: ensemble.coverage(fit.targets, fit, period) for period in PERIODS}
    return Judgement(compared, ensemble, score_rows(fit, compared), coverage)


def judge(calibration: Calibration, found: Outcome) -> Outcome:
    """What an earlier calibration found, scored in the periods of another file: a longer run, years never looked at.

    Nothing is fitted and nothing is written. Members and weights of the ensemble, its band and the simple predictions
    follow from the calibration period of the file, as in a calibration.

    Parameters
    ----------
    calibration : With the parameters of the earlier one, in the same order.
    found : The outcome of the earlier one.

    Returns
    -------
    The same outcome with other scores, ensemble and coverage.

    Raises
    ------
    ValueError : The file has another number of unknowns.
    """
    fit = Fit(calibration)
    if len(found.found) != fit.controls.count:
        raise ValueError(
            f"judge: the calibration found {len(found.found)} unknowns, the file has {fit.controls.count}. Give the "
            "same parameters in the same order."
        )
    said = judgement(fit, found.found, found.unknowns)
    return dataclasses.replace(
        found, scores=said.rows, starts=said.ensemble.scores, coverage=said.coverage, estimates=[], files=[]
    )


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """The starts of several calibrations of one file, with other seeds, as those of one; starts alike count once.

    The seed decides which starts there are, and with few of them whether one is good: what all found together is the
    prediction to use. `judge` gives it scores.

    Parameters
    ----------
    outcomes : Of calibrations that differ in their seed only.

    Returns
    -------
    Unknowns, objectives and costs of all starts, without scores.

    Raises
    ------
    ValueError : There is none.
    """
    if not outcomes:
        raise ValueError("together: no outcome. Give those of one calibration or more.")
    starts = torch.cat([outcome.found for outcome in outcomes], 1)
    losses = torch.cat([outcome.losses for outcome in outcomes])
    kept: list[int] = []
    for start in range(starts.shape[1]):
        if not any(float((starts[:, start] - starts[:, earlier]).abs().max()) < ALIKE for earlier in kept):
            kept.append(start)
    starts, losses = starts[:, kept], losses[kept]
    best = int(losses.argmin())
    return dataclasses.replace(
        outcomes[0],
        losses=losses,
        unknowns=starts[:, best : best + 1],
        found=starts,
        iterations=max(outcome.iterations for outcome in outcomes),
        seconds=sum(outcome.seconds for outcome in outcomes),
        scores=[],
        starts=[],
        coverage={},
        estimates=[],
        files=[],
    )
