"""The change that a change of everything that enters a step makes of its derivative: a Hessian times a vector."""

from __future__ import annotations

import dataclasses

from noahpy_core.compiled.graph.graph import Node, causes, needed
from noahpy_core.compiled.record.step_graph import (
    CHANGE,
    ReverseGraph,
    StepGraph,
    Wanted,
    changes_of,
    reverse_constants,
    reverse_step,
)
from noahpy_core.compiled.shape import Source

ORDER = 2
"""Of the derivatives that a step must be recorded for."""


@dataclasses.dataclass
class SecondGraph:
    """The derivative of a step, and its change.

    Parameters
    ----------
    back : The derivative by one step.
    state, forcing : Changes of the derivatives with respect to the state before the step and its forcing, by path.
    carried : The change of each derivative that adds up over time, in the order of ``back.carried``.
    constants : Derivatives with respect to what does not change in time, from the sums over time, and their changes,
        whose sources have a container with `noahpy_core.compiled.record.step_graph.CHANGE`.
    """

    back: ReverseGraph
    state: dict[str, Node]
    forcing: dict[str, Node]
    carried: list[Node]
    constants: dict[Source, Node]


def second_step(step: StepGraph, wanted: Wanted) -> SecondGraph:
    """The derivative of a step with its change: that of the way back, differentiated forward.

    What changes are state, forcing and constants, the derivatives that come in, and the sums over time. Each change is
    an input named as what changes, its container followed by `noahpy_core.compiled.record.step_graph.CHANGE`.

    Parameters
    ----------
    step : Recorded for derivatives of this `ORDER`.
    wanted : Which derivatives.
    """
    back = reverse_step(step, wanted)
    constants = reverse_constants(step, back.carried, wanted)
    derivatives = [*back.state.values(), *back.forcing.values(), *(d for _, d in back.carried), *constants.values()]
    tangents = changes_of(step.graph, needed(derivatives, causes), lambda source: source[0] != "constant")
    return SecondGraph(
        back,
        {path: tangents.zero_or(node) for path, node in back.state.items()},
        {path: tangents.zero_or(node) for path, node in back.forcing.items()},
        # A change that is the same in all layers lies in as many as what it is a change of.
        [tangents.whole(node) if node.length else tangents.zero_or(node) for _, node in back.carried],
        constants | {(source[0] + CHANGE, source[1]): tangents.zero_or(node) for source, node in constants.items()},
    )
