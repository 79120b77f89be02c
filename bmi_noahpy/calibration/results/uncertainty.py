"""How well the observations determine the parameters: the Gauss-Newton Hessian at the best fit."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from bmi_noahpy.calibration.intervals import Interval
from bmi_noahpy.calibration.problem.controls import Control
from bmi_noahpy.calibration.problem.fit import Fit

NORMAL_95 = 1.96
NEAR_BOUND = 0.02
"""Place between the bounds, from 0 to 1, below which and above one minus which a value is at a bound."""


@dataclasses.dataclass(frozen=True)
class Estimate:
    """One calibrated value.

    Parameters
    ----------
    name : Path and group: "soil.porosity, layer 3".
    configured : What the run had, or a neutral factor or offset.
    error : Standard error by the Gauss-Newton Hessian; infinite where the observations say nothing.
    low, high : Interval of 95 %, within the bounds.
    remark : "at the lower bound", "interval cut at both bounds" and the like; empty when there is nothing to say.
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
    remark: str = ""


def effective_count(residuals: Tensor) -> float:
    """Number of independent values that tell as much as a series of residuals ``[time]`` does, at least 1.

    Notes
    -----
    n (1 - r) / (1 + r) with the correlation r of successive residuals, as for a first-order autoregressive series
    (Bayley and Hammersley 1946, doi:10.2307/2983560). A negative correlation is not taken for more information.
    """
    count = len(residuals)
    anomaly = residuals - residuals.mean()
    spread = float((anomaly**2).sum())
    if count < 3 or spread == 0.0:
        return float(max(count, 1))
    correlation = max(float((anomaly[1:] * anomaly[:-1]).sum()) / spread, 0.0)
    return max(count * (1.0 - correlation) / (1.0 + correlation), 1.0)


def covariance(residuals: Tensor, jacobian: Tensor, shares: Tensor | None = None) -> Tensor:
    """Covariance of the unknowns ``[unknown, unknown]`` for residuals ``[residual]`` and their Jacobian.

    Parameters
    ----------
    shares : What each residual counts for, 1 when independent of all others, ``[residual]``. Default: 1.

    Notes
    -----
    s^2 (J^T W J)^-1 with the residual variance s^2 and the shares on the diagonal of W. Directions without any
    information get a huge variance instead of none.
    """
    shares = torch.ones_like(residuals) if shares is None else shares
    variance = (shares * residuals**2).sum() / max(float(shares.sum()) - jacobian.shape[1], 1.0)
    size, directions = torch.linalg.eigh(jacobian.T @ (shares[:, None] * jacobian))
    floor = size[-1].clamp(min=1e-300) * 1e-14
    found: Tensor = variance * (directions / torch.clamp(size, min=floor)) @ directions.T
    return found


def estimates(fit: Fit, unknowns: Tensor) -> list[Estimate]:
    """Calibrated values of one start ``[unknown, 1]`` with their uncertainty; costs one Jacobian."""
    found = fit.linearised(unknowns)
    spread = covariance(found.residuals[:, 0], found.jacobian[:, 0], _shares(fit, found.residuals[:, 0]))
    values = fit.controls.values(unknowns)
    errors = _errors(fit, unknowns, spread)
    return [
        estimate
        for control in fit.controls.controls
        for estimate in _of_control(control, values[control.wanted.path][:, 0], errors[control.wanted.path])
    ]


def _shares(fit: Fit, residuals: Tensor) -> Tensor:
    """What each residual counts for: those of a series whose successive misfits are alike count for less than one."""
    shares = torch.ones_like(residuals)
    first = 0
    for target in fit.fitted:
        own = slice(first, first + len(target.values))
        shares[own] = effective_count(residuals[own]) / len(target.values)
        first = own.stop
    return shares


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
                remark=_remark(interval, value, (low, high), bounds),
            )
        )
    return found


def _remark(interval: Interval, value: float, reach: tuple[float, float], bounds: tuple[float, float]) -> str:
    """What a reader of the value and its interval has to know about the bounds."""
    place = float(dataclasses.replace(interval, low=bounds[0], high=bounds[1]).position(torch.tensor(value)))
    if place < NEAR_BOUND or place > 1.0 - NEAR_BOUND:
        return f"at the {'lower' if place < NEAR_BOUND else 'upper'} bound"
    cut = [name for name, beyond in zip(("lower", "upper"), _beyond(reach, bounds), strict=True) if beyond]
    return {0: "", 1: f"interval cut at the {''.join(cut)} bound", 2: "not determined within the bounds"}[len(cut)]


def _beyond(reach: tuple[float, float], bounds: tuple[float, float]) -> tuple[bool, bool]:
    return reach[0] < bounds[0], reach[1] > bounds[1]
