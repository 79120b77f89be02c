"""Numbers with their slopes in two unknowns: the Jacobian of a flux between two layers, from the flux written once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor

Slope = Tensor | None
"""None is zero wherever it stands: what has no slopes is an ordinary number, and costs no more."""


@dataclasses.dataclass(frozen=True, slots=True)
class Dual:
    """A value and its slopes in the unknown of the upper and of the lower of two neighbouring layers.

    Values are those of the same operations on tensors, so a dual without slopes can carry torch's derivatives.

    Parameters
    ----------
    value, upper, lower : Of the same shape; a slope may be None, for zero.
    """

    value: Tensor
    upper: Slope = None
    lower: Slope = None

    @property
    def constant(self) -> bool:
        """Whether there are no slopes."""
        return self.upper is None and self.lower is None

    def __neg__(self) -> Dual:
        return Dual(-self.value, _scaled(self.upper, -1.0), _scaled(self.lower, -1.0))

    def __add__(self, other: Dual | Tensor | float) -> Dual:
        if not isinstance(other, Dual):
            return Dual(self.value + other, self.upper, self.lower)
        return Dual(self.value + other.value, _sum(self.upper, other.upper), _sum(self.lower, other.lower))

    def __sub__(self, other: Dual | Tensor | float) -> Dual:
        if not isinstance(other, Dual):
            return Dual(self.value - other, self.upper, self.lower)
        return Dual(
            self.value - other.value, _difference(self.upper, other.upper), _difference(self.lower, other.lower)
        )

    def __mul__(self, other: Dual | Tensor | float) -> Dual:
        if not isinstance(other, Dual):
            return Dual(self.value * other, _scaled(self.upper, other), _scaled(self.lower, other))
        return Dual(
            self.value * other.value,
            _sum(_scaled(self.upper, other.value), _scaled(other.upper, self.value)),
            _sum(_scaled(self.lower, other.value), _scaled(other.lower, self.value)),
        )

    def __truediv__(self, other: Dual) -> Dual:
        quotient = self.value / other.value
        # The inverse is for slopes only.
        if other.constant and self.constant:
            return Dual(quotient)
        # (a' - q b') / b with the quotient q: the square of a small b would vanish.
        inverse = 1.0 / other.value
        return Dual(
            quotient,
            _scaled(_difference(self.upper, _scaled(other.upper, quotient)), inverse),
            _scaled(_difference(self.lower, _scaled(other.lower, quotient)), inverse),
        )

    def chain(self, value: Tensor, slope: Callable[[], Tensor]) -> Dual:
        """A function of this number, from its value and its slope; the slope is not worked out for a constant."""
        if self.constant:
            return Dual(value)
        factor = slope()
        return Dual(value, _scaled(self.upper, factor), _scaled(self.lower, factor))

    def exp(self) -> Dual:
        """Exponential."""
        value = torch.exp(self.value)
        return self.chain(value, lambda: value)

    def log(self) -> Dual:
        """Natural logarithm."""
        return self.chain(torch.log(self.value), lambda: 1.0 / self.value)

    def magnitude(self) -> Dual:
        """Absolute value."""
        # At 0 the slope is that from above: Newton's method needs one of the two.
        return self.chain(self.value.abs(), lambda: torch.where(self.value < 0.0, -1.0, 1.0).to(self.value.dtype))

    def over(self, numerator: Tensor) -> Dual:
        """A given number divided by this one."""
        value = numerator / self.value
        return self.chain(value, lambda: -value / self.value)


def choose(condition: Tensor, yes: Dual | Tensor | float, no: Dual | Tensor | float) -> Dual:
    """One number or the other, slopes included.

    Parameters
    ----------
    condition : Of bool, of the shape of the numbers.
    yes, no : Taken where the condition holds, and where it does not.
    """
    a = yes if isinstance(yes, Dual) else Dual(yes)  # type: ignore[arg-type]
    b = no if isinstance(no, Dual) else Dual(no)  # type: ignore[arg-type]
    return Dual(
        # Chosen, not weighted: what is infinite on the other side must not come through.
        torch.where(condition, a.value, b.value),
        _chosen(condition, a.upper, b.upper),
        _chosen(condition, a.lower, b.lower),
    )


def _chosen(condition: Tensor, a: Slope, b: Slope) -> Slope:
    if a is not None:
        # No slope is a slope of zero, which takes a tensor only beside one that has some.
        return torch.where(condition, a, 0.0 if b is None else b)
    return None if b is None else torch.where(condition, 0.0, b)


def _scaled(a: Slope, factor: Tensor | float) -> Slope:
    return None if a is None else a * factor


def _sum(a: Slope, b: Slope) -> Slope:
    if a is None or b is None:
        return b if a is None else a
    return a + b


def _difference(a: Slope, b: Slope) -> Slope:
    if b is None:
        return a
    return -b if a is None else a - b
