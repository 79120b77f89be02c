"""The memory that single steps write into: results in a few blocks, whose addresses are known."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from noahpy_core.compiled.execute.program import Program
from noahpy_core.state import Fluxes, State

Maker = Callable[[Iterator[Tensor]], Any]
Words = NDArray[np.int64]


@dataclasses.dataclass
class Result:
    """What a step leaves; its tensors are parts of one memory: without layers first, then those with as many layers.

    Parameters
    ----------
    parts : All tensors, in the order of the results; those of the state come first.
    memory : Flat.
    places : Where the kernel writes each part.
    start : Where the memory was when the addresses of the parts were found.
    addresses, state_addresses : Of all parts, and of those of the state.
    """

    state: State
    fluxes: Fluxes
    parts: list[Tensor]
    memory: Tensor
    places: list[int]
    start: int
    addresses: Words
    state_addresses: Words


class StepMemory:
    """Rooms for the results of steps.

    Parameters
    ----------
    program : Whose results they hold.
    columns : Number of columns.
    like : Of their number type, on their device.
    valid_for : A result is overwritten by so many results after it; None: never.
    """

    def __init__(self, program: Program, columns: int, like: Tensor, valid_for: int | None) -> None:
        self._like, self.states = like, len(program.rows)
        self._pattern = [layers for _, layers in program.results]
        # What has as many layers lies side by side, since cutting a block into its rows is quick.
        self._shapes = {
            length: (self._pattern.count(length), *([length] if length else []), columns)
            for length in sorted(set(self._pattern))
        }
        self._sizes = [math.prod(shape) for shape in self._shapes.values()]
        begins = dict(zip(self._shapes, np.cumsum([0, *self._sizes]), strict=False))
        place = [max(length, 1) * self._pattern[:k].count(length) for k, length in enumerate(self._pattern)]
        self._distances = program.target.size * (
            np.array(place) * columns + np.array([begins[length] for length in self._pattern])
        )
        self.table = np.zeros((len(self._pattern), 4), dtype=np.int64)
        """For the kernel: of each result the address, and the distances of columns, layers and times in numbers."""
        self.table[:, 1], self.table[:, 2] = 1, columns
        shape = program.shape
        self._make_state = _maker(State, {path for path, _ in shape.fields("state")})
        self._make_fluxes = _maker(Fluxes, {name for name, _ in shape.fluxes()})
        self._ring = [self._room() for _ in range(valid_for)] if valid_for else []
        self._turn = 0

    def next(self, *, looked_at: bool = True) -> Result:
        """Room for the next result.

        Parameters
        ----------
        looked_at : Make another room where somebody has put other memory into tensors of this one.
        """
        if not self._ring:
            return self._room()
        turn = self._turn
        self._turn = (turn + 1) % len(self._ring)
        result = self._ring[turn]
        if looked_at:
            self.locate(result)
            if list(map(Tensor.data_ptr, result.parts)) != result.places:
                result = self._ring[turn] = self._room()
        return result

    def locate(self, result: Result) -> None:
        """Find where each part of a result is to be written; its memory may have been moved."""
        start = result.memory.data_ptr()
        if start != result.start:
            result.start = start
            result.addresses = self._distances + start
            result.state_addresses = result.addresses[: self.states]
            result.places = result.addresses.tolist()

    def is_whole(self, result: Result) -> bool:
        """Whether the state is still where the kernel wrote it; not when data was replaced (``tensor.data = ...``)."""
        self.locate(result)
        states = self.states
        return list(map(Tensor.data_ptr, result.parts[:states])) == result.places[:states]

    def _room(self) -> Result:
        """A result whose values are still to be computed."""
        memory = self._like.new_empty(sum(self._sizes))
        blocks = zip(self._shapes.items(), memory.split(self._sizes), strict=True)
        parts = {length: iter(block.view(shape).unbind(0)) for (length, shape), block in blocks}
        values = [next(parts[length]) for length in self._pattern]
        given, nowhere = iter(values), np.empty(0, dtype=np.int64)
        state, fluxes = self._make_state(given), self._make_fluxes(given)
        result = Result(state, fluxes, values, memory, [], -1, nowhere, nowhere)
        self.locate(result)
        return result


def _maker(container: type, given: set[str], prefix: str = "") -> Maker:
    """Builds a container from its tensors in order; a field that is not given is None."""

    def absent(_: Iterator[Tensor]) -> None:
        return None

    members: list[Maker] = []
    for field in dataclasses.fields(container):
        path = prefix + field.name
        if "container" in field.metadata:
            members.append(_maker(field.metadata["container"], given, f"{path}."))
        else:
            members.append(next if path in given else absent)
    return lambda values: container(*[member(values) for member in members])
