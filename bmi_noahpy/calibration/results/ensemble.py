"""The prediction of all starts that fit as well as the observations can tell, and the band in which values lie.

The best start is one of many that the observations do not tell apart, and chosen by chance among them. All of them
together predict better, and what they differ by is part of the uncertainty.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from bmi_noahpy.calibration.problem.fit import Fit
from bmi_noahpy.calibration.problem.targets import Target
from bmi_noahpy.calibration.results.scoring import PERIODS, inside
from bmi_noahpy.calibration.results.uncertainty import effective_count
from bmi_noahpy.observations.scores import scores

EXCESS = 0.25
"""Mean squared misfit, in errors of the observations, by which a member may be worse than the best: half an error."""
HALF_YEAR = 182.6
"""[d]"""
UPPER = 0.95
"""Probability below the upper edge of the band of 90 %."""


@dataclasses.dataclass(frozen=True)
class StartScore:
    """Mean NSE over the series of a quantity in a period, by one start."""

    start: int
    weight: float
    quantity: str
    period: str
    nse: float


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """Predictions of several starts for all observations.

    Parameters
    ----------
    members : Numbers of the starts.
    weights : Of the members, adding up to 1, ``[member]``.
    mean : Weighted mean of the members for each target, ``[observation]``.
    half_width : Half the width of the band of 90 %, for each target, ``[observation]``.
    scores : Of every member, by quantity and period.
    """

    members: tuple[int, ...]
    weights: Tensor
    mean: list[Tensor]
    half_width: list[Tensor]
    scores: list[StartScore]

    def coverage(self, targets: Sequence[Target], fit: Fit, period: str) -> float:
        """Share of the observations of a period within the band; NaN without observations."""
        within, count = 0, 0
        for number, target in enumerate(targets):
            chosen = torch.as_tensor(inside(fit.calibration, target, period))
            misfit = (target.values - self.mean[number]).abs()[chosen]
            within += int((misfit <= self.half_width[number][chosen]).sum())
            count += int(chosen.sum())
        return within / count if count else float("nan")


def build_ensemble(fit: Fit, unknowns: Tensor) -> Ensemble:
    """The members among starts ``[unknown, start]`` that have converged.

    Notes
    -----
    A start is a member if the mean squared misfit of the calibration period, in errors of the observations, is at
    most `EXCESS` above the smallest; its weight falls by e over that range. The variance of the band is the spread of
    the members plus, series by series, the mean squared misfit of the ensemble in the calibration period. How wide it
    is for this variance depends on how many independent misfits have told it: see `reach`.
    """
    with torch.no_grad():
        simulated = fit.simulate(unknowns, fit.targets)
    calibrated = [torch.as_tensor(inside(fit.calibration, target, "calibration")) for target in fit.targets]
    members, weights = _members(_misfits(fit.targets, simulated, calibrated))

    mean, half_width = [], []
    for target, values, chosen in zip(fit.targets, simulated, calibrated, strict=True):
        own = values[:, list(members)]
        centre = own @ weights
        spread = ((own - centre[:, None]) ** 2) @ weights
        misfit = (centre - target.values)[chosen]
        mean.append(centre)
        half_width.append(reach(misfit, _seasons(target, chosen)) * torch.sqrt(spread + (misfit**2).mean()))
    return Ensemble(members, weights, mean, half_width, _start_scores(fit, simulated, members, weights))


def _seasons(target: Target, chosen: Tensor) -> float:
    """Half-years that have values."""
    days = np.unique(target.times[chosen.numpy()].astype("datetime64[D]"))
    return days.size / HALF_YEAR


def reach(misfits: Tensor, seasons: float = 1.0) -> float:
    """Half the width of a band of 90 %, in standard deviations, where misfits ``[time]`` are all that tells these.

    Parameters
    ----------
    seasons : Half-years of misfits: a winter and a summer are taken for independent, whatever the correlation says.

    Returns
    -------
    t sqrt(1 + 1/n), with the quantile t of Student's distribution with n degrees of freedom: the prediction interval
    of a value whose mean and variance are known from n independent others. n is the effective number of the misfits,
    which are alike for weeks and months: two years may have told of no more than a handful of errors, and a year that
    was not fitted brings its own. 1.645 for very many, 1.8 for 20, 2.2 for 5; NaN without any.
    """
    if not len(misfits):
        return float("nan")
    # Costs a while to import, and nothing else of a calibration needs it.
    from scipy.special import stdtrit

    count = max(effective_count(misfits), seasons)
    quantile = float(stdtrit(count, UPPER))
    return quantile * math.sqrt(1.0 + 1.0 / count)


def _start_scores(fit: Fit, simulated: Sequence[Tensor], members: Sequence[int], weights: Tensor) -> list[StartScore]:
    found = []
    for member, weight in zip(members, weights.tolist(), strict=True):
        for period in PERIODS:
            series: dict[str, list[float]] = {}
            for target, values in zip(fit.targets, simulated, strict=True):
                chosen = inside(fit.calibration, target, period)
                nse = scores(values[:, member].numpy()[chosen], target.values.numpy()[chosen]).nse
                series.setdefault(target.quantity, []).append(nse)
            found += [
                StartScore(member, weight, quantity, period, float(np.mean(finite)))
                for quantity, values_of in series.items()
                if (finite := [value for value in values_of if np.isfinite(value)])
            ]
    return found


def _misfits(targets: Sequence[Target], simulated: Sequence[Tensor], calibrated: Sequence[Tensor]) -> Tensor:
    """Mean squared misfit of the calibration period in errors of the observations, ``[start]``."""
    total, count = torch.zeros_like(simulated[0][0]), 0
    for target, values, chosen in zip(targets, simulated, calibrated, strict=True):
        total = total + (((values - target.values[:, None]) / target.error) ** 2)[chosen].sum(0)
        count += int(chosen.sum())
    return total / max(count, 1)


def _members(misfits: Tensor) -> tuple[tuple[int, ...], Tensor]:
    excess = misfits.nan_to_num(torch.inf) - misfits.nan_to_num(torch.inf).min()
    members = tuple((excess <= EXCESS).nonzero()[:, 0].tolist())
    weights = torch.exp(-excess[list(members)] / EXCESS)
    return members, weights / weights.sum()
