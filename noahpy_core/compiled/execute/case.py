"""What a compiled run reads, in the order its kernels expect it: tensors, or arrays, which do not need torch."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from noahpy_core.compiled.execute.program import Program
from noahpy_core.compiled.execute.tables import Numbers, address_of
from noahpy_core.compiled.shape import CONTAINERS, Source
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import quantities
from noahpy_core.state import Forcing, State

READERS = {
    name: [(path, operator.attrgetter(path)) for path, _ in quantities(container)]
    for name, container in CONTAINERS.items()
}
Trees = tuple[State, Forcing, Parameters]
NAMES = ("state", "forcing", "parameters")


@dataclasses.dataclass(frozen=True)
class Case:
    """Everything a run reads, in the order of the program's inputs.

    Parameters
    ----------
    columns : Number of columns; a leaf with one column is the same in all.
    sources : Container and path of each leaf.
    arrays : Whether leaves and results are arrays, not tensors.
    """

    program: Program
    columns: int
    steps: int
    sources: tuple[Source, ...]
    arrays: bool = False

    def table(self, leaves: Sequence[Numbers]) -> np.ndarray:
        """Table of inputs."""
        return self.program.input_table(dict(zip(self.sources, leaves, strict=True)), self.columns)

    def empty_state(self, steps: int | None = None) -> Any:
        """Room for one state in flat form, or for several."""
        # Not zeros: every row is written before anything reads it.
        size = (self.program.row_count, self.columns)
        return self._empty(size if steps is None else (steps, *size))

    def empty_series(self, names: Sequence[str]) -> dict[str, Any]:
        """Room for series of results, ``[time, ..., column]`` each, by name."""
        layers = dict(self.program.results)
        shapes = {name: (layers[name], self.columns) if layers[name] else (self.columns,) for name in names}
        return {name: self._empty((self.steps, *shape)) for name, shape in shapes.items()}

    def _empty(self, size: tuple[int, ...]) -> Any:
        if self.arrays:
            return np.empty(size, dtype=self.program.shape.number)
        import torch

        return torch.empty(size, dtype=self.program.shape.dtype, device=self.program.device)

    def flat(self, leaves: Sequence[Numbers]) -> Any:
        """The state among the leaves, in flat form."""
        flat = self.empty_state()
        given = dict(zip(self.sources, leaves, strict=True))
        for (path, _, _), part in zip(self.program.rows, self.state_parts(flat), strict=True):
            part[...] = given["state", path]
        return flat

    def state_parts(self, flat: Any) -> list[Any]:
        """The parts of a state in flat form, in the order of `State`."""
        return [flat[row : row + layers] if layers else flat[row] for _, layers, row in self.program.rows]

    def point_to(self, table: np.ndarray, flat: Any) -> np.ndarray:
        """A table whose state is one in flat form."""
        moved: np.ndarray = table.copy()
        place, size, columns = address_of(flat), self.program.target.size, self.columns
        for k, (_, layers, row) in enumerate(self.program.rows):
            # Columns lie side by side and layers a row apart; a state has no time.
            moved[k] = (place + row * columns * size, 1, columns if layers else 0, 0)
        return moved


def read(trees: Trees) -> tuple[frozenset[Source], list[Source], list[Any]]:
    """Optional fields that are not there, and container and path, and value, of every field that is."""
    # In the order of `input_sources`: callers of single steps know inputs by their place in the table.
    absent, sources, leaves = set[Source](), list[Source](), list[Any]()
    for name, tree in zip(NAMES, trees, strict=True):
        for path, reader in READERS[name]:
            leaf = reader(tree)
            if leaf is None:
                absent.add((name, path))
            else:
                sources.append((name, path))
                leaves.append(leaf)
    return frozenset(absent), sources, leaves


def build(container: type, values: Mapping[str, Any], prefix: str = "") -> Any:
    """A container from its members by dotted path.

    Parameters
    ----------
    container : Its class, such as `State`.
    values : Tensors or arrays by path; what is left out is None.
    prefix : Of the paths, for a container within another.
    """
    members = {}
    for field in dataclasses.fields(container):
        path = prefix + field.name
        nested = field.metadata.get("container")
        members[field.name] = build(nested, values, f"{path}.") if nested else values.get(path)
    return container(**members)
