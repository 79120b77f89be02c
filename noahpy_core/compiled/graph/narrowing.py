"""Layers that nobody reads are not computed: the same graph, whose values have only the layers that are wanted.

A scheme gives a value for every layer, of which a step may use the topmost alone. What the scheme computes layer by
layer, linear layers of a network included, is then computed for that one. All results keep their bits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from noahpy_core.compiled.graph.graph import STRUCTURAL, Graph, Loop, Node, reached

Layers = tuple[int, ...]
"""Numbers of layers, in rising order."""
WORTH = 2
"""So many times fewer layers are worth a value of their own."""


def narrowed(roots: Sequence[Node]) -> tuple[Graph, list[Node]]:
    """A new graph without layers that are not wanted, and the nodes in it that stand for the old ones.

    Parameters
    ----------
    roots : Nodes of which all layers are wanted.
    """
    narrowing = _Narrowing(roots)
    return narrowing.graph, [narrowing.of(root) for root in roots]


class _Narrowing:
    def __init__(self, roots: Sequence[Node]) -> None:
        nodes = reached(roots)
        self.graph = Graph()
        self._made: dict[int, Node] = {}
        self._loops: dict[int, Loop] = {}
        # The layers of a node that its new one has; with a single one it has no layers any more.
        self._held = _held(nodes, roots)
        for node in nodes:
            # A slice is found in what it is a part of.
            if node.op != "slice" and (node.length == 0 or self._held[node.number]):
                self.graph.origin = node.origin
                self._made[node.number] = self._new(node)

    def of(self, node: Node) -> Node:
        """The new node of an old one with all of its layers."""
        made = self._made.get(node.number)
        if made is not None and made.length == node.length:
            return made
        found = self.part(node, tuple(range(node.length)))
        return found if found.length else self.graph.concat([(found, 1)])

    def part(self, node: Node, layers: Layers) -> Node:
        """Some layers of an old node, of which there are any; a single one is no layer any more."""
        if node.length == 0:
            return self._made[node.number]
        if node.op == "slice":
            return self.part(node.args[0], tuple(node.attribute + layer for layer in layers))
        made, held = self._made[node.number], self._held[node.number]
        first = held.index(layers[0])
        if len(layers) == 1:
            return self.graph.extract(made, first)
        if held[first : first + len(layers)] == layers:
            return self.graph.slice(made, first, len(layers))
        return self.graph.concat([(self.graph.extract(made, held.index(layer)), 1) for layer in layers])

    def _new(self, node: Node) -> Node:
        g, op, held = self.graph, node.op, self._held.get(node.number, ())
        if op == "extract":
            return self.part(node.args[0], (node.attribute,))
        if op == "carried":
            return g.placeholder(op, node.attribute, node.length, node.boolean)
        if op == "result":
            loop, position = node.attribute
            return g.placeholder(op, (self._loop(loop), position), node.length, node.boolean)
        if len(held) == node.length:
            return g.node(op, *map(self.of, node.args), attribute=node.attribute, length=node.length)
        if op == "concat":
            return self._joined(node, held)
        if op == "dense":
            return self._dense(node, held)
        return g.node(op, *(self.part(arg, held) for arg in node.args), attribute=node.attribute)

    def _joined(self, node: Node, held: Layers) -> Node:
        pieces, start = list[tuple[Node, int]](), 0
        for piece, count in zip(node.args, node.attribute, strict=True):
            layers = tuple(layer - start for layer in held if start <= layer < start + count)
            start += count
            if layers:
                pieces.append((self.part(piece, layers), len(layers)))
        (piece, count), *others = pieces
        return self.graph.concat(pieces) if others or max(piece.length, 1) != count else piece

    def _dense(self, node: Node, held: Layers) -> Node:
        """A linear layer of features, for some layers of the soil."""
        x, *weights = node.args
        outputs, inputs, rows, turned = node.attribute
        layers = held[: len(held) // outputs]
        features = self.part(x, tuple(feature * rows + layer for feature in range(inputs) for layer in layers))
        if features.length == 0:
            features = self.graph.concat([(features, 1)])
        attribute = (outputs, inputs, len(layers) if len(layers) > 1 else 0, turned)
        made = self.graph.node("dense", features, *map(self.of, weights), attribute=attribute, length=len(held))
        return made if len(held) > 1 else self.graph.extract(made, 0)

    def _loop(self, loop: Loop) -> Loop:
        if loop.number not in self._loops:
            initial, carried, final = (map(self.of, part) for part in (loop.initial, loop.carried, loop.final))
            self._loops[loop.number] = Loop(list(initial), list(carried), list(final), loop.limit, loop.number)
        return self._loops[loop.number]


def _held(nodes: Sequence[Node], roots: Iterable[Node]) -> dict[int, Layers]:
    """Layers of each node that are computed."""
    wanted: dict[int, set[int]] = defaultdict(set)
    for root in roots:
        wanted[root.number].update(range(root.length))
    held: dict[int, Layers] = {}
    # By falling numbers: when a node is looked at, all that read it have been.
    for node in reversed(nodes):
        if node.length:
            held[node.number] = _computed(node, wanted[node.number])
        args = node.args
        if node.op == "result":
            args = (*node.attribute[0].initial, *node.attribute[0].final)
        for position, arg in enumerate(args):
            if arg.length:
                wanted[arg.number].update(_read(node, position, arg, held.get(node.number, ())))
    return held


def _computed(node: Node, wanted: set[int]) -> Layers:
    """Layers that are computed so that some can be read."""
    whole = tuple(range(node.length))
    if node.op == "slice":
        return tuple(sorted(wanted))
    if node.op == "dense":
        # All outputs of a layer of the soil, as its inputs are read for all of them.
        outputs, _, rows, _ = node.attribute
        layers = {layer % max(rows, 1) for layer in wanted}
        wanted = {output * rows + layer for output in range(outputs) for layer in layers} if rows else set(whole)
    elif node.op == "carried" or node.op in STRUCTURAL - {"concat"}:
        return whole
    return tuple(sorted(wanted)) if WORTH * len(wanted) <= node.length else whole


def _read(node: Node, position: int, arg: Node, held: Layers) -> Iterable[int]:
    """Layers of an operand that a node reads for those that are computed."""
    if node.op == "extract":
        return (node.attribute,)
    if node.op == "slice":
        return (node.attribute + layer for layer in held)
    if node.op == "concat":
        start = sum(node.attribute[:position])
        return (layer - start for layer in held if start <= layer < start + node.attribute[position])
    if node.op == "dense" and position == 0:
        _, inputs, layers, _ = node.attribute
        rows = max(layers, 1)
        read = {layer % rows for layer in held}
        return (feature * rows + layer for feature in range(inputs) for layer in read)
    # Element by element.
    return held if node.op not in STRUCTURAL else range(arg.length)
