"""The step as a graph of scalar operations of one column: what kernels are generated from.

A node stands for one number per column (``length`` 0), or for one per layer and column (``length`` layers). The column
is not a dimension of the graph: every operation treats all columns alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

COMPARISONS = frozenset({"lt", "le", "gt", "ge", "eq", "ne"})
LOGICAL = frozenset({"and", "or", "not", "all"})
STRUCTURAL = frozenset(
    {"input", "slice", "extract", "concat", "sum", "max", "all", "tridiagonal", "loop", "result", "dense", "outer"}
)
"""Operations that are not done element by element."""
FOLDABLE: dict[str, Callable[..., float]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "neg": lambda a: -a,
}


class Node:
    """One value of the graph; made by `Graph` only."""

    __slots__ = ("args", "attribute", "boolean", "length", "number", "op", "origin")

    def __init__(
        self, number: int, op: str, args: tuple[Node, ...], attribute: Any, length: int, boolean: bool, origin: str
    ) -> None:
        self.number, self.op, self.args, self.attribute = number, op, args, attribute
        self.length, self.boolean, self.origin = length, boolean, origin

    def __repr__(self) -> str:
        return f"{self.op}#{self.number}[{self.length}]"

    @property
    def is_constant(self) -> bool:
        """Whether this is a number written into the code."""
        return self.op == "constant"


class Graph:
    """Makes nodes; equal operations on equal operands are one node. Numbers grow from operands to results."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.origin = ""
        self._known: dict[Any, Node] = {}

    def copy(self) -> Graph:
        """A graph of the same nodes, to which others can be added."""
        new = Graph()
        new.nodes, new._known = list(self.nodes), dict(self._known)
        return new

    def node(self, op: str, *args: Node, attribute: Any = None, length: int | None = None) -> Node:
        """The node of an operation; its length is the longest of its operands' unless given.

        Parameters
        ----------
        op : Name of the operation.
        args : Operands.
        attribute : What else the operation depends on, such as the first layer of a slice.
        length : Number of layers, 0 for none.
        """
        if length is None:
            lengths = {arg.length for arg in args if arg.length}
            if len(lengths) > 1:
                raise ValueError(f"compiled: {op} of operands with lengths {sorted(lengths)}")
            length = lengths.pop() if lengths else 0

        # Only what is exact to the bit: x + 0 stays, because it turns -0 into 0.
        simpler = self._simplified(op, args, length)
        if simpler is not None:
            return simpler
        # By the numbers of its operands: the same operation on the same operands is one node.
        key = (op, tuple(arg.number for arg in args), attribute, length)
        if key not in self._known:
            selected = op == "select" and args[1].boolean
            sliced = op in ("slice", "extract", "detach", "concat") and args[0].boolean
            boolean = op in COMPARISONS or op in LOGICAL or selected or sliced
            made = Node(len(self.nodes), op, args, attribute, length, boolean, self.origin)
            self.nodes.append(made)
            self._known[key] = made
        return self._known[key]

    def placeholder(self, op: str, attribute: Any, length: int, boolean: bool) -> Node:
        """A node that equals no other: a value carried by a loop, or a result of one.

        Parameters
        ----------
        op : "carried" or "result".
        attribute : Which value of which loop.
        length : Number of layers, 0 for none.
        boolean : Whether it is a truth value.
        """
        made = Node(len(self.nodes), op, (), attribute, length, boolean, self.origin)
        self.nodes.append(made)
        return made

    def constant(self, value: float) -> Node:
        """A number written into the code."""
        value = float(value)
        # 0 and -0 are equal for Python and not for 1/x.
        key = math.copysign(1.0, value) if value == 0.0 else None
        return self.node("constant", attribute=(value, key), length=0)

    def slice(self, x: Node, start: int, length: int) -> Node:
        """Layers ``start`` to ``start + length``; a value without layers is the same in all.

        Parameters
        ----------
        x : The whole.
        start : First layer.
        length : Number of layers.
        """
        if x.length == 0 or (start == 0 and length == x.length):
            return x
        if x.op == "slice":
            return self.slice(x.args[0], x.attribute + start, length)
        return self.node("slice", x, attribute=start, length=length)

    def extract(self, x: Node, layer: int) -> Node:
        """The value of one layer."""
        if x.length == 0:
            return x
        if x.op == "slice":
            return self.extract(x.args[0], x.attribute + layer)
        return self.node("extract", x, attribute=layer, length=0)

    def concat(self, pieces: Sequence[tuple[Node, int]]) -> Node:
        """Layers put together: each piece is a node and the number of layers it fills (a column value is repeated)."""
        return self.node(
            "concat",
            *(piece for piece, _ in pieces),
            attribute=tuple(count for _, count in pieces),
            length=sum(count for _, count in pieces),
        )

    def _simplified(self, op: str, args: tuple[Node, ...], length: int) -> Node | None:
        """A node that gives the same value without the operation (exactly), if there is one."""
        if op in FOLDABLE and all(arg.is_constant for arg in args):
            return self.constant(FOLDABLE[op](*(arg.attribute[0] for arg in args)))
        values = [arg.attribute[0] if arg.is_constant else None for arg in args]
        if op == "mul":
            for value, other in zip(values, reversed(args), strict=True):
                if value == 1.0 and other.length == length:
                    return other
        if op == "div" and values[1] == 1.0 and args[0].length == length:
            return args[0]
        if op == "neg" and args[0].op == "neg":
            return args[0].args[0]
        if op == "select" and args[1] is args[2] and args[1].length == length:
            return args[1]
        return None


