"""The step of a model with schemes that are not built in, recorded from the model itself.

The recording is done on a copy, whose weights are inputs like any other. What else a scheme is made of, such as numbers
it keeps as plain attributes, is written into the code: a change of it is noticed by `state_of`.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import hashlib
import sys
import types
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from noahpy_core.compiled.graph.graph import reached
from noahpy_core.compiled.graph.narrowing import narrowed
from noahpy_core.compiled.graph.text import graph_text
from noahpy_core.compiled.record.recorded_values import CannotCompile
from noahpy_core.compiled.record.recorder import StepRecorder
from noahpy_core.compiled.record.step_graph import OwnStep, StepGraph, recorded
from noahpy_core.compiled.shape import WEIGHT, Shape
from noahpy_core.differentiation import innermost
from noahpy_core.limited import Limited
from noahpy_core.model import NoahModel
from noahpy_core.processes import SCHEMES

LEAST_COLUMNS = 101
NOT_WATCHED = frozenset({"torch", "noahpy_core", "builtins", "abc", "typing"})
"""Packages whose classes do not change."""
PLAIN = frozenset({bool, int, float, complex, str, bytes, type(None)})
INSIDE_TORCH = frozenset(
    {"_parameters", "_buffers", "_modules", "_fixed"} | {name for name in vars(nn.Module()) if "hook" in name}
)
"""Members of a module that are looked at in another way, or not at all."""


def own_slots(model: NoahModel) -> list[str]:
    """Slots whose scheme is not built in."""
    return [
        slot
        for slot in model.schemes
        if slot in model.supplied or getattr(model.options, slot) not in SCHEMES.get(slot, {})
    ]


def record_own_step(model: NoahModel, shape: Shape) -> OwnStep:
    """Record the step of a model as it is.

    Raises
    ------
    CannotCompile : A scheme does what has no compiled form, named with its slot and the operation.
    """
    columns = _columns(model, shape)
    made = plain_copy(model, torch.full((shape.layers, columns), 0.5, dtype=shape.dtype))
    for weight in weights_of(made).values():
        weight.requires_grad_(False)
    step = _record(made, shape, columns)
    return OwnStep(_digest(step), _weights_read(step), step, functools.partial(_record, made, shape, columns))


def _record(made: NoahModel, shape: Shape, columns: int, order: int = 1) -> StepGraph:
    """The step of a plain copy of a model, for derivatives of an order."""
    recorder = StepRecorder(order, columns, shape.dtype)
    for name, weight in weights_of(made).items():
        recorder.supply_weights(weight, (WEIGHT, name))
    try:
        return _narrowed(recorded(made, shape, recorder))
    except CannotCompile as error:
        raise CannotCompile(f"{_place(error)}{error}") from error
    except Exception as error:
        what = f"it fails while it is recorded ({type(error).__name__}: {error})"
        raise CannotCompile(f"{_place(error)}{what}") from error


def _narrowed(step: StepGraph) -> StepGraph:
    """A step without layers that nobody reads; a scheme of one's own may be dear.

    Steps that are built in stay as they are: what their derivatives add up would come in another order.
    """
    graph, nodes = narrowed([*step.results.values(), *(node for node, _ in step.requirements)])
    results = dict(zip(step.results, nodes[: len(step.results)], strict=True))
    requirements = [(node, what) for node, (_, what) in zip(nodes[len(step.results) :], step.requirements, strict=True)]
    return dataclasses.replace(step, graph=graph, results=results, requirements=requirements)


def plain_copy(model: NoahModel, thickness: Tensor | None = None) -> NoahModel:
    """A copy of a model of plain tensors, as its own may not be under transformations of `torch.func`.

    Parameters
    ----------
    thickness : Of layers, instead of the model's own.

    Raises
    ------
    CannotCompile : A scheme cannot be copied, or has weights of another number type than single or double precision.
    """
    own = model.column.thickness
    # Whoever holds the thickness of the model's layers holds that of the copy afterwards.
    instead: dict[int, Any] = {id(own): _plain(own) if thickness is None else thickness}
    for name, weight in weights_of(model).items():
        if weight.dtype not in (torch.float32, torch.float64):
            raise CannotCompile(f"{name} has numbers of type {weight.dtype}")
        values = _plain(weight)
        instead[id(weight)] = nn.Parameter(values) if isinstance(weight, nn.Parameter) else values
    try:
        return copy.deepcopy(model, instead).cpu()
    except Exception as error:
        raise CannotCompile(f"a scheme cannot be copied ({error})") from error


def _plain(tensor: Tensor) -> Tensor:
    """The numbers of a tensor; one member of a batch."""
    numbers = innermost(tensor).detach().cpu()
    return numbers.reshape(-1, *tensor.shape)[0].clone() if tensor.numel() else numbers.clone()


def weights_of(model: NoahModel) -> dict[str, Tensor]:
    """Parameters of a model, and numbers in buffers of schemes that are not built in, by name."""
    found: dict[str, Tensor] = dict(model.named_parameters())
    for name, buffer in _buffers(model):
        if buffer.is_floating_point():
            found[name] = buffer
    return found


def _buffers(model: NoahModel) -> Iterator[tuple[str, Tensor]]:
    for slot in own_slots(model):
        scheme = model.schemes[slot]
        if isinstance(scheme, nn.Module):
            yield from ((f"{slot}.{name}", buffer) for name, buffer in scheme.named_buffers())


def _columns(model: NoahModel, shape: Shape) -> int:
    """A number of columns that no other dimension of the step has, so that their dimension is known by its size."""
    tensors = [*model.parameters(), *model.buffers()]
    taken = {size for tensor in tensors for size in tensor.shape} | {shape.layers, shape.snow_layers}
    columns = LEAST_COLUMNS
    while any(size % columns == 0 for size in taken if size) or not _is_prime(columns):
        columns += 2
    return columns


def _is_prime(number: int) -> bool:
    return all(number % factor for factor in range(3, int(number**0.5) + 1, 2))


def _place(error: BaseException) -> str:
    """The slot a scheme was at work in when it failed, in words."""
    trace = error.__traceback__
    found = ""
    while trace is not None:
        owner = trace.tb_frame.f_locals.get("self")
        if isinstance(owner, Limited):
            scheme = getattr(owner, "scheme", owner)
            found = f"in {type(scheme).__qualname__}: "
        trace = trace.tb_next
    return found


def _weights_read(step: StepGraph) -> tuple[tuple[str, int], ...]:
    roots = [*step.results.values(), *(node for node, _ in step.requirements)]
    found = {
        node.attribute[0][1]: node.length
        for node in reached(roots)
        if node.op == "input" and node.attribute[0][0] == WEIGHT
    }
    return tuple(sorted(found.items()))


def _digest(step: StepGraph) -> str:
    total = hashlib.sha256()
    roots = [*step.results.values(), *(node for node, _ in step.requirements)]
    # Numbers of nodes nobody needs must not count.
    for line in graph_text(reached(roots), step.results):
        total.update(line.encode() + b"\n")
    for node, what in step.requirements:
        total.update(f"{node.number} {what}\n".encode())
    for constant in step.constants:
        total.update(constant.detach().contiguous().numpy().tobytes())
    return total.hexdigest()


# --- whether a model is still what was recorded -----------------------------------------------------------------------


def state_of(model: NoahModel) -> tuple[Any, ...]:
    """All that the recording of a model depends on but the values of its weights, as far as it can be seen.

    Looked at are members of modules and of what they hold, members of their classes, and the numbers and tensors among
    the global variables that the functions of these classes name.
    """
    seen: dict[int, Any] = {}
    found: list[Any] = []
    for slot in own_slots(model):
        scheme = model.schemes[slot]
        modules = scheme.named_modules() if isinstance(scheme, nn.Module) else [("", scheme)]
        for name, module in modules:
            members = {key: value for key, value in vars(module).items() if key not in INSIDE_TORCH}
            found.append((slot, name, type(module), _seen(members, seen), _of_class(type(module), seen)))
            if isinstance(module, nn.Module):
                found.append((len(module._forward_hooks), len(module._forward_pre_hooks)))
                found += [(key, None if p is None else (p.shape, p.dtype)) for key, p in module._parameters.items()]
                found += [(key, _of_tensor(buffer)) for key, buffer in module._buffers.items()]
    return tuple(found)


def _of_class(kind: type, seen: dict[int, Any]) -> Any:
    """Members of a class of the user's, and of those it is derived from, with the global variables they read."""
    found = []
    for cls in kind.__mro__:
        if cls.__module__.partition(".")[0] in NOT_WATCHED:
            continue
        for name, member in vars(cls).items():
            if type(member) in PLAIN or isinstance(member, Tensor):
                found.append((name, _seen(member, seen)))
            elif isinstance(member, types.FunctionType):
                variables = [member.__globals__.get(key) for key in member.__code__.co_names]
                numbers = [value for value in variables if type(value) in PLAIN or isinstance(value, Tensor)]
                found.append((name, _seen([member.__code__, *numbers], seen)))
    return found


