"""Records that stay in their files: read in windows, so that memory does not grow with the length of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike

from bmi_noahpy.forcing.accumulation import amounts, looks_accumulated, totals
from bmi_noahpy.forcing.alignment import aligned
from bmi_noahpy.forcing.checks import check_times
from bmi_noahpy.forcing.derived import with_longwave, with_pressure
from bmi_noahpy.forcing.findings import Findings
from bmi_noahpy.forcing.gaps import fill, reach
from bmi_noahpy.forcing.netcdf_fields import NetcdfField, NetcdfRecords, OpenFiles
from bmi_noahpy.forcing.noise import clipped
from bmi_noahpy.forcing.prepared import (
    Biases,
    Period,
    Window,
    combine,
    combined_names,
    means_among,
    needed,
    rain_beyond_total,
    widen,
)
from bmi_noahpy.forcing.spec import GapSpec
from bmi_noahpy.forcing.table import Array, ForcingError, Times
from bmi_noahpy.forcing.terrain import Lift, lifted
from bmi_noahpy.forcing.units import convert, is_amount
from bmi_noahpy.region.domain import Domain
from bmi_noahpy.tabular import TimeSpec
from bmi_noahpy.tabular.clock import from_utc

WINDOW_BYTES = 64 * 2**20
"""Memory for the records at hand. [byte]"""
RECORDS_TO_JUDGE = 96
"""Records that are looked at for running totals."""
RECORDS_TO_LOOK_AT = 20_000
"""Records of the first column that are looked at for what is hardly true, at most, from the first on."""


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
    means : Quantities whose records are means over their interval.
    derivations : What is computed because the files lack it.
    gaps : Which gaps are filled, and how.
    notes : Sentences about what is done to the records.
    biases : Values are compared with their bounds as a run corrects them.
    lift : How far the columns are above the terrain of the records, where the air changes with it.
    clock : Of the files, whose midnight running totals follow.
    """

    fields: Mapping[str, NetcdfField]
    all_times: Times
    first: int
    last: int
    source: str
    memory: int
    sampled: bool = False
    means: frozenset[str] = frozenset()
    derivations: Mapping[str, float | str] = dataclasses.field(default_factory=dict)
    gaps: GapSpec | None = None
    notes: tuple[str, ...] = ()
    biases: Biases = dataclasses.field(default_factory=dict)
    lift: Lift | None = None
    clock: TimeSpec = TimeSpec()

    def __post_init__(self) -> None:
        self._kept: tuple[int, int, Window] = (0, 0, {})
        self._seen: list[dict[str, Array]] = []
        self._columns = max(field.placement.columns for field in self.fields.values())

    @classmethod
    def of(
        cls,
        records: NetcdfRecords,
        period: Period | None,
        *,
        gaps: GapSpec | None = None,
        biases: Biases | None = None,
    ) -> StreamedTable:
        """Records of a period (all without one), their times checked.

        Parameters
        ----------
        gaps : Which gaps are filled, and how.
        biases : Quantity -> (factor, offset) that a run corrects it by.

        Raises
        ------
        ForcingError : for irregular times and for units that do not fit.
        """
        check_times(records.times, records.source)
        labels = {quantity: field.label for quantity, field in records.fields.items()}
        times, shifts = aligned(records.times, labels, records.source)
        fields = {
            quantity: dataclasses.replace(field, shift=shifts[quantity]) for quantity, field in records.fields.items()
        }
        table = cls(
            fields, times, *needed(times, period), records.source, WINDOW_BYTES, means=means_among(labels),
            derivations=records.derivations, gaps=gaps, notes=records.notes, biases=biases or {},
            clock=records.clock,
        )  # fmt: skip
        table._raw(table.first, table.first + 1)
        table._refuse_totals()
        return table

    @property
    def times(self) -> Times:
        """Start of the interval each record describes."""
        return self.all_times[self.first : self.last]

    @property
    def quantities(self) -> frozenset[str]:
        """What a window holds."""
        return combined_names({*self.fields, *self.derivations})

    @property
    def origins(self) -> Mapping[str, tuple[str, str]]:
        """Quantity of the files -> its variable and units there."""
        return {
            quantity: (" + ".join(field.summed) or field.name, field.units) for quantity, field in self.fields.items()
        }

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
        return self.all_times[1] - self.all_times[0] if len(self.all_times) > 1 else None

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
        lift = None if self.lift is None else self.lift.choose(np.asarray(columns))
        return dataclasses.replace(self, fields=fields, lift=lift)

    def lifted(self, lift: Lift) -> StreamedTable:
        """The same records, with air at the elevation of the columns."""
        note = f"{self.source}: {lift.sentence}"
        return dataclasses.replace(self, lift=lift, notes=(*self.notes, note))

    def findings(self, domain: Domain | None) -> Findings:
        """Everything missing or physically impossible, window by window."""
        findings = Findings(self.source, domain)
        self._seen = []
        for begin, end in self._windows():
            read = self._raw(begin + self.first, end + self.first, findings)
            if begin < RECORDS_TO_LOOK_AT:
                self._seen.append({quantity: values[:, :1].copy() for quantity, values in read.items()})
            findings.note_beyond_total(rain_beyond_total(read))
            for quantity, values in read.items():
                name = self.fields[quantity].name
                factor, offset = self.biases.get(quantity, (1.0, 0.0))
                checked = values if (factor, offset) == (1.0, 0.0) else values * factor + offset
                findings.examine(quantity, name, checked, self.times[begin:end], begin + self.first)
        return findings

    def first_column(self) -> Window:
        """Records of the first column, `RECORDS_TO_LOOK_AT` at most; what `findings` has seen is not read again."""
        one = self if self.columns == 1 else self.choose([0])
        last = min(self.records, RECORDS_TO_LOOK_AT)
        if not self._seen:
            return one.window(0, last)
        seen = {quantity: np.concatenate([part[quantity] for part in self._seen]) for quantity in self._seen[0]}
        return {quantity: values[:last] for quantity, values in one._finished(seen).items()}

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
        return self._finished(self._raw(first + self.first, last + self.first))

    def _finished(self, values: dict[str, Array]) -> Window:
        """What a run takes, out of what the files have."""
        combined = combine(with_pressure(values, self.derivations))
        if self.lift is not None:
            combined = lifted(combined, self.lift)
        return widen(with_longwave(combined, self.derivations), self.source)

    def _raw(self, first: int, last: int, findings: Findings | None = None) -> dict[str, Array]:
        """Variables in the model's units, by number of record in the files."""
        values = {}
        with OpenFiles(records_only=True) as files:
            for quantity, field in self.fields.items():
                try:
                    converted = self._filled(quantity, field, (first, last), files, findings)
                except ForcingError as error:
                    raise ForcingError(f"{where(self.source, quantity, field.name)}: {error}") from error
                values[quantity], count = clipped(quantity, converted)
                if findings is not None:
                    findings.note_clipped(quantity, field.name, count)
        return values

    def _filled(
        self,
        quantity: str,
        field: NetcdfField,
        window: tuple[int, int],
        files: OpenFiles,
        findings: Findings | None,
    ) -> Array:
        """Records without their short gaps; what lies around the window is read to fill those at its edges."""
        first, last = window
        if self.gaps is None or self.interval is None:
            return self._converted(quantity, field, first, last, files)
        around = reach(self.gaps, float(self.interval / np.timedelta64(1, "s")))
        begin, end = max(first - around, 0), min(last + around, len(self.all_times))
        values = self._converted(quantity, field, begin, end, files)
        name, told = where(self.source, quantity, field.name), slice(first - begin, last - begin)
        values, notes = fill(values, self.all_times[begin:end], self.gaps, name, told)
        if findings is not None:
            findings.note_filled(notes)
        return values[told]

    def _converted(self, quantity: str, field: NetcdfField, first: int, last: int, files: OpenFiles) -> Array:
        interval = self.interval
        seconds = None if interval is None else float(interval / np.timedelta64(1, "s"))
        if field.accumulated not in ("since_midnight", "since_start"):
            return convert(field.read(first, last, files), field.units, quantity, seconds)
        # The total before the first record tells its amount.
        begin = max(first + field.shift - 1, 0) - field.shift
        running = field.read(begin, last, files)
        begins = self.all_times[0] + np.arange(begin, last) * (interval or np.timedelta64(0, "s"))
        parts = amounts(running, from_utc(begins, self.clock), field.accumulated)
        return convert(parts[first - begin :], field.units, quantity, seconds)

    def _refuse_totals(self) -> None:
        """Refuse amounts that look like running totals, unless the configuration says what they are."""
        last = min(self.first + RECORDS_TO_JUDGE, self.last)
        with OpenFiles(records_only=True) as files:
            for quantity, field in self.fields.items():
                if field.accumulated is not None or not is_amount(field.units, quantity):
                    continue
                if looks_accumulated(field.read(self.first, last, files)[:, :1]):
                    raise ForcingError(f"{where(self.source, quantity, field.name)}: {totals(field.units, quantity)}")


def where(source: str, quantity: str, name: str) -> str:
    """File and variable, for messages."""
    return f"{source}: {quantity}" + (f" ({name})" if name != quantity else "")
