"""Records the torch operations of one step as a graph of scalar operations of one column."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from noahpy_core.compiled.graph import Graph, Loop, Node

SMALL = 2
"""A leading dimension of at most so many values is written out; a longer one becomes a loop over layers."""

Value = Any
"""What a tensor stands for: column nodes in an array of its leading dimensions, or one node with layers."""


class CannotCompile(ValueError):
    """The step does something that has no compiled form."""


class StepRecorder(TorchDispatchMode):
    """While it is active, every operation on a tensor made known by `supply` becomes a node of the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.graph = Graph()
        self.constants: list[Tensor] = []
        """Tensors the step uses that nobody supplied: tables and the like."""
        self.requirements: list[tuple[Node, str]] = []
        self._values: dict[int, tuple[Tensor, Value]] = {}
        self._constant_numbers: dict[int, int] = {}
        self._loops = 0

    # --- tensors and values -----------------------------------------------------------------------------------------

    def supply(self, tensor: Tensor, source: Any) -> None:
        """Make a tensor ``[..., column]`` an input of the graph under a name."""
        self._note(tensor, self._input(source, tuple(tensor.shape[:-1])))

    def nodes(self, tensor: Tensor) -> list[Node]:
        """Nodes of a tensor: one with layers, or one for each leading index."""
        value = self._lift(tensor)
        return [value] if isinstance(value, Node) else list(value.reshape(-1))

    def _input(self, source: Any, lead: tuple[int, ...]) -> Value:
        if _layered(lead):
            return self.graph.node("input", attribute=(source, None), length=lead[0])
        names = np.empty(lead, dtype=object)
        for place in np.ndindex(*lead):
            names[place] = self.graph.node("input", attribute=(source, place[0] if place else 0), length=0)
        return names

    def _note(self, tensor: Tensor, value: Value) -> None:
        self._values[id(tensor)] = (tensor, value)

    def _known(self, thing: Any) -> bool:
        return isinstance(thing, Tensor) and id(thing) in self._values

    def _lift(self, thing: Any) -> Value:
        if not isinstance(thing, Tensor):
            return _column(self.graph.constant(float(thing)))
        if id(thing) in self._values:
            return self._values[id(thing)][1]
        if thing.ndim == 0:
            value = _column(self.graph.constant(float(thing)))
        else:
            value = self._input(("constant", self.constant_number(thing)), tuple(thing.shape[:-1]))
        self._note(thing, value)
        return value

    def constant_number(self, tensor: Tensor) -> int:
        """Place of a tensor nobody supplied among the constants."""
        if id(tensor) not in self._constant_numbers:
            self._constant_numbers[id(tensor)] = len(self.constants)
            self.constants.append(tensor)
        return self._constant_numbers[id(tensor)]

    # --- operations -------------------------------------------------------------------------------------------------

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute, and note the operation if it involves a known tensor."""
        result = function(*args, **(kwargs or {}))
        flat = [member for arg in args for member in (arg if isinstance(arg, (list, tuple)) else (arg,))]
        if not any(self._known(member) for member in flat):
            return result
        name = function.overloadpacket.__name__
        self.graph.origin = _origin()
        handler = _HANDLERS.get(name)
        if handler is None:
            raise CannotCompile(f"torch operation {function} has no compiled form")
        values = handler(self, *args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self._note(result, values)
        else:
            for tensor, value in zip(result, values, strict=True):
                self._note(tensor, value)
        return result

    def elementwise(self, op: str, *args: Any) -> Value:
        """An operation element by element, leading dimensions broadcast."""
        values = [self._lift(arg) for arg in args]
        if any(isinstance(value, Node) for value in values):
            return self.graph.node(op, *(_single(value) for value in values))
        spread = np.broadcast_arrays(*values)
        result = np.empty(spread[0].shape, dtype=object)
        for place in np.ndindex(*result.shape):
            result[place] = self.graph.node(op, *(value[place] for value in spread))
        return result

    def apply(self, function: Callable[..., Node], *args: Any) -> Value:
        """Several operations element by element, as a function of nodes."""
        values = [self._lift(arg) for arg in args]
        if any(isinstance(value, Node) for value in values):
            return function(*(_single(value) for value in values))
        spread = np.broadcast_arrays(*values)
        result = np.empty(spread[0].shape, dtype=object)
        for place in np.ndindex(*result.shape):
            result[place] = function(*(value[place] for value in spread))
        return result

    def reduce(self, op: str, pairwise: Callable[[Node, Node], Node], x: Any) -> Value:
        """A reduction over the leading dimension."""
        value = self._lift(x)
        if isinstance(value, Node):
            return _column(self.graph.node(op, value, length=0))
        if value.ndim != 1:
            raise CannotCompile(f"{op} over one of the leading dimensions {value.shape}")
        total = value[0]
        for member in value[1:]:
            total = pairwise(total, member)
        return _column(total)

    # --- what torch cannot show -------------------------------------------------------------------------------------

    def tridiagonal(self, lower: Tensor, diagonal: Tensor, upper: Tensor, right: Tensor) -> Tensor | None:
        """See `noahpy_core.recording.Recorder`."""
        values = [self._lift(part) for part in (lower, diagonal, upper, right)]
        layers = lower.shape[0]
        if layers <= SMALL:
            return None
        self.graph.origin = _origin()
        node = self.graph.node("tridiagonal", *(_single(value) for value in values), length=layers)
        solution = torch.empty(right.shape, dtype=right.dtype)
        self._note(solution, node)
        return solution

    def loop(
        self, body: Callable[..., tuple[Tensor, ...]], carry: tuple[Tensor, ...], limit: int
    ) -> tuple[Tensor, ...]:
        """See `noahpy_core.recording.Recorder`."""
        self.graph.origin = _origin()
        initial = [node for tensor in carry for node in self.nodes(tensor)]
        self._loops += 1
        number = self._loops
        inner = [self._carried(tensor, (number, position)) for position, tensor in enumerate(carry)]
        final = [
            node if node.length == given.length else self.graph.concat([(node, given.length)])
            for result, tensor in zip(body(*inner), inner, strict=True)
            for node, given in zip(self.nodes(result), self.nodes(tensor), strict=True)
        ]
        placeholders = [node for tensor in inner for node in self.nodes(tensor)]
        loop = Loop(initial, placeholders, final, limit, number)
        results = iter(
            [
                self.graph.placeholder("result", (loop, position), node.length, node.boolean)
                for position, node in enumerate(placeholders)
            ]
        )
        after = []
        for tensor in inner:
            new = tensor.clone()
            shape, members = tensor.shape[:-1], [next(results) for _ in self.nodes(tensor)]
            self._note(new, members[0] if members[0].length else _array(members).reshape(shape))
            after.append(new)
        return tuple(after)

    def _carried(self, tensor: Tensor, name: tuple[int, int]) -> Tensor:
        new = torch.zeros_like(tensor)
        value = self._lift(tensor)
        boolean = tensor.dtype == torch.bool
        if isinstance(value, Node):
            self._note(new, self.graph.placeholder("carried", name, value.length, boolean))
            return new
        members = [self.graph.placeholder("carried", (*name, k), 0, boolean) for k in range(value.size)]
        self._note(new, _array(members).reshape(value.shape))
        return new

    def require(self, fulfilled: Tensor, what: str) -> None:
        """See `noahpy_core.recording.Recorder`."""
        self.requirements += [(node, what) for node in self.nodes(fulfilled)]


def _origin() -> str:
    """Module of the physics, or of the step, that is at work."""
    frame = sys._getframe(1)
    first = ""
    while frame is not None:
        path = PurePath(frame.f_code.co_filename)
        if path.parent.name == "physics":
            return path.stem
        if not first and path.parent.name == "noahpy_core" and path.stem not in ("numerics", "recording"):
            first = path.stem
        frame = frame.f_back  # type: ignore[assignment]
    return first


def _layered(lead: tuple[int, ...]) -> bool:
    return len(lead) == 1 and lead[0] > SMALL


def _column(node: Node) -> np.ndarray:
    return _array([node]).reshape(())


def _array(nodes: Sequence[Node]) -> np.ndarray:
    result = np.empty(len(nodes), dtype=object)
    result[:] = list(nodes)
    return result


def _single(value: Value) -> Node:
    """The one node of a value that meets one with layers."""
    if isinstance(value, Node):
        return value
    if value.size != 1:
        raise CannotCompile(f"leading dimensions {value.shape} beside layers")
    return value.reshape(-1)[0]


# --- what each torch operation becomes ------------------------------------------------------------------------------


def _maximum(g: Graph, x: Node, bound: Node) -> Node:
    return g.node("select", g.node("lt", x, bound), bound, x)


def _minimum(g: Graph, x: Node, bound: Node) -> Node:
    return g.node("select", g.node("gt", x, bound), bound, x)


def _clamp(r: StepRecorder, x: Any, low: Any = None, high: Any = None, **named: Any) -> Value:
    low, high = named.get("min", low), named.get("max", high)
    if low is None:
        return r.apply(lambda a, b: _minimum(r.graph, a, b), x, high)
    if high is None:
        return r.apply(lambda a, b: _maximum(r.graph, a, b), x, low)
    return r.apply(lambda a, b, c: _minimum(r.graph, _maximum(r.graph, a, b), c), x, low, high)


def _power_of(r: StepRecorder, base: Any, exponent: float) -> Value:
    g = r.graph
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


def _general_power(r: StepRecorder, base: Any, exponent: Any) -> Value:
    """exp(y log(x)), and 0 with zero derivative where x is 0: no power of the model has an exponent below 0 there."""
    g = r.graph

    def power(x: Node, y: Node) -> Node:
        away = g.node("ne", x, g.constant(0.0))
        logarithm = g.node("log", g.node("select", away, x, g.constant(1.0)))
        return g.node("select", away, g.node("exp", g.node("mul", y, logarithm)), g.constant(0.0))

    return r.apply(power, base, exponent)


def _pow(r: StepRecorder, base: Any, exponent: Any) -> Value:
    if isinstance(exponent, (int, float)):
        return _power_of(r, base, float(exponent))
    if isinstance(base, (int, float)):
        logarithm = r.graph.constant(math.log(base))
        return r.apply(lambda y: r.graph.node("exp", r.graph.node("mul", y, logarithm)), exponent)
    return _general_power(r, base, exponent)


def _scaled(op: str) -> Callable[..., Value]:
    def handler(r: StepRecorder, x: Any, y: Any, *, alpha: float = 1) -> Value:
        if alpha == 1:
            return r.elementwise(op, x, y)
        scale = r.graph.constant(float(alpha))
        return r.apply(lambda a, b: r.graph.node(op, a, r.graph.node("mul", b, scale)), x, y)

    return handler


def _rsub(r: StepRecorder, x: Any, y: Any, alpha: float = 1) -> Value:
    if alpha != 1:
        raise CannotCompile("rsub with a factor")
    return r.elementwise("sub", y, x)


def _addcmul(r: StepRecorder, x: Any, a: Any, b: Any, *, value: float = 1) -> Value:
    g = r.graph
    sign = {1: "add", -1: "sub"}.get(int(value))
    if sign is None or value not in (1, -1):
        raise CannotCompile(f"addcmul with a factor of {value}")
    return r.apply(lambda p, q, s: g.node(sign, p, g.node("mul", q, s)), x, a, b)


def _select(r: StepRecorder, x: Any, dim: int, index: int) -> Value:
    value = r._lift(x)
    if dim != 0:
        raise CannotCompile(f"select along dimension {dim}")
    if isinstance(value, Node):
        return _column(r.graph.extract(value, index % value.length))
    part = value[index]
    return part if isinstance(part, np.ndarray) else _column(part)


def _slice(r: StepRecorder, x: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Value:
    value = r._lift(x)
    if dim != 0 or step != 1:
        raise CannotCompile(f"slice along dimension {dim} with step {step}")
    if not isinstance(value, Node):
        return value[slice(start, end)]
    first, last, _ = slice(start, end).indices(value.length)
    if last - first <= SMALL:
        return _array([r.graph.extract(value, layer) for layer in range(first, last)])
    return r.graph.slice(value, first, last - first)


def _unbind(r: StepRecorder, x: Any, dim: int = 0) -> list[Value]:
    value = r._lift(x)
    if dim != 0:
        raise CannotCompile(f"unbind along dimension {dim}")
    if isinstance(value, Node):
        return [_column(r.graph.extract(value, layer)) for layer in range(value.length)]
    return [value[k] if value.ndim > 1 else _column(value[k]) for k in range(value.shape[0])]


def _stack(r: StepRecorder, tensors: Sequence[Any], dim: int = 0) -> Value:
    values = [r._lift(tensor) for tensor in tensors]
    if dim != 0 or any(isinstance(value, Node) for value in values):
        raise CannotCompile("stack of layers, or not along the first dimension")
    if all(value.ndim == 0 for value in values) and len(values) > SMALL:
        return r.graph.concat([(value.reshape(-1)[0], 1) for value in values])
    return np.stack(np.broadcast_arrays(*values))


def _cat(r: StepRecorder, tensors: Sequence[Any], dim: int = 0) -> Value:
    values = [r._lift(tensor) for tensor in tensors]
    if dim != 0:
        raise CannotCompile(f"cat along dimension {dim}")
    pieces: list[tuple[Node, int]] = []
    for value in values:
        pieces += [(value, value.length)] if isinstance(value, Node) else [(node, 1) for node in value]
    if sum(count for _, count in pieces) <= SMALL:
        return _array([node for node, _ in pieces])
    return r.graph.concat(pieces)


def _expand(r: StepRecorder, x: Any, size: Sequence[int], **_: Any) -> Value:
    value = r._lift(x)
    if isinstance(value, Node):
        return value
    have = (1,) * (len(size) - 1 - value.ndim) + value.shape
    shape = tuple(old if wanted == -1 else wanted for wanted, old in zip(size[:-1], have, strict=True))
    if _layered(shape):
        return r.graph.concat([(_single(value), shape[0])])
    return np.broadcast_to(value, shape)


def _unsqueeze(r: StepRecorder, x: Any, dim: int) -> Value:
    value = r._lift(x)
    if dim != 0 or isinstance(value, Node):
        raise CannotCompile(f"unsqueeze of dimension {dim}")
    return value[None]


def _first_dimension(dim: Any) -> None:
    if dim not in (0, [0], (0,)):
        raise CannotCompile(f"reduction over dimension {dim}")


def _sum(r: StepRecorder, x: Any, dim: Any, keepdim: bool = False, **_: Any) -> Value:
    _first_dimension(dim)
    return r.reduce("sum", lambda a, b: r.graph.node("add", a, b), x)


def _cumsum(r: StepRecorder, x: Any, dim: int, **_: Any) -> Value:
    _first_dimension(dim)
    value = r._lift(x)
    members = [r.graph.extract(value, k) for k in range(value.length)] if isinstance(value, Node) else list(value)
    for k in range(1, len(members)):
        members[k] = r.graph.node("add", members[k - 1], members[k])
    return r.graph.concat([(node, 1) for node in members]) if isinstance(value, Node) else _array(members)


def _amax(r: StepRecorder, x: Any, dim: Any, keepdim: bool = False) -> Value:
    _first_dimension(dim)
    return r.reduce("max", lambda a, b: _maximum(r.graph, a, b), x)


def _all(r: StepRecorder, x: Any, dim: Any, keepdim: bool = False) -> Value:
    _first_dimension(dim)
    return r.reduce("all", lambda a, b: r.graph.node("and", a, b), x)


def _index(r: StepRecorder, table: Tensor, indices: Sequence[Any]) -> Value:
    if r._known(table) or table.ndim != 1 or len(indices) != 1:
        raise CannotCompile("indexing of anything but a table by one index")
    attribute = (r.constant_number(table), table.shape[0])
    return r.apply(lambda place: r.graph.node("gather", place, attribute=attribute), indices[0])


def _to_copy(r: StepRecorder, x: Any, *, dtype: torch.dtype | None = None, **_: Any) -> Value:
    if dtype in (torch.int64, torch.int32):
        return r.elementwise("truncate", x)
    zero, one = r.graph.constant(0.0), r.graph.constant(1.0)
    return r.apply(lambda a: r.graph.node("select", a, one, zero) if a.boolean else a, x)


def _like(value: float) -> Callable[..., Value]:
    def handler(r: StepRecorder, x: Any, *_: Any, dtype: torch.dtype | None = None, **__: Any) -> Value:
        constant = r.graph.constant(value)
        if (dtype or x.dtype) == torch.bool:
            constant = r.graph.node("ne", constant, r.graph.constant(0.0))
        shape = tuple(x.shape[:-1])
        if _layered(shape):
            return r.graph.concat([(constant, shape[0])])
        result = np.empty(shape, dtype=object)
        result[...] = constant
        return result

    return handler


def _full_like(r: StepRecorder, x: Any, value: float, **named: Any) -> Value:
    return _like(float(value))(r, x, **named)


def _not(r: StepRecorder, x: Any) -> Value:
    return r.elementwise("not", x)


def _equal(r: StepRecorder, x: Any, y: Any) -> Value:
    g = r.graph

    def equal(a: Node, b: Node) -> Node:
        return g.node("select", a, b, g.node("not", b)) if a.boolean and b.boolean else g.node("eq", a, b)

    return r.apply(equal, x, y)


def _same(op: str) -> Callable[..., Value]:
    return lambda r, *args: r.elementwise(op, *args)


_HANDLERS: dict[str, Callable[..., Any]] = {
    "add": _scaled("add"),
    "sub": _scaled("sub"),
    "rsub": _rsub,
    "addcmul": _addcmul,
    "reciprocal": lambda r, x: r.elementwise("div", 1.0, x),
    "pow": _pow,
    "relu": lambda r, x: r.apply(
        lambda a: r.graph.node("select", r.graph.node("gt", a, r.graph.constant(0.0)), a, r.graph.constant(0.0)), x
    ),
    "clamp": _clamp,
    "maximum": lambda r, x, y: r.apply(lambda a, b: _maximum(r.graph, a, b), x, y),
    "minimum": lambda r, x, y: r.apply(lambda a, b: _minimum(r.graph, a, b), x, y),
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
    "clone": lambda r, x, **_: r._lift(x),
    "detach": _same("detach"),
    **{name: _same(name) for name in ("mul", "div", "neg", "abs", "sqrt", "exp", "log", "atan", "expm1")},
    **{name: _same(name) for name in ("lt", "le", "gt", "ge", "ne")},
}
