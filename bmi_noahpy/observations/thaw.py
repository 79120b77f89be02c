"""Observed depths of thaw, year by year, as the sites of CALM report them."""

from __future__ import annotations

import calendar
import dataclasses
import re
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bmi_noahpy import units as scalar_units
from bmi_noahpy.observations.depths import LENGTHS
from bmi_noahpy.observations.doubts import codes
from bmi_noahpy.observations.notes import Notes
from bmi_noahpy.observations.simulated import PlotError
from bmi_noahpy.observations.spec import ColumnSpec, ReadingSpec, in_our_keys
from bmi_noahpy.tabular import TableError, TextTable, TimeSpec, read_text_table
from bmi_noahpy.tabular.header_units import split_name

NAMES = ("alt", "active_layer", "active_layer_thickness", "active_layer_depth", "thaw_depth", "thaw", "td")
"""Names of a column of depths, in lower case, without units."""
NODES = frozenset({"node", "point", "id", "x", "y", "row", "col", "column", "number", "no"})
"""Names of what tells the nodes of a grid apart, in lower case."""
LENGTH_ENDINGS = {unit: unit for unit in LENGTHS}
DEEPEST = 20.0
"""No active layer is deeper: greater numbers are not metres. [m]"""
SHALLOWEST = 5.0
"""No site thaws so little in cm: smaller numbers are metres. [cm]"""

_YEAR = re.compile(r"(?:.*[^0-9])?((?:19|20)\d{2})(?:[^0-9].*)?")
_YEAR_WORD = re.compile(r"x?(?:19|20)\d{2}")
"""A year as the name of a column; R writes an x before it."""
_MONTHS = frozenset(name.lower() for names in (calendar.month_name, calendar.month_abbr) for name in names if name)
_OF_THE_MEAN = frozenset(
    {"mean", "avg", "average", "depth", "year", "date", *_MONTHS, *(w for n in NAMES for w in n.split("_"))}
)
"""Words that may stand beside a year in the name of a column of depths."""


def read_thaw_depths(path: str | Path, reading: ReadingSpec | None = None) -> pd.DataFrame:
    """Mean depth of thaw of each year.

    Two forms are read. A column of years or dates and one called ``ALT``, ``thaw_depth`` or ``active_layer`` with its
    units (``ALT_cm``, ``thaw_depth [cm]``): of several dates of a year, the deepest mean counts. Or, as CALM grids, a
    column for each year or date (``1995``, ``2004-08-21``, ``1995 [mm]``) with a row for each node. Codes of missing
    values are left out, and so are columns whose names say more than a date, as ``2004_std_cm``.

    Parameters
    ----------
    reading : How the table is written, numbers that stand for no value, and units of columns; nothing else is asked of
        it here.

    Returns
    -------
    ``year``, ``thaw_depth_m`` and ``points``, the number of values behind it.

    Raises
    ------
    FileNotFoundError, PlotError : no such file, no depths or years in it, or depths that cannot be true.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"observations file {path} does not exist.")
    reading = reading or ReadingSpec()
    _refuse_what_is_of_series(path, reading)
    notes = Notes(str(path))
    try:
        table = read_text_table(path, reading.text)
        reading.refuse_unknown(table.names, str(path))
        file = _File(table, reading, notes)
        found = _by_rows(file) or _by_columns(file)
    except TableError as error:
        raise in_our_keys(error) from error
    if not found:
        raise PlotError(
            f"{path}: no depths of thaw among {', '.join(table.names)}. Name columns like year and ALT_cm, or have a "
            "column for each year."
        )
    notes.tell()
    return pd.DataFrame([{"year": year, "thaw_depth_m": depth, "points": points} for year, depth, points in found])


Rows = list[tuple[int, float, int]]


def _refuse_what_is_of_series(path: Path, reading: ReadingSpec) -> None:
    said = [name for name, column in reading.variables.items() if column != ColumnSpec(units=column.units)]
    if reading.time != TimeSpec() or said:
        raise PlotError(f"{path}: of depths of thaw only text, missing and units are said. Remove the other keys.")


@dataclasses.dataclass(frozen=True)
class _File:
    """A table of depths, and what is said of it."""

    table: TextTable
    reading: ReadingSpec
    notes: Notes

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column as it stands there; what looks like a code is noted."""
        found = self.table.numbers(name)
        for sentence in codes(found[np.isfinite(found)]):
            self.notes.add(f"{name}: {sentence}")
        return found

    def units(self, name: str) -> str | None:
        """Units of a column, as they are said, else by its name, else by the header."""
        asked = self.reading.variables.get(name)
        named = split_name(name, LENGTH_ENDINGS, any_case=True)[1]
        return (asked.units if asked else None) or named or self.table.layout.units.get(name)


