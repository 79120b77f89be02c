"""How well the observations determine the parameters: the Gauss-Newton Hessian at the best fit."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from bmi_noahpy.calibration.problem.controls import Control
from bmi_noahpy.calibration.problem.fit import Fit

NORMAL_95 = 1.96


@dataclasses.dataclass(frozen=True)
class Estimate:
    """One calibrated value.

    Parameters
    ----------
    name : Path and group: "soil.porosity, layer 3".
    configured : What the run had, or a neutral factor or offset.
    error : Standard error by the Gauss-Newton Hessian; infinite where the observations say nothing.
    low, high : Interval of 95 %, within the bounds.
    """

    name: str
    units: str
    value: float
    configured: float
    error: float
    low: float
    high: float
    lower_bound: float
    upper_bound: float


def covariance(residuals: Tensor, jacobian: Tensor) -> Tensor:
    """Covariance of the unknowns ``[unknown, unknown]`` for residuals ``[residual]`` and their Jacobian.

    Notes
    -----
    s^2 (J^T J)^-1 with the residual variance s^2. It takes residuals for independent: those of successive days are
    not, so that real errors are larger. Directions without any information get a huge variance instead of none.
    """
    count, unknowns = jacobian.shape
    variance = (residuals**2).sum() / max(count - unknowns, 1)
    size, directions = torch.linalg.eigh(jacobian.T @ jacobian)
    floor = size[-1].clamp(min=1e-300) * 1e-14
    return variance * (directions / torch.clamp(size, min=floor)) @ directions.T


def estimates(fit: Fit, unknowns: Tensor) -> list[Estimate]:
    """Calibrated values of one start ``[unknown, 1]`` with their uncertainty; costs one Jacobian."""
    found = fit.linearised(unknowns)
    spread = covariance(found.residuals[:, 0], found.jacobian[:, 0])
    values = fit.controls.values(unknowns)
    errors = _errors(fit, unknowns, spread)
    return [
        estimate
        for control in fit.controls.controls
        for estimate in _of_control(control, values[control.wanted.path][:, 0], errors[control.wanted.path])
    ]


def _errors(fit: Fit, unknowns: Tensor, spread: Tensor) -> dict[str, Tensor]:
    """Standard error of the value of each group."""
    errors = {}
    for path in fit.controls.values(unknowns):
        slope = torch.autograd.functional.jacobian(
            lambda u, p=path: fit.controls.values(u[:, None])[p][:, 0], unknowns[:, 0]
        )
        errors[path] = torch.sqrt(torch.einsum("gp,pq,gq->g", slope, spread, slope).clamp(min=0.0))
    return errors


def _of_control(control: Control, values: Tensor, errors: Tensor) -> list[Estimate]:
    wanted, interval = control.wanted, control.wanted.interval
    widening = 1.0 + (wanted.spread or 0.0)
    bounds = interval.low * (2.0 - widening), interval.high * widening
    found = []
    for label, value, error, first in zip(
        control.labels, values.tolist(), errors.tolist(), control.first.tolist(), strict=True
    ):
        reach = NORMAL_95 * error
        if interval.log:
            ratio = float(torch.exp(torch.tensor(min(reach / value, 50.0))))
            low, high = value / ratio, value * ratio
        else:
            low, high = value - reach, value + reach
        found.append(
            Estimate(
                name=f"{wanted.path}, {label}" if label else wanted.path,
                units=wanted.units,
                value=value,
                configured=first,
                error=error,
                low=max(low, bounds[0]),
                high=min(high, bounds[1]),
                lower_bound=bounds[0],
                upper_bound=bounds[1],
            )
        )
    return found
