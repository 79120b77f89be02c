"""Optimisation methods. All starts are moved together, each by what it alone has found.

A method keeps what it remembers of every start in tensors whose last dimension is the start, so that it can be written
to a file, and moves those starts that are still on their way.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from bmi_noahpy.calibration.file.sections import Optimiser
from bmi_noahpy.calibration.intervals import near_enough


class Moved(NamedTuple):
    """What one iteration did to the starts it moved.

    Parameters
    ----------
    tried : Unknowns whose objective was found, ``[unknown, start]``.
    losses : Objective there, ``[start]``.
    unknowns : Where to go on, ``[unknown, start]``.
    finished : Starts that have nowhere to go, ``[start]``.
    """

    tried: Tensor
    losses: Tensor
    unknowns: Tensor
    finished: Tensor


class Fitted(Protocol):
    """What a method asks of a fit."""

    @property
    def starts_at_once(self) -> int:
        """Starts whose Jacobians fit into memory together."""

    def losses(self, unknowns: Tensor) -> Tensor:
        """Objective ``[start]`` of unknowns ``[unknown, start]``."""

    def gradient(self, unknowns: Tensor) -> tuple[Tensor, Tensor]:
        """Objective and gradient."""

    def linearised(self, unknowns: Tensor) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
        """Residuals, Jacobian, objective, simulated values."""


class Method:
    """A method with its memory."""

    def __init__(self, settings: Optimiser, unknowns: Tensor) -> None:
        self.settings = settings
        self.memory: dict[str, Tensor] = self.first_memory(unknowns)

    def first_memory(self, unknowns: Tensor) -> dict[str, Tensor]:
        """What is remembered before the first iteration, ``[..., start]``."""
        raise NotImplementedError

    def move(self, fit: Fitted, unknowns: Tensor, which: Tensor) -> Moved:
        """One iteration of the starts with the numbers `which`, at `unknowns` ``[unknown, which]``."""
        raise NotImplementedError

    def recall(self, which: Tensor) -> dict[str, Tensor]:
        """The memory of some starts."""
        return {name: values[..., which] for name, values in self.memory.items()}

    def remember(self, which: Tensor, changed: dict[str, Tensor]) -> None:
        """Replace the memory of some starts."""
        for name, values in changed.items():
            self.memory[name][..., which] = values


class Adam(Method):
    """Adam (Kingma and Ba 2015) with a rate for each start, reduced when its objective stays on a plateau."""

    MOMENTUM, SECOND_MOMENTUM, TINY = 0.9, 0.999, 1e-12
    THRESHOLD = 1e-4
    """Relative improvement that leaves a plateau."""
    SMALLEST_RATE = 1e-3
    """Part of the first rate at which a start is finished."""

    def first_memory(self, unknowns: Tensor) -> dict[str, Tensor]:
        """Moments, number of steps, rate, and the plateau."""
        starts = unknowns.new_zeros(unknowns.shape[1])
        return {
            "mean": torch.zeros_like(unknowns),
            "square": torch.zeros_like(unknowns),
            "steps": starts.clone(),
            "rate": starts + self.settings.learning_rate,
            "lowest": starts + torch.inf,
            "waited": starts.clone(),
        }

    def move(self, fit: Fitted, unknowns: Tensor, which: Tensor) -> Moved:
        """One step down the gradient at `unknowns`."""
        losses, slope = fit.gradient(unknowns)
        old = self.recall(which)
        steps = old["steps"] + 1
        mean = self.MOMENTUM * old["mean"] + (1.0 - self.MOMENTUM) * slope
        square = self.SECOND_MOMENTUM * old["square"] + (1.0 - self.SECOND_MOMENTUM) * slope**2
        unbiased = mean / (1.0 - self.MOMENTUM**steps)
        spread = torch.sqrt(square / (1.0 - self.SECOND_MOMENTUM**steps)) + self.TINY
        better = losses < old["lowest"] * (1.0 - self.THRESHOLD)
        waited = torch.where(better, 0.0, old["waited"] + 1)
        reduced = waited > self.settings.patience
        rate = torch.where(reduced, self.settings.factor * old["rate"], old["rate"])
        new = {
            "mean": mean,
            "square": square,
            "steps": steps,
            "rate": rate,
            "lowest": torch.where(better, losses, old["lowest"]),
            "waited": torch.where(reduced, 0.0, waited),
        }
        self.remember(which, new)
        finished = (rate < self.SMALLEST_RATE * self.settings.learning_rate) | ~torch.isfinite(losses)
        return Moved(unknowns, losses, near_enough(unknowns - rate * unbiased / spread), finished)


def best_candidate(fit: Fitted, candidates: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The best of several candidates ``[unknown, start, candidate]``: number, objective, unknowns.

    All are columns of one run.
    """
    candidates = near_enough(candidates)
    count, starts, choices = candidates.shape
    losses = fit.losses(candidates.reshape(count, starts * choices)).reshape(starts, choices)
    lowest, number = losses.min(1)
    return number, lowest, candidates[:, torch.arange(starts), number]
