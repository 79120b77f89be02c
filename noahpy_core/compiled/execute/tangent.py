"""The change of a run's results in one direction, or in several beside each other, by one kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from noahpy_core.compiled.execute.case import Case
from noahpy_core.compiled.execute.plan import raise_failure
from noahpy_core.compiled.execute.program import Program
from noahpy_core.compiled.execute.recipe import Mask, Recipe, apart, one_after_another, unpacked
from noahpy_core.compiled.execute.tables import numbers_of
from noahpy_core.compiled.shape import Source

MEMORY = 64 * 2**20
"""For what all directions that are taken at once read, copied for each. [byte]"""


class Push(torch.autograd.Function):
    """The change of a run's results in one direction."""

    @staticmethod
    def forward(recipe: Recipe, given: Mask, *tensors: Tensor) -> tuple[Tensor, ...]:
        leaves, directions = _given(recipe, given, tensors)
        case = recipe.case(leaves)
        return apart(_pushed(recipe, case, leaves, directions), len(case.program.rows))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Nothing is kept: a change has no derivative here (`noahpy_core.differentiation.has_kernels`)."""

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *arguments: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        recipe, given, *tensors = arguments
        shapes = _shapes(tensors, in_dims[2:])
        columns = max(shape[-1] for shape in shapes)
        if recipe.model.column.thickness.shape[-1] != 1:
            # Each column has layers of its own, of which there are not as many as columns of all directions.
            return one_after_another(Push.apply, info.batch_size, in_dims, arguments)
        # What is read is copied for each direction: not more of them at once than fit in the memory for it.
        of_one = columns * sum(math.prod(shape[:-1]) for shape in shapes) * tensors[0].element_size()
        length = max(1, MEMORY // of_one)
        found = []
        for first in range(0, info.batch_size, length):
            size = min(length, info.batch_size - first)
            # Columns for each direction: a kernel carries one direction, and its vectors hold many columns.
            wide = [
                _side_by_side(tensor if dim is None else tensor.narrow(dim, first, size), dim, size, columns)
                for tensor, dim in zip(tensors, in_dims[2:], strict=True)
            ]
            pushed: tuple[Tensor, ...] = Push.apply(recipe, given, *wide)  # type: ignore[no-untyped-call]
            found.append([part.unflatten(-1, (size, columns)) for part in pushed])
        results = tuple(torch.cat(parts, dim=-2) for parts in zip(*found, strict=True))
        return results, (-2,) * len(results)


def _given(recipe: Recipe, given: Mask, tensors: Sequence[Tensor]) -> tuple[Sequence[Tensor], dict[Source, Tensor]]:
    """The inputs of a run, and the changes of those that have one."""
    number = len(recipe.sources)
    changes = numbers_of(unpacked(given, iter(tensors[number:])))
    of_sources = zip(recipe.sources, changes, strict=True)
    return tensors[:number], {source: change for source, change in of_sources if change is not None}


def _shapes(tensors: Sequence[Tensor], dims: Sequence[int | None]) -> list[list[int]]:
    """Shapes of the members of tensors, some of which have a batch."""
    return [
        [size for place, size in enumerate(tensor.shape) if dim is None or place != dim % tensor.ndim]
        for tensor, dim in zip(tensors, dims, strict=True)
    ]


def _side_by_side(tensor: Tensor, dim: int | None, size: int, columns: int) -> Tensor:
    """The members of a batch as columns beside each other; what all columns and members share stays one column."""
    if dim is None:
        if tensor.shape[-1] == 1:
            # With a single column, the columns are the directions.
            return tensor if columns > 1 else tensor.expand(*tensor.shape[:-1], size)
        tensor, dim = tensor.expand(size, *tensor.shape), 0
    moved = tensor.movedim(dim, -2)
    return moved.expand(*moved.shape[:-1], columns).reshape(*moved.shape[:-2], size * columns)


def _pushed(recipe: Recipe, case: Case, leaves: Sequence[Tensor], directions: dict[Source, Tensor]) -> list[Tensor]:
    """Changes of the parts of the final state, and of the series of outputs."""
    series = case.empty_series(recipe.outputs)
    final = _taken(case, leaves, directions, change_table(case.program, series, case.columns))
    return [*case.state_parts(final[1]), *series.values()]


def _taken(case: Case, leaves: Sequence[Tensor], directions: dict[Source, Tensor], outputs: np.ndarray) -> Tensor:
    """Take steps with changes. Returns the final state and its change."""
    program, columns = case.program, case.columns
    final: Tensor = case.empty_state(2)
    moved = program.input_table(directions, columns, own=False)
    failures = program.tangent(case.table(leaves), moved, outputs, columns, case.steps, final)
    if failures is not None:
        raise_failure(program, failures)
    return final


def change_table(program: Program, changes: dict[str, Tensor], columns: int) -> np.ndarray:
    """The table of outputs of the kernel of changes, of which the results themselves are not wanted.

    Parameters
    ----------
    program : With the order of results.
    changes : Room for the change of results, ``[time, ..., column]`` each, by path.
    columns : Number of columns.
    """
    wanted = program.output_table(changes, columns)
    return np.concatenate([np.zeros_like(wanted), wanted])
