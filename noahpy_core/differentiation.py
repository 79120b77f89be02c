"""How a derivative is being asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

NO_SECOND_DERIVATIVE = (
    "run: its way back computes steps again and has no derivative of its own. For a second derivative use torch.func "
    "(hessian, jvp of grad, grad of grad), under which run records every operation, or step the model with iterate()."
)


def is_transformed() -> bool:
    """Whether a transformation of `torch.func`, or forward mode, is at work: it has to see every operation."""
    forward = torch.autograd.forward_ad._current_level >= 0
    return forward or torch._C._functorch.peek_interpreter_stack() is not None


def is_forward_mode() -> bool:
    """Whether forward mode is all that is at work: one direction, or a batch of directions (``torch.func.jacfwd``)."""
    stack = torch._C._functorch.get_interpreter_stack()
    if not stack:
        return torch.autograd.forward_ad._current_level == 0
    kinds = [level.key() for level in stack]
    batched = all(kind == torch._C._functorch.TransformType.Vmap for kind in kinds[:-1])
    return batched and bool(kinds[-1] == torch._C._functorch.TransformType.Jvp)


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
