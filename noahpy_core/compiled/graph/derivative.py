"""Reverse mode on the graph: nodes for the derivative of a step.

The conventions at kinks and ties are torch's: what eager mode gives as derivative, this gives too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from noahpy_core.compiled.graph.graph import Graph, Node

# An iteration has none: its result is found without derivative, and a step of Newton's method carries it.
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

        # Contributions wait until all are known: then parts of layers are put together once, instead of
        # padded each.
        terms = list(parts.whole)
        for length in dict.fromkeys(member.length for member in parts.layers):
            members = [member for member in parts.layers if member.length == length]
            # Added up layer by layer before the one sum over layers.
            terms.append(g.node("sum", self._total(members), length=0))
        zero = g.constant(0.0)
        slices = parts.slices
        if node.op == "dense":
            # The outputs of a layer are many slices, one beside the other: padding each would cost their square.
            rows, slices = self._side_by_side(node, slices)
            terms += rows
        for (start, length), members in slices.items():
            pieces = [(zero, start), (self._total(members), length), (zero, node.length - start - length)]
            terms.append(g.concat([(piece, count) for piece, count in pieces if count]))
        if parts.single:
            totals = {layer: self._total(members) for layer, members in parts.single.items()}
            terms.append(g.concat([(totals.get(layer, zero), 1) for layer in range(node.length)]))
        return self._total(terms)

    def _side_by_side(
        self, node: Node, slices: dict[tuple[int, int], list[Node]]
    ) -> tuple[list[Node], dict[tuple[int, int], list[Node]]]:
        """Slices that do not overlap as one node, and those that do."""
        zero, at = self.graph.constant(0.0), 0
        pieces: list[tuple[Node, int]] = []
        for (start, length), members in sorted(slices.items(), key=lambda one: one[0]):
            if start < at:
                return [], slices
            pieces += [(zero, start - at), (self._total(members), length)]
            at = start + length
        pieces.append((zero, node.length - at))
        filled = [(piece, count) for piece, count in pieces if count]
        return ([self.graph.concat(filled)] if slices else []), {}

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
            # A missing rule is a fault of this module; silence would be a wrong derivative.
            if rule is None:
                raise NotImplementedError(f"no derivative of {node.op}")
            rule(self, node, cotangent)

    def add_slice(self, node: Node, start: int, length: int, contribution: Node) -> None:
        """A contribution to some layers.

        Parameters
        ----------
        node : The value that the derivative is by.
        start, length : Which layers.
        contribution : Its share of the derivative.
        """
        self._parts[node.number].slices.setdefault((start, length), []).append(contribution)

    def add_layer(self, node: Node, layer: int, contribution: Node) -> None:
        """A contribution to one layer.

        Parameters
        ----------
        node : The value that the derivative is by.
        layer : Which layer.
        contribution : Its share of the derivative.
        """
        self._parts[node.number].single.setdefault(layer, []).append(contribution)

    def _total(self, members: list[Node]) -> Node:
        total = members[0]
        for member in members[1:]:
            total = self.linear("add", total, member)
        return total

    def linear(self, op: str, *args: Node) -> Node:
        """An operation that gives zero for zero, or "add", done only where the derivatives it is done to are not zero.

        A derivative passes a select as ``select(mask, 0, d)``. Taking the select through what is done to d puts it
        where the contribution joins others, and everything before is needed only where the mask is false: the way
        back through an iteration that had ended, for instance, need not be gone.
        """
        g = self.graph
        if op != "add":
            mask = _mask_of(args[0])
            if mask is None:
                return g.node(op, *args)
            rest = args[1:]
            branches = [b if _is_zero(b) else self.linear(op, b, *rest) for b in args[0].args[1:]]
            return g.node("select", mask, *branches)
        first, second = args
        masks = _mask_of(first), _mask_of(second)

        # Two derivatives with one mask stay one select, so that what follows is still left out as a whole.
        if masks[0] is not None and masks[0] is masks[1]:
            pairs = list(zip(first.args[1:], second.args[1:], strict=True))
            return g.node("select", masks[0], *(self._sum(x, y) for x, y in pairs))
        if masks[1] is not None:
            return g.node("select", masks[1], *(self._sum(first, branch) for branch in second.args[1:]))
        if masks[0] is not None:
            return g.node("select", masks[0], *(self._sum(branch, second) for branch in first.args[1:]))
        return g.node("add", first, second)

    def where(self, mask: Node, x: Node, y: Node) -> Node:
        """A derivative in one of two places, zero in the other.

        Of several masks the one that was met first stays the outermost. It belongs to what was computed last, and where
        it lets nothing through, what comes before it need not be computed, other masks included.
        """
        passed = y if _is_zero(x) else x
        outer = _mask_of(passed)
        if outer is None or outer is mask:
            return self.graph.node("select", mask, x, y)
        pair = (lambda branch: (x, branch)) if _is_zero(x) else (lambda branch: (branch, y))
        branches = [b if _is_zero(b) else self.where(mask, *pair(b)) for b in passed.args[1:]]
        return self.graph.node("select", outer, *branches)

    def _sum(self, x: Node, y: Node) -> Node:
        if _is_zero(x):
            return y
        return x if _is_zero(y) else self.linear("add", x, y)


def _is_zero(node: Node) -> bool:
    return node.is_constant and node.attribute[0] == 0.0


def _mask_of(node: Node) -> Node | None:
    """The mask of a derivative that is zero where it is true, or where it is false."""
    if node.op == "select" and (_is_zero(node.args[1]) or _is_zero(node.args[2])):
        return node.args[0]
    return None


Rule = Callable[[Reverse, Node, Node], None]


def _add(r: Reverse, node: Node, d: Node) -> None:
    for arg in node.args:
        r.add(arg, d)


def _sub(r: Reverse, node: Node, d: Node) -> None:
    r.add(node.args[0], d)
    r.add(node.args[1], r.linear("neg", d))


def _mul(r: Reverse, node: Node, d: Node) -> None:
    x, y = node.args
    if not x.is_constant:
        r.add(x, r.linear("mul", d, y))
    if not y.is_constant:
        r.add(y, r.linear("mul", d, x))


def _div(r: Reverse, node: Node, d: Node) -> None:
    x, y = node.args
    # d/y serves both: the derivative by y is -(d/y)(x/y).
    by_x = r.linear("div", d, y)
    if not x.is_constant:
        r.add(x, by_x)
    if not y.is_constant:
        r.add(y, r.linear("neg", r.linear("mul", by_x, node)))


def _attach(r: Reverse, node: Node, d: Node) -> None:
    for arg in node.args:
        r.add(arg, d)


def _neg(r: Reverse, node: Node, d: Node) -> None:
    r.add(node.args[0], r.linear("neg", d))


def _abs(r: Reverse, node: Node, d: Node) -> None:
    g, x = r.graph, node.args[0]
    # 0 at 0, as torch.
    zero = g.constant(0.0)
    signed = g.node("select", g.node("gt", x, zero), d, g.node("neg", d))
    r.add(x, g.node("select", g.node("eq", x, zero), zero, signed))


def _sqrt(r: Reverse, node: Node, d: Node) -> None:
    # From the result, which is there already. At 0 it is infinite, as in torch: the physics guards its roots.
    r.add(node.args[0], r.linear("div", d, r.graph.node("mul", r.graph.constant(2.0), node)))


def _exp(r: Reverse, node: Node, d: Node) -> None:
    r.add(node.args[0], r.linear("mul", d, node))


def _expm1(r: Reverse, node: Node, d: Node) -> None:
    # exp(x) from the result, without another exponential.
    r.add(node.args[0], r.linear("mul", d, r.graph.node("add", node, r.graph.constant(1.0))))


def _log(r: Reverse, node: Node, d: Node) -> None:
    r.add(node.args[0], r.linear("div", d, node.args[0]))


def _atan(r: Reverse, node: Node, d: Node) -> None:
    g, x = r.graph, node.args[0]
    r.add(x, r.linear("div", d, g.node("add", g.constant(1.0), g.node("mul", x, x))))


def _select(r: Reverse, node: Node, d: Node) -> None:
    g, (condition, x, y) = r.graph, node.args
    zero = g.constant(0.0)
    if not x.is_constant:
        r.add(x, r.where(condition, d, zero))
    if not y.is_constant:
        r.add(y, r.where(condition, zero, d))


def _slice(r: Reverse, node: Node, d: Node) -> None:
    r.add_slice(node.args[0], node.attribute, node.length, d)


def _extract(r: Reverse, node: Node, d: Node) -> None:
    r.add_layer(node.args[0], node.attribute, d)


def _concat(r: Reverse, node: Node, d: Node) -> None:
    start = 0
    for piece, count in zip(node.args, node.attribute, strict=True):
        if not piece.is_constant:
            part = r.graph.extract(d, start) if count == 1 else r.graph.slice(d, start, count)
            # One value repeated in several layers gets the derivative of each, here the same for all.
            if piece.length == 0 and part.length == 0 and count > 1:
                part = r.graph.node("mul", part, r.graph.constant(float(count)))
            r.add(piece, part)
        start += count


def _sum(r: Reverse, node: Node, d: Node) -> None:
    r.add(node.args[0], d)


def _max(r: Reverse, node: Node, d: Node) -> None:
    g, x = r.graph, node.args[0]
    # Shared equally between equal maxima, as torch.amax does.
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

    # One solve with the transposed matrix; its off-diagonals change sides and move by a layer.
    adjoint = g.node("tridiagonal", down(upper), diagonal, up(lower), d, length=layers)
    r.add(right, adjoint)
    if _varies(lower):
        r.add(lower, g.node("neg", g.node("mul", adjoint, down(node))))
    if _varies(diagonal):
        r.add(diagonal, g.node("neg", g.node("mul", adjoint, node)))
    if _varies(upper):
        r.add(upper, g.node("neg", g.node("mul", adjoint, up(node))))


def _tanh(r: Reverse, node: Node, d: Node) -> None:
    g = r.graph
    r.add(node.args[0], r.linear("mul", d, g.node("sub", g.constant(1.0), g.node("mul", node, node))))


def _sigmoid(r: Reverse, node: Node, d: Node) -> None:
    g = r.graph
    r.add(node.args[0], r.linear("mul", d, g.node("mul", node, g.node("sub", g.constant(1.0), node))))


def _softplus(r: Reverse, node: Node, d: Node) -> None:
    r.add(node.args[0], r.linear("mul", d, r.graph.node("sigmoid", node.args[0])))


def _log1p(r: Reverse, node: Node, d: Node) -> None:
    g = r.graph
    r.add(node.args[0], r.linear("div", d, g.node("add", g.constant(1.0), node.args[0])))


def _dense(r: Reverse, node: Node, d: Node) -> None:
    g, (x, weights, *bias) = r.graph, node.args
    outputs, inputs, layers, turned = node.attribute
    r.add(x, g.node("dense", d, weights, attribute=(inputs, outputs, layers, not turned), length=x.length))
    pair, sizes = ((x, d), (inputs, outputs)) if turned else ((d, x), (outputs, inputs))
    r.add(weights, g.node("outer", *pair, attribute=(*sizes, layers), length=weights.length))
    for member in bias:
        sums = [g.node("sum", g.slice(d, k * layers, layers), length=0) for k in range(outputs)] if layers else []
        r.add(member, g.concat([(total, 1) for total in sums]) if layers else d)


def _outer(r: Reverse, node: Node, d: Node) -> None:
    """Of the derivative of a layer, for second derivatives."""
    g, (x, y) = r.graph, node.args
    rows, columns, layers = node.attribute
    r.add(x, g.node("dense", y, d, attribute=(rows, columns, layers, False), length=x.length))
    r.add(y, g.node("dense", x, d, attribute=(columns, rows, layers, True), length=y.length))


def _varies(x: Node) -> bool:
    return x.op != "detach"


_RULES: Mapping[str, Rule] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "neg": _neg,
    "attach": _attach,
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
