"""What each torch operation of a step becomes in the graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from noahpy_core.compiled.graph.graph import Graph, Node
from noahpy_core.compiled.record.recorded_values import (
    SMALL,
    CannotCompile,
    Value,
    array_of,
    column_value,
    is_layered,
    single_node,
)


class Recorder(Protocol):
    """What operations are noted with (`noahpy_core.compiled.record.recorder.StepRecorder`)."""

    graph: Graph

    def lift(self, thing: Any) -> Value:
        """The value of a tensor or number."""

    def known(self, thing: Any) -> bool:
        """Whether something is a tensor that depends on the inputs."""

    def constant_number(self, tensor: Tensor) -> int:
        """Place of a table among the constants."""

    def elementwise(self, op: str, *args: Any) -> Value:
        """An operation element by element."""

    def apply(self, function: Callable[..., Node], *args: Any) -> Value:
        """Several operations element by element."""

    def reduce(self, op: str, pairwise: Callable[[Node, Node], Node], x: Any) -> Value:
        """A reduction over the leading dimension."""


def _maximum(g: Graph, x: Node, bound: Node) -> Node:
    # x at a tie, and x if it is not a number: as torch.clamp, derivative included.
    return g.node("select", g.node("lt", x, bound), bound, x)


def _minimum(g: Graph, x: Node, bound: Node) -> Node:
    return g.node("select", g.node("gt", x, bound), bound, x)


def _extreme(g: Graph, comparison: str, x: Node, y: Node) -> Node:
    """The larger or smaller of two values, and what is not a number if either is not."""
    other = g.node("or", g.node(comparison, x, y), g.node("ne", y, y))
    return g.node("select", other, y, x)


def _clamp(r: Recorder, x: Any, low: Any = None, high: Any = None, **named: Any) -> Value:
    low, high = named.get("min", low), named.get("max", high)
    if low is None:
        return r.apply(lambda a, b: _minimum(r.graph, a, b), x, high)
    if high is None:
        return r.apply(lambda a, b: _maximum(r.graph, a, b), x, low)
    return r.apply(lambda a, b, c: _minimum(r.graph, _maximum(r.graph, a, b), c), x, low, high)


def _power_of(r: Recorder, base: Any, exponent: float) -> Value:
    g = r.graph
    # Products instead of exp(y log(x)): faster, and right for negative bases.
    whole = {2.0: 1, 4.0: 2}
    if exponent in whole:

        def squared(x: Node) -> Node:
            for _ in range(whole[exponent]):
                x = g.node("mul", x, x)
            return x

        return r.apply(squared, base)
    if exponent == 3.0:
        return r.apply(lambda x: g.node("mul", g.node("mul", x, x), x), base)
    if exponent == 0.5:
        return r.elementwise("sqrt", base)
    return _general_power(r, base, exponent)


def _general_power(r: Recorder, base: Any, exponent: Any) -> Value:
    """exp(y log(x)), and 0 with zero derivative where x is 0: no power of the model has an exponent below 0 there."""
    g = r.graph

    def power(x: Node, y: Node) -> Node:
        away = g.node("ne", x, g.constant(0.0))
        logarithm = g.node("log", g.node("select", away, x, g.constant(1.0)))
        return g.node("select", away, g.node("exp", g.node("mul", y, logarithm)), g.constant(0.0))

    return r.apply(power, base, exponent)


def _pow(r: Recorder, base: Any, exponent: Any) -> Value:
    if isinstance(exponent, (int, float)):
        return _power_of(r, base, float(exponent))
    if isinstance(base, (int, float)):
        logarithm = r.graph.constant(math.log(base))
        return r.apply(lambda y: r.graph.node("exp", r.graph.node("mul", y, logarithm)), exponent)
    return _general_power(r, base, exponent)


def _scaled(op: str) -> Callable[..., Value]:
    def handler(r: Recorder, x: Any, y: Any, *, alpha: float = 1) -> Value:
        if alpha == 1:
            return r.elementwise(op, x, y)
        scale = r.graph.constant(float(alpha))
        return r.apply(lambda a, b: r.graph.node(op, a, r.graph.node("mul", b, scale)), x, y)

    return handler


def _rsub(r: Recorder, x: Any, y: Any, alpha: float = 1) -> Value:
    if alpha != 1:
        raise CannotCompile("rsub with a factor")
    return r.elementwise("sub", y, x)


def _addcmul(r: Recorder, x: Any, a: Any, b: Any, *, value: float = 1) -> Value:
    g = r.graph
    sign = {1: "add", -1: "sub"}.get(int(value))
    if sign is None or value not in (1, -1):
        raise CannotCompile(f"addcmul with a factor of {value}")
    # Two roundings: a fused one gives other digits, on the processors that have it.
    return r.apply(lambda p, q, s: g.node(sign, p, g.node("mul", q, s)), x, a, b)


def _select(r: Recorder, x: Any, dim: int, index: int) -> Value:
    value = r.lift(x)
    if dim != 0:
        raise CannotCompile(f"select along dimension {dim}")
    if isinstance(value, Node):
        return column_value(r.graph.extract(value, index % value.length))
    part = value[index]
    return part if isinstance(part, np.ndarray) else column_value(part)


def _slice(r: Recorder, x: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Value:
    value = r.lift(x)
    if dim != 0 or step != 1:
        raise CannotCompile(f"slice along dimension {dim} with step {step}")
    if not isinstance(value, Node):
        return value[slice(start, end)]
    first, last, _ = slice(start, end).indices(value.length)
    # Few layers are plain values: vectors over them would be mostly empty.
    if last - first <= SMALL:
        return array_of([r.graph.extract(value, layer) for layer in range(first, last)])
    return r.graph.slice(value, first, last - first)


def _unbind(r: Recorder, x: Any, dim: int = 0) -> list[Value]:
    value = r.lift(x)
    if dim != 0:
        raise CannotCompile(f"unbind along dimension {dim}")
    if isinstance(value, Node):
        return [column_value(r.graph.extract(value, layer)) for layer in range(value.length)]
    return [value[k] if value.ndim > 1 else column_value(value[k]) for k in range(value.shape[0])]


def _stack(r: Recorder, tensors: Sequence[Any], dim: int = 0) -> Value:
    values = [r.lift(tensor) for tensor in tensors]
    if dim != 0 or any(isinstance(value, Node) for value in values):
        raise CannotCompile("stack of layers, or not along the first dimension")
    # Many of them lie in memory one after the other, where loops over layers find them.
    if all(value.ndim == 0 for value in values) and len(values) > SMALL:
        return r.graph.concat([(value.reshape(-1)[0], 1) for value in values])
    return np.stack(np.broadcast_arrays(*values))


def _cat(r: Recorder, tensors: Sequence[Any], dim: int = 0) -> Value:
    values = [r.lift(tensor) for tensor in tensors]
    if dim != 0:
        raise CannotCompile(f"cat along dimension {dim}")
    pieces: list[tuple[Node, int]] = []
    for value in values:
        pieces += [(value, value.length)] if isinstance(value, Node) else [(node, 1) for node in value]
    if sum(count for _, count in pieces) <= SMALL:
        return array_of([node for node, _ in pieces])
    return r.graph.concat(pieces)


def _expand(r: Recorder, x: Any, size: Sequence[int], **_: Any) -> Value:
    value = r.lift(x)
    if isinstance(value, Node):
        return value
    have = (1,) * (len(size) - 1 - value.ndim) + value.shape
    shape = tuple(old if wanted == -1 else wanted for wanted, old in zip(size[:-1], have, strict=True))
    if is_layered(shape):
        return r.graph.concat([(single_node(value), shape[0])])
    return np.broadcast_to(value, shape)


def _unsqueeze(r: Recorder, x: Any, dim: int) -> Value:
    value = r.lift(x)
    if dim != 0 or isinstance(value, Node):
        raise CannotCompile(f"unsqueeze of dimension {dim}")
    return value[None]


def _first_dimension(dim: Any) -> None:
    if dim not in (0, [0], (0,)):
        raise CannotCompile(f"reduction over dimension {dim}")


def _sum(r: Recorder, x: Any, dim: Any, keepdim: bool = False, **_: Any) -> Value:
    _first_dimension(dim)
    return r.reduce("sum", lambda a, b: r.graph.node("add", a, b), x)


def _cumsum(r: Recorder, x: Any, dim: int, **_: Any) -> Value:
    _first_dimension(dim)
    value = r.lift(x)
    # From the top down, member by member: each sum is the one before and one more.
    members = [r.graph.extract(value, k) for k in range(value.length)] if isinstance(value, Node) else list(value)
    for k in range(1, len(members)):
        members[k] = r.graph.node("add", members[k - 1], members[k])
    return r.graph.concat([(node, 1) for node in members]) if isinstance(value, Node) else array_of(members)


def _amax(r: Recorder, x: Any, dim: Any, keepdim: bool = False) -> Value:
    _first_dimension(dim)
    return r.reduce("max", lambda a, b: _maximum(r.graph, a, b), x)


def _all(r: Recorder, x: Any, dim: Any, keepdim: bool = False) -> Value:
    _first_dimension(dim)
    return r.reduce("all", lambda a, b: r.graph.node("and", a, b), x)


def _index(r: Recorder, table: Tensor, indices: Sequence[Any]) -> Value:
    if r.known(table) or table.ndim != 1 or len(indices) != 1:
        raise CannotCompile("indexing of anything but a table by one index")
    attribute = (r.constant_number(table), table.shape[0])
    return r.apply(lambda place: r.graph.node("gather", place, attribute=attribute), indices[0])


def _to_copy(r: Recorder, x: Any, *, dtype: torch.dtype | None = None, **_: Any) -> Value:
    # Whole numbers are used as places in a table only; they stay numbers of the one type until then.
    if dtype in (torch.int64, torch.int32):
        return r.elementwise("truncate", x)
    zero, one = r.graph.constant(0.0), r.graph.constant(1.0)
    return r.apply(lambda a: r.graph.node("select", a, one, zero) if a.boolean else a, x)


def _like(value: float) -> Callable[..., Value]:
    def handler(r: Recorder, x: Any, *_: Any, dtype: torch.dtype | None = None, **__: Any) -> Value:
        constant = r.graph.constant(value)
        if (dtype or x.dtype) == torch.bool:
            constant = r.graph.node("ne", constant, r.graph.constant(0.0))
        shape = tuple(x.shape[:-1])
        if is_layered(shape):
            return r.graph.concat([(constant, shape[0])])
        result = np.empty(shape, dtype=object)
        result[...] = constant
        return result

    return handler


def _full_like(r: Recorder, x: Any, value: float, **named: Any) -> Value:
    return _like(float(value))(r, x, **named)


def _not(r: Recorder, x: Any) -> Value:
    return r.elementwise("not", x)


def _equal(r: Recorder, x: Any, y: Any) -> Value:
    g = r.graph

    def equal(a: Node, b: Node) -> Node:
        return g.node("select", a, b, g.node("not", b)) if a.boolean and b.boolean else g.node("eq", a, b)

    return r.apply(equal, x, y)


def _same(op: str) -> Callable[..., Value]:
    return lambda r, *args: r.elementwise(op, *args)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": _scaled("add"),
    "sub": _scaled("sub"),
    "rsub": _rsub,
    "addcmul": _addcmul,
    "reciprocal": lambda r, x: r.elementwise("div", 1.0, x),
    "pow": _pow,
    "relu": lambda r, x: r.apply(
        # In this form, because what is not a number stays so.
        lambda a: r.graph.node("select", r.graph.node("le", a, r.graph.constant(0.0)), r.graph.constant(0.0), a),
        x,
    ),
    "clamp": _clamp,
    "maximum": lambda r, x, y: r.apply(lambda a, b: _extreme(r.graph, "lt", a, b), x, y),
    "minimum": lambda r, x, y: r.apply(lambda a, b: _extreme(r.graph, "gt", a, b), x, y),
    "eq": _equal,
    "where": lambda r, c, a, b: r.elementwise("select", c, a, b),
    "log10": lambda r, x: r.apply(
        lambda a: r.graph.node("mul", r.graph.node("log", a), r.graph.constant(1.0 / math.log(10.0))), x
    ),
    "bitwise_and": _same("and"),
    "bitwise_or": _same("or"),
    "bitwise_not": _not,
    "logical_and": _same("and"),
    "logical_or": _same("or"),
    "logical_not": _not,
    "select": _select,
    "slice": _slice,
    "unbind": _unbind,
    "stack": _stack,
    "cat": _cat,
    "expand": _expand,
    "unsqueeze": _unsqueeze,
    "sum": _sum,
    "cumsum": _cumsum,
    "amax": _amax,
    "all": _all,
    "index": _index,
    "_to_copy": _to_copy,
    "zeros_like": _like(0.0),
    "ones_like": _like(1.0),
    "full_like": _full_like,
    "clone": lambda r, x, **_: r.lift(x),
    "detach": _same("detach"),
    **{name: _same(name) for name in ("mul", "div", "neg", "abs", "sqrt", "exp", "log", "atan", "expm1")},
    **{name: _same(name) for name in ("lt", "le", "gt", "ge", "ne")},
}
