"""What a compiled run of tensors reads: collected, and refused where kernels cannot read it."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor

from noahpy_core.compiled.execute.case import Case, Trees, read
from noahpy_core.compiled.execute.driver import obstacle
from noahpy_core.compiled.execute.not_compiled import NotCompiled
from noahpy_core.compiled.execute.own import own_shape, weight_leaves, why_not_recorded
from noahpy_core.compiled.execute.programs import program
from noahpy_core.compiled.execute.shown import require_shown
from noahpy_core.compiled.shape import STEP_LENGTH, THICKNESS, Shape, Source, number_name
from noahpy_core.fixed import has_global_hooks
from noahpy_core.model import NoahModel
from noahpy_core.shape_checks import check_shapes

HOOKED = "it has hooks, which only torch calls"


def why_not_compiled(model: Any) -> str | None:
    """What keeps a model from being compiled, or None."""
    # A subclass may step in another way, of which a recording of the schemes would know nothing.
    if type(model) is not NoahModel:
        return f"the model is a {type(model).__name__}, not a NoahModel"
    return HOOKED if _has_hooks(model) else why_not_recorded(model)


def _has_hooks(model: NoahModel) -> bool:
    return has_global_hooks() or any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


def unlike(source: Source, leaf: Tensor, like: Tensor) -> NotCompiled:
    """The error of a tensor that does not fit the others.

    Parameters
    ----------
    source : Container and path of the tensor.
    leaf : The tensor.
    like : The skin temperature, whose number type and device all others have.
    """
    return NotCompiled(
        f"execution: {'.'.join(source)} is {leaf.dtype} on {leaf.device}, the skin temperature {like.dtype} on "
        f"{like.device}. Compiled steps need one number type, float64 or float32, on one device; use execution 'eager'."
    )


def negated(source: Source) -> NotCompiled:
    """The error of a tensor whose memory holds the negative of its values, such as an imaginary part."""
    return NotCompiled(
        f"execution: {'.'.join(source)} is a view of negated numbers, which kernels would read with the wrong sign. "
        "Give its resolve_neg()."
    )


@functools.cache
def _obstacle(device: torch.device) -> str | None:
    """What keeps a device from running kernels, or None."""
    if device.type == "cpu":
        return None
    if device.type != "cuda":
        return f"there are no kernels for the device {device}"
    return obstacle(device)


def make_case(
    model: NoahModel, trees: Trees, dt: Tensor | float, *, timed: bool, back: bool = False
) -> tuple[Case, list[Tensor]]:
    """Program and leaves of a run, step length, layer thickness and weights last.

    Parameters
    ----------
    timed : Whether forcing is a series, ``[time, column]``.
    back : Whether there is a way back where a leaf wants a gradient.

    Raises
    ------
    ShapeError : Something is no tensor, or of another shape than is needed.
    NotCompiled : As `collect`.
    """
    columns = check_shapes(*trees, model.column.thickness, dt, series=timed)
    shape, sources, leaves = collect(model, trees, dt)
    if back and any(leaf.requires_grad for leaf in leaves):
        # Before any kernel is made, which takes seconds.
        require_shown(shape, "steps back", leaves[0].device)
    steps = trees[1].air_temperature.shape[0] if timed else 1
    device = leaves[0].device
    of = program(shape, single=columns == 1, device=None if device.type == "cpu" else device)
    return Case(of, columns, steps, tuple(sources)), leaves


def collect(model: NoahModel, trees: Trees, dt: Tensor | float) -> tuple[Shape, list[Source], list[Tensor]]:
    """Shape of a step, and sources and tensors of what it reads, step length, thickness and weights last.

    Raises
    ------
    NotCompiled : Tensors of different types or on different devices, a device without kernels or without such that were
        shown to be right, or hooks.
    """
    if _has_hooks(model):
        raise NotCompiled(f"execution: compiled steps are not possible any more, because {HOOKED}.")
    like = trees[0].skin_temperature
    dtype, device = like.dtype, like.device
    absent, sources, leaves = read(trees)
    sources += [STEP_LENGTH, THICKNESS]
    leaves += [torch.as_tensor(dt, dtype=dtype, device=device).reshape(-1), model.column.thickness]
    for source, leaf in zip(sources, leaves, strict=True):
        if leaf.dtype != dtype or leaf.device != device or dtype not in (torch.float32, torch.float64):
            raise unlike(source, leaf, like)
        if leaf.is_neg():
            raise negated(source)
    reason = _obstacle(device)
    if reason is not None:
        raise NotCompiled(f"execution: compiled steps are not possible, because {reason}; use execution 'eager'.")

    shape = Shape(model.options, model.column.layers, number_name(dtype), absent, trees[0].snow.layers)
    shape = own_shape(model, shape)
    # Steps are what every caller needs; who needs more asks for that too.
    require_shown(shape, "steps", device)
    weights = weight_leaves(model, shape)
    for (source, _), weight in zip(shape.weights(), weights, strict=True):
        if weight.device != device:
            raise unlike(source, weight, like)
        sources.append(source)
        leaves.append(weight)
    return shape, sources, leaves