def _by_rows(file: _File) -> Rows:
    """Years, or dates, in a column of their own."""
    table = file.table
    depths = [name for name in table.names if _without_mean(_plain(name)) in NAMES]
    if not depths:
        return []
    if len(depths) > 1:
        raise PlotError(f"{table.path}: depths of thaw in {' and in '.join(depths)}. Keep one of these columns.")
    (name,) = depths
    when = next((column for column in table.names if _plain(column) in ("year", "date", "time", "yyyy")), None)
    if when is None:
        raise PlotError(f"{table.path}: {name}: no column of years or dates. Call it year or date.")
    metres = _metres(file, name, file.numbers(name))
    stamps = table.texts(when)
    years = [_year(text) for text in stamps]
    if None in years:
        raise PlotError(f"{table.path}: {when}: {stamps[years.index(None)]!r} has no year. Write 2004 or 2004-08-21.")
    frame = pd.DataFrame({"year": years, "stamp": stamps, "depth": metres}).dropna()
    means = frame.groupby(["year", "stamp"])["depth"].agg(["mean", "size"]).reset_index()
    others = [column for column in table.names if column not in (name, when)]
    if others:
        averaged = "; rows of the same time are averaged, whatever they say" if (means["size"] > 1).any() else ""
        file.notes.add(f"not used: {', '.join(others)}{averaged}")
    deepest = means.loc[means.groupby("year")["mean"].idxmax()]
    return [(int(row["year"]), float(row["mean"]), int(row["size"])) for _, row in deepest.iterrows()]


def _by_columns(file: _File) -> Rows:
    """A column for each year or date."""
    dated = {name: year for name in file.table.names if (year := _year(name)) is not None}
    others = [name for name in dated if not _of_depths(name)]
    unknown = [name for name in file.table.names if name not in dated and _plain(name) not in NODES]
    if dated and unknown:
        file.notes.add(f"not used: {', '.join(unknown)}; all rows of a column are averaged, whatever they say")
    values = {name: file.numbers(name) for name in dated if name not in others}
    if others:
        file.notes.add(f"not used, as their names say more than a date of depths: {', '.join(others)}")
    bare = [name for name in values if file.units(name) is None]
    present = np.concatenate([np.empty(0), *(values[name] for name in bare)])
    present = present[np.isfinite(present)]
    factor = _factor_of_bare(file.table, present) if present.size else 1.0
    found: dict[int, tuple[float, int]] = {}
    for name, numbers in values.items():
        metres = numbers * factor if name in bare else _metres(file, name, numbers)
        own = metres[np.isfinite(metres)]
        if len(own) and own.mean() > found.get(dated[name], (-1.0, 0))[0]:
            found[dated[name]] = (float(own.mean()), len(own))
    return [(year, depth, points) for year, (depth, points) in sorted(found.items())]


def _year(text: str) -> int | None:
    found = _YEAR.fullmatch(text.strip())
    return None if found is None else int(found[1])


def _of_depths(name: str) -> bool:
    """Whether a name with a year in it says no more than when, and that it is of depths of thaw."""
    words = [word for word in re.split(r"[\W_]+", _plain(name)) if word and not word.isdigit()]
    return all(word in _OF_THE_MEAN or _YEAR_WORD.fullmatch(word) for word in words)


def _without_mean(name: str) -> str:
    return "_".join(word for word in name.split("_") if word not in ("mean", "avg", "average"))


def _plain(name: str) -> str:
    """A name in lower case without its units."""
    plain, _ = split_name(name, LENGTH_ENDINGS, any_case=True)
    return re.sub(r"[\s_-]+", "_", plain.lower()).strip("_")


def _metres(file: _File, name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    table, units = file.table, file.units(name)
    if units is None:
        return values * _factor_of_bare(table, values[np.isfinite(values)])
    if units.lower() in LENGTHS:
        return _checked(table, values * LENGTHS[units.lower()])
    try:
        return _checked(table, values * scalar_units.convert(1.0, units, "m"))
    except ValueError as error:
        raise PlotError(f"{table.path}: {name}: {error}") from error


def _factor_of_bare(table: TextTable, values: NDArray[np.float64]) -> float:
    """Metres of a unit that is not stated, where the numbers can only be one."""
    middle = float(np.median(values)) if len(values) else 0.0
    if DEEPEST < middle <= 100.0 * DEEPEST:
        _checked(table, 0.01 * values)
        return 0.01
    if 0.0 <= middle <= SHALLOWEST:
        _checked(table, values)
        return 1.0
    raise PlotError(
        f"{table.path}: depths of thaw about {middle:g} may be metres or centimetres. Write the units: ALT_cm or ALT_m."
    )


def _checked(table: TextTable, metres: NDArray[np.float64]) -> NDArray[np.float64]:
    wrong = np.isfinite(metres) & ((metres < 0.0) | (metres > DEEPEST))
    if wrong.any():
        text = f"{metres[wrong][0]:g} m is no depth of thaw. Correct it, or its units, or leave the field empty."
        raise PlotError(f"{table.path}: {text}")
    return metres
