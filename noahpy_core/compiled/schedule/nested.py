"""Which values need not be computed, where what asks for them may be left out itself: for kernels of derivatives.

A derivative passes the selects of the values it belongs to, one within the other, and asks for these values under all
their masks. Each value has every condition that makes it needless by itself: those common to all that read it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from noahpy_core.compiled.graph.graph import STRUCTURAL, Node
from noahpy_core.compiled.schedule.laziness import (
    WEIGHTS,
    WORTH_A_BRANCH,
    Asker,
    Conditions,
    Laziness,
    asked_for,
    conditions_of,
    masks_of,
)
from noahpy_core.compiled.schedule.schedule import value_of

ALWAYS: Conditions = frozenset()
"""Computed in any case."""


def find_nested_laziness(nodes: Sequence[Node], users: Mapping[int, list[Node]], kept: Iterable[Node]) -> Laziness:
    """As `noahpy_core.compiled.schedule.laziness.find_laziness`, with any number of conditions for each value."""
    masks = masks_of(nodes)
    common = _common(nodes, users, {value_of(node).number for node in kept}, masks)
    worth = _worth_a_branch(nodes, common)
    askers: dict[int, Asker] = {}
    for node in nodes:
        for condition in conditions_of(node, masks) if node.length else ():
            for operand in asked_for(node, condition):
                conditions = worth.get(operand.number, ALWAYS)
                # Where the asker is needless itself under this condition, it is nothing special.
                if condition in conditions and condition not in common[node.number]:
                    askers[node.number] = Asker(conditions, condition)
    conditional = {number: conditions for number, conditions in worth.items() if number not in askers}
    return Laziness(conditional, askers, masks)


def _common(
    nodes: Sequence[Node], users: Mapping[int, list[Node]], kept: Collection[int], masks: Mapping[int, Node]
) -> dict[int, Conditions]:
    """Conditions each of which makes a value needless."""
    found: dict[int, Conditions] = {}
    # By falling numbers: when a node is looked at, all that read it have been.
    for node in reversed(nodes):
        possible = node.op not in STRUCTURAL | {"carried", "constant"} and node.length and node.number not in kept
        reads = [_of_use(node, user, found, masks) for user in users[node.number]] if possible else []
        found[node.number] = frozenset.intersection(*reads) if reads else ALWAYS
    return found


def _of_use(node: Node, user: Node, found: Mapping[int, Conditions], masks: Mapping[int, Node]) -> Conditions:
    """Conditions that make a value needless to one that reads it."""
    # What has other layers is computed in another loop, to which no branch of this one reaches.
    if user.length != node.length:
        return ALWAYS
    asking = [
        condition
        for condition in conditions_of(user, masks)
        if any(operand.number == node.number for operand in asked_for(user, condition))
    ]
    return found.get(user.number, ALWAYS).union(asking)


def _worth_a_branch(nodes: Sequence[Node], common: Mapping[int, Conditions]) -> dict[int, Conditions]:
    """The conditions of each value, without those that too little hangs on for a branch of its own."""
    groups: dict[Conditions, list[Node]] = defaultdict(list)
    for node in nodes:
        groups[common[node.number]].append(node)
    groups.setdefault(ALWAYS, [])
    weights = {conditions: _weight(members) for conditions, members in groups.items()}
    for conditions in sorted(groups, key=len, reverse=True):
        if conditions and weights[conditions] < WORTH_A_BRANCH:
            # It is computed in cases in which it need not, with as many conditions as possible left.
            wider = max(
                (other for other in groups if other < conditions), key=lambda other: (len(other), weights[other])
            )
            groups[wider] += groups.pop(conditions)
            weights[wider] += weights.pop(conditions)
    return {node.number: conditions for conditions, members in groups.items() if conditions for node in members}


def _weight(nodes: Iterable[Node]) -> int:
    return sum(WEIGHTS.get(node.op, 1) for node in nodes)
