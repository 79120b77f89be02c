"""Reverse mode on the graph: nodes for the derivative of a step.

The conventions at kinks and ties are torch's: what eager mode gives as derivative, this gives too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from noahpy_core.compiled.graph import Graph, Node

NO_DERIVATIVE = frozenset(
    {"constant", "input", "carried", "result", "detach", "truncate", "lt", "le", "gt", "ge", "eq", "ne", "and", "or"}
    | {"not", "all", "gather"}
)


class _Parts(NamedTuple):
    """Contributions to the derivative with respect to one node."""

    whole: list[Node]
    """As long as the node."""
    layers: list[Node]
    """With layers, of a node without: they are summed."""
    slices: dict[tuple[int, int], list[Node]]
    """By start and length."""
    single: dict[int, list[Node]]
    """By layer."""


class Reverse:
    """Accumulates derivatives from results back to what they were computed from.

    Parameters
    ----------
    graph : Where the new nodes go.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._parts: dict[int, _Parts] = defaultdict(lambda: _Parts([], [], {}, {}))

    def add(self, node: Node, contribution: Node) -> None:
        """Count a contribution to the derivative with respect to a node."""
        if contribution.length > node.length:
            self._parts[node.number].layers.append(contribution)
        else:
            self._parts[node.number].whole.append(contribution)

    def touched(self, node: Node) -> bool:
        """Whether anything was counted for a node."""
        return node.number in self._parts

    def derivative(self, node: Node) -> Node | None:
        """The sum of all contributions so far; None if there are none."""
        if not self.touched(node):
            return None
        g, parts = self.graph, self._parts[node.number]
        terms = list(parts.whole)
        if parts.layers:
            terms.append(g.node("sum", self._total(parts.layers), length=0))
        zero = g.constant(0.0)
        for (start, length), members in parts.slices.items():
            pieces = [(zero, start), (self._total(members), length), (zero, node.length - start - length)]
            terms.append(g.concat([(piece, count) for piece, count in pieces if count]))
        if parts.single:
            totals = {layer: self._total(members) for layer, members in parts.single.items()}
            terms.append(g.concat([(totals.get(layer, zero), 1) for layer in range(node.length)]))
        return self._total(terms)

    def sweep(self, nodes: Iterable[Node]) -> None:
        """Pass derivatives from each node to its operands; nodes come with operands before results."""
        for node in sorted(nodes, key=lambda member: member.number, reverse=True):
            if node.boolean or node.op in NO_DERIVATIVE:
                continue
            cotangent = self.derivative(node)
            if cotangent is None:
                continue
            self.graph.origin = node.origin
            rule = _RULES.get(node.op)
            if rule is None:
                raise NotImplementedError(f"no derivative of {node.op}")
            rule(self, node, cotangent)

    def add_slice(self, node: Node, start: int, length: int, contribution: Node) -> None:
        """A contribution to some layers."""
        self._parts[node.number].slices.setdefault((start, length), []).append(contribution)

    def add_layer(self, node: Node, layer: int, contribution: Node) -> None:
        """A contribution to one layer."""
        self._parts[node.number].single.setdefault(layer, []).append(contribution)

    def _total(self, members: list[Node]) -> Node:
        total = members[0]
        for member in members[1:]:
            total = self.graph.node("add", total, member)
        return total


Rule = Callable[[Reverse, Node, Node], None]


def _add(r: Reverse, node: Node, d: Node) -> None:
    for arg in node.args:
        r.add(arg, d)


def _sub(r: Reverse, node: Node, d: Node) -> None:
    r.add(node.args[0], d)
    r.add(node.args[1], r.graph.node("neg", d))


def _mul(r: Reverse, node: Node, d: Node) -> None:
    x, y = node.args
    if not x.is_constant:
        r.add(x, r.graph.node("mul", d, y))
    if not y.is_constant:
        r.add(y, r.graph.node("mul", d, x))


def _div(r: Reverse, node: Node, d: Node) -> None:
    x, y = node.args
    by_x = r.graph.node("div", d, y)
    if not x.is_constant:
        r.add(x, by_x)
    if not y.is_constant:
        r.add(y, r.graph.node("neg", r.graph.node("mul", by_x, node)))