def _of_tensor(tensor: Tensor | None) -> Any:
    if tensor is None or tensor.is_floating_point():
        return None if tensor is None else (tensor.shape, tensor.dtype)
    # Truth values and places are written into the code.
    return Same(tensor), version_of(tensor)


class Same:
    """A thing that is equal to itself only; it is kept, so that no other gets its place in memory."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.thing is other.thing


def version_of(tensor: Tensor) -> int:
    """How often a tensor was changed in place; tensors of inference mode do not count."""
    return 0 if tensor.is_inference() else tensor._version


def _seen(thing: Any, seen: dict[int, Any]) -> Any:
    """Something that is equal again as long as a thing and what it holds stay as they are."""
    if type(thing) in PLAIN:
        return thing
    if id(thing) in seen:
        return Same(thing)
    # Kept while this lasts: the place of what is gone would be taken by something else, which would then pass for seen.
    seen[id(thing)] = thing
    if isinstance(thing, Tensor):
        return Same(thing), version_of(thing)
    if isinstance(thing, np.ndarray | bytearray):
        return Same(thing), bytes(thing)
    if isinstance(thing, set | frozenset | deque):
        return Same(thing), _seen(list(thing), seen)
    if isinstance(thing, Mapping):
        return tuple((_seen(key, seen), _seen(value, seen)) for key, value in thing.items())
    if isinstance(thing, list | tuple):
        return type(thing), tuple(_seen(member, seen) for member in thing)
    if isinstance(thing, types.FunctionType):
        return Same(thing), _seen([*map(_content, thing.__closure__ or ()), thing.__defaults__], seen)
    if isinstance(thing, nn.Module | type | types.ModuleType) or type(thing).__module__ in sys.stdlib_module_names:
        return Same(thing)
    return Same(thing), _seen(getattr(thing, "__dict__", {}), seen)


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None  # A variable that has no value yet.
