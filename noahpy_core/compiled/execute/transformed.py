"""Runs under transformations of `torch.func` and forward mode, in kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from noahpy_core.compiled.execute.case import Trees
from noahpy_core.compiled.execute.collect import collect
from noahpy_core.compiled.execute.gradient import Asked, gradient
from noahpy_core.compiled.execute.pairs import PairRun
from noahpy_core.compiled.execute.plan import assembled, results_for
from noahpy_core.compiled.execute.recipe import (
    Along,
    Recipe,
    Tape,
    apart,
    mask_of,
    one_after_another,
    present,
    unpacked,
)
from noahpy_core.compiled.execute.shown import Kind, require_shown
from noahpy_core.compiled.execute.tangent import Push
from noahpy_core.differentiation import Derivative, changes_in_one_direction, derivatives_under_way, refuse_batch
from noahpy_core.model import NoahModel
from noahpy_core.state import State

KERNELS: dict[Derivative, Kind] = {"jvp": "changes", "grad": "steps back"}


def transformed_run(
    model: NoahModel,
    trees: Trees,
    dt: Tensor | float,
    outputs: Sequence[str],
    *,
    memory: int,
    checkpoint_every: int | None = None,
    truncate_every: int | None = None,
) -> tuple[State, list[Tensor]]:
    """As `noahpy_core.compiled.execute.run.compiled_run`, through which transformations may go.

    In forward mode changes of what enters the run are carried along, several at once; a gradient is one more kernel,
    and a gradient in forward or reverse mode, the product of a Hessian with a vector, another.
    """
    shape, sources, leaves = collect(model, trees, dt)
    under_way = derivatives_under_way()
    for kind in under_way:
        require_shown(shape, KERNELS[kind], leaves[0].device)
    recipe = Recipe(model, tuple(sources), results_for(outputs), memory, checkpoint_every, truncate_every)
    changes = changes_in_one_direction(leaves)
    along = None if changes is None or not any(mask_of(changes)) else Along(changes)
    apply: Callable[..., tuple[Tensor, ...]] = _Run.apply
    results = apply(recipe, Tape() if "grad" in under_way else None, along, *leaves)
    rows = [path for container, path in sources if container == "state"]
    return assembled(rows, outputs, results)


class _Run(torch.autograd.Function):
    """Values of a run, with forward and reverse mode.

    The tape is for the way back; None where there is none.
    """

    @staticmethod
    def forward(recipe: Recipe, tape: Tape | None, along: Along | None, *leaves: Tensor) -> tuple[Tensor, ...]:
        rows = sum(container == "state" for container, _ in recipe.sources)
        if along is None:
            results = recipe.plan(leaves).forward(leaves, None) if tape is None else tape.record(recipe, leaves)
        else:
            plan = recipe.plan(leaves) if tape is None else tape.plan(recipe, leaves)
            pairs = PairRun(plan, leaves, along.changes)
            results, changes = pairs.take(recipe.outputs, values=True, back=tape is not None)
            along.found = apart(changes, rows)
            if tape is not None:
                tape.pairs = pairs
        return apart(results, rows)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.recipe, ctx.tape, ctx.along, *leaves = inputs
        ctx.save_for_backward(*leaves)
        ctx.save_for_forward(*leaves)
        # None says that a leaf does not change: the kernel then reads zero, which takes no memory.
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Any, ...]:
        return (None, None, None, *taken_back(ctx, ctx.needs_input_grad[3:], cotangents, ctx.along))

    @staticmethod
    def jvp(ctx: Any, _: Any, __: Any, ___: Any, *changes: Tensor | None) -> tuple[Tensor, ...]:
        if ctx.along is not None:
            return tuple(ctx.along.found)
        refuse_batch(changes)
        # A function of its own: under vmap its rule gets plain tensors, whose addresses a kernel can be given.
        apply: Callable[..., tuple[Tensor, ...]] = Push.apply
        return apply(ctx.recipe, mask_of(changes), *ctx.saved_tensors, *present(changes))

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *arguments: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        recipe, tape, _, *leaves = arguments

        def alone(*member: Tensor) -> tuple[Tensor, ...]:
            results: tuple[Tensor, ...] = _Run.apply(recipe, tape and Tape(), None, *member)  # type: ignore[no-untyped-call]
            return results

        return one_after_another(alone, info.batch_size, in_dims[3:], leaves)


def taken_back(
    ctx: Any, needed: tuple[bool, ...], cotangents: Sequence[Tensor | None], along: Along | None = None
) -> list[Tensor | None]:
    """The derivative by each leaf, which can be differentiated once more; None where it is not needed.

    Parameters
    ----------
    ctx : Of a run, with its recipe and tape; its saved tensors are the leaves.
    needed : By which leaves.
    cotangents : Derivatives by parts of the final state and by outputs.
    along : The direction that the run was taken along.
    """
    asked, seeds = Asked(needed, mask_of(cotangents)), present(cotangents)
    changes = None if along is None else changes_in_one_direction(seeds)
    both = None if along is None or changes is None else Along([*along.changes, *changes])
    found = gradient(ctx.recipe, ctx.tape, asked, both, *ctx.saved_tensors, *seeds)
    return unpacked(needed, iter(found))
