"""Records as rows of numbers, and between a journal of such rows and the variables of a netCDF file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.output.journal import Journal
from bmi_noahpy.output.layout import CHUNK_RECORDS
from bmi_noahpy.output.sampling import Column, Records

Array = NDArray[np.float64]

BLOCK_BYTES = 64 * 2**20
BOUNDS = 2
"""Beginning and end of the interval stand before the values of a record."""


class RecordRows:
    """How a record becomes a row: its interval, then the values of each column of the file.

    Parameters
    ----------
    columns : Columns of the file.
    shapes : Shape of a value of each.
    """

    def __init__(self, columns: Sequence[Column], shapes: Sequence[tuple[int, ...]]) -> None:
        self.names = [column.name for column in columns]
        self._shapes = list(shapes)
        sizes = [int(np.prod(shape, dtype=np.int64)) for shape in shapes]
        self._edges = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]) + BOUNDS
        self.width = int(self._edges[-1])

    def pack(self, records: Records) -> Array:
        """Records as ``[record, width]``."""
        rows = np.empty((len(records), self.width))
        rows[:, 0], rows[:, 1] = records.begin, records.end
        for number, values in enumerate(records.values):
            first, last = self._edges[number : number + 2]
            rows[:, first:last] = values.reshape(len(records), last - first)
        return rows

    def pack_values(self, values: Sequence[Array]) -> Array:
        """One value of every column, one after another."""
        return np.concatenate([value.reshape(-1) for value in values]) if len(values) else np.empty(0)

    def unpack_values(self, numbers: Array) -> tuple[Array, ...]:
        """What `pack_values` made one array of."""
        parts = np.split(np.asarray(numbers), self._edges[1:-1] - BOUNDS)
        return tuple(part.reshape(shape) for part, shape in zip(parts, self._shapes, strict=True))

    def write(self, dataset: Any, journal: Journal, begin: int = 0) -> None:
        """Copy the records of a journal from one on into the variables of an open netCDF file.

        Parameters
        ----------
        dataset : It has the records before.
        journal : All records.
        begin : The first to be copied, from 0.
        """
        for first, last in self._blocks(begin, journal.records):
            rows = journal.rows(first, last)
            dataset["time_bnds"][first:last] = rows[:, :BOUNDS]
            dataset["time"][first:last] = rows[:, 1]
            for number, name in enumerate(self.names):
                values = rows[:, self._edges[number] : self._edges[number + 1]]
                dataset[name][first:last] = values.reshape(last - first, *self._shapes[number])

    def read(self, path: Path, journal: Journal, records: int) -> None:
        """Copy the first records of a netCDF file into an empty journal."""
        with netCDF4.Dataset(path) as dataset:
            dataset.set_auto_mask(False)
            for first, last in self._blocks(0, records):
                bounds = dataset["time_bnds"][first:last]
                values = [dataset[name][first:last] for name in self.names]
                journal.append(self.pack(Records(bounds[:, 0], bounds[:, 1], values)))

    def _blocks(self, begin: int, end: int) -> Iterator[tuple[int, int]]:
        length = max(BLOCK_BYTES // (8 * self.width) // CHUNK_RECORDS, 1) * CHUNK_RECORDS
        if 8 * self.width * length > 4 * BLOCK_BYTES:
            length = max(BLOCK_BYTES // (8 * self.width), 1)
        for first in range(begin, end, length):
            yield first, min(first + length, end)