def needed(roots: Iterable[Node], follow: Callable[[Node], Sequence[Node]] | None = None) -> list[Node]:
    """All nodes the roots depend on, operands first. What a loop needs is reached through its result nodes.

    Parameters
    ----------
    follow : Which nodes a node depends on: `operands` for its value (the default), `causes` for its derivative.
    """
    follow = follow or operands
    found: dict[int, Node] = {}

    # A stack of its own: the graph is deeper than Python likes to recurse.
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node.number in found:
            continue
        found[node.number] = node
        stack.extend(follow(node))
    # Numbers grow from operands to results, so sorting is all the ordering it takes.
    return [found[number] for number in sorted(found)]


def reached(roots: Iterable[Node]) -> list[Node]:
    """All nodes that roots depend on, in iterations too, for values and derivatives; operands first."""
    found: dict[int, Node] = {}
    pending = [list(roots)]
    while pending:
        for node in needed(pending.pop(), causes):
            if node.number not in found:
                found[node.number] = node
                if node.op == "result":
                    pending.append([*node.attribute[0].carried, *node.attribute[0].final])
    return [found[number] for number in sorted(found)]


def operands(node: Node) -> tuple[Node, ...]:
    """Nodes that must be known before this one."""
    if node.op == "result":
        return (*node.attribute[0].initial, *node.attribute[0].invariants)
    return node.args[:1] if node.op == "attach" else node.args


def causes(node: Node) -> tuple[Node, ...]:
    """Nodes that the derivative of this one goes to."""
    return node.args if node.op == "attach" else operands(node)


class Loop:
    """An iteration that ends when its last carried value is true in every column, or after ``limit`` rounds.

    Parameters
    ----------
    initial : Values before the first round.
    carried : Placeholders for the values at the start of a round.
    final : Values at the end of a round, in terms of the placeholders.
    limit : Largest number of rounds.
    """

    def __init__(
        self, initial: Sequence[Node], carried: Sequence[Node], final: Sequence[Node], limit: int, number: int
    ) -> None:
        self.initial, self.carried, self.final = tuple(initial), tuple(carried), tuple(final)
        self.limit, self.number = limit, number
        inside = {node.number for node in carried}
        reached = needed(final)
        for node in reached:
            if any(operand.number in inside for operand in operands(node)):
                inside.add(node.number)
        self.body = [node for node in reached if node.number in inside and node.op != "carried"]
        outside = {
            operand.number: operand for node in self.body for operand in operands(node) if operand.number not in inside
        }
        outside |= {node.number: node for node in final if node.number not in inside}
        self.invariants = tuple(outside.values())

    def __repr__(self) -> str:
        return f"Loop{self.number}"
