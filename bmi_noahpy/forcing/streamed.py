"""Records that stay in their files: read in windows, so that memory does not grow with the length of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike

from bmi_noahpy.forcing.checks import check_times
from bmi_noahpy.forcing.findings import Findings
from bmi_noahpy.forcing.netcdf import NetcdfField, NetcdfRecords, OpenFiles
from bmi_noahpy.forcing.prepared import Window, combine, needed, widen
from bmi_noahpy.forcing.table import Array, ForcingError, Times
from bmi_noahpy.forcing.units import convert
from bmi_noahpy.region.domain import Domain

Period = tuple[np.datetime64, np.datetime64]

WINDOW_BYTES = 64 * 2**20
"""Memory for the records at hand. [byte]"""


@dataclasses.dataclass(eq=False, repr=False)
class StreamedTable:
    """What `ForcingTable` is, for records in netCDF files.

    A window of records is kept; asking for records beyond it reads the next one. Windows are as long as memory allows,
    and whole chunks of the files where these are shorter, since each is decompressed as a whole.

    Parameters
    ----------
    fields : Variables by quantity, as the files have them.
    all_times : Times of all records of the files.
    first, last : Half-open range of the records in use.
    source : For messages.
    memory : For the records at hand. [byte]
    """

    fields: Mapping[str, NetcdfField]
    all_times: Times
    first: int
    last: int
    source: str
    memory: int
    sampled: bool = False

    def __post_init__(self) -> None:
        self._kept: tuple[int, int, Window] = (0, 0, {})
        self._columns = max(len(field.placement.places) for field in self.fields.values())

    @classmethod
    def of(cls, records: NetcdfRecords, period: Period | None) -> StreamedTable:
        """Records of a period (all without one), their times checked.

        Raises
        ------
        ForcingError : for irregular times and for units that do not fit.
        """
        check_times(records.times, records.source)
        table = cls(records.fields, records.times, *needed(records.times, period), records.source, WINDOW_BYTES)
        table._raw(table.first, table.first + 1)
        return table

    @property
    def times(self) -> Times:
        """Start of the interval each record describes."""
        return self.all_times[self.first : self.last]

    @property
    def quantities(self) -> frozenset[str]:
        """What a window holds."""
        return frozenset(combine(dict.fromkeys(self.fields, np.zeros((1, 1)))))

    @property
    def columns(self) -> int:
        """Number of columns (1: the same weather everywhere)."""
        return self._columns

    @property
    def records(self) -> int:
        """Number of records."""
        return self.last - self.first

    @property
    def interval(self) -> np.timedelta64 | None:
        """Time between records; None for a single record."""
        return self.times[1] - self.times[0] if self.records > 1 else None

    @property
    def values(self) -> Window:
        """All records at once: for files that fit into memory."""
        return self._read(0, self.records)

    def window(self, first: int, last: int) -> Window:
        """Records from `first` up to, not including, `last`: ``[time, column]`` by quantity."""
        begin, end, values = self._kept
        if not begin <= first <= last <= end:
            begin, end = first, max(last, self._window_end(first))
            self._kept = (0, 0, {})
            values = self._read(begin, end)
            self._kept = (begin, end, values)
        return {quantity: array[first - begin : last - begin] for quantity, array in values.items()}

    def choose(self, columns: ArrayLike) -> StreamedTable:
        """The same records of some of the columns."""
        fields = {quantity: field.choose(columns) for quantity, field in self.fields.items()}
        return dataclasses.replace(self, fields=fields)

    def findings(self, domain: Domain | None) -> Findings:
        """Everything missing or physically impossible, window by window."""
        findings = Findings(self.source, domain)
        for begin, end in self._windows():
            for quantity, values in self._raw(begin + self.first, end + self.first).items():
                name = self.fields[quantity].name
                findings.take(quantity, name, values, self.times[begin:end], begin + self.first)
        return findings

    def _windows(self) -> Iterator[tuple[int, int]]:
        begin = 0
        while begin < self.records:
            end = self._window_end(begin)
            yield begin, end
            begin = end

    def _window_end(self, begin: int) -> int:
        """End of the window that begins at a record: at the end of a chunk of the files, where one is near."""
        cells = sum(max(field.placement.cells, self._columns) for field in self.fields.values())
        rows = max(self.memory // (8 * cells), 1)
        chunk = max(field.chunk_records for field in self.fields.values())
        end = begin + self.first + rows
        if chunk <= rows:
            end -= end % chunk
        return min(end - self.first, self.records)

    def _read(self, first: int, last: int) -> Window:
        values = self._raw(first + self.first, last + self.first)
        return widen(combine(values), self.source)

    def _raw(self, first: int, last: int) -> dict[str, Array]:
        """Variables in the model's units, by number of record in the files."""
        interval = self.interval
        seconds = None if interval is None else float(interval / np.timedelta64(1, "s"))
        values = {}
        with OpenFiles() as files:
            for quantity, field in self.fields.items():
                try:
                    values[quantity] = convert(field.read(first, last, files), field.units, quantity, seconds)
                except ForcingError as error:
                    raise ForcingError(f"{where(self.source, quantity, field.name)}: {error}") from error
        return values


def where(source: str, quantity: str, name: str) -> str:
    """File and variable, for messages."""
    return f"{source}: {quantity}" + (f" ({name})" if name != quantity else "")
