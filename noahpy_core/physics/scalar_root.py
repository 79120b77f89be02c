"""The root of a falling function of one number per column: a bracketed Newton iteration."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from noahpy_core.recording import iterate_until

LARGEST_NUMBER_OF_STEPS = 100
FREE = 1.0e9
"""Size of the step before the first: any may follow it."""
CLOSED = 8.0
"""Units of round-off to which a bracket closes in single precision: then the sign of the function is round-off."""
NEAREST = 400.0
"""How far from the lower end of the bracket bisection looks. That of the snow's potential is 1e5 K wide, and few roots
are that far."""


def falling_root(
    function: Callable[[Tensor], tuple[Tensor, Tensor]],
    start: Tensor,
    low: Tensor,
    high: Tensor,
    tolerance: float,
) -> tuple[Tensor, Tensor]:
    """Root of a falling function of one number per column, and whether it was found.

    Newton's method in a bracket that shrinks with every value; a step that leaves it, or is not half the one before,
    is replaced by bisection. A step within the tolerance is always taken: at round-off bisection would never end. In
    single precision what the function has lost to round-off can be more than the tolerance, and a bracket that has
    closed is a root too.

    Parameters
    ----------
    function : Value and slope, ``[column]``.
    start : Where the search begins, ``[column]``.
    low, high : The bracket, ``[column]``.
    tolerance : Size of the last step.
    """

    def step(x: Tensor, low: Tensor, high: Tensor, last: Tensor, done: Tensor) -> tuple[Tensor, ...]:
        value, slope = function(x)
        above = value > 0
        new_low = torch.where(above, torch.maximum(low, x), low)
        new_high = torch.where(above, high, torch.minimum(high, x))
        proposal = x - value / slope
        size = (proposal - x).abs()
        tiny = size <= tolerance
        fits = (proposal >= new_low) & (proposal <= new_high) & (size <= 0.5 * last)
        newton = tiny | fits
        if x.dtype == torch.float32:
            digits = CLOSED * torch.finfo(x.dtype).eps * (new_low.abs() + new_high.abs())
            found = tiny | (new_high - new_low <= digits)
        else:
            found = tiny
        half = 0.5 * (new_low + torch.minimum(new_high, new_low + NEAREST))
        chosen = torch.where(newton, proposal, half)
        return (
            # What is found stays as it is: its digits must not depend on how long other columns take.
            torch.where(done, x, chosen),
            torch.where(done, low, new_low),
            torch.where(done, high, new_high),
            torch.where(done, last, torch.where(newton, size, FREE)),
            done | found,
        )

    # The first step may have any size, and so may one after a bisection.
    free = torch.full_like(start, FREE)
    carry = (start, low, high, free, torch.zeros_like(start, dtype=torch.bool))
    root, _, _, _, found = iterate_until(step, carry, LARGEST_NUMBER_OF_STEPS)
    return root, found
