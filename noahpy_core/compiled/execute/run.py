"""Runs in compiled kernels: the time loop inside, and a derivative that is one more kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from noahpy_core.compiled.execute.case import Trees
from noahpy_core.compiled.execute.collect import make_case
from noahpy_core.compiled.execute.plan import assembled, results_for
from noahpy_core.compiled.execute.recipe import Recipe, Tape
from noahpy_core.compiled.execute.sweep import Sweep
from noahpy_core.compiled.execute.transformed import taken_back
from noahpy_core.differentiation import refuse_batch
from noahpy_core.model import NoahModel
from noahpy_core.state import State


def compiled_run(
    model: NoahModel,
    trees: Trees,
    dt: Tensor | float,
    outputs: Sequence[str],
    *,
    memory: int,
    checkpoint_every: int | None = None,
    truncate_every: int | None = None,
) -> tuple[State, list[Tensor]]:
    """The state after all steps and the outputs of each, ``[time, ...]``; arguments as for `noahpy_core.run`."""
    case, leaves = make_case(model, trees, dt, timed=True, back=torch.is_grad_enabled())
    wanted = torch.is_grad_enabled() and any(leaf.requires_grad for leaf in leaves)
    recipe = Recipe(model, case.sources, results_for(outputs), memory, checkpoint_every, truncate_every)
    plan = recipe.plan_of(case)
    if wanted:
        apply: Callable[..., Sequence[Tensor]] = _CompiledRun.apply
        results = apply(recipe, Tape(plan), *leaves)
    else:
        results = plan.forward([leaf.detach() for leaf in leaves], None)
    return assembled([path for path, _, _ in case.program.rows], outputs, results)


class _CompiledRun(torch.autograd.Function):
    """A run in reverse mode, without transformations."""

    @staticmethod
    def forward(ctx: Any, recipe: Recipe, tape: Tape, *leaves: Tensor) -> tuple[Tensor, ...]:
        results = tape.record(recipe, leaves)
        ctx.recipe, ctx.tape = recipe, tape
        ctx.save_for_backward(*leaves)
        # None says that an output is not differentiated; zeros would cost a kernel that differentiates it.
        ctx.set_materialize_grads(False)
        return tuple(results)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Any, ...]:
        refuse_batch(cotangents)
        leaves, needed = ctx.saved_tensors, ctx.needs_input_grad[2:]
        if torch.is_grad_enabled():
            # With `create_graph`: the derivative is to be differentiated in its turn.
            return (None, None, *taken_back(ctx, needed, cotangents))
        plan, kept = ctx.tape.read(ctx.recipe, leaves)
        return (None, None, *Sweep(plan, leaves, needed, cotangents).take(kept))
