"""Which values need not be computed where nobody asks for them.

``select(mask, x, y)`` asks for y only where the mask is false. What is used for nothing but y, and takes long enough,
is left out where the mask is true in a whole vector: iterations end where all lanes have converged, and warm soil has
no freezing curve. The numbers that are asked for are the same with and without.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from noahpy_core.compiled.graph.graph import STRUCTURAL, Node
from noahpy_core.compiled.schedule.schedule import needs, value_of

WEIGHTS = {"div": 5, "sqrt": 5, "exp": 15, "expm1": 15, "log": 15, "atan": 20}
"""Rough cost of operations; 1 where not given."""
WORTH_A_BRANCH = 25


class Condition(NamedTuple):
    """What makes values needless: that a mask is `when` in all lanes."""

    mask: int
    when: bool


Conditions = frozenset[Condition]
"""Any one of them is enough."""


class Asker(NamedTuple):
    """What asks for a value in some cases only.

    Parameters
    ----------
    conditions : Of the value: both are computed together.
    condition : What makes the asker equal to its other operand.
    """

    conditions: Conditions
    condition: Condition


class Laziness(NamedTuple):
    """Values that may be left out, and what asks for them.

    Parameters
    ----------
    conditional : Number of a node -> what makes it needless.
    askers : By number: a select, "and" or "or".
    masks : Number -> node of every mask.
    """

    conditional: dict[int, Conditions]
    askers: dict[int, Asker]
    masks: dict[int, Node]

    def of(self, node: Node, known: Collection[int]) -> Conditions:
        """The conditions under which a node need not be computed, as far as their masks are known."""
        asker = self.askers.get(node.number)
        if asker is not None and asker.condition.mask not in known:
            return frozenset()
        conditions = self.conditional.get(node.number, frozenset()) if asker is None else asker.conditions
        return frozenset(condition for condition in conditions if condition.mask in known)


class Segment(NamedTuple):
    """Nodes computed one after the other, unless one of the conditions holds."""

    conditions: Conditions
    nodes: list[Node]


def shortcut(asker: Node, condition: Condition) -> Node:
    """The operand that an asker is equal to when the condition holds."""
    if asker.op == "select":
        return value_of(asker.args[1] if condition.when else asker.args[2])
    return next(arg for arg in map(value_of, asker.args) if arg.number == condition.mask)


def find_laziness(nodes: Sequence[Node], users: Mapping[int, list[Node]], kept: Iterable[Node]) -> Laziness:
    """Look for what can be left out.

    Parameters
    ----------
    nodes : All nodes, operands first.
    users : Number -> nodes that read the value.
    kept : Nodes that are needed in any case.
    """
    masks = masks_of(nodes)
    asking: dict[Condition, list[Node]] = defaultdict(list)
    for node in nodes:
        if node.length:
            for condition in conditions_of(node, masks):
                asking[condition].append(node)
    fixed = {value_of(node).number for node in kept}

    # How much hangs on each condition, if it had everything for itself.
    extent = {condition: len(_only_for(condition, askers, users, fixed)) for condition, askers in asking.items()}
    conditional: dict[int, Conditions] = {}
    asked: dict[int, Asker] = {}
    # The innermost first. What asks for something is itself computed in any case: conditions are not nested.
    for condition in sorted(asking, key=lambda one: extent[one]):
        taken = conditional.keys() | asked.keys()
        askers = [node for node in asking[condition] if node.number not in taken]
        only = _only_for(condition, askers, users, fixed | taken)
        if sum(WEIGHTS.get(node.op, 1) for node in only) >= WORTH_A_BRANCH:
            left_out = {node.number for node in only}
            conditional |= dict.fromkeys(left_out, frozenset((condition,)))
            for asker in askers:
                # An asker whose operand is computed all the same has no need of a branch.
                lazily = {arg.number for arg in asked_for(asker, condition)}
                if asker.number not in left_out and lazily & left_out:
                    asked[asker.number] = Asker(frozenset((condition,)), condition)
    return Laziness(conditional, asked, masks)


def masks_of(nodes: Iterable[Node]) -> dict[int, Node]:
    """Masks of selects by their numbers."""
    return {mask.number: mask for node in nodes if node.op == "select" for mask in [value_of(node.args[0])]}


def conditions_of(node: Node, masks: Collection[int]) -> Iterator[Condition]:
    """Conditions under which a node is equal to one of its operands."""
    args = [value_of(arg) for arg in node.args]
    if node.op == "select":
        yield from (Condition(args[0].number, when) for when in (True, False))
    elif node.op in ("and", "or"):
        yield from (Condition(arg.number, node.op == "or") for arg in args if arg.number in masks)


def asked_for(asker: Node, condition: Condition) -> list[Node]:
    """Operands that are read only if the condition does not hold."""
    args = [value_of(arg) for arg in asker.args]
    always = {condition.mask, shortcut(asker, condition).number}
    return [arg for arg in args if arg.number not in always]


def _only_for(
    condition: Condition, askers: Sequence[Node], users: Mapping[int, list[Node]], excluded: Collection[int]
) -> list[Node]:
    """What is computed layer by layer for nothing but operands of the askers."""
    lazily = {asker.number: {arg.number for arg in asked_for(asker, condition)} for asker in askers}
    # What has other layers is computed in another loop, to which no branch of this one reaches.
    lengths = {asker.length for asker in askers}
    found: dict[int, Node] = {}
    seen: set[int] = set()
    # By falling numbers: when a node is looked at, all that read it have been.
    queue: list[tuple[int, Node]] = []

    def consider(candidates: Iterable[Node]) -> None:
        for node in candidates:
            if node.number not in seen:
                seen.add(node.number)
                heapq.heappush(queue, (-node.number, node))

    for asker in askers:
        consider(asked_for(asker, condition))
    while queue:
        _, node = heapq.heappop(queue)
        possible = node.op not in STRUCTURAL | {"carried", "constant"} and node.length in lengths
        if not possible or node.number in excluded:
            continue
        if all(user.number in found or node.number in lazily.get(user.number, ()) for user in users[node.number]):
            found[node.number] = node
            consider(needs(node))
    return list(found.values())


def segments(nodes: Sequence[Node], laziness: Laziness, known: Collection[int]) -> list[Segment]:
    """An order of computation in which what has the same condition stands together.

    Parameters
    ----------
    nodes : Computed in one loop over layers.
    known : Numbers of masks that have been computed before. Without its mask, a condition is of no use.
    """
    inside = {node.number: node for node in nodes}
    # A mask may belong to a loop over other layers that comes later.
    reachable = {*inside, *known}
    conditions = {number: laziness.of(node, reachable) for number, node in inside.items()}

    users: dict[int, list[int]] = defaultdict(list)
    missing: dict[int, int] = {}
    for number, node in inside.items():
        # Masks count as operands: the branch cannot be taken before they are there.
        wanted = {operand.number for operand in needs(node)} | {one.mask for one in conditions[number]}
        missing[number] = len(wanted & inside.keys())
        for operand in wanted & inside.keys():
            users[operand].append(number)

    ready: dict[Conditions, list[int]] = defaultdict(list)
    for number, count in missing.items():
        if count == 0:
            ready[conditions[number]].append(number)

    result: list[Segment] = []
    always: Conditions = frozenset()
    while any(ready.values()):
        # What has no condition goes first, so that all that can be together is.
        chosen = always if ready[always] else next(key for key, waiting in ready.items() if waiting)
        done: list[Node] = []
        while ready[chosen]:
            number = ready[chosen].pop()
            done.append(inside[number])
            for user in users[number]:
                missing[user] -= 1
                if missing[user] == 0:
                    ready[conditions[user]].append(user)
        result.append(Segment(chosen, done))
    return result
