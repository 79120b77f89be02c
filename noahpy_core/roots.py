"""Roots of nonlinear equations, one system per column, found by an iteration of unknown length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from noahpy_core.errors import ConvergenceError
from noahpy_core.recording import recorder

Solver = Callable[..., tuple[Tensor, Tensor]]
"""Takes tensors whose last dimension is the column; returns the root and whether each column's was found."""
Description = Callable[[Tensor, Sequence[Tensor]], str]
"""Takes a mask of the columns not solved and the values given to the solver; returns what to tell the user."""


def find_root(solve: Solver, values: Sequence[Tensor], what: str, describe: Description) -> Tensor:
    """The root that `solve` finds, without derivative (`noahpy_core.numerics.implicit_root` gives it one).

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
    # The iteration is not differentiated: `implicit_root` gives the root its derivative.
    held = [value.detach() for value in values]
    recording = recorder()
    if recording is not None:
        # A kernel cannot raise: the condition goes with the graph, and the kernel's caller looks at it.
        root, solved = solve(*held)
        recording.require(solved, what)
        return root
    apply: Callable[..., Tensor] = _Root.apply
    return apply(solve, describe, *held)


class _Root(torch.autograd.Function):
    """The iteration, opaque to transformations: a batch dimension is more columns."""

    @staticmethod
    def forward(solve: Solver, describe: Description, *values: Tensor) -> Tensor:
        with torch.no_grad():
            root, solved = solve(*values)
        # Reading a value is allowed here: nothing records or transforms the inside of this function.
        if not bool(solved.all()):
            raise ConvergenceError(describe(~solved, values), (~solved).nonzero().flatten().tolist())
        return root

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        # Otherwise torch would ask for a derivative of the iteration.
        ctx.mark_non_differentiable(output)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[Any, ...], solve: Solver, describe: Description, *values: Tensor
    ) -> tuple[Tensor, int]:
        # Columns are independent, so that members of a batch are more of them: one iteration for all.
        batch = info.batch_size

        def flat(value: Tensor, dim: int | None) -> Tensor:
            value = value.unsqueeze(-1).expand(*value.shape, batch) if dim is None else value.movedim(dim, -1)
            return value.flatten(-2)

        given = (flat(value, dim) for value, dim in zip(values, in_dims[2:], strict=True))
        apply: Callable[..., Tensor] = _Root.apply
        # The batch went in behind the column, and comes off as the last dimension.
        root = apply(solve, describe, *given)
        return root.unflatten(-1, (root.shape[-1] // batch, batch)), root.ndim