def _neg(r: Reverse, node: Node, d: Node) -> None:
    r.add(node.args[0], r.graph.node("neg", d))


def _abs(r: Reverse, node: Node, d: Node) -> None:
    g, x = r.graph, node.args[0]
    zero = g.constant(0.0)
    signed = g.node("select", g.node("gt", x, zero), d, g.node("neg", d))
    r.add(x, g.node("select", g.node("eq", x, zero), zero, signed))


def _sqrt(r: Reverse, node: Node, d: Node) -> None:
    r.add(node.args[0], r.graph.node("div", d, r.graph.node("mul", r.graph.constant(2.0), node)))


def _exp(r: Reverse, node: Node, d: Node) -> None:
    r.add(node.args[0], r.graph.node("mul", d, node))


def _expm1(r: Reverse, node: Node, d: Node) -> None:
    r.add(node.args[0], r.graph.node("mul", d, r.graph.node("add", node, r.graph.constant(1.0))))


def _log(r: Reverse, node: Node, d: Node) -> None:
    r.add(node.args[0], r.graph.node("div", d, node.args[0]))


def _atan(r: Reverse, node: Node, d: Node) -> None:
    g, x = r.graph, node.args[0]
    r.add(x, g.node("div", d, g.node("add", g.constant(1.0), g.node("mul", x, x))))


def _select(r: Reverse, node: Node, d: Node) -> None:
    g, (condition, x, y) = r.graph, node.args
    zero = g.constant(0.0)
    if not x.is_constant:
        r.add(x, g.node("select", condition, d, zero))
    if not y.is_constant:
        r.add(y, g.node("select", condition, zero, d))


def _slice(r: Reverse, node: Node, d: Node) -> None:
    r.add_slice(node.args[0], node.attribute, node.length, d)


def _extract(r: Reverse, node: Node, d: Node) -> None:
    r.add_layer(node.args[0], node.attribute, d)


def _concat(r: Reverse, node: Node, d: Node) -> None:
    start = 0
    for piece, count in zip(node.args, node.attribute, strict=True):
        if not piece.is_constant:
            part = r.graph.extract(d, start) if count == 1 else r.graph.slice(d, start, count)
            if piece.length == 0 and part.length == 0 and count > 1:
                part = r.graph.node("mul", part, r.graph.constant(float(count)))
            r.add(piece, part)
        start += count


def _sum(r: Reverse, node: Node, d: Node) -> None:
    r.add(node.args[0], d)


def _max(r: Reverse, node: Node, d: Node) -> None:
    g, x = r.graph, node.args[0]
    largest = g.node("select", g.node("eq", x, node), g.constant(1.0), g.constant(0.0))
    share = g.node("div", d, g.node("sum", largest, length=0))
    r.add(x, g.node("mul", largest, share))


def _tridiagonal(r: Reverse, node: Node, d: Node) -> None:
    g, (lower, diagonal, upper, right) = r.graph, node.args
    layers, zero = node.length, g.constant(0.0)

    def down(x: Node) -> Node:
        return g.concat([(zero, 1), (g.slice(x, 0, layers - 1), layers - 1)])

    def up(x: Node) -> Node:
        return g.concat([(g.slice(x, 1, layers - 1), layers - 1), (zero, 1)])

    adjoint = g.node("tridiagonal", down(upper), diagonal, up(lower), d, length=layers)
    r.add(right, adjoint)
    if _varies(lower):
        r.add(lower, g.node("neg", g.node("mul", adjoint, down(node))))
    if _varies(diagonal):
        r.add(diagonal, g.node("neg", g.node("mul", adjoint, node)))
    if _varies(upper):
        r.add(upper, g.node("neg", g.node("mul", adjoint, up(node))))


def _varies(x: Node) -> bool:
    return x.op != "detach"


_RULES: Mapping[str, Rule] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "neg": _neg,
    "abs": _abs,
    "sqrt": _sqrt,
    "exp": _exp,
    "expm1": _expm1,
    "log": _log,
    "atan": _atan,
    "select": _select,
    "slice": _slice,
    "extract": _extract,
    "concat": _concat,
    "sum": _sum,
    "max": _max,
    "tridiagonal": _tridiagonal,
}
