"""Records the torch operations of one step as a graph of scalar operations of one column."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from noahpy_core.compiled.graph.graph import Graph, Loop, Node
from noahpy_core.compiled.record.activations import ACTIVATIONS
from noahpy_core.compiled.record.feature_operations import FEATURE_OPERATIONS
from noahpy_core.compiled.record.matrices import MATRICES
from noahpy_core.compiled.record.recorded_values import (
    SMALL,
    CannotCompile,
    Value,
    array_of,
    column_value,
    is_layered,
    single_node,
)
from noahpy_core.compiled.record.spread import Spread, combined, elements_of, index_axis, packed, plain, spread_of
from noahpy_core.compiled.record.torch_operations import OPERATIONS

FEATURES = {**FEATURE_OPERATIONS, **ACTIVATIONS, **MATRICES}
VIEWS = frozenset(
    {"permute", "transpose", "t", "view", "_unsafe_view", "unsqueeze", "squeeze", "expand", "select", "unbind", "slice"}
    | {"split", "split_with_sizes", "detach", "alias"}
)
"""Operations whose result shares its memory with what it is made of."""
MOST_NUMBERS = 4096
"""Of a tensor that is written into the code."""


class StepRecorder(TorchDispatchMode):
    """While it is active, every operation on a tensor made known by `supply` becomes a node of the graph.

    Parameters
    ----------
    order : Of the derivatives that will be taken of the graph.
    columns : Number of columns of the tensors, by which the dimension of the column is known; 0 where it is the last
        of every tensor, as in the physics.
    dtype : Number type of the model.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Torch otherwise loads its own compiler, which takes longer than all of this."""
        return False

    def __init__(self, order: int = 1, columns: int = 0, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.order, self.columns, self.dtype = order, columns, dtype
        self.graph = Graph()
        self.constants: list[Tensor] = []
        """Tensors the step uses that nobody supplied: tables and the like."""
        self.requirements: list[tuple[Node, str]] = []
        # By identity, with the tensor itself: while it is kept, no other can get its id.
        self._values: dict[int, tuple[Tensor, Value]] = {}
        self._constant_numbers: dict[int, int] = {}
        self._loops = 0
        # Tensors that share memory, by the first of them; and those whose memory was changed through another.
        self._roots: dict[int, int] = {}
        self._supplied: set[int] = set()
        self._stale: set[int] = set()

    # --- tensors and values -----------------------------------------------------------------------------------------

    def supply(self, tensor: Tensor, source: Any) -> None:
        """Make a tensor ``[..., column]`` an input of the graph under a name."""
        self._supplied.add(id(tensor))
        self._note(tensor, self._input(source, tuple(tensor.shape[:-1])))

    def supply_weights(self, tensor: Tensor, source: Any) -> None:
        """Make a tensor that all columns share an input of the graph under a name."""
        self._supplied.add(id(tensor))
        size = tensor.numel()
        node = self.graph.node("input", attribute=(source, None if size > 1 else 0), length=size if size > 1 else 0)
        members = [self.graph.extract(node, k) for k in range(size)]
        shape = [length for length in tensor.shape if length != 1]
        self._note(tensor, Spread(array_of(members).reshape(shape), tuple(index_axis(size) for size in tensor.shape)))

    def nodes(self, tensor: Tensor) -> list[Node]:
        """Nodes of a tensor: one with layers, or one for each leading index."""
        value = self.lift(tensor)
        if isinstance(value, Spread):
            raise CannotCompile(f"a result of shape {tuple(tensor.shape)} whose last dimension is not that of columns")
        return [value] if isinstance(value, Node) else list(value.reshape(-1))

    def _input(self, source: Any, lead: tuple[int, ...]) -> Value:
        if is_layered(lead):
            return self.graph.node("input", attribute=(source, None), length=lead[0])
        names = np.empty(lead, dtype=object)
        for place in np.ndindex(*lead):
            names[place] = self.graph.node("input", attribute=(source, place[0] if place else 0), length=0)
        return names

    def _note(self, tensor: Tensor, value: Value) -> None:
        self._values[id(tensor)] = (tensor, value)

    def known(self, thing: Any) -> bool:
        """Whether something is a tensor that depends on what was supplied."""
        return isinstance(thing, Tensor) and id(thing) in self._values

    def lift(self, thing: Any) -> Value:
        """The value of a tensor or number; a tensor nobody supplied becomes an input of its own."""
        if not isinstance(thing, Tensor):
            return column_value(self.graph.constant(float(thing)))
        if id(thing) in self._values:
            if id(thing) in self._stale:
                raise CannotCompile("a tensor that was changed in place through another")
            return self._values[id(thing)][1]
        # A number in a tensor is written into the code, like any other number.
        if thing.requires_grad:
            raise CannotCompile("a tensor that requires a gradient and is no weight of a module")
        if thing.ndim == 0:
            value = column_value(self.graph.constant(float(thing)))
        elif self.columns:
            value = self._elements(thing)
        else:
            value = self._input(("constant", self.constant_number(thing)), tuple(thing.shape[:-1]))
        self._note(thing, value)
        return value

    def spread(self, thing: Any) -> Spread:
        """The value of a tensor or number, with its axes."""
        return spread_of(self.lift(thing), thing.shape if isinstance(thing, Tensor) else ())

    def _elements(self, tensor: Tensor) -> Value:
        """A tensor nobody supplied, as numbers in the code."""
        if tensor.numel() > MOST_NUMBERS * self.columns:
            raise CannotCompile(f"a tensor of {tensor.numel()} numbers that is no weight of a module")

        def number(value: float) -> Node:
            constant = self.graph.constant(float(value))
            # A truth value is one that is compared.
            return self.graph.node("ne", constant, self.graph.constant(0.0)) if truth else constant

        truth = tensor.dtype == torch.bool
        return plain(self.graph, elements_of(tensor.detach().numpy(), self.columns, number))

    def constant_number(self, tensor: Tensor) -> int:
        """Place of a tensor nobody supplied among the constants."""
        if id(tensor) not in self._constant_numbers:
            self._constant_numbers[id(tensor)] = len(self.constants)
            self.constants.append(tensor)
        return self._constant_numbers[id(tensor)]

    # --- operations -------------------------------------------------------------------------------------------------

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute, and note the operation if it involves a known tensor."""
        # The values do not matter, but the physics goes by the shapes of what comes back.
        result = function(*args, **(kwargs or {}))
        flat = [member for arg in args for member in (arg if isinstance(arg, (list, tuple)) else (arg,))]
        if not any(self.known(member) for member in flat):
            return result
        name = function.overloadpacket.__name__
        self.graph.origin = _origin()
        if self.columns:
            values = self._noted(name, function, args, kwargs or {})
            if name in VIEWS:
                self._share(result, args[0])
        else:
            values = self._handler(name, function, OPERATIONS)(self, *args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self._note(result, values)
        else:
            for tensor, value in zip(result, values, strict=True):
                if value is not None:
                    self._note(tensor, value)
        return result

    @staticmethod
    def _handler(name: str, function: Any, operations: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
        handler = operations.get(name)
        if handler is None:
            raise CannotCompile(f"torch operation {function} has no compiled form")
        return handler

    def _noted(self, name: str, function: Any, args: Any, kwargs: Any) -> Any:
        """The value of an operation of a scheme that is not built in."""
        if name.endswith("_") and not name.startswith("_"):
            self._change(args[0], function)
            name = name[:-1]
        handler = FEATURES.get(name)
        values = NotImplemented if handler is None else handler(self, *args, **kwargs)
        if values is NotImplemented:
            values = self._handler(name, function, OPERATIONS)(self, *args, **kwargs)
        if not torch.is_grad_enabled():
            # Within `no_grad`: what comes of it has no derivative.
            values = self._cut(values)
        return values

    def _change(self, tensor: Tensor, function: Any) -> None:
        """A tensor is about to have another value: what shares its memory must not be read again."""
        root = self._roots.get(id(tensor), id(tensor))
        if root in self._supplied:
            raise CannotCompile(f"torch operation {function} on what a scheme is given")
        together = {member for member, first in self._roots.items() if first == root} | {root}
        self._stale |= together - {id(tensor)}

    def _share(self, result: Any, base: Tensor) -> None:
        """Note that results are views."""
        root = self._roots.get(id(base), id(base))
        for member in result if isinstance(result, list | tuple) else [result]:
            self._roots[id(member)] = root

    def _cut(self, values: Any) -> Any:
        if isinstance(values, list | tuple) and not isinstance(values, Spread):
            return [self._cut(value) for value in values]
        if isinstance(values, Spread):
            return combined(self.graph, lambda node: self.graph.node("detach", node), [values])
        if isinstance(values, Node):
            return self.graph.node("detach", values)
        cut = [self.graph.node("detach", node) for node in values.reshape(-1)]
        return array_of(cut).reshape(values.shape)

    def elementwise(self, op: str, *args: Any) -> Value:
        """An operation element by element, leading dimensions broadcast."""
        return self.apply(lambda *nodes: self.graph.node(op, *nodes), *args)

    def apply(self, function: Callable[..., Node], *args: Any) -> Value:
        """Several operations element by element, as a function of nodes."""
        values = [self.lift(arg) for arg in args]
        if any(isinstance(value, Spread) for value in values):
            return self._spread_out(function, args)
        if any(isinstance(value, Node) for value in values):
            return function(*(single_node(value) for value in values))
        spread = np.broadcast_arrays(*values)
        result = np.empty(spread[0].shape, dtype=object)
        for place in np.ndindex(*result.shape):
            result[place] = function(*(value[place] for value in spread))
        return result

    def _spread_out(self, function: Callable[..., Node], args: Sequence[Any]) -> Value:
        """Several operations element by element where there are features."""
        spreads = [self.spread(arg) for arg in args]
        wide = [one for one in spreads if one.members.size > 1]
        if len(wide) == 1 and all(one.members.size > 1 or _is_number(one) for one in spreads):
            found = self._all_at_once(function, spreads, wide[0])
            if found is not None:
                return plain(self.graph, found)
        return plain(self.graph, combined(self.graph, function, spreads))

    def _all_at_once(self, function: Callable[..., Node], spreads: Sequence[Spread], wide: Spread) -> Spread | None:
        """Features that lie one after the other as the layers of one node, which takes one operation for all."""
        nodes = list(wide.members.reshape(-1))
        layers = nodes[0].length
        whole = packed(self.graph, nodes, layers)
        if whole.op == "concat":
            return None
        others = [whole if one is wide else one.members.reshape(-1)[0] for one in spreads]
        made = function(*others)
        cut = [
            self.graph.slice(made, k * layers, layers) if layers else self.graph.extract(made, k)
            for k in range(len(nodes))
        ]
        axes = combined(self.graph, lambda *nodes: nodes[0], spreads).axes
        return Spread(array_of(cut).reshape(wide.members.shape), axes)

    def reduce(self, op: str, pairwise: Callable[[Node, Node], Node], x: Any) -> Value:
        """A reduction over the leading dimension."""
        value = self.lift(x)
        if isinstance(value, Node):
            return column_value(self.graph.node(op, value, length=0))
        if value.ndim != 1:
            raise CannotCompile(f"{op} over one of the leading dimensions {value.shape}")
        total = value[0]
        for member in value[1:]:
            total = pairwise(total, member)
        return column_value(total)

    # --- what torch cannot show -------------------------------------------------------------------------------------

    def tridiagonal(self, lower: Tensor, diagonal: Tensor, upper: Tensor, right: Tensor) -> Tensor | None:
        """See `noahpy_core.recording.Recorder`."""
        values = [self.lift(part) for part in (lower, diagonal, upper, right)]
        layers = lower.shape[0]
        # Written out instead: with two layers elimination is shorter than a loop.
        if layers <= SMALL:
            return None
        self.graph.origin = _origin()
        node = self.graph.node("tridiagonal", *(single_node(value) for value in values), length=layers)
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
            # A round may end in a value that is the same in all layers; the next one expects one for
            # each.
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
            # A new tensor for each result: the one given stands for the value before the loop.
            new = tensor.clone()
            shape, members = tensor.shape[:-1], [next(results) for _ in self.nodes(tensor)]
            self._note(new, members[0] if members[0].length else array_of(members).reshape(shape))
            after.append(new)
        return tuple(after)

    def _carried(self, tensor: Tensor, name: tuple[int, int]) -> Tensor:
        new = torch.zeros_like(tensor)
        value = self.lift(tensor)
        boolean = tensor.dtype == torch.bool
        if isinstance(value, Node):
            self._note(new, self.graph.placeholder("carried", name, value.length, boolean))
            return new
        members = [self.graph.placeholder("carried", (*name, k), 0, boolean) for k in range(value.size)]
        self._note(new, array_of(members).reshape(value.shape))
        return new

    def attach(self, value: Tensor, step: Tensor) -> Tensor:
        """See `noahpy_core.recording.Recorder`."""
        result = torch.empty(value.shape, dtype=value.dtype)
        self._note(result, self.elementwise("attach", value, step))
        return result

    def require(self, fulfilled: Tensor, what: str) -> None:
        """See `noahpy_core.recording.Recorder`."""
        self.requirements += [(node, what) for node in self.nodes(fulfilled)]


def _is_number(spread: Spread) -> bool:
    """Whether it is one number, the same in all columns."""
    return bool(spread.members.size == 1 and spread.members.reshape(-1)[0].is_constant)


def _origin() -> str:
    """Module of the physics, or of the step, that is at work."""
    frame = sys._getframe(1)
    first = ""
    while frame is not None:
        path = PurePath(frame.f_code.co_filename)
        if path.parent.name == "physics":
            return path.stem
        if not first and path.parent.name in ("noahpy_core", "steps") and path.stem not in ("numerics", "recording"):
            first = path.stem
        frame = frame.f_back  # type: ignore[assignment]
    return first
