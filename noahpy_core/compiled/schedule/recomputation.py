"""Which values are computed again where they are read, instead of being kept in memory: in kernels of derivatives.

A derivative reads most values of the step it belongs to. What they take together is many times what the nearest memory
of a processor holds, so that fetching a value costs more than a sum or product of others that are fetched anyway.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from noahpy_core.compiled.graph.graph import COMPARISONS, Node
from noahpy_core.compiled.schedule.laziness import Laziness
from noahpy_core.compiled.schedule.schedule import Action, value_of

CHEAP = COMPARISONS | {"add", "sub", "mul", "neg", "abs", "select", "and", "or", "not"}
OPERATION, FETCH, KEEP = 1, 2, 3
"""Rough costs: of a cheap operation, of reading a value from memory, of writing it there."""


class Recomputation:
    """Decides what is kept.

    Parameters
    ----------
    actions : Of one piece of code, in order. Those over layers are given what they compute again.
    users : Number -> nodes that read the value.
    kept : Numbers of values that must be in memory.
    laziness : What need not be computed, and under which masks, which must be known there.
    """

    def __init__(
        self,
        actions: Sequence[Action],
        users: Mapping[int, list[Node]],
        kept: Collection[int],
        laziness: Laziness,
    ) -> None:
        self._laziness = laziness
        self._place = {
            node.number: place
            for place, action in enumerate(actions)
            if action.kind == "layers"
            for node in action.nodes
        }
        self._nodes = {node.number: node for action in actions if action.kind == "layers" for node in action.nodes}
        # Loops that read a value from memory, and all that they compute or read.
        self._readers: dict[int, set[int]] = defaultdict(set)
        self._there: dict[int, set[int]] = defaultdict(set)
        self._again: dict[int, set[int]] = defaultdict(set)
        self._kept = set(kept)
        for number, node in self._nodes.items():
            place = self._place[number]
            self._there[place].add(number)
            for operand in self._reads(node):
                self._read(operand, place)
            if any(user.number not in self._place for user in users[number]):
                self._kept.add(number)
        for number in sorted(self._nodes, reverse=True):
            self._decide(self._nodes[number])
        for place, numbers in self._again.items():
            actions[place].again = [self._nodes[number] for number in sorted(numbers)]
        self.kept = {number for number in self._nodes if self._in_memory(number)}

    def _reads(self, node: Node) -> list[Node]:
        """Values with layers that a node reads; masks of its branches as well, if they come before it."""
        operands = [value_of(arg) for arg in node.args]
        place, masks = self._place[node.number], self._laziness.masks
        conditions = self._laziness.conditional.get(node.number, ())
        early = [masks[one.mask] for one in conditions if self._place.get(one.mask, place + 1) <= place]
        return [operand for operand in (*operands, *early) if operand.length]

    def _read(self, node: Node, place: int) -> None:
        if self._place.get(node.number, place) != place:
            self._readers[node.number].add(place)
        self._there[place].add(node.number)

    def _in_memory(self, number: int) -> bool:
        return number not in self._place or number in self._kept or bool(self._readers[number])

    def _decide(self, node: Node) -> None:
        """Compute a value again wherever it is read, if that costs less."""
        places = self._readers[node.number]
        if node.op not in CHEAP or node.number in self._kept or not places:
            return
        inner, leaves = self._cone(node)
        cost = -KEEP - FETCH * len(places) + KEEP * sum(not self._in_memory(leaf.number) for leaf in leaves)
        for place in places:
            there = self._there[place]
            cost += OPERATION * sum(member.number not in there or member is node for member in inner)
            cost += FETCH * sum(leaf.number not in there for leaf in leaves)
        if cost >= 0:
            return
        self._readers[node.number] = set()
        for place in places:
            for leaf in leaves:
                self._read(leaf, place)
            for member in inner:
                if self._place[member.number] != place:
                    self._again[place].add(member.number)
                    self._there[place].add(member.number)

    def _cone(self, node: Node) -> tuple[list[Node], list[Node]]:
        """A value and all that it is computed from, as far as that is in no memory and cheap; and what that reads."""
        inner, leaves, pending = {node.number: node}, dict[int, Node](), [node]
        while pending:
            for operand in self._reads(pending.pop()):
                number = operand.number
                if number in inner or number in leaves:
                    continue
                if self._in_memory(number) or operand.op not in CHEAP:
                    leaves[number] = operand
                else:
                    inner[number] = operand
                    pending.append(operand)
        return list(inner.values()), list(leaves.values())
