"""Records as rows of numbers, and between a journal of such rows and the variables of a netCDF file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import netCDF4
import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.output.chunks import encoded, encoder, put_encoded, records_of_chunk
from bmi_noahpy.output.journal import Journal
from bmi_noahpy.output.sampling import Records
from bmi_noahpy.output.side_by_side import mapped

if TYPE_CHECKING:
    import h5py

Array = NDArray[np.float64]

BLOCK_BYTES = 16 * 2**20
"""As for blocks of steps (`bmi_noahpy.runs.blocks.MEMORY`)."""
BOUNDS = 2
"""Beginning and end of the interval stand before the values of a record."""


class Rows(Protocol):
    """Where rows come from: a journal, or several beside each other."""

    @property
    def records(self) -> int:
        """Complete ones."""

    def rows(self, first: int, last: int) -> Array:
        """Those from `first` up to, not including, `last`, ``[record, width]``."""


class RecordRows:
    """How a record becomes a row: its interval, then the values of each column of the file.

    Parameters
    ----------
    names : Of the columns of the file.
    shapes : Shape of a value of each.
    compression : Of the file, 0 to 9.
    """

    def __init__(self, names: Sequence[str], shapes: Sequence[tuple[int, ...]], compression: int) -> None:
        self.names = list(names)
        self._shapes = list(shapes)
        self._encode = encoder(compression)
        self._stride = max((records_of_chunk(shape) for shape in shapes), default=1)
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

    def parts(self, rows: Array) -> list[Array]:
        """Views of rows, ``[record, ...]`` for each column of the file."""
        sides = zip(self._edges[:-1], self._edges[1:], self._shapes, strict=True)
        return [rows[:, first:last].reshape(len(rows), *shape) for first, last, shape in sides]

    def pack_values(self, values: Sequence[Array]) -> Array:
        """One value of every column, one after another."""
        return np.concatenate([value.reshape(-1) for value in values]) if len(values) else np.empty(0)

    def unpack_values(self, numbers: Array) -> tuple[Array, ...]:
        """What `pack_values` made one array of."""
        parts = np.split(np.asarray(numbers), self._edges[1:-1] - BOUNDS)
        return tuple(part.reshape(shape) for part, shape in zip(parts, self._shapes, strict=True))

    def write(self, file: h5py.File, journal: Rows, begin: int = 0, *, threads: int = 1) -> None:
        """Copy the records of a journal from one on into the variables of a file.

        Parameters
        ----------
        file : Made by `bmi_noahpy.output.layout.create_file`; it has the records before.
        journal : All records.
        begin : The first to be copied, from 0.
        threads : So many read and compress, in the memory of one; this one writes.
        """
        if begin == journal.records:
            return
        bounds, times, *variables = (file[name] for name in ("time_bnds", "time", *self.names))
        for variable in (bounds, times, *variables):
            variable.resize(journal.records, axis=0)
        chunks = [(variable.chunks[0], variable.dtype) for variable in variables]

        def encoded_block(block: tuple[int, int]) -> tuple[int, Array, list[tuple[int, list[Any]]]]:
            rows = journal.rows(*block)
            return block[0], rows[:, :BOUNDS].copy(), self._encoded(rows, max(begin - block[0], 0), chunks)

        # Chunks are written whole: one that was not full yet is written again.
        blocks = self._blocks(begin - begin % self._stride, journal.records, threads)
        for first, sides, parts in mapped(encoded_block, blocks, threads):
            bounds[first : first + len(sides)] = sides
            times[first : first + len(sides)] = sides[:, 1]
            for variable, (skipped, made) in zip(variables, parts, strict=True):
                put_encoded(variable, first + skipped, made)

    def _encoded(
        self, rows: Array, known: int, chunks: Sequence[tuple[int, np.dtype[Any]]]
    ) -> list[tuple[int, list[Any]]]:
        """Of each variable the records of full chunks that the file has already, and the bytes of the chunks behind."""
        made = []
        for number, (shape, (length, kind)) in enumerate(zip(self._shapes, chunks, strict=True)):
            full = known // length * length
            values = rows[full:, self._edges[number] : self._edges[number + 1]].reshape(len(rows) - full, *shape)
            made.append((full, list(encoded(values, length, kind, self._encode))))
        return made

    def read(self, path: Path, journal: Journal, records: int) -> None:
        """Copy the first records of a netCDF file into an empty journal."""
        with netCDF4.Dataset(path) as dataset:
            dataset.set_auto_mask(False)
            for first, last in self._blocks(0, records):
                bounds = dataset["time_bnds"][first:last]
                values = [dataset[name][first:last] for name in self.names]
                journal.append(self.pack(Records(bounds[:, 0], bounds[:, 1], values)))

    def _blocks(self, begin: int, end: int, threads: int = 1) -> Iterator[tuple[int, int]]:
        length = max(BLOCK_BYTES // (8 * self.width * threads) // self._stride, 1) * self._stride
        for first in range(begin, end, length):
            yield first, min(first + length, end)
