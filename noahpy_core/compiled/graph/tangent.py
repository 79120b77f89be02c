"""Forward mode on the graph: nodes for the change of results that a change of inputs makes.

The conventions at kinks and ties are those of the way back (`noahpy_core.compiled.graph.derivative`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from noahpy_core.compiled.graph.derivative import NO_DERIVATIVE
from noahpy_core.compiled.graph.graph import Graph, Node


class Tangents:
    """Changes of nodes, from operands to results.

    Parameters
    ----------
    graph : Where the new nodes go.
    given : Number of an input -> node of its change.
    """

    def __init__(self, graph: Graph, given: Mapping[int, Node]) -> None:
        self.graph = graph
        self._known: dict[int, Node] = dict(given)

    def of(self, node: Node) -> Node | None:
        """The change of a node; None where there is none."""
        return self._known.get(node.number)

    def sweep(self, nodes: Iterable[Node]) -> None:
        """Find the change of every node; nodes come with operands before results."""
        for node in nodes:
            if node.boolean or node.op in NO_DERIVATIVE or node.number in self._known:
                continue
            if all(self.of(arg) is None for arg in node.args):
                continue
            # A change comes from the same place in the physics as its value, for whoever reads the dump.
            self.graph.origin = node.origin
            rule = _RULES.get(node.op)
            if rule is None:
                raise NotImplementedError(f"no change of {node.op}")
            change = rule(self, node)
            if change is not None:
                self._known[node.number] = change

    def zero_or(self, node: Node) -> Node:
        """The change of a node, as a node in any case."""
        return self.of(node) or self.graph.constant(0.0)

    def whole(self, node: Node) -> Node:
        """The change of a node with layers, in every layer."""
        change = self.zero_or(node)
        return change if change.length == node.length else self.graph.concat([(change, node.length)])

    def total(self, *changes: Node | None) -> Node | None:
        """Their sum."""
        total: Node | None = None
        for change in changes:
            if change is not None:
                total = change if total is None else self.graph.node("add", total, change)
        return total

    def scaled(self, change: Node | None, factor: Node, op: str = "mul") -> Node | None:
        """A change times (or over) a factor."""
        return None if change is None else self.graph.node(op, change, factor)


Rule = Callable[[Tangents, Node], "Node | None"]


def _add(t: Tangents, node: Node) -> Node | None:
    return t.total(*(t.of(arg) for arg in node.args))


def _sub(t: Tangents, node: Node) -> Node | None:
    first, second = (t.of(arg) for arg in node.args)
    if second is None:
        return first
    return t.graph.node("neg", second) if first is None else t.graph.node("sub", first, second)


def _mul(t: Tangents, node: Node) -> Node | None:
    x, y = node.args
    return t.total(t.scaled(t.of(x), y), t.scaled(t.of(y), x))


def _div(t: Tangents, node: Node) -> Node | None:
    g, (x, y) = t.graph, node.args
    # (x' - q y') / y with the quotient itself: the square of a small y would vanish.
    by_y = t.scaled(t.of(y), node)
    top = t.of(x)
    if by_y is not None:
        top = g.node("neg", by_y) if top is None else g.node("sub", top, by_y)
    return t.scaled(top, y, "div")


def _only(t: Tangents, node: Node) -> Node:
    change = t.of(node.args[0])
    assert change is not None
    return change


def _neg(t: Tangents, node: Node) -> Node:
    return t.graph.node("neg", _only(t, node))


def _abs(t: Tangents, node: Node) -> Node:
    g, x, change = t.graph, node.args[0], _only(t, node)
    zero = g.constant(0.0)
    signed = g.node("select", g.node("gt", x, zero), change, g.node("neg", change))
    # At 0 the slope is 0, as torch has it.
    return g.node("select", g.node("eq", x, zero), zero, signed)


def _sqrt(t: Tangents, node: Node) -> Node:
    # By the root, which is known, not by a second one.
    return t.graph.node("div", _only(t, node), t.graph.node("mul", t.graph.constant(2.0), node))


def _exp(t: Tangents, node: Node) -> Node:
    return t.graph.node("mul", _only(t, node), node)


def _expm1(t: Tangents, node: Node) -> Node:
    # exp(x) is known but for the one that was taken off.
    return t.graph.node("mul", _only(t, node), t.graph.node("add", node, t.graph.constant(1.0)))


def _log(t: Tangents, node: Node) -> Node:
    return t.graph.node("div", _only(t, node), node.args[0])


def _atan(t: Tangents, node: Node) -> Node:
    g, x = t.graph, node.args[0]
    return g.node("div", _only(t, node), g.node("add", g.constant(1.0), g.node("mul", x, x)))


def _select(t: Tangents, node: Node) -> Node:
    condition, x, y = node.args
    return t.graph.node("select", condition, t.zero_or(x), t.zero_or(y))


def _slice(t: Tangents, node: Node) -> Node:
    return t.graph.slice(_only(t, node), node.attribute, node.length)


def _extract(t: Tangents, node: Node) -> Node:
    return t.graph.extract(_only(t, node), node.attribute)


def _concat(t: Tangents, node: Node) -> Node:
    pieces = zip(node.args, node.attribute, strict=True)
    return t.graph.concat([(t.zero_or(piece), count) for piece, count in pieces])


def _sum(t: Tangents, node: Node) -> Node:
    return _summed(t, _only(t, node), node.args[0].length)


def _summed(t: Tangents, change: Node, layers: int) -> Node:
    """The sum over layers; a change without layers is the same in all."""
    if change.length:
        return t.graph.node("sum", change, length=0)
    return t.graph.node("mul", change, t.graph.constant(float(layers)))


def _max(t: Tangents, node: Node) -> Node:
    g, x = t.graph, node.args[0]
    # Equal largest layers share the change evenly, as in torch.
    largest = g.node("select", g.node("eq", x, node), g.constant(1.0), g.constant(0.0))
    shares = g.node("mul", largest, _only(t, node))
    return g.node("div", g.node("sum", shares, length=0), g.node("sum", largest, length=0))


def _tridiagonal(t: Tangents, node: Node) -> Node:
    g, (lower, diagonal, upper, right) = t.graph, node.args
    layers, zero = node.length, g.constant(0.0)
    # A x = r, so A x' = r' - A' x: one more solve with the same matrix. These are x of the row above and below.
    down = g.concat([(zero, 1), (g.slice(node, 0, layers - 1), layers - 1)])
    up = g.concat([(g.slice(node, 1, layers - 1), layers - 1), (zero, 1)])
    moved = t.total(t.scaled(t.of(lower), down), t.scaled(t.of(diagonal), node), t.scaled(t.of(upper), up))
    change = t.zero_or(right) if moved is None else g.node("sub", t.zero_or(right), moved)
    return g.node("tridiagonal", lower, diagonal, upper, change, length=layers)


def _tanh(t: Tangents, node: Node) -> Node:
    g = t.graph
    return g.node("mul", _only(t, node), g.node("sub", g.constant(1.0), g.node("mul", node, node)))


def _sigmoid(t: Tangents, node: Node) -> Node:
    g = t.graph
    return g.node("mul", _only(t, node), g.node("mul", node, g.node("sub", g.constant(1.0), node)))


def _softplus(t: Tangents, node: Node) -> Node:
    return t.graph.node("mul", _only(t, node), t.graph.node("sigmoid", node.args[0]))


def _log1p(t: Tangents, node: Node) -> Node:
    g = t.graph
    return g.node("div", _only(t, node), g.node("add", g.constant(1.0), node.args[0]))


def _dense(t: Tangents, node: Node) -> Node | None:
    x, weights, *bias = node.args
    g, moved = t.graph, [None if t.of(arg) is None else t.whole(arg) for arg in node.args]
    by_x = (
        None if moved[0] is None else g.node("dense", moved[0], weights, attribute=node.attribute, length=node.length)
    )
    if moved[1] is not None:
        # The change of the bias starts the sum, as the bias itself does.
        offset = [moved[2] or g.concat([(g.constant(0.0), bias[0].length)])] if bias else []
        by_weights = g.node("dense", x, moved[1], *offset, attribute=node.attribute, length=node.length)
        return t.total(by_x, by_weights)
    if not bias or moved[2] is None:
        return by_x
    outputs, _, layers, _ = node.attribute
    rows = [(g.extract(moved[2], k), max(layers, 1)) for k in range(outputs)]
    return t.total(by_x, g.concat(rows))


def _outer(t: Tangents, node: Node) -> Node | None:
    g, (x, y) = t.graph, node.args

    def product(a: Node, b: Node) -> Node:
        return g.node("outer", a, b, attribute=node.attribute, length=node.length)

    by_x = None if t.of(x) is None else product(t.whole(x), y)
    return t.total(by_x, None if t.of(y) is None else product(x, t.whole(y)))


_RULES: Mapping[str, Rule] = {
    "add": _add,
    # Its value is the first operand alone, its change that of both (`causes`).
    "attach": _add,
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
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "log1p": _log1p,
    "dense": _dense,
    "outer": _outer,
}
