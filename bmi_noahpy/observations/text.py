"""Observations in text tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from bmi_noahpy import units as scalar_units
from bmi_noahpy.observations.columns import Column, as_asked, depth_of_bare_number, note_assumptions, read_name
from bmi_noahpy.observations.flags import note_unused_flags, without_flagged
from bmi_noahpy.observations.notes import Notes
from bmi_noahpy.observations.observed import Array, Observed, as_labelled
from bmi_noahpy.observations.simulated import PlotError, Times
from bmi_noahpy.observations.spec import ReadingSpec, in_our_keys
from bmi_noahpy.observations.values import Records, finished, in_own_units
from bmi_noahpy.tabular import TableError, TextTable, TimeSpec, find_clock, parse_clock, read_text_table
from bmi_noahpy.tabular.clock import Clock, from_utc, time_like

LEFT_OUT = ("a maximum", "a minimum", "a standard deviation")
WHOLE = 2
"""Depths that are whole numbers from here on may be cm."""


def read_text(path: Path, reading: ReadingSpec) -> list[Observed]:
    """Every column whose name, or `reading`, says what it is; missing values left out.

    Any table of `bmi_noahpy.tabular.read_text_table`; times without an offset have that of `reading`, else that of the
    header, else they are UTC.
    Columns are named by a quantity, its depth with a unit, and units: ``Tsoil_0.10m_K``, ``Tsoil_5cm [degC]``,
    ``theta_0.10m_m3_m3`` (liquid water, as probes see it), ``theta_total_0.10m_m3_m3``, ``snow_depth_m``,
    ``SWE_kg_m2``, ``Tskin_K``, ``albedo``, ``Rnet_W_m2``, ``Hflux_W_m2``, ``LEflux_W_m2``, ``Gflux_W_m2``, with a word
    of the site's own where it has several of a kind. Columns called by numbers alone are soil temperatures at these
    depths in m.

    Raises
    ------
    PlotError : no time, no column that can be compared, or values that cannot be true.
    """
    notes = Notes(str(path))
    try:
        table = read_text_table(path, reading.text)
        clock = _clock(table, reading.time)
        spec = table.time(reading.time, clock)
        texts = [table.texts(name) for name in clock.columns]
        stamps = parse_clock(clock, texts, spec, f"{path}: {clock.columns[0]}")
        reading.refuse_unknown(table.names, str(path))
        notes.add(table.doubtful_clock(spec, clock, texts))
        label = spec.label or clock.label or table.layout.label
        found = _Reader(table, reading, notes, stamps, spec, label).series(clock)
    except TableError as error:
        raise in_our_keys(error) from error
    notes.tell()
    return found


def _clock(table: TextTable, time: TimeSpec) -> Clock:
    """The columns of the time; the first column where no name is known."""
    try:
        return find_clock(table.names, time, str(table.path))
    except TableError:
        if time.name is not None:
            raise
        return Clock((table.names[0],))


@dataclasses.dataclass(frozen=True)
class _Reader:
    """A table, and all that is known of its times.

    Parameters
    ----------
    label : What the stamps of the whole file are; None: nothing says it.
    """

    table: TextTable
    reading: ReadingSpec
    notes: Notes
    stamps: Times
    time: TimeSpec
    label: str | None

    def series(self, clock: Clock) -> list[Observed]:
        """Every series that can be compared."""
        found, wrong = [], []
        for name, column in self._columns(clock).items():
            try:
                series = self._one(name, column)
            except (PlotError, TableError) as error:
                wrong.append(str(error))
                continue
            if series is None:
                self.notes.leave_out(f"{name} (no values)")
            else:
                found.append(series)
        if wrong:
            self.notes.tell()
            raise PlotError("\n  ".join(wrong))
        if not found:
            among = ", ".join(self.notes.left_out) or ", ".join(self.table.names)
            raise PlotError(
                f"{self.table.path}: no column to compare among {among}. Name columns like Tsoil_0.10m_K, "
                "theta_0.10m_m3_m3, snow_depth_m, SWE_kg_m2, or say what they are, as variables: {T_3: {quantity: "
                "soil_temperature, depth: 5 cm, units: degC}}."
            )
        return found

    def _columns(self, clock: Clock) -> dict[str, Column]:
        """What each column is; those that are nothing that can be compared are noted."""
        table, asked = self.table, self.reading.variables
        known = {*clock.columns, *time_like(table.names)}
        if table.layout.flags:
            known |= set(table.names) - set(table.layout.flags)
        names = [name for name in table.names if name not in known or name in asked]
        bare = {name: depth for name in names if (depth := depth_of_bare_number(name)) is not None}
        self._refuse_centimetres(bare)
        columns = {}
        for name in names:
            read: Column | str | None = (
                Column("soil_temperature", bare[name], None) if name in bare and len(bare) > 1 else None
            )
            read = read or read_name(table.written(name))
            kind = table.layout.kinds.get(name)
            if name in asked:
                columns[name] = as_asked(read, name, asked[name], f"{table.path}: {name}")
            elif isinstance(read, Column) and kind not in LEFT_OUT:
                columns[name] = read
                if name in bare and "[" not in name and "(" not in name:
                    self.notes.of_columns(name, "soil temperature at this depth in m")
                note_assumptions(name, read, self.notes)
            else:
                reason = f"{kind} of the interval, not the mean" if isinstance(read, Column) else read
                self.notes.leave_out(f"{name} ({reason})" if reason else name)
        return columns

    def _refuse_centimetres(self, bare: Mapping[str, float]) -> None:
        """Raise PlotError for whole numbers of which none is shallow: as depths they may as well be cm."""
        plain = [depth for name, depth in bare.items() if name.strip().lstrip("-").isdigit()]
        unsaid = [name for name in bare if name not in self.reading.variables]
        if len(plain) == len(bare) > 1 and min(plain) >= WHOLE and unsaid:
            first = unsaid[0]
            raise PlotError(
                f"{self.table.path}: the columns {', '.join(bare)}: depths in m or in cm? Write '{first} [cm]' or "
                f"'{first} [m]' in the header, or variables: {{'{first}': {{quantity: soil_temperature, depth: {first} "
                "cm}}."
            )

    def _one(self, name: str, column: Column) -> Observed | None:
        table, asked = self.table, self.reading.variables.get(name)
        where, numbers = f"{table.path}: {name}", self._good_numbers(name)
        doubtful = int(table.doubtful(name).sum())
        if doubtful:
            text = f"{name}: {doubtful} of {len(numbers)} values are flagged as not good, and left out"
            self.notes.add(text)
        label = (asked.label if asked else None) or table.label(name, self.label)
        times, window, moved = as_labelled(self.stamps, label)
        series = Observed(name, column.quantity, column.depth, times, numbers, window=window, moved=moved)
        units = column.units if asked and asked.units else self._units(name, column.units)
        values = in_own_units(numbers, units, series, where, self.notes)
        records = Records(name, numbers, from_utc(self.stamps, self.time), table.rows)
        return finished(where, dataclasses.replace(series, values=values), records, self.notes)

    def _good_numbers(self, name: str) -> Array:
        """The numbers of a column; those with a flag that is not good are missing, where that is asked for."""
        numbers, asked = self.table.numbers(name), self.reading.variables.get(name)
        if asked is None or asked.flag is None:
            note_unused_flags(name, self.table.names, self.notes)
            return numbers
        return without_flagged(numbers, self.table.texts(asked.flag), asked, name, self.notes)

    def _units(self, name: str, named: str | None) -> str | None:
        """Units of the name, else of the header.

        Raises
        ------
        PlotError : of both, and they are not the same.
        """
        header = self.table.layout.units.get(name)
        if named is None or header is None or _same(named, header):
            return named or header
        raise PlotError(
            f"{self.table.path}: {name}: {named!r} by its name, {header!r} by the header. Correct one of them, or say "
            f"which (variables.{name}.units)."
        )


def _same(units: str, others: str) -> bool:
    first, second = scalar_units.spelling(units), scalar_units.spelling(others)
    try:
        offset, factor = (0.0, 1.0) if first == second else scalar_units.linear(first, second)
    except ValueError:
        return False
    return abs(offset) < 1e-9 and abs(factor - 1.0) < 1e-9
