"""How values of columns lie in the arrays of a caller: all of them, or in the cells of a grid with a mask."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Integers = NDArray[np.int64]


class MissingCell(ValueError):
    """A number for a cell that is no column.

    Parameters
    ----------
    name : Of the variable.
    value, index : The number, and where it stands in the caller's array.
    """

    def __init__(self, name: str, value: float, index: int) -> None:
        super().__init__(
            f"{name}: value {value:g} at index {index} is in a cell outside the mask, where nothing is computed. Give "
            "NaN there, or set domain.masked_cells to 'packed'."
        )
        self.name, self.value, self.index = name, value, index


@dataclasses.dataclass(frozen=True, eq=False)
class Layout:
    """Places of columns among the cells that a caller sees.

    Parameters
    ----------
    columns : Number of columns.
    cells : Place of each column in the flattened grid, rising; None when the caller sees the columns themselves.
    size : Number of cells of the grid.
    """

    columns: int
    cells: Integers | None = None
    size: int = 0

    @property
    def shown(self) -> int:
        """Numbers the caller sees of a quantity without layers."""
        return self.columns if self.cells is None else self.size

    def index(self, packed: int) -> int:
        """Where the value at a flat index of the columns, layers slowest, stands in the caller's array."""
        if self.cells is None:
            return packed
        layer, column = divmod(packed, self.columns)
        return layer * self.size + int(self.cells[column])

    def places(self, packed: int) -> Integers | None:
        """Where so many values of columns, layers slowest, stand in the caller's array; None: where they are."""
        if self.cells is None:
            return None
        layers = np.arange(packed // self.columns)[:, None]
        found: Integers = (layers * self.size + self.cells).reshape(-1)
        return found

    def spread(self, values: Floats, missing: float = float("nan")) -> Floats:
        """Flat values of columns, layers slowest, as the caller sees them.

        Parameters
        ----------
        values : ``[column]``, or ``[layer * column]``.
        missing : Shown in cells that are no columns.
        """
        places = self.places(values.size)
        if places is None:
            return values
        full = np.full(values.size // self.columns * self.size, missing)
        full[places] = values
        return full

    def gather(self, values: NDArray[Any]) -> NDArray[Any]:
        """Flat values of the columns from those of a caller."""
        if self.cells is None:
            return values
        found: NDArray[Any] = values[self.places(values.size // self.size * self.columns)]
        return found

    def inside(self, name: str, values: Floats, given: Mask) -> Mask:
        """Which of a caller's values are those of columns.

        Parameters
        ----------
        name : For the message of an error.
        values, given : Flat, and which of them count.

        Raises
        ------
        MissingCell : A number was given for a cell that is no column.
        """
        inside = np.ones(values.shape, dtype=bool)
        if self.cells is None:
            return inside
        inside[:] = False
        inside[self.places(values.size // self.size * self.columns)] = True
        wrong = np.flatnonzero(given & ~inside & ~np.isnan(values))
        if wrong.size:
            raise MissingCell(name, float(values[wrong[0]]), int(wrong[0]))
        return inside
