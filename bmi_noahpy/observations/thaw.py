"""Observed depths of thaw, year by year, as the sites of CALM report them."""

from __future__ import annotations

import calendar
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bmi_noahpy import units as scalar_units
from bmi_noahpy.observations.depths import LENGTHS
from bmi_noahpy.observations.simulated import PlotError
from bmi_noahpy.observations.values import ObservationWarning
from bmi_noahpy.tabular import TableError, TextTable, read_text_table
from bmi_noahpy.tabular.header_units import split_name

NAMES = ("alt", "active_layer", "active_layer_thickness", "active_layer_depth", "thaw_depth", "thaw", "td")
"""Names of a column of depths, in lower case, without units."""
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


def read_thaw_depths(path: str | Path) -> pd.DataFrame:
    """Mean depth of thaw of each year.

    Two forms are read. A column of years or dates and one called ``ALT``, ``thaw_depth`` or ``active_layer`` with its
    units (``ALT_cm``, ``thaw_depth [cm]``): of several dates of a year, the deepest mean counts. Or, as CALM grids, a
    column for each year or date (``1995``, ``2004-08-21``, ``1995 [mm]``) with a row for each node. Codes of missing
    values are left out, and so are columns whose names say more than a date, as ``2004_std_cm``.

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
    try:
        table = read_text_table(path)
        found = _by_rows(table) or _by_columns(table)
    except TableError as error:
        raise PlotError(str(error)) from error
    if not found:
        raise PlotError(
            f"{path}: no depths of thaw among {', '.join(table.names)}. Name columns like year and ALT_cm, or have a "
            "column for each year."
        )
    return pd.DataFrame([{"year": year, "thaw_depth_m": depth, "points": points} for year, depth, points in found])


Rows = list[tuple[int, float, int]]


def _by_rows(table: TextTable) -> Rows:
    """Years, or dates, in a column of their own."""
    depths = next((name for name in table.names if _plain(name) in NAMES), None)
    if depths is None:
        return []
    when = next((name for name in table.names if _plain(name) in ("year", "date", "time", "yyyy")), None)
    if when is None:
        raise PlotError(f"{table.path}: {depths}: no column of years or dates. Call it year or date.")
    metres = _metres(table, depths, table.numbers(depths))
    stamps = table.texts(when)
    years = [_year(text) for text in stamps]
    if None in years:
        raise PlotError(f"{table.path}: {when}: {stamps[years.index(None)]!r} has no year. Write 2004 or 2004-08-21.")
    frame = pd.DataFrame({"year": years, "stamp": stamps, "depth": metres}).dropna()
    means = frame.groupby(["year", "stamp"])["depth"].agg(["mean", "size"]).reset_index()
    deepest = means.loc[means.groupby("year")["mean"].idxmax()]
    return [(int(row["year"]), float(row["mean"]), int(row["size"])) for _, row in deepest.iterrows()]


def _by_columns(table: TextTable) -> Rows:
    """A column for each year or date."""
    dated = {name: year for name in table.names if (year := _year(name)) is not None}
    others = [name for name in dated if not _of_depths(name)]
    values = {name: table.numbers(name) for name in dated if name not in others}
    if others:
        text = f"{table.path}: not used, as their names say more than a date of depths: {', '.join(others)}."
        warnings.warn(text, ObservationWarning, stacklevel=4)
    bare = [name for name in values if _units(table, name) is None]
    present = np.concatenate([np.empty(0), *(values[name] for name in bare)])
    present = present[np.isfinite(present)]
    factor = _factor_of_bare(table, present) if present.size else 1.0
    found: dict[int, tuple[float, int]] = {}
    for name, numbers in values.items():
        metres = numbers * factor if name in bare else _metres(table, name, numbers)
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


def _plain(name: str) -> str:
    """A name in lower case without its units."""
    plain, _ = split_name(name, LENGTH_ENDINGS, any_case=True)
    return re.sub(r"[\s_-]+", "_", plain.lower()).strip("_")


def _units(table: TextTable, name: str) -> str | None:
    return split_name(name, LENGTH_ENDINGS, any_case=True)[1] or table.layout.units.get(name)


def _metres(table: TextTable, name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    units = _units(table, name)
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
