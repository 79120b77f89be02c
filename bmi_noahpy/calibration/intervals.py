"""Values within bounds, from numbers without bounds: what optimisers work with."""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor

LOG_RATIO = 50.0
"""Bounds of one sign this far apart span orders of magnitude: the parameter is scaled by its logarithm."""

MARGIN = 0.01
"""Distance from a bound, in parts of the interval, at which an optimisation starts at the nearest. [1]"""

FARTHEST = 7.0
"""Largest unknown: 0.1 % of the interval from a bound. Farther out nothing changes, and no slope leads back."""


@dataclasses.dataclass(frozen=True)
class Interval:
    """The values a parameter may take, on a linear or a logarithmic scale.

    A *position* is 0 at the lower and 1 at the upper bound of that scale; an *unknown* is its logit.
    """

    low: float
    high: float
    log: bool = False

    @classmethod
    def between(cls, low: float, high: float) -> Interval:
        """An interval whose scale follows from its bounds."""
        return cls(low, high, low > 0.0 and high / low >= LOG_RATIO)

    def value(self, position: Tensor) -> Tensor:
        """The value at a position."""
        if self.log:
            return self.low * torch.exp(position * math.log(self.high / self.low))
        return self.low + position * (self.high - self.low)

    def position(self, value: Tensor) -> Tensor:
        """The position of a value, kept off the bounds by `MARGIN`."""
        if self.log:
            inside = torch.clamp(value, min=self.low)
            share = torch.log(inside / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return torch.clamp(share, MARGIN, 1.0 - MARGIN)


def position_of(unknown: Tensor) -> Tensor:
    """Position within the bounds."""
    return torch.sigmoid(unknown)


def unknown_of(position: Tensor) -> Tensor:
    """The unknown of a position strictly between 0 and 1."""
    return torch.logit(position)


def near_enough(unknown: Tensor) -> Tensor:
    """Unknowns from where an optimisation finds the way back."""
    return torch.clamp(unknown, -FARTHEST, FARTHEST)
