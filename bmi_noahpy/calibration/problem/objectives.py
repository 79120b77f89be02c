"""Objectives: a number for each start, small when simulated and observed values agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from bmi_noahpy.calibration.file.sections import Objective
from bmi_noahpy.calibration.problem.targets import Target

TINY = 1.0e-12
"""Keeps roots differentiable at perfect agreement and for a constant simulation."""


def losses(objective: Objective, targets: Sequence[Target], simulated: Sequence[Tensor]) -> Tensor:
    """Value of the objective of each start, ``[start]``; `simulated` is ``[observation, start]`` for each target.

    Notes
    -----
    nse and kge are weighted means over the series, of SSE/SST and of the distance to perfect agreement. huber and
    gaussian are weighted means over all observations of what the misfit, in errors, costs: about 1/2 for a gaussian
    whose misfits are as large as the errors.
    """
    if objective.name in ("huber", "gaussian"):
        costs = [
            target.weight * _cost(objective, (model - target.values[:, None]) / target.error).sum(0)
            for target, model in zip(targets, simulated, strict=True)
        ]
        return torch.stack(costs).sum(0) / sum(target.weight * len(target.values) for target in targets)
    of_series: Callable[[Tensor, Tensor], Tensor] = one_minus_nse if objective.name == "nse" else kge_distance
    parts = [
        target.weight * of_series(model, target.values[:, None])
        for target, model in zip(targets, simulated, strict=True)
    ]
    return torch.stack(parts).sum(0) / sum(target.weight for target in targets)


def one_minus_nse(model: Tensor, truth: Tensor) -> Tensor:
    """Sum of squared errors over the sum of squared anomalies, ``[start]``."""
    return ((model - truth) ** 2).sum(0) / ((truth - truth.mean(0)) ** 2).sum(0)


def kge_distance(model: Tensor, truth: Tensor) -> Tensor:
    """1 - KGE of Gupta et al. (2009), as `bmi_noahpy.observations.scores` defines it, ``[start]``."""
    model_anomaly, truth_anomaly = model - model.mean(0), truth - truth.mean(0)
    true_variance = (truth_anomaly**2).mean(0)
    true_spread = torch.sqrt(true_variance)
    spread = torch.sqrt((model_anomaly**2).mean(0) + TINY * true_variance)
    correlation = (model_anomaly * truth_anomaly).mean(0) / (spread * true_spread)
    ratios = (correlation - 1.0) ** 2 + (spread / true_spread - 1.0) ** 2 + (model.mean(0) / truth.mean(0) - 1.0) ** 2
    return torch.sqrt(ratios + TINY)


def _cost(objective: Objective, misfit: Tensor) -> Tensor:
    squared = 0.5 * misfit**2
    if objective.name == "gaussian":
        return squared
    delta = objective.delta
    return torch.where(misfit.abs() <= delta, squared, delta * (misfit.abs() - 0.5 * delta))


def residual_scales(objective: Objective, targets: Sequence[Target]) -> list[float]:
    """What makes the sum of squares of (model - observed) times the scale the objective (huber: for small misfits).

    Raises
    ------
    ValueError : the objective is no sum of squares.
    """
    if objective.name == "kge":
        raise ValueError("kge is no sum of squares")
    if objective.name == "nse":
        total = sum(target.weight for target in targets)
        return [(target.weight / total / _variation(target.values)) ** 0.5 for target in targets]
    count = sum(target.weight * len(target.values) for target in targets)
    return [(0.5 * target.weight / count) ** 0.5 / target.error for target in targets]


def robust_weights(objective: Objective, targets: Sequence[Target], simulated: Sequence[Tensor]) -> list[Tensor]:
    """Weight of each squared residual, ``[observation, start]``: below 1 where huber grows linearly."""
    weights = []
    for target, model in zip(targets, simulated, strict=True):
        misfit = ((model - target.values[:, None]) / target.error).abs()
        linear = objective.name == "huber"
        weights.append(objective.delta / misfit.clamp(min=objective.delta) if linear else torch.ones_like(misfit))
    return weights


def _variation(values: Tensor) -> float:
    return float(((values - values.mean()) ** 2).sum())
