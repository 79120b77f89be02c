"""Roots of nonlinear equations, one system per column, and the derivative that goes with them.

A root is found without derivative by an iteration of unknown length. The derivative is that of the equations, not of
the iteration: chord steps from the root, ``x - J^-1 F(x; parameters)`` with the Jacobian J held, whose graph is the
implicit function theorem. One step gives first derivatives, n steps derivatives up to order n.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from noahpy_core.recording import recorder

Solver = Callable[..., tuple[Tensor, Tensor]]
"""Takes tensors whose last dimension is the column; returns the root and whether each column's was found."""
Description = Callable[[Tensor, Sequence[Tensor]], str]
"""Takes a mask of the columns not solved and the values given to the solver; returns what to tell the user."""


class ConvergenceError(RuntimeError):
    """A column's equations were not solved."""


def find_root(solve: Solver, values: Sequence[Tensor], what: str, describe: Description) -> Tensor:
    """The root that `solve` finds, without derivative.

    Parameters
    ----------
    solve : The iteration.
    values : What it is given: all with the same columns as last dimension.
    what : Name of the equations, for the message of a compiled run.
    describe : The message of an eager run.

    Raises
    ------
    ConvergenceError : naming the columns that were not solved.
    """
    held = [value.detach() for value in values]
    recording = recorder()
    if recording is not None:
        root, solved = solve(*held)
        recording.require(solved, what)
        return root
    return _Root.apply(solve, describe, *held)  # type: ignore[no-any-return, no-untyped-call]


class _Root(torch.autograd.Function):
    """The iteration, opaque to transformations: a batch dimension is more columns."""

    @staticmethod
    def forward(solve: Solver, describe: Description, *values: Tensor) -> Tensor:
        with torch.no_grad():
            root, solved = solve(*values)
        if not bool(solved.all()):
            raise ConvergenceError(describe(~solved, values))
        return root

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[Any, ...], solve: Solver, describe: Description, *values: Tensor
    ) -> tuple[Tensor, int]:
        def flat(value: Tensor, dim: int | None) -> Tensor:
            value = value.unsqueeze(-1).expand(*value.shape, info.batch_size) if dim is None else value.movedim(dim, -1)
            return value.flatten(-2)

        root = find_root(solve, [flat(v, d) for v, d in zip(values, in_dims[2:], strict=True)], "", describe)
        return root.unflatten(-1, (root.shape[-1] // info.batch_size, info.batch_size)), root.ndim


def with_derivative_of(value: Tensor, source: Tensor) -> Tensor:
    """The value of one tensor with the derivative of another: for two that are equal but for round-off.

    A compiled run does not compute `source`, its derivative does.
    """
    recording = recorder()
    if recording is not None:
        return recording.graft(value, source)
    return value.detach() + (source - source.detach())
