"""Gauss-Newton with the damping of Levenberg and Marquardt, between bounds.

Steps are tried in unknowns and in positions. Where the fit wants a parameter outside its bounds, the unknown runs off
to where nothing changes any more; the position stops at the bound, with a slope that still tells when to leave it. Away
from the bounds, steps in unknowns take fewer iterations.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bmi_noahpy.calibration.intervals import FARTHEST, near_enough, position_of, unknown_of
from bmi_noahpy.calibration.methods.method import Fitted, Method, Moved, best_candidate

LARGEST_MOVE = 2.0
"""Of one unknown in one iteration: far enough to cross most of an interval."""
LARGEST_SHIFT = 0.4
"""Of one position in one iteration."""
ROUNDS = 12
"""Solutions for one step, at most, each with other positions held at their limits."""
TINY = 1.0e-300


class LevenbergMarquardt(Method):
    """Gauss-Newton with a damping for each start; each iteration tries several dampings as columns of one run."""

    TRIED = (0.01, 0.1, 1.0, 10.0, 100.0)
    """Dampings tried, relative to the last one that was best."""
    WORSE = 1.0e4
    """What the damping grows by when none was better than standing still."""
    SMALLEST, LARGEST = 1.0e-8, 1.0e8

    def first_memory(self, unknowns: Tensor) -> dict[str, Tensor]:
        """The damping, relative to the diagonal of the Gauss-Newton Hessian."""
        return {"damping": unknowns.new_full((unknowns.shape[1],), self.settings.damping)}

    def move(self, fit: Fitted, unknowns: Tensor, which: Tensor) -> Moved:
        """The best of several damped Gauss-Newton steps; where the model fails there is no way to go."""
        unknowns = near_enough(unknowns)
        losses = fit.losses(unknowns)
        good = torch.isfinite(losses)
        after = unknowns.clone()
        finished = ~good
        if bool(good.any()):
            after[:, good], losses[good], finished[good] = self._step(fit, unknowns[:, good], losses[good], which[good])
        return Moved(after, losses, after, finished)

    def _step(self, fit: Fitted, unknowns: Tensor, losses: Tensor, which: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Where the starts go, the objective there, and which have nowhere to go."""
        old = self.recall(which)["damping"]
        dampings = old[:, None] * unknowns.new_tensor(self.TRIED)
        candidates = []
        for part in torch.arange(unknowns.shape[1]).split(fit.starts_at_once):
            residuals, jacobian, *_ = fit.linearised(unknowns[:, part])
            candidates.append(damped_candidates(unknowns[:, part], residuals, jacobian, dampings[part]))
        number, lowest, there = best_candidate(fit, torch.cat(candidates, 1))
        better = lowest < losses
        tried = dampings.gather(1, number[:, None] % len(self.TRIED))[:, 0]
        damping = torch.where(better, tried, self.WORSE * old)
        self.remember(which, {"damping": damping.clamp(self.SMALLEST, None)})
        after = torch.where(better, there, unknowns)
        return after, torch.where(better, lowest, losses), damping > self.LARGEST


def damped_candidates(unknowns: Tensor, residuals: Tensor, jacobian: Tensor, dampings: Tensor) -> Tensor:
    """Unknowns ``[unknown, start, candidate]`` after damped steps: in unknowns, then in positions.

    Parameters
    ----------
    unknowns : Where the starts are, ``[unknown, start]``.
    residuals, jacobian : There, ``[residual, start]`` and ``[residual, start, unknown]``.
    dampings : Of each step, ``[start, damping]``.
    """
    hessian = torch.einsum("nsp,nsq->spq", jacobian, jacobian)
    slope = torch.einsum("nsp,ns->sp", jacobian, residuals)[:, None].expand(*dampings.shape, -1)
    steps = torch.linalg.solve(damped(hessian, dampings), -slope[..., None])[..., 0]
    by_unknowns = unknowns.T[:, None] + steps.clamp(-LARGEST_MOVE, LARGEST_MOVE)
    positions = position_of(unknowns).T[:, None]
    # Derivative of the unknowns by positions: what is known by unknowns becomes known by positions.
    stretch = 1.0 / (positions * (1.0 - positions))
    by_position = hessian * stretch.mT * stretch
    limit = position_of(unknowns.new_tensor(FARTHEST))
    low = torch.clamp(1.0 - limit - positions, min=-LARGEST_SHIFT)
    high = torch.clamp(limit - positions, max=LARGEST_SHIFT)
    after = positions + bounded_minimum(damped(by_position, dampings), slope * stretch, low, high)
    by_positions = unknown_of(torch.clamp(after, 1.0 - limit, limit))
    return torch.cat([by_unknowns, by_positions], 1).permute(2, 0, 1)


def damped(hessian: Tensor, dampings: Tensor) -> Tensor:
    """Hessians ``[start, damping, unknown, unknown]`` with more on their diagonals."""
    diagonal = hessian.diagonal(dim1=1, dim2=2)
    # What the run does not depend on at all stays where it is.
    floor = 1.0e-12 * diagonal.amax(1, keepdim=True) + TINY
    return hessian[:, None] + torch.diag_embed(dampings[..., None] * diagonal[:, None] + floor[:, None])


def bounded_minimum(hessian: Tensor, slope: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Steps ``[..., unknown]`` from 0 towards the minimum of a quadratic function between limits.

    What a step would take beyond its limits is held there, as long as the slope leads outwards, and the rest solved for
    again, until nothing changes.

    Parameters
    ----------
    hessian, slope : Of the function, ``[..., unknown, unknown]`` and ``[..., unknown]``.
    low, high : Limits of the steps; 0 is between them, ``[..., unknown]``.
    """
    low, high = (part.expand_as(slope) for part in (low, high))
    unit = torch.eye(slope.shape[-1], dtype=slope.dtype)
    steps, held = torch.zeros_like(slope), torch.zeros_like(slope, dtype=torch.bool)
    for _ in range(ROUNDS):
        before = held
        pull = slope + (hessian @ steps[..., None])[..., 0]
        held = ((steps <= low) & (pull > 0.0)) | ((steps >= high) & (pull < 0.0))
        fixed = torch.where(held, steps, 0.0)
        pull = slope + (hessian @ fixed[..., None])[..., 0]
        matrix = torch.where(held[..., None] | held[..., None, :], unit, hessian)
        found = torch.linalg.solve(matrix, torch.where(held, 0.0, -pull)[..., None])[..., 0]
        steps = torch.where(held, steps, torch.clamp(found, low, high))
        if bool((held == before).all()):
            break
    return steps
