"""L-BFGS: a method that learns the curvature from gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from bmi_noahpy.calibration.methods.method import Fitted, Method, Moved, best_candidate

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
