"""How a derivative is being asked for."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch._functorch.pyfunctorch import temporarily_pop_interpreter_stack
from torch.autograd import forward_ad

NO_SECOND_DERIVATIVE = (
    "run: its way back computes steps again and has no derivative of its own. For a second derivative use execution "
    "'compiled', or torch.func (hessian, jvp of grad, grad of grad), under which run records every operation, or step "
    "the model with iterate()."
)

NO_THIRD_DERIVATIVE = (
    "the root of an implicit equation (enthalpy of soil, Richards' equation, coupled heat) has derivatives up to the "
    "second where torch goes back through a graph. For a third one use torch.func (grad, jvp, hessian within each "
    "other), with execution 'eager'."
)
NO_BATCH = (
    "run: kernels do not take a batch of derivatives from torch.autograd at once (is_grads_batched=True, "
    "vectorize=True). Leave that out, or use torch.func (jacrev, jacfwd, hessian, vmap of vjp)."
)
SECOND = 2
"""Order of the derivatives that are ready for whoever does not say how many are wanted."""


def is_transformed() -> bool:
    """Whether a transformation of `torch.func`, or forward mode, is at work: it has to see every operation."""
    forward = torch.autograd.forward_ad._current_level >= 0
    return forward or torch._C._functorch.peek_interpreter_stack() is not None


Derivative = Literal["grad", "jvp"]
"""A transformation that differentiates: in reverse mode, in forward mode."""
IN_KERNELS: frozenset[tuple[Derivative, ...]] = frozenset({("grad",), ("jvp",), ("grad", "grad"), ("jvp", "grad")})
"""Derivatives, the outermost first, that runs in kernels have."""

ONE_DIRECTION: frozenset[tuple[Derivative, ...]] = frozenset({("jvp",), ("jvp", "grad")})
"""Those of which the direction is known before a run is taken."""


def derivatives_under_way() -> tuple[Derivative, ...]:
    """Transformations of `torch.func` that differentiate, the outermost first; empty where there is another kind.

    Dual numbers outside of `torch.func` are forward mode too.
    """
    stack = torch._C._functorch.get_interpreter_stack()
    if not stack:
        return ("jvp",) if torch.autograd.forward_ad._current_level == 0 else ()
    of = torch._C._functorch.TransformType
    names: dict[Any, Derivative | None] = {of.Grad: "grad", of.Jvp: "jvp", of.Vmap: None}
    kinds = [level.key() for level in stack]
    if any(kind not in names for kind in kinds):
        return ()
    return tuple(name for kind in kinds if (name := names[kind]) is not None)


def changes_in_one_direction(tensors: Sequence[Tensor]) -> list[Tensor | None] | None:
    """Changes that `torch.func.jvp` gives tensors, as plain tensors; None for those that have none.

    None in place of all unless it is the outermost transformation, with nothing but a gradient within it, and no batch.
    """
    stack = torch._C._functorch.get_interpreter_stack() or []
    if len(stack) != len(derivatives_under_way()) or derivatives_under_way() not in ONE_DIRECTION:
        return None
    # Forward mode knows tensors of its own level only: those that the gradient within it has put others around.
    level, within = stack[0].level(), len(stack) > 1
    with temporarily_pop_interpreter_stack() if within else contextlib.nullcontext():
        found = [forward_ad.unpack_dual(_of_level(tensor, level)).tangent for tensor in tensors]
    return [None if change is None else innermost(change) for change in found]


def _of_level(tensor: Tensor, level: int) -> Tensor:
    """A tensor as it is known to the transformation of a level."""
    functorch = torch._C._functorch
    while functorch.is_functorch_wrapped_tensor(tensor) and functorch.maybe_get_level(tensor) != level:
        tensor = functorch.get_unwrapped(tensor)
    return tensor


def has_kernels(tensors: Iterable[Tensor]) -> bool:
    """Whether runs in kernels have the derivatives that are under way.

    Parameters
    ----------
    tensors : All that enters the run. Those that require a gradient outside of all transformations are differentiated
        once more.
    """
    under_way = derivatives_under_way()
    if not under_way:
        return False
    if torch.is_grad_enabled() and any(innermost(tensor).requires_grad for tensor in tensors):
        under_way = ("grad", *under_way)
    return under_way in IN_KERNELS


def orders_under_way(tensor: Tensor) -> int:
    """How often something is differentiated by transformations of `torch.func`, and by torch outside of them.

    Parameters
    ----------
    tensor : What depends on whatever is differentiated by. Where it requires a gradient outside of all transformations,
        torch may go back through what they leave, and once more through that.
    """
    return len(derivatives_under_way()) + (SECOND if innermost(tensor).requires_grad else 0)


def refuse_batch(tensors: Iterable[Tensor | None]) -> None:
    """Raise RuntimeError for the batches of `torch.autograd`, whose numbers have no address."""
    if any(tensor is not None and torch._C._functorch.is_legacy_batchedtensor(tensor) for tensor in tensors):
        raise RuntimeError(NO_BATCH)


def innermost(tensor: Tensor) -> Tensor:
    """The numbers of a tensor under transformations of `torch.func`."""
    while torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        tensor = torch._C._functorch.get_unwrapped(tensor)
    return tensor


def differentiable_once(backward: Callable[..., tuple[Any, ...]]) -> Callable[..., tuple[Any, ...]]:
    """A `backward` whose results raise an error, and say what to do, when they are differentiated."""

    @functools.wraps(backward)
    def wrapped(ctx: Any, *cotangents: Tensor | None) -> tuple[Any, ...]:
        with torch.no_grad():
            gradients = backward(ctx, *cotangents)
        if not torch.is_grad_enabled():
            return gradients
        given = (*ctx.saved_tensors, *cotangents)
        anchors = [tensor for tensor in given if tensor is not None and tensor.requires_grad]
        apply: Callable[..., Tensor] = _Once.apply
        return tuple(None if gradient is None else apply(gradient, *anchors) for gradient in gradients)

    return wrapped


class _Once(torch.autograd.Function):
    """A value, and what it would have to be differentiated by."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, *anchors: Tensor) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor, ...]:
        raise RuntimeError(NO_SECOND_DERIVATIVE)


def differentiable_twice(value: Tensor) -> Tensor:
    """A value that requires a gradient, whose third derivative is an error; not for transformations of `torch.func`."""
    apply: Callable[..., Tensor] = _Counted.apply
    return apply(value, 1)


class _Counted(torch.autograd.Function):
    """A value, or a derivative by it, that knows the order of its next derivative."""

    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, order: int) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        value, ctx.order = inputs
        ctx.save_for_backward(value)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, None]:
        if ctx.order > SECOND:
            raise RuntimeError(NO_THIRD_DERIVATIVE)
        (value,) = ctx.saved_tensors
        if not torch.is_grad_enabled():
            return cotangents[0], None
        # Zero that hangs on the value: whoever differentiates this derivative by what the value depends on passes it.
        apply: Callable[..., Tensor] = _Counted.apply
        return cotangents[0] + 0.0 * apply(value, ctx.order + 1), None
