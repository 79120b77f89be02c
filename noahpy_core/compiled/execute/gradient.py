"""The derivative of a run as a function that can be differentiated itself, backward and forward, once more."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor

from noahpy_core.compiled.execute.pairs import PairRun
from noahpy_core.compiled.execute.recipe import (
    Along,
    Mask,
    Recipe,
    Tape,
    mask_of,
    one_after_another,
    present,
    unpacked,
)
from noahpy_core.compiled.execute.second import SecondSweep
from noahpy_core.compiled.execute.shown import require_shown
from noahpy_core.compiled.execute.sweep import Sweep
from noahpy_core.differentiation import is_transformed, refuse_batch

NO_THIRD = (
    "run: derivatives in kernels go to the second. For a third one use torch.func (grad, jvp, hessian within each "
    "other), with execution 'eager'."
)
NO_SECOND_OF_CUT = (
    "run: with truncate_every the derivative is cut in time, so it is no gradient, and a second one would not be its "
    "derivative. Leave truncate_every out."
)
Results = tuple[Tensor, ...]


@dataclasses.dataclass(frozen=True)
class Asked:
    """Which derivative of a run.

    Parameters
    ----------
    needed : By which leaves.
    seeded : Which parts of the final state and outputs have a derivative that comes in.
    """

    needed: Mask
    seeded: Mask


class Gradient(torch.autograd.Function):
    """The derivative by the leaves that are needed, from leaves and from the derivatives that come in."""

    @staticmethod
    def forward(recipe: Recipe, tape: Tape, asked: Asked, along: Along | None, *tensors: Tensor) -> Results:
        given = iter(tensors)
        leaves = [next(given) for _ in asked.needed]
        seeds = unpacked(asked.seeded, given)
        if along is None:
            plan, kept = tape.read(recipe, leaves)
            found = Sweep(plan, leaves, asked.needed, seeds).take(kept)
        else:
            of_seeds = unpacked(asked.seeded, iter(along.changes[len(leaves) :]))
            assert tape.pairs is not None
            found, changes = _sweep(recipe, tape.pairs, asked.needed, seeds, of_seeds)
            along.found = _apart(changes)
        return _apart(found)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Results) -> None:
        ctx.recipe, ctx.tape, ctx.asked, ctx.along, *tensors = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)
        # None says that there is no derivative, or no change: the kernel then reads zero, which takes no memory.
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *directions: Tensor | None) -> tuple[Any, ...]:
        refuse_batch(directions)
        # The Hessian is symmetric: what comes in is the direction of its product with a vector.
        asked, leaves = ctx.asked, len(ctx.asked.needed)
        changes = unpacked(asked.needed, iter(directions))
        wanted, given_before = ctx.needs_input_grad[4:], ctx.saved_tensors
        if not is_transformed():
            given_before = [Last.apply(tensor) for tensor in given_before]  # type: ignore[no-untyped-call]
        again = AskedTwice(wanted[:leaves], asked.seeded, mask_of(changes), (False,) * len(asked.seeded), True)
        found = iter(_second(ctx.recipe, ctx.tape, again, *given_before, *present(changes)))
        by_leaves = unpacked(wanted[:leaves], found)
        # By the derivatives that come in: the changes of what they are derivatives by.
        by_seeds = [change for change, seeded in zip(found, asked.seeded, strict=True) if seeded]
        return (None, None, None, None, *by_leaves, *by_seeds)

    @staticmethod
    def jvp(ctx: Any, _: Any, __: Any, ___: Any, ____: Any, *changes: Tensor | None) -> Results:
        if ctx.along is not None:
            return tuple(ctx.along.found)
        asked, leaves = ctx.asked, len(ctx.asked.needed)
        of_seeds = unpacked(asked.seeded, iter(changes[leaves:]))
        of_leaves = changes[:leaves]
        again = AskedTwice(asked.needed, asked.seeded, mask_of(of_leaves), mask_of(of_seeds), False)
        return _second(ctx.recipe, ctx.tape, again, *ctx.saved_tensors, *present(of_leaves), *present(of_seeds))

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *arguments: Any) -> tuple[Results, tuple[int, ...]]:
        recipe, tape, asked, _, *tensors = arguments
        alone = lambda recipe, tape, asked, *given: gradient(recipe, tape, asked, None, *given)  # noqa: E731
        dims = (*in_dims[:3], *in_dims[4:])
        return _members(alone, info.batch_size, dims, (recipe, tape, asked, *tensors), len(asked.needed))


@dataclasses.dataclass(frozen=True)
class AskedTwice:
    """Which product of a Hessian with a vector.

    Parameters
    ----------
    needed : By which leaves.
    seeded : As in `Asked`.
    moved : Which leaves change.
    seeds_moved : Which of the derivatives that come in change.
    results : Whether the changes of the final state and of all outputs are wanted too.
    """

    needed: Mask
    seeded: Mask
    moved: Mask
    seeds_moved: Mask
    results: bool


class Second(torch.autograd.Function):
    """The change of `Gradient`, and that of the run's results if asked for."""

    @staticmethod
    def forward(recipe: Recipe, tape: Tape, asked: AskedTwice, *tensors: Tensor) -> Results:
        given = iter(tensors)
        leaves = [next(given) for _ in asked.needed]
        seeds, changes, of_seeds = (unpacked(mask, given) for mask in (asked.seeded, asked.moved, asked.seeds_moved))
        run = PairRun(tape.plan(recipe, leaves), leaves, changes)
        _, results = run.take(recipe.outputs if asked.results else (), values=False)
        _, by_leaves = _sweep(recipe, run, asked.needed, seeds, of_seeds)
        return _apart([*by_leaves, *(results if asked.results else ())])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Results) -> None:
        ctx.recipe, ctx.tape, ctx.asked, *tensors = inputs
        ctx.save_for_backward(*tensors)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *directions: Tensor | None) -> tuple[Any, ...]:
        """By the changes, which the product is linear in; what else comes in has let through no derivative (`Last`)."""
        refuse_batch(directions)
        asked, rows = ctx.asked, sum(ctx.asked.needed)
        changes = unpacked(asked.needed, iter(directions[:rows]))
        # The leaves and the derivatives that came into the run.
        first = len(asked.needed) + sum(asked.seeded)
        tensors = ctx.saved_tensors[:first]
        again = AskedTwice(asked.moved, asked.seeded, mask_of(changes), (False,) * len(asked.seeded), False)
        found = list(_second(ctx.recipe, ctx.tape, again, *tensors, *present(changes)))
        of_results = directions[rows:]
        if any(one is not None for one in of_results):
            back = Asked(asked.moved, mask_of(of_results))
            more = gradient(ctx.recipe, ctx.tape, back, None, *tensors[: len(asked.needed)], *present(of_results))
            found = [one + other for one, other in zip(found, more, strict=True)]
        return (None, None, None, *(None for _ in tensors), *found, *(None for _ in range(sum(asked.seeds_moved))))

    @staticmethod
    def jvp(ctx: Any, *_: Any) -> NoReturn:
        raise RuntimeError(NO_THIRD)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *arguments: Any) -> tuple[Results, tuple[int, ...]]:
        return _members(Second.apply, info.batch_size, in_dims, arguments, len(arguments[2].needed))


