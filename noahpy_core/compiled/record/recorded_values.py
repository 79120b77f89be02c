"""What a tensor stands for while a step is recorded: column nodes in an array, or one node with layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from noahpy_core.compiled.graph.graph import Node

SMALL = 2
"""A leading dimension of at most so many values is written out; a longer one becomes a loop over layers."""

Value = Any
"""Column nodes in an array of the tensor's leading dimensions, or one node with layers."""


class CannotCompile(ValueError):
    """The step does something that has no compiled form."""


def is_layered(lead: tuple[int, ...]) -> bool:
    """Whether leading dimensions become a loop over layers."""
    return len(lead) == 1 and lead[0] > SMALL


def column_value(node: Node) -> np.ndarray:
    """The value of a tensor without leading dimensions."""
    return array_of([node]).reshape(())


def array_of(nodes: Sequence[Node]) -> np.ndarray:
    """Nodes in an array."""
    result = np.empty(len(nodes), dtype=object)
    # Assigned, not given to the constructor: numpy would ask each node whether it is a sequence.
    result[:] = list(nodes)
    return result


def single_node(value: Value) -> Node:
    """The one node of a value that meets one with layers."""
    if isinstance(value, Node):
        return value
    if value.size != 1:
        raise CannotCompile(f"leading dimensions {value.shape} beside layers")
    node: Node = value.reshape(-1)[0]
    return node
