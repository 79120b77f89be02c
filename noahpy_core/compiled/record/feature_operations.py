"""What torch operations on tensors with features become: axes moved about, and sums over them.

Each handler takes what its torch operation takes. It answers for tensors of the physics too where an axis is meant that
they do not have; what it leaves to `torch_operations` it says with `NotImplemented`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from noahpy_core.compiled.graph.graph import Graph, Node
from noahpy_core.compiled.record.recorded_values import CannotCompile, Value
from noahpy_core.compiled.record.spread import (
    Spread,
    combined,
    expanded,
    index_axis,
    indexed,
    plain,
    sizes_of,
    viewed,
)


class Recorder(Protocol):
    """What operations are noted with (`noahpy_core.compiled.record.recorder.StepRecorder`)."""

    graph: Graph
    dtype: torch.dtype
    """Number type of the model."""

    def lift(self, thing: Any) -> Value:
        """The value of a tensor or number."""

    def spread(self, thing: Any) -> Spread:
        """The value of a tensor or number, with its axes."""

    def apply(self, function: Callable[..., Node], *args: Any) -> Value:
        """Several operations element by element."""


Handler = Callable[..., Any]


def _of_physics(r: Recorder, x: Tensor, *dims: int) -> bool:
    """Whether it is a tensor of the physics, and only its leading dimensions are meant."""
    return not isinstance(r.lift(x), Spread) and all(dim % max(x.ndim, 1) < x.ndim - 1 for dim in dims)


# --- axes moved about -------------------------------------------------------------------------------------------------


def _permute(r: Recorder, x: Tensor, dims: Sequence[int]) -> Value:
    spread = r.spread(x).permuted([dim % x.ndim for dim in dims])
    # Layers count as such only where the column follows; behind it they are features.
    column = next((k for k, axis in enumerate(spread.axes) if any(part.kind == "column" for part in axis)), None)
    for axis in range(len(spread.axes)):
        if column is not None and axis > column:
            spread = indexed(r.graph, spread, axis)
    return plain(r.graph, spread)


def _transpose(r: Recorder, x: Tensor, first: int, second: int) -> Value:
    order = list(range(x.ndim))
    order[first], order[second] = order[second], order[first]
    return _permute(r, x, order)


def _view(r: Recorder, x: Tensor, size: Sequence[int]) -> Value:
    return plain(r.graph, viewed(r.spread(x), size))


def _unsqueeze(r: Recorder, x: Tensor, dim: int) -> Value:
    spread, place = r.spread(x), dim % (x.ndim + 1)
    return plain(r.graph, Spread(spread.members, (*spread.axes[:place], (), *spread.axes[place:])))


def _squeeze(r: Recorder, x: Tensor, dims: Any = None) -> Value:
    spread = r.spread(x)
    every = range(x.ndim) if dims is None else [dims] if isinstance(dims, int) else dims
    gone = {dim % x.ndim for dim in every}
    axes = tuple(axis for k, axis in enumerate(spread.axes) if k not in gone or axis)
    return plain(r.graph, Spread(spread.members, axes))


def _expand(r: Recorder, x: Tensor, size: Sequence[int], **_: Any) -> Value:
    value = r.lift(x)
    physics = not isinstance(value, Spread) and (x.shape[-1:] == () or size[-1] in (x.shape[-1], -1))
    return NotImplemented if physics else plain(r.graph, expanded(r.spread(x), size))


def _select(r: Recorder, x: Tensor, dim: int, index: int) -> Value:
    if _of_physics(r, x, dim):
        return NotImplemented
    spread, place = _separate(r, x, dim)
    members = spread.members
    if spread.axes[place]:
        members = members.take(index, spread.indices(place))
    return plain(r.graph, Spread(_array(members), spread.axes[:place] + spread.axes[place + 1 :]))


def _unbind(r: Recorder, x: Tensor, dim: int = 0) -> Any:
    if _of_physics(r, x, dim):
        return NotImplemented
    return [_select(r, x, dim, k) for k in range(x.shape[dim])]


def _slice(r: Recorder, x: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Value:
    if _of_physics(r, x, dim):
        return NotImplemented
    whole = range(x.shape[dim])[slice(start, end, step)]
    if len(whole) == x.shape[dim] and step == 1:
        return r.lift(x)
    spread, place = _separate(r, x, dim)
    return plain(r.graph, _part(spread, place, list(whole)))


def _part(spread: Spread, place: int, chosen: Sequence[int]) -> Spread:
    """Some of the places along an axis of features."""
    members = spread.members
    if spread.axes[place]:
        members = members.take(chosen, spread.indices(place))
        if len(chosen) == 1:
            members = members.squeeze(spread.indices(place))
    return Spread(_array(members), (*spread.axes[:place], index_axis(len(chosen)), *spread.axes[place + 1 :]))


def _split(r: Recorder, x: Tensor, size: int | Sequence[int], dim: int = 0) -> list[Value]:
    length = x.shape[dim]
    sizes = [size] * (length // size) + [length % size] * bool(length % size) if isinstance(size, int) else size
    ends = np.cumsum(sizes)
    spread, place = _separate(r, x, dim)
    return [
        plain(r.graph, _part(spread, place, range(end - count, end))) for end, count in zip(ends, sizes, strict=True)
    ]


def _stack(r: Recorder, tensors: Sequence[Tensor], dim: int = 0) -> Value:
    if dim == 0 and all(not isinstance(r.lift(x), Spread) for x in tensors):
        layered = any(isinstance(r.lift(x), Node) for x in tensors)
        return _joined(r, tensors, 0, new=True) if layered else NotImplemented
    return _joined(r, tensors, dim % (tensors[0].ndim + 1), new=True)


def _cat(r: Recorder, tensors: Sequence[Tensor], dim: int = 0) -> Value:
    if all(_of_physics(r, x, dim) for x in tensors):
        return NotImplemented
    return _joined(r, tensors, dim % tensors[0].ndim, new=False)


def _joined(r: Recorder, tensors: Sequence[Tensor], dim: int, *, new: bool) -> Value:
    """Tensors side by side along an axis, which is new or that of each."""
    spreads = [indexed(r.graph, r.spread(x), dim) if not new else r.spread(x) for x in tensors]
    if new:
        spreads = [Spread(one.members, (*one.axes[:dim], (), *one.axes[dim:])) for one in spreads]
    # What is common to all but this axis, as if they were added up.
    others = [
        Spread(
            _array(one.members.take(0, one.indices(dim))) if one.axes[dim] else one.members,
            (*one.axes[:dim], (), *one.axes[dim + 1 :]),
        )
        for one in spreads
    ]
    axes = combined(r.graph, lambda *nodes: nodes[0], others).axes
    pieces = []
    for one in spreads:
        whole = (*axes[:dim], one.axes[dim], *axes[dim + 1 :])
        if one.axes != whole:
            raise CannotCompile("features put together whose other dimensions differ")
        members = one.members if one.axes[dim] else np.expand_dims(one.members, one.indices(dim))
        pieces.append(members)
    first = spreads[0].indices(dim)
    members = np.concatenate(pieces, axis=first)
    axis = index_axis(members.shape[first])
    if not axis:
        members = members.squeeze(first)
    return plain(r.graph, Spread(members, (*axes[:dim], axis, *axes[dim + 1 :])))


def _separate(r: Recorder, x: Tensor, dim: int) -> tuple[Spread, int]:
    """A tensor and the number of an axis along which its nodes lie in an array."""
    place = dim % x.ndim
    spread = indexed(r.graph, r.spread(x), place)
    axis = spread.axes[place]
    if len(axis) > 1 or any(part.kind != "index" for part in axis):
        raise CannotCompile(f"a part of dimension {dim}, along which the columns lie")
    return spread, place


def _array(members: Any) -> np.ndarray:
    """numpy gives the one member of an array without dimensions as itself."""
    if isinstance(members, np.ndarray):
        return members
    result = np.empty((), dtype=object)
    result[()] = members
    return result


# --- over axes --------------------------------------------------------------------------------------------------------


def _reduction(op: str, pairwise: Callable[[Graph, Node, Node], Node], *, mean: bool = False) -> Handler:
    def handler(r: Recorder, x: Tensor, dim: Any = None, keepdim: bool = False, **_: Any) -> Value:
        dims = [dim] if isinstance(dim, int) else list(dim or range(x.ndim))
        if not mean and dims == [0] and not keepdim and _of_physics(r, x, 0):
            return NotImplemented
        spread, count = r.spread(x), 1
        for place in sorted((one % x.ndim for one in dims), reverse=True):
            count *= sizes_of([spread.axes[place]])[0]
            spread = _without(r.graph, spread, place, op, pairwise)
            if not keepdim:
                spread = Spread(spread.members, spread.axes[:place] + spread.axes[place + 1 :])
        if mean:
            number = r.graph.constant(float(count))
            spread = combined(r.graph, lambda node: r.graph.node("div", node, number), [spread])
        return plain(r.graph, spread)

    return handler


def _without(
    graph: Graph, spread: Spread, place: int, op: str, pairwise: Callable[[Graph, Node, Node], Node]
) -> Spread:
    """One axis reduced to one place."""
    axis = spread.axes[place]
    axes = (*spread.axes[:place], (), *spread.axes[place + 1 :])
    kinds = [part.kind for part in axis]
    if kinds == ["layer"]:
        # A node without layers is the same in all of them.
        full = [node if node.length else graph.concat([(node, spread.layers)]) for node in spread.members.reshape(-1)]
        found = np.empty(len(full), dtype=object)
        found[:] = [_over_layers(graph, op, node) for node in full]
        return Spread(found.reshape(spread.members.shape), axes)
    if any(kind != "index" for kind in kinds) or len(kinds) > 1:
        raise CannotCompile(f"{op} over the columns")
    if not kinds:
        return spread
    moved = np.moveaxis(spread.members, spread.indices(place), 0)
    total = moved[0]
    for member in moved[1:]:
        total = np.frompyfunc(lambda a, b: pairwise(graph, a, b), 2, 1)(total, member)
    return Spread(_array(total), axes)


def _over_layers(g: Graph, op: str, node: Node) -> Node:
    if op != "min":
        return g.node(op, node, length=0)
    return g.node("neg", g.node("max", g.node("neg", node), length=0))


def _larger(g: Graph, x: Node, y: Node) -> Node:
    return g.node("select", g.node("lt", x, y), y, x)


def _smaller(g: Graph, x: Node, y: Node) -> Node:
    return g.node("select", g.node("gt", x, y), y, x)


def _added(g: Graph, x: Node, y: Node) -> Node:
    return g.node("add", x, y)


def _softmax(r: Recorder, x: Tensor, dim: int, _: bool = False) -> Value:
    _shifted, exponentials, total = _exponentials(r, x, dim)
    return plain(r.graph, combined(r.graph, lambda a, b: r.graph.node("div", a, b), [exponentials, total]))


def _log_softmax(r: Recorder, x: Tensor, dim: int, _: bool = False) -> Value:
    g = r.graph
    shifted, _exponential, total = _exponentials(r, x, dim)
    return plain(g, combined(g, lambda a, b: g.node("sub", a, g.node("log", b)), [shifted, total]))


def _exponentials(r: Recorder, x: Tensor, dim: int) -> tuple[Spread, Spread, Spread]:
    """x less its largest along an axis, the exponentials of that, and their sum."""
    g, spread, place = r.graph, r.spread(x), dim % x.ndim
    largest = _without(g, spread, place, "max", _larger)
    # A shift of all alike changes nothing, so no derivative need pass through it.
    shifted = combined(g, lambda a, b: g.node("sub", a, g.node("detach", b)), [spread, largest])
    exponentials = combined(g, lambda a: g.node("exp", a), [shifted])
    return shifted, exponentials, _without(g, exponentials, place, "sum", _added)


def _layer_norm(
    r: Recorder, x: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Value, None, None]:
    if len(shape) != 1:
        raise CannotCompile("layer_norm over several dimensions")
    g, spread, place = r.graph, r.spread(x), x.ndim - 1
    count = g.constant(float(shape[0]))

    def mean(one: Spread) -> Spread:
        return combined(g, lambda a: g.node("div", a, count), [_without(g, one, place, "sum", _added)])

    apart = combined(g, lambda a, b: g.node("sub", a, b), [spread, mean(spread)])
    variance = mean(combined(g, lambda a: g.node("mul", a, a), [apart]))
    spread = combined(
        g, lambda a, b: g.node("div", a, g.node("sqrt", g.node("add", b, g.constant(eps)))), [apart, variance]
    )
    if weight is not None:
        spread = combined(g, lambda a, b: g.node("mul", a, b), [spread, r.spread(weight)])
    if bias is not None:
        spread = combined(g, lambda a, b: g.node("add", a, b), [spread, r.spread(bias)])
    # Mean and reciprocal deviation are room for torch's own way back.
    return plain(g, spread), None, None


# --- the rest ---------------------------------------------------------------------------------------------------------


def _like(value: float) -> Handler:
    def handler(r: Recorder, x: Tensor, *_: Any, dtype: torch.dtype | None = None, **__: Any) -> Value:
        spread = r.lift(x)
        if not isinstance(spread, Spread):
            return NotImplemented
        constant = r.graph.constant(value)
        if (dtype or x.dtype) == torch.bool:
            constant = r.graph.node("ne", constant, r.graph.constant(0.0))
        return combined(r.graph, lambda _: constant, [spread])

    return handler


def _all(r: Recorder, x: Tensor, dim: Any = None, keepdim: bool = False) -> Value:
    if dim is None or keepdim or not _of_physics(r, x, dim):
        raise CannotCompile("torch operation aten.all over the columns or features")
    return NotImplemented


def _full_like(r: Recorder, x: Tensor, value: float, **named: Any) -> Value:
    return _like(float(value))(r, x, **named)


def _to_copy(r: Recorder, x: Tensor, *, dtype: torch.dtype | None = None, **_: Any) -> Value:
    wider = dtype == torch.float64 and r.dtype == torch.float32
    if wider or dtype in (torch.float16, torch.bfloat16):
        raise CannotCompile(f"numbers of type {dtype} in a model of {r.dtype}")
    return NotImplemented


FEATURE_OPERATIONS: dict[str, Handler] = {
    "permute": _permute,
    "transpose": _transpose,
    "t": lambda r, x: _transpose(r, x, 0, 1) if x.ndim == 2 else r.lift(x),
    "view": _view,
    "_unsafe_view": _view,
    "reshape": _view,
    "unsqueeze": _unsqueeze,
    "squeeze": _squeeze,
    "expand": _expand,
    "select": _select,
    "unbind": _unbind,
    "slice": _slice,
    "split": _split,
    "split_with_sizes": _split,
    "stack": _stack,
    "cat": _cat,
    "sum": _reduction("sum", _added),
    "mean": _reduction("sum", _added, mean=True),
    "amax": _reduction("max", _larger),
    "amin": _reduction("min", _smaller),
    "all": _all,
    "_softmax": _softmax,
    "_log_softmax": _log_softmax,
    "native_layer_norm": _layer_norm,
    "zeros_like": _like(0.0),
    "ones_like": _like(1.0),
    "full_like": _full_like,
    "_to_copy": _to_copy,
    "alias": lambda r, x: r.lift(x),
}
