"""Times in netCDF files: decoded, as texts of WRF, or in two dimensions; and what a stamp is."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Any

import numpy as np

from bmi_noahpy.files.brief import brief
from bmi_noahpy.forcing.calendars import RULES, is_foreign
from bmi_noahpy.forcing.names import find_time
from bmi_noahpy.forcing.statistics import statistic_of_methods
from bmi_noahpy.forcing.table import ForcingError, Times
from bmi_noahpy.tabular import TableError, TimeSpec
from bmi_noahpy.tabular.clock import to_utc

EPOCH_UNITS = {
    "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "seconds": 1.0, "min": 60.0, "minutes": 60.0, "h": 3600.0,
    "hours": 3600.0,
}  # fmt: skip
"""Units of times that are counted from an attribute of their own. [s]"""
CLOSE = 1e-3
"""How far from the beginning, the middle or the end of its interval a stamp may be, as a share of it."""


def name_of_time(data: Any, time: TimeSpec, source: str) -> str:
    """The variable of the time: as asked for, else the coordinate of standard name or axis "time", else by name.

    Raises
    ------
    ForcingError : there is none.
    """
    if time.name is not None:
        if time.name not in data.variables:
            raise ForcingError(
                f"{source}: forcing.time.name: no variable {time.name!r} among {', '.join(map(str, data.variables))}."
            )
        return str(time.name)
    for name, variable in data.variables.items():
        if variable.attrs.get("standard_name") == "time" or variable.attrs.get("axis") == "T":
            return str(name)
    return find_time([str(name) for name in data.variables], source)


_STAMP_OF_NAME = re.compile(r"(?<!\d)((?:19|20)\d{8}|(?:19|20)\d{10})(?!\d)")


def time_of_name(path: Path) -> Times | None:
    """The time in the name of a file, as of LDASIN files (``2019060100.LDASIN_DOMAIN1``); None when it has none."""
    found = _STAMP_OF_NAME.search(path.name)
    if found is None:
        return None
    text = found[1]
    stamp = f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[8:10]}:{text[10:12] or '00'}"
    try:
        return np.array([stamp], dtype="datetime64[s]")
    except ValueError:
        return None


def dimension_of_time(variable: Any) -> str:
    """The dimension along which times run: the only one, or the one called like it, or the last."""
    for dimension in variable.dims:
        if str(dimension).lower() == "time":
            return str(dimension)
    return str(variable.dims[-1])


def read_times(variable: Any, time: TimeSpec, where: str) -> Times:
    """Times in UTC, to the second; those of another calendar as they are (see `bmi_noahpy.forcing.calendars`).

    Raises
    ------
    ForcingError : no times, or times that differ between cells.
    """
    values = _one_row(variable, where)
    if is_foreign(values) and values[0].calendar in RULES:
        foreign: Times = values
        return foreign
    if values.dtype.kind in "SU" or (values.dtype == object and values.size and isinstance(values[0], (str, bytes))):
        decoded = _from_texts(values, where)
    elif np.issubdtype(values.dtype, np.datetime64):
        half_second = np.timedelta64(500, "ms")
        decoded = (values.astype("datetime64[ms]") + half_second).astype("datetime64[s]")
    elif "epoch_start" in variable.attrs and str(variable.attrs.get("units")) in EPOCH_UNITS:
        decoded = _from_epoch(variable, values, where)
    else:
        raise ForcingError(f"{where}: {_no_dates(variable, values)}")
    return in_utc(decoded, time, where)


def _from_epoch(variable: Any, values: Any, where: str) -> Times:
    """Times of NextGen: numbers since ``epoch_start``, a date with the month first."""
    begin = str(variable.attrs["epoch_start"])
    try:
        start = np.datetime64(datetime.datetime.strptime(begin, "%m/%d/%Y %H:%M:%S"), "s")
    except ValueError as error:
        raise ForcingError(f"{where}: epoch_start is {brief(begin)!r}, not a date like 01/31/1970 00:00:00.") from error
    seconds = np.rint(np.asarray(values, np.float64) * EPOCH_UNITS[str(variable.attrs["units"])])
    return np.asarray(start + seconds.astype("timedelta64[s]"), dtype="datetime64[s]")


def _no_dates(variable: Any, values: Any) -> str:
    """Why values are no dates of our calendar, and the remedy."""
    stated = {key: variable.encoding.get(key, variable.attrs.get(key)) for key in ("units", "calendar")}
    if is_foreign(values):
        calendar = values[0].calendar
        return f"its dates begin with {values[0]} of the calendar {calendar!r}. Convert them to the standard calendar."
    has = "no units that say" if stated["units"] is None else f"the units {brief(str(stated['units']))!r}, which say no"
    return f"has {has} dates. Write them like 'hours since 2019-01-01 00:00', or dates as texts."


def in_utc(times: Times, time: TimeSpec, where: str) -> Times:
    """Local times in UTC, as the configuration says.

    Raises
    ------
    ForcingError : a zone that does not exist, or a time that it does not have.
    """
    try:
        return to_utc(times, time, where)
    except TableError as error:
        raise ForcingError(str(error)) from error


def label_of(data: Any, time_name: str, variable: Any) -> str | None:
    """What the stamps of a variable are by its cell methods and by the bounds of the time; None when nothing says."""
    methods = str(variable.attrs.get("cell_methods", "")).lower()
    if "time: point" in methods:
        return "instant"
    bounds = data[time_name].attrs.get("bounds", data[time_name].encoding.get("bounds"))
    if bounds is None or bounds not in data.variables:
        return "start" if "time: mean" in methods or "time: sum" in methods else None
    edges, stamps = data[bounds].values, data[time_name].values
    dated = np.issubdtype(edges.dtype, np.datetime64) or (edges.size and is_foreign(edges[:, 0]))
    if edges.shape != (len(stamps), 2) or not dated or not len(stamps):
        return None
    length = (edges[:, 1] - edges[:, 0]).astype("timedelta64[us]") / np.timedelta64(1, "s")
    if not (length > 0.0).all():
        return None
    share = (stamps - edges[:, 0]).astype("timedelta64[us]") / np.timedelta64(1, "s") / length
    for label, place in (("start", 0.0), ("middle", 0.5), ("end", 1.0)):
        if np.abs(share - place).max() <= CLOSE:
            return label
    raise ForcingError(
        f"{time_name}: its stamps are neither the beginning, the middle nor the end of the intervals in {bounds}. "
        "Correct them, or set forcing.time.label."
    )


def declared_statistics(data: Any) -> dict[str, str]:
    """Variables that are, by their cell methods, extremes or spreads in time -> which."""
    found = {str(name): statistic_of_methods(str(data[name].attrs.get("cell_methods", ""))) for name in data.data_vars}
    return {name: kind for name, kind in found.items() if kind is not None}


def _one_row(variable: Any, where: str) -> Any:
    """Times of one dimension; of two, when they are the same for every cell."""
    if variable.ndim == 1:
        return variable.values
    if variable.ndim == 2:
        rows = variable.transpose(..., dimension_of_time(variable)).values
        if (rows == rows[:1]).all():
            return rows[0]
        raise ForcingError(f"{where}: times differ between its {len(rows)} cells. Give all cells the same times.")
    raise ForcingError(f"{where}: has the dimensions {variable.dims}. Time must have exactly one.")


def _from_texts(values: Any, where: str) -> Times:
    """``2019-06-01_00:00:00`` as WRF writes it."""
    texts = [text.decode() if isinstance(text, bytes) else str(text) for text in values]
    try:
        return np.array([text.strip().replace("_", "T") for text in texts], dtype="datetime64[s]")
    except ValueError as error:
        raise ForcingError(f"{where}: {error}. Times as texts must be like 2019-06-01_00:00:00.") from error
