"""Methods with curvature: L-BFGS, and Gauss-Newton with the damping of Levenberg and Marquardt."""

from __future__ import annotations

import torch
from torch import Tensor

from bmi_noahpy.calibrate.methods import Fitted, Method, Moved, best_candidate

LARGEST_MOVE = 2.0
"""Of one unknown in one iteration: far enough to cross most of an interval."""
TINY = 1.0e-300


class LimitedMemoryBfgs(Method):
    """L-BFGS (Nocedal 1980); each iteration tries several lengths of the step as columns of one run.

    The first iteration only finds where it stands. A start that finds no better place forgets what it knows and goes
    straight down the gradient; when that does not help either it is finished.
    """

    LENGTHS = (1.0, 0.5, 0.2, 0.05, 0.005)
    SUFFICIENT = 1.0e-4
    """Part of the decrease that the slope promises which a step must bring."""

    def first_memory(self, unknowns: Tensor) -> dict[str, Tensor]:
        """Gradient and objective here, and the last steps with their changes of gradient, the newest first."""
        count, starts = unknowns.shape
        empty = unknowns.new_zeros(self.settings.history, count, starts)
        return {
            "gradient": torch.full_like(unknowns, torch.nan),
            "loss": unknowns.new_full((starts,), torch.inf),
            "steps": empty,
            "changes": empty.clone(),
        }

    def move(self, fit: Fitted, unknowns: Tensor, which: Tensor) -> Moved:
        """A step along the direction of the approximate Hessian, and the gradient at its end."""
        old = self.recall(which)
        gradient, loss = old["gradient"], old["loss"]
        if bool(torch.isnan(gradient).any()):
            loss, gradient = fit.gradient(unknowns)
            self.remember(which, {"loss": loss, "gradient": gradient})
            return Moved(unknowns, loss, unknowns, ~torch.isfinite(loss))
        direction, known = self._direction(gradient, old["steps"], old["changes"])
        lengths = unknowns.new_tensor(self.LENGTHS)
        number, lowest, there = best_candidate(fit, unknowns[..., None] + direction[..., None] * lengths)
        better = lowest <= loss + self.SUFFICIENT * lengths[number] * (direction * gradient).sum(0)
        after = torch.where(better, there, unknowns)
        self._learn(fit, which, unknowns, after, better)
        return Moved(after, torch.where(better, lowest, loss), after, ~better & ~known)

    @staticmethod
    def _direction(gradient: Tensor, steps: Tensor, changes: Tensor) -> tuple[Tensor, Tensor]:
        """Where to go, ``[unknown, start]``, and whether the history says so or only the gradient, ``[start]``."""
        direction = -_two_loops(gradient, steps, changes)
        known = (steps != 0.0).flatten(0, 1).any(0) & ((direction * gradient).sum(0) < 0.0)
        direction = torch.where(known, direction, -gradient)
        size = direction.abs().amax(0).clamp(min=TINY)
        return direction * torch.where(known, (LARGEST_MOVE / size).clamp(max=1.0), 1.0 / size), known

    def _learn(self, fit: Fitted, which: Tensor, before: Tensor, after: Tensor, better: Tensor) -> None:
        """Gradient at the new place, and what it says about the curvature."""
        old = self.recall(which)
        loss, gradient = old["loss"].clone(), old["gradient"].clone()
        steps, changes = torch.zeros_like(old["steps"]), torch.zeros_like(old["changes"])
        if bool(better.any()):
            loss[better], gradient[:, better] = fit.gradient(after[:, better])
            step, change = after - before, gradient - old["gradient"]
            curved = (step * change).sum(0) > 1.0e-12 * (change * change).sum(0)
            steps = torch.cat([torch.where(curved, step, 0.0)[None], old["steps"][:-1]])
            changes = torch.cat([torch.where(curved, change, 0.0)[None], old["changes"][:-1]])
        forget = {"steps": torch.where(better, steps, 0.0), "changes": torch.where(better, changes, 0.0)}
        self.remember(which, {"loss": loss, "gradient": gradient, **forget})


def _two_loops(gradient: Tensor, steps: Tensor, changes: Tensor) -> Tensor:
    """The inverse of the approximate Hessian times the gradient, ``[unknown, start]``; the newest step comes first."""
    products = (steps * changes).sum(1)
    weights = torch.where(products > 0.0, 1.0 / products.clamp(min=TINY), 0.0)
    result, shares = gradient.clone(), []
    for step, change, weight in zip(steps, changes, weights, strict=True):
        share = weight * (step * result).sum(0)
        result = result - share * change
        shares.append(share)
    newest = (changes[0] ** 2).sum(0)
    result = result * torch.where(newest > 0.0, products[0] / newest.clamp(min=TINY), 1.0)
    for step, change, weight, share in reversed(list(zip(steps, changes, weights, shares, strict=True))):
        result = result + step * (share - weight * (change * result).sum(0))
    return result


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
        steps = []
        for part in torch.arange(unknowns.shape[1]).split(fit.starts_at_once):
            found = fit.linearised(unknowns[:, part])
            steps.append(damped_steps(found[0], found[1], dampings[part]))
        moves = torch.cat(steps, 1).clamp(-LARGEST_MOVE, LARGEST_MOVE)
        number, lowest, there = best_candidate(fit, unknowns[..., None] + moves)
        better = lowest < losses
        damping = torch.where(better, dampings.gather(1, number[:, None])[:, 0], self.WORSE * old)
        self.remember(which, {"damping": damping.clamp(self.SMALLEST, None)})
        after = torch.where(better, there, unknowns)
        return after, torch.where(better, lowest, losses), damping > self.LARGEST


def damped_steps(residuals: Tensor, jacobian: Tensor, dampings: Tensor) -> Tensor:
    """Steps ``[unknown, start, damping]`` for residuals ``[residual, start]`` and their Jacobian."""
    hessian = torch.einsum("nsp,nsq->spq", jacobian, jacobian)
    slope = torch.einsum("nsp,ns->sp", jacobian, residuals)
    diagonal = hessian.diagonal(dim1=1, dim2=2)
    # What the run does not depend on at all stays where it is.
    floor = 1.0e-12 * diagonal.amax(1, keepdim=True) + TINY
    damped = hessian[:, None] + torch.diag_embed(dampings[..., None] * diagonal[:, None] + floor[:, None])
    return -torch.linalg.solve(damped, slope[:, None, :, None].expand(*dampings.shape, -1, 1))[..., 0].permute(2, 0, 1)