class Last(torch.autograd.Function):
    """A tensor that the last derivative there is depends on: a further one by it is an error, not zero."""

    @staticmethod
    def forward(tensor: Tensor) -> Tensor:
        return tensor.view_as(tensor)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Nothing is kept."""

    @staticmethod
    def backward(ctx: Any, *_: Any) -> NoReturn:
        raise RuntimeError(NO_THIRD)


def gradient(recipe: Recipe, tape: Tape, asked: Asked, along: Along | None, *tensors: Tensor) -> Results:
    """See `Gradient`."""
    apply: Callable[..., Results] = Gradient.apply
    return apply(recipe, tape, asked, along, *tensors)


def _sweep(
    recipe: Recipe, run: PairRun, needed: Mask, seeds: list[Tensor | None], of_seeds: list[Tensor | None]
) -> tuple[list[Tensor | None], list[Tensor | None]]:
    """Derivatives of a run and their changes, if it has them."""
    if recipe.truncate_every:
        raise RuntimeError(NO_SECOND_OF_CUT)
    require_shown(run.program.shape, "second derivatives", run.leaves[0].device)
    return SecondSweep(run, needed, seeds, of_seeds).take()


def _apart(found: Sequence[Tensor | None]) -> Results:
    """Those that are there, and no longer parts of one tensor, which is not what a function may return."""
    return tuple(part.clone() for part in present(found))


def _second(recipe: Recipe, tape: Tape, asked: AskedTwice, *tensors: Tensor) -> Results:
    apply: Callable[..., Results] = Second.apply
    return apply(recipe, tape, asked, *tensors)


def _members(
    function: Callable[..., Results], size: int, dims: tuple[Any, ...], arguments: tuple[Any, ...], leaves: int
) -> tuple[Results, tuple[int, ...]]:
    """Members of a batch one after another; where the leaves are those of all, so is the tape."""
    recipe, _, asked, *tensors = arguments
    if any(dim is not None for dim in dims[3 : 3 + leaves]):
        # Each member ran alone, and what it kept is not known here.
        return one_after_another(lambda *given: function(recipe, Tape(), asked, *given), size, dims[3:], tensors)
    return one_after_another(function, size, dims, arguments)
