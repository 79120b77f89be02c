"""Numerical building blocks with derivatives that stay finite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from noahpy_core.differentiation import (
    SECOND,
    derivatives_under_way,
    differentiable_twice,
    is_transformed,
    orders_under_way,
)
from noahpy_core.recording import recorder

TINY = 1.0e-30


def positive_part(x: Tensor) -> Tensor:
    """x where it is positive, else 0, with zero derivative at and below 0."""
    return torch.relu(x)


def at_most(x: Tensor, bound: Tensor | float) -> Tensor:
    """The smaller of two values; where they are equal the derivative is that of `x` alone."""
    # At a tie with a tensor, clamp takes the derivative of the bound in forward mode and that of x in reverse mode.
    return torch.where(x > bound, bound, x) if isinstance(bound, Tensor) else torch.clamp(x, max=bound)


def at_least(x: Tensor, bound: Tensor | float) -> Tensor:
    """The larger of two values; where they are equal the derivative is that of `x` alone."""
    return torch.where(x < bound, bound, x) if isinstance(bound, Tensor) else torch.clamp(x, min=bound)


def between(x: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
    """x limited to an interval, with zero derivative with respect to x outside it.

    Parameters
    ----------
    x : Any tensor.
    low, high : Bounds, with `low` at most `high`.
    """
    return at_most(at_least(x, low), high)


def temperature_round_off(like: Tensor) -> float:
    """Sixteen units of round-off of temperatures near 300 K, in the number type of a tensor. [K]"""
    return 16.0 * 300.0 * torch.finfo(like.dtype).eps


def safe_power(base: Tensor, exponent: Tensor | float) -> Tensor:
    """base ** exponent for a base that may reach 0, where value and derivative are 0."""
    # The bound inside keeps the derivative of the branch not taken finite: 0 times infinity is not a number.
    return torch.where(base > TINY, at_least(base, TINY) ** exponent, 0.0)


def safe_sqrt(x: Tensor) -> Tensor:
    """Square root that is 0 with zero derivative at and below 0."""
    return safe_power(x, 0.5)


def safe_divide(numerator: Tensor, denominator: Tensor, otherwise: float = 0.0) -> Tensor:
    """Quotient, with `otherwise` (and zero derivative) where the denominator is 0.

    Parameters
    ----------
    numerator, denominator : Of shapes that go together.
    otherwise : Value where the denominator is 0.
    """
    # As above: where the quotient is not used, it divides by 1.
    usable = denominator != 0
    return torch.where(usable, numerator / torch.where(usable, denominator, 1.0), otherwise)


def implicit_root(root: Tensor, change: Callable[[Tensor], Tensor], *, order: int = 0) -> Tensor:
    """A root of F(x, p) = 0 with its derivatives; its value stays as it is.

    Parameters
    ----------
    root : The solution, found without derivative.
    change : x -> -F(x, p) over the slope of F at the root, which is held: one more step of the chord method.
    order : Of the derivatives that the root carries already.

    Notes
    -----
    n such steps at the root give derivatives up to order n. Kernels and transformations of `torch.func` take as many as
    they need. How often torch goes back through a graph is not known before: it gets two, and refuses a third time.
    """
    recording, transformed = recorder(), is_transformed()
    if recording is None and not transformed and not torch.is_grad_enabled():
        return root
    wanted = SECOND if recording is None else recording.order
    while order < wanted:
        step = change(root)
        order += 1
        if recording is not None:
            root = recording.attach(root, step)
        elif transformed or step.requires_grad:
            # The step is round-off. Taken off again, it leaves its derivative and no change of the value.
            root = root + (step - step.detach())
            wanted = max(SECOND, orders_under_way(step))
    graph_only = recording is None and not transformed and root.requires_grad
    return differentiable_twice(root) if graph_only else root


def solve_tridiagonal(lower: Tensor, diagonal: Tensor, upper: Tensor, right: Tensor) -> Tensor:
    """Solve one tridiagonal system per column.

    Row k reads ``lower[k] x[k-1] + diagonal[k] x[k] + upper[k] x[k+1] = right[k]``; ``lower[0]`` and ``upper[-1]`` are
    ignored. The derivative is one transposed solve (reverse) or one more solve (forward).

    Parameters
    ----------
    lower, diagonal, upper, right : ``[layer, column]``, diagonally dominant.

    Returns
    -------
    The solution, ``[layer, column]``.
    """
    parts = (lower, diagonal, upper, right)
    shape = torch.broadcast_shapes(*(part.shape for part in parts))
    system = [part.expand(shape) for part in parts]
    recording = recorder()
    if recording is not None:
        solution = recording.tridiagonal(*system)
        return _thomas(*system) if solution is None else solution
    # A trace records operations, and cannot hold a function with a derivative of its own. Of such a function torch
    # loses a part of the second change where forward mode goes through forward mode, and says nothing.
    if torch._C._is_tracing() or derivatives_under_way().count("jvp") > 1:
        return _thomas(*system)
    apply: Callable[..., Tensor] = _Tridiagonal.apply
    return apply(*system)


def _thomas(lower: Tensor, diagonal: Tensor, upper: Tensor, right: Tensor) -> Tensor:
    """Gaussian elimination without pivoting down the layers, then back substitution."""
    a, b, c, d = lower.unbind(0), list(diagonal.unbind(0)), upper.unbind(0), list(right.unbind(0))
    last = len(b) - 1
    for k in range(1, last + 1):
        # The diagonal outweighs its row, so no pivot comes near 0 and rows need not change places.
        factor = a[k] / b[k - 1]
        b[k] = torch.addcmul(b[k], factor, c[k - 1], value=-1.0)
        d[k] = torch.addcmul(d[k], factor, d[k - 1], value=-1.0)
    d[last] = d[last] / b[last]
    for k in range(last - 1, -1, -1):
        d[k] = torch.addcmul(d[k], c[k], d[k + 1], value=-1.0) / b[k]
    return torch.stack(d)


def _shift_down(x: Tensor) -> Tensor:
    return torch.cat([torch.zeros_like(x[:1]), x[:-1]])


def _shift_up(x: Tensor) -> Tensor:
    return torch.cat([x[1:], torch.zeros_like(x[:1])])


class _Tridiagonal(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(lower: Tensor, diagonal: Tensor, upper: Tensor, right: Tensor) -> Tensor:
        return _thomas(lower, diagonal, upper, right)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        lower, diagonal, upper, _ = inputs
        ctx.save_for_backward(lower, diagonal, upper, output)
        ctx.save_for_forward(lower, diagonal, upper, output)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor, ...]:
        # x = A^-1 b: the derivative by b is one solve with the transpose, and dA enters as -(dA) x.
        lower, diagonal, upper, solution = ctx.saved_tensors
        adjoint = solve_tridiagonal(_shift_down(upper), diagonal, _shift_up(lower), cotangents[0])
        return (
            -adjoint * _shift_down(solution),
            -adjoint * solution,
            -adjoint * _shift_up(solution),
            adjoint,
        )

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor) -> Tensor:
        lower, diagonal, upper, solution = ctx.saved_tensors
        d_lower, d_diagonal, d_upper, d_right = tangents
        change = d_lower * _shift_down(solution) + d_diagonal * solution + d_upper * _shift_up(solution)
        return solve_tridiagonal(lower, diagonal, upper, d_right - change)
