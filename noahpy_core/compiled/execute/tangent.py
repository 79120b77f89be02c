"""Runs in forward mode: values by the kernel of steps, changes by the kernel of steps and changes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from noahpy_core.compiled.execute.case import NAMES, Case, Trees, build, collect, make_case
from noahpy_core.compiled.execute.program import Program
from noahpy_core.compiled.execute.run import Plan, assembled, parts_of, raise_failure
from noahpy_core.compiled.execute.shown import require_shown
from noahpy_core.compiled.record.step_graph import CONTAINERS, STEP_LENGTH, Source
from noahpy_core.model import NoahModel
from noahpy_core.state import State

MEMORY = 64 * 2**20
"""For what all directions that are taken at once read, copied for each. [byte]"""


def compiled_tangent_run(
    model: NoahModel, trees: Trees, dt: Tensor | float, outputs: Sequence[str]
) -> tuple[State, list[Tensor]]:
    """As `compiled_run`, in forward mode: changes of what enters the run are carried along, several at once.

    Parameters
    ----------
    outputs : Paths of the state and names of fluxes.
    """
    shape, sources, leaves = collect(model, trees, dt)
    require_shown(shape, "changes", leaves[0].device)
    names = tuple(dict.fromkeys(part for name in outputs for part in parts_of(name)))
    spec = _Spec(model, tuple(sources), names)
    results: tuple[Tensor, ...] = _ForwardRun.apply(spec, *leaves)  # type: ignore[no-untyped-call]
    return assembled(spec.rows(trees[0]), names, outputs, results)


@dataclasses.dataclass(frozen=True)
class _Spec:
    """A run but for its tensors.

    Parameters
    ----------
    sources : Container and path of each leaf.
    outputs : Results of each step to return.
    """

    model: NoahModel
    sources: tuple[Source, ...]
    outputs: tuple[str, ...]

    def rows(self, state: State) -> list[str]:
        """Paths of the parts of the state."""
        return [path for container, path in self.sources if container == "state"]

    def case(self, leaves: Sequence[Tensor]) -> Case:
        """The case of leaves that are plain tensors."""
        given = dict(zip(self.sources, leaves, strict=True))
        trees = [
            build(CONTAINERS[name], {source[1]: leaf for source, leaf in given.items() if source[0] == name})
            for name in NAMES
        ]
        return make_case(self.model, (trees[0], trees[1], trees[2]), given[STEP_LENGTH], timed=True)[0]


class _ForwardRun(torch.autograd.Function):
    """Values of a run, with forward mode only."""

    @staticmethod
    def forward(spec: _Spec, *leaves: Tensor) -> tuple[Tensor, ...]:
        case = spec.case(leaves)
        results = Plan(case, spec.outputs, 1, None, spec.model).forward(leaves, None)
        return _apart(results, len(case.program.rows))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.spec = inputs[0]
        ctx.save_for_forward(*inputs[1:])
        # None says that a leaf does not change: the kernel then reads zero, which takes no memory.
        ctx.set_materialize_grads(False)

    @staticmethod
    def jvp(ctx: Any, _: Any, *changes: Tensor | None) -> tuple[Tensor, ...]:
        leaves = ctx.saved_tensors
        given = tuple(change is not None for change in changes)
        moved = (change for change in changes if change is not None)
        # A function of its own: under vmap its rule gets plain tensors, whose addresses a kernel can be given.
        pushed: tuple[Tensor, ...] = _Push.apply(ctx.spec, given, *leaves, *moved)  # type: ignore[no-untyped-call]
        return pushed

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *arguments: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        return _one_after_another(_ForwardRun.apply, info.batch_size, in_dims, arguments)


class _Push(torch.autograd.Function):
    """The change of a run's results in one direction."""

    @staticmethod
    def forward(spec: _Spec, given: tuple[bool, ...], *tensors: Tensor) -> tuple[Tensor, ...]:
        leaves, changes = tensors[: len(spec.sources)], iter(tensors[len(spec.sources) :])
        directions = {source: next(changes) for source, has in zip(spec.sources, given, strict=True) if has}
        case = spec.case(leaves)
        return _apart(_pushed(spec, case, leaves, directions), len(case.program.rows))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Nothing is kept: a change has no derivative here."""

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *arguments: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        spec, given, *tensors = arguments
        shapes = _shapes(tensors, in_dims[2:])
        columns = max(shape[-1] for shape in shapes)
        if spec.model.column.thickness.shape[-1] != 1:
            # Each column has layers of its own, of which there are not as many as columns of all directions.
            return _one_after_another(_Push.apply, info.batch_size, in_dims, arguments)
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
            pushed: tuple[Tensor, ...] = _Push.apply(spec, given, *wide)  # type: ignore[no-untyped-call]
            found.append([part.unflatten(-1, (size, columns)) for part in pushed])
        results = tuple(torch.cat(parts, dim=-2) for parts in zip(*found, strict=True))
        return results, (-2,) * len(results)


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


def _one_after_another(
    function: Callable[..., tuple[Tensor, ...]], size: int, dims: Sequence[Any], arguments: Sequence[Any]
) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
    """A function of each member of a batch."""
    found = []
    for member in range(size):
        picked = [
            value.select(dim, member) if isinstance(dim, int) else value
            for value, dim in zip(arguments, dims, strict=True)
        ]
        found.append(function(*picked))
    results = tuple(torch.stack(members) for members in zip(*found, strict=True))
    return results, (0,) * len(results)


def _apart(results: Sequence[Tensor], count: int) -> tuple[Tensor, ...]:
    """Results of which the first ones are no longer parts of one tensor, which forward mode does not allow."""
    return (*(part.clone() for part in results[:count]), *results[count:])


def _pushed(spec: _Spec, case: Case, leaves: Sequence[Tensor], directions: dict[Source, Tensor]) -> list[Tensor]:
    """Changes of the parts of the final state, and of the series of outputs."""
    program, columns = case.program, case.columns
    layers, like = dict(program.results), leaves[0]
    series = {
        name: like.new_empty((case.steps, *([layers[name]] if layers[name] else []), columns)) for name in spec.outputs
    }
    final = like.new_empty((2, program.row_count, columns))
    # A zero that takes no memory has no address either.
    moved = {source: change for source, change in directions.items() if not change._is_zerotensor()}
    failures = program.tangent(
        case.table(leaves),
        program.input_table(moved, columns, own=False),
        change_table(program, series, columns),
        columns,
        case.steps,
        final,
    )
    if failures is not None:
        raise_failure(program, failures)
    return [*case.state_parts(final[1]), *series.values()]


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
