"""The smaller of two amounts, with a corner as it is or rounded within a width; never more than the smaller one.

A rounded minimum takes a little less than the hard one, so no store gives more than it has; what is not taken stays
where it was, and budgets close as before.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.numerics import at_least, at_most, between

TINY = 1.0e-30
"""Keeps a quotient by a width of nothing finite, in single precision too."""


class Lesser(NamedTuple):
    """The smaller of an amount and its bound."""

    value: Tensor
    share: Tensor
    """Its derivative by the amount; that by the bound is the rest, if the scale is given. [1]"""
    limited: Tensor
    """Whether it is less than the amount."""


class SharpLimits(NamedTuple):
    """The minimum itself."""

    def lesser(self, amount: Tensor, bound: Tensor, scale: Tensor) -> Lesser:
        """The smaller of both.

        Parameters
        ----------
        amount, bound : In any one unit.
        scale : Not read.
        """
        limited = amount > bound
        return Lesser(torch.where(limited, bound, amount), torch.where(limited, 0.0, torch.ones_like(amount)), limited)

    def smaller(self, amount: Tensor, bound: Tensor) -> Tensor:
        """The smaller of both, without more."""
        return at_most(amount, bound)

    def larger(self, amount: Tensor, bound: Tensor) -> Tensor:
        """The larger of both."""
        return at_least(amount, bound)


class SmoothLimits(NamedTuple):
    """The minimum with its corner rounded, twice continuously differentiable.

    Notes
    -----
    m = min(x, b) - w/6 (1 - |x - b|/w)^3 within a width w = range scale of the corner, outside it the minimum. It is
    not above the minimum, grows with both by shares between 0 and 1 that add up to 1, and for amounts of at least 0
    is at least 0, if the scale is one of the two and the range is less than 6/7.
    """

    range: Tensor
    """Of the corner, as a share of the scale, ``[column]``. [1]"""

    def lesser(self, amount: Tensor, bound: Tensor, scale: Tensor) -> Lesser:
        """The smaller of both, rounded.

        Parameters
        ----------
        amount, bound : In any one unit.
        scale : That the width is a share of, not negative: one of the two.
        """
        width = self.range * scale
        # Each of the two forms is held to the corner, where it is meant.
        place = between((amount - bound) / (width + TINY), -1.0, 1.0)
        under, over = 1.0 + at_most(place, 0.0), 1.0 - at_least(place, 0.0)
        value = torch.where(
            amount < bound, amount - width / 6.0 * under * under * under, bound - width / 6.0 * over * over * over
        )
        share = torch.where(amount < bound, 1.0 - 0.5 * under * under, 0.5 * over * over)
        return Lesser(value, share, amount > bound - width)

    def smaller(self, amount: Tensor, bound: Tensor) -> Tensor:
        """The smaller of both, rounded on the scale of the bound, which is not negative."""
        return self.lesser(amount, bound, bound).value

    def larger(self, amount: Tensor, bound: Tensor) -> Tensor:
        """The larger of both, rounded on the scale of the bound, which is not negative; never below it."""
        return amount + (bound - self.smaller(amount, bound))


Limits = SharpLimits | SmoothLimits
SHARP_LIMITS = SharpLimits()
