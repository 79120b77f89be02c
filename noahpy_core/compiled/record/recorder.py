"""Records the torch operations of one step as a graph of scalar operations of one column."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from noahpy_core.compiled.graph.graph import Graph, Loop, Node
from noahpy_core.compiled.record.recorded_values import (
    SMALL,
    CannotCompile,
    Value,
    array_of,
    column_value,
    is_layered,
    single_node,
)
from noahpy_core.compiled.record.torch_operations import OPERATIONS


class StepRecorder(TorchDispatchMode):
    """While it is active, every operation on a tensor made known by `supply` becomes a node of the graph.

    Parameters
    ----------
    order : Of the derivatives that will be taken of the graph.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Torch otherwise loads its own compiler, which takes longer than all of this."""
        return False

    def __init__(self, order: int = 1) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.order = order
        self.graph = Graph()
        self.constants: list[Tensor] = []
        """Tensors the step uses that nobody supplied: tables and the like."""
        self.requirements: list[tuple[Node, str]] = []
        # By identity, with the tensor itself: while it is kept, no other can get its id.
        self._values: dict[int, tuple[Tensor, Value]] = {}
        self._constant_numbers: dict[int, int] = {}
        self._loops = 0

    # --- tensors and values -----------------------------------------------------------------------------------------

    def supply(self, tensor: Tensor, source: Any) -> None:
        """Make a tensor ``[..., column]`` an input of the graph under a name."""
        self._note(tensor, self._input(source, tuple(tensor.shape[:-1])))

    def nodes(self, tensor: Tensor) -> list[Node]:
        """Nodes of a tensor: one with layers, or one for each leading index."""
        value = self.lift(tensor)
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
            return self._values[id(thing)][1]
        # A number in a tensor is written into the code, like any other number.
        if thing.ndim == 0:
            value = column_value(self.graph.constant(float(thing)))
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
        # The values do not matter, but the physics goes by the shapes of what comes back.
        result = function(*args, **(kwargs or {}))
        flat = [member for arg in args for member in (arg if isinstance(arg, (list, tuple)) else (arg,))]
        if not any(self.known(member) for member in flat):
            return result
        name = function.overloadpacket.__name__
        self.graph.origin = _origin()
        handler = OPERATIONS.get(name)
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
        values = [self.lift(arg) for arg in args]
        if any(isinstance(value, Node) for value in values):
            return self.graph.node(op, *(single_node(value) for value in values))
        spread = np.broadcast_arrays(*values)
        result = np.empty(spread[0].shape, dtype=object)
        for place in np.ndindex(*result.shape):
            result[place] = self.graph.node(op, *(value[place] for value in spread))
        return result

    def apply(self, function: Callable[..., Node], *args: Any) -> Value:
        """Several operations element by element, as a function of nodes."""
        values = [self.lift(arg) for arg in args]
        if any(isinstance(value, Node) for value in values):
            return function(*(single_node(value) for value in values))
        spread = np.broadcast_arrays(*values)
        result = np.empty(spread[0].shape, dtype=object)
        for place in np.ndindex(*result.shape):
            result[place] = function(*(value[place] for value in spread))
        return result

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
