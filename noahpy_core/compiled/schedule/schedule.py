"""In what order the nodes of a graph are computed, and which are computed together in one loop over layers."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Sequence

from noahpy_core.compiled.graph.graph import STRUCTURAL, Loop, Node, operands

NOT_COMPUTED = frozenset({"constant", "detach", "attach", "input", "carried"})
"""What is there already, or is the value of another node."""


@dataclasses.dataclass
class Action:
    """One piece of code.

    Parameters
    ----------
    kind : "columns" (one after the other, no layers), "layers" (one loop), or the operation of a single node:
        "sum", "max", "all", "concat", "tridiagonal", "loop".
    nodes : What it computes.
    again : What it computes once more, for itself, before.
    """

    kind: str
    nodes: list[Node]
    again: list[Node] = dataclasses.field(default_factory=list)

    @property
    def loop(self) -> Loop:
        """The iteration of an action of that kind."""
        loop: Loop = self.nodes[0].attribute[0]
        return loop


def value_of(node: Node) -> Node:
    """The node whose value this one has: a derivative that is cut, or given, changes no value."""
    while node.op in ("detach", "attach"):
        node = node.args[0]
    return node


def base_of(node: Node) -> tuple[Node, int]:
    """The node in whose storage the layers are found, and the first one."""
    node, start = value_of(node), 0
    while node.op == "slice":
        start += node.attribute
        node = value_of(node.args[0])
    return node, start


def needs(node: Node) -> list[Node]:
    """Operands that must have been computed: constants are not, cut derivatives are what they cut."""
    return [value for value in (value_of(operand) for operand in operands(node)) if not value.is_constant]


def schedule(nodes: Iterable[Node]) -> list[Action]:
    """Actions that compute the nodes given; operands that are not among them are known already."""
    return _Scheduler(nodes).run()


class _Scheduler:
    def __init__(self, nodes: Iterable[Node]) -> None:
        self.nodes = {node.number: node for node in nodes if node.op not in NOT_COMPUTED}
        self.users: dict[int, list[Node]] = defaultdict(list)
        self.missing: dict[int, int] = {}
        self.columns: list[Node] = []
        self.structures: list[Node] = []
        self.layers: dict[int, list[Node]] = defaultdict(list)
        for node in self.nodes.values():
            wanted = {operand.number for operand in needs(node) if operand.number in self.nodes}
            self.missing[node.number] = len(wanted)
            for number in wanted:
                self.users[number].append(node)
        self.actions: list[Action] = []

    def run(self) -> list[Action]:
        """Columns as soon as possible, then what combines layers, then the longest loop over layers."""
        self._release([node for node in self.nodes.values() if self.missing[node.number] == 0])
        while self.columns or self.structures or any(self.layers.values()):
            # What has no layers costs little and frees most; loops are fewest when they are put off
            # longest.
            if self.columns:
                self._do_columns()
            elif self.structures:
                self._do_structure()
            else:
                self._do_layers(max(self.layers, key=lambda length: len(self.layers[length])))
        return self.actions

    def _release(self, nodes: Sequence[Node]) -> None:
        """Nodes whose operands are all known."""
        for node in nodes:
            # A slice is a view of what it was cut from, and takes no code.
            if node.op == "slice":
                self._finished(node)
            elif node.op in STRUCTURAL - {"extract"}:
                self.structures.append(node)
            elif node.length:
                self.layers[node.length].append(node)
            else:
                self.columns.append(node)

    def _finished(self, node: Node) -> None:
        self._release(self._freed(node))

    def _freed(self, node: Node) -> list[Node]:
        freed = []
        for user in self.users[node.number]:
            self.missing[user.number] -= 1
            if self.missing[user.number] == 0:
                freed.append(user)
        return freed

    def _do_columns(self) -> None:
        done = []
        while self.columns:
            node = self.columns.pop()
            done.append(node)
            self._finished(node)
        self.actions.append(Action("columns", done))

    def _do_structure(self) -> None:
        node = self.structures.pop()
        if node.op != "result":
            self.actions.append(Action(node.op, [node]))
            self._finished(node)
            return
        loop = node.attribute[0]

        # All results of an iteration come out of it at once.
        together = [node, *(other for other in self.structures if other.op == "result" and other.attribute[0] is loop)]
        self.structures = [other for other in self.structures if other not in together]
        self.actions.append(Action("loop", together))
        for member in together:
            self._finished(member)

    def _do_layers(self, length: int) -> None:
        # What becomes ready on the way joins the same loop, so that its values stay in registers.
        queue, done, later = self.layers.pop(length), list[Node](), list[Node]()
        while queue:
            node = queue.pop()
            done.append(node)
            for user in self._freed(node):
                joins = user.length == length and user.op not in STRUCTURAL
                (queue if joins else later).append(user)
        self.actions.append(Action("layers", done))
        self._release(later)
