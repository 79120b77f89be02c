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
SECONDS = np.timedelta64(1, "s")


def read_text(path: Path, time: TimeSpec | None = None, text: TextOptions | None = None) -> list[Observed]:
    """Every column whose name says what it is; missing values left out.

    Any table of `bmi_noahpy.tabular.read_text_table`; times without an offset are UTC unless `time` says otherwise.
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
        spec = time or TimeSpec()
        clock = _clock(table, spec)
        stamps = parse_clock(clock, [table.texts(name) for name in clock.columns], spec, f"{path}: {clock.columns[0]}")
    except TableError as error:
        raise PlotError(str(error)) from error
    label = spec.label or clock.label or table.layout.label
    if label == "end" and stamps.size > 1:
        stamps = stamps - np.median(np.diff(np.sort(stamps)).astype("timedelta64[s]").astype(np.int64)) * SECONDS
    known = {*clock.columns, *time_like(table.names)}
    if table.layout.flags:
        known |= set(table.names) - set(table.layout.flags)
    names = [name for name in table.names if name not in known]
    return _series(table, names, stamps, WINDOWS.get(label or ""))


def _clock(table: TextTable, time: TimeSpec) -> Clock:
    """The columns of the time; the first column where no name is known."""
    try:
        return find_clock(table.names, time, str(table.path))
    except TableError:
        if time.name is not None:
            raise
        return Clock((table.names[0],))


def _series(table: TextTable, names: list[str], stamps: Times, window: str | None) -> list[Observed]:
    columns, unused = _columns(names)
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
        series = finished(where, name, column.quantity, column.depth, stamps, values, window)
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
        text = f"{table.path}: not used, because their names do not say what they are: {', '.join(unused)}."
        warnings.warn(text, ObservationWarning, stacklevel=4)
    return found


def _columns(names: list[str]) -> tuple[dict[str, Column], list[str]]:
    """What each column is, and those that are nothing that can be compared."""
    bare = {name: depth for name in names if (depth := depth_of_bare_number(name)) is not None}
    columns, unused = {}, []
    for name in names:
        read = Column("soil_temperature", bare[name], None) if name in bare and len(bare) > 1 else read_name(name)
        if isinstance(read, Column):
            columns[name] = read
        else:
            unused.append(f"{name} ({read})" if read else name)
    return columns, unused
