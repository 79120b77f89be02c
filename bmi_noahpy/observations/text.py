"""Observations in text tables."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from bmi_noahpy.observations.columns import Column, depth_of_bare_number, read_name
from bmi_noahpy.observations.observed import Observed
from bmi_noahpy.observations.simulated import PlotError, Times
from bmi_noahpy.observations.values import ObservationWarning, finished, in_own_units
from bmi_noahpy.tabular import TableError, TextOptions, TextTable, TimeSpec, find_clock, parse_clock, read_text_table
from bmi_noahpy.tabular.clock import Clock, time_like

WINDOWS = {"start": "start", "middle": "centre", "instant": "instant", "end": "start"}
LEFT_OUT = ("a maximum", "a minimum", "a standard deviation")
SECONDS = np.timedelta64(1, "s")


def read_text(path: Path, time: TimeSpec | None = None, text: TextOptions | None = None) -> list[Observed]:
    """Every column whose name says what it is; missing values left out.

    Any table of `bmi_noahpy.tabular.read_text_table`; times without an offset have that of `time`, else that of the
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
    try:
        table = read_text_table(path, text)
        asked = time or TimeSpec()
        clock = _clock(table, asked)
        spec = table.time(asked, clock)
        stamps = parse_clock(clock, [table.texts(name) for name in clock.columns], spec, f"{path}: {clock.columns[0]}")
    except TableError as error:
        raise PlotError(str(error)) from error
    label = spec.label or clock.label or table.layout.label
    known = {*clock.columns, *time_like(table.names)}
    if table.layout.flags:
        known |= set(table.names) - set(table.layout.flags)
    names = [name for name in table.names if name not in known]
    return _series(table, names, stamps, label)


def _clock(table: TextTable, time: TimeSpec) -> Clock:
    """The columns of the time; the first column where no name is known."""
    try:
        return find_clock(table.names, time, str(table.path))
    except TableError:
        if time.name is not None:
            raise
        return Clock((table.names[0],))


def _series(table: TextTable, names: list[str], stamps: Times, label: str | None) -> list[Observed]:
    columns, unused = _columns(table, names)
    found = []
    for name, column in columns.items():
        where = f"{table.path}: {name}"
        try:
            numbers = table.numbers(name)
        except TableError as error:
            raise PlotError(str(error)) from error
        doubtful = int(table.doubtful(name).sum())
        if doubtful:
            text = f"{where}: {doubtful} of {len(numbers)} values are flagged as not good, and left out."
            warnings.warn(text, ObservationWarning, stacklevel=4)
        values = in_own_units(numbers, column.units or table.layout.units.get(name), column.quantity, where)
        if column.layer is not None:
            upper, lower = column.layer
            text = f"{where}: of the layer from {upper:g} to {lower:g} m; its middle, {column.depth:g} m, is the depth."
            warnings.warn(text, ObservationWarning, stacklevel=4)
        own = table.label(name, label)
        moved = _interval(stamps) if own == "end" else 0
        window = WINDOWS.get(own or "")
        begin = stamps - moved * SECONDS
        series = finished(where, name, column.quantity, column.depth, begin, values, window, float(moved))
        if series is None:
            unused.append(f"{name} (no values)")
        else:
            found.append(series)
    if not found:
        raise PlotError(
            f"{table.path}: no column to compare among {', '.join(unused) or ', '.join(table.names)}. "
            "Name columns like Tsoil_0.10m_K, theta_0.10m_m3_m3, snow_depth_m, SWE_kg_m2."
        )
    if unused:
        text = f"{table.path}: not used, by their names: {', '.join(unused)}."
        warnings.warn(text, ObservationWarning, stacklevel=4)
    return found


def _interval(stamps: Times) -> int:
    """Time from one record to the next. [s]"""
    if stamps.size < 2:
        return 0
    return int(np.median(np.diff(np.sort(stamps)).astype("timedelta64[s]").astype(np.int64)))


def _columns(table: TextTable, names: list[str]) -> tuple[dict[str, Column], list[str]]:
    """What each column is, and those that are nothing that can be compared."""
    bare = {name: depth for name in names if (depth := depth_of_bare_number(name)) is not None}
    columns, unused = {}, []
    for name in names:
        read = Column("soil_temperature", bare[name], None) if name in bare and len(bare) > 1 else read_name(name)
        kind = table.layout.kinds.get(name)
        if isinstance(read, Column) and kind not in LEFT_OUT:
            columns[name] = read
        elif isinstance(read, Column):
            unused.append(f"{name} ({kind} of the interval, not the mean)")
        else:
            unused.append(f"{name} ({read})" if read else name)
    return columns, unused
