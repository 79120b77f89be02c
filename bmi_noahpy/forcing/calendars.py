"""Records of climate models whose calendar is not ours, on the days of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.forcing.table import ForcingError, Times

Rows = NDArray[np.int64]
DAYS_OF_360 = 360


def is_foreign(times: Any) -> bool:
    """Whether times are those of another calendar, as `cftime` decodes them."""
    return len(times) > 0 and hasattr(times[0], "calendar")


def on_our_days(times: NDArray[Any], source: str) -> tuple[Times, Rows, str]:
    """Times of our calendar, the record that stands at each, and a sentence that says what was done.

    Without leap days, 29 February has the records of 28 February; of a calendar with leap days only, the 29th of common
    years is left out; of 360 days, each day of ours has the records of the day at the same share of the year, so that
    five or six days occur twice. The time of day is kept.

    Parameters
    ----------
    times : Of all records, as `cftime` decodes them, rising.

    Raises
    ------
    ForcingError : another calendar, or records that are further than a day apart.
    """
    calendar = str(times[0].calendar)
    if calendar not in RULES:
        raise ForcingError(
            f"{source}: the calendar {calendar!r} is not known. Convert the times to the standard calendar, or to one "
            f"of {', '.join(RULES)}."
        )
    day_of, sentence = RULES[calendar]
    days: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for row, time in enumerate(times):
        moment = time.hour * 3600 + time.minute * 60 + time.second + round(1e-6 * time.microsecond)
        days.setdefault((time.year, time.dayofyr), []).append((moment, row))
    first, last = (_date(days_key, calendar, end) for days_key, end in ((min(days), False), (max(days), True)))
    stamps: list[np.datetime64] = []
    rows: list[int] = []
    for date in np.arange(first, last + np.timedelta64(1, "D")):
        for moment, row in days.get(day_of(date), []):
            stamps.append(date.astype("datetime64[s]") + np.timedelta64(moment, "s"))
            rows.append(row)
    if len(days) > 1 and len(rows) < len(times) // 2:
        raise ForcingError(f"{source}: records of the calendar {calendar!r} are days apart. Give daily ones, or finer.")
    return np.array(stamps), np.array(rows, dtype=np.int64), f"{source}: calendar {calendar}: {sentence}"


def _place(date: np.datetime64) -> tuple[int, int, int]:
    """Year, day of the year from 0, and number of days of the year."""
    year = date.astype("datetime64[Y]")
    begin, end = (edge.astype("datetime64[D]") for edge in (year, year + 1))
    return int(str(year)), int((date - begin).astype(int)), int((end - begin).astype(int))


def _without_leap_days(date: np.datetime64) -> tuple[int, int]:
    year, day, length = _place(date)
    return year, day + 1 if length == 365 or day < 59 else day


def _with_leap_days_only(date: np.datetime64) -> tuple[int, int]:
    year, day, length = _place(date)
    return year, day + 1 if length == 366 or day < 59 else day + 2


def _of_360_days(date: np.datetime64) -> tuple[int, int]:
    year, day, length = _place(date)
    return year, int((day + 0.5) * DAYS_OF_360 / length) + 1


def _date(key: tuple[int, int], calendar: str, end: bool) -> np.datetime64:
    """The first or the last day of ours that a day of a calendar stands for."""
    day_of, _ = RULES[calendar]
    begin = np.datetime64(f"{key[0]:04d}-01-01", "D")
    found = [date for date in np.arange(begin, begin + np.timedelta64(367, "D")) if day_of(date) == key]
    place: np.datetime64 = found[-1] if end else found[0]
    return place


Rule = Callable[[np.datetime64], tuple[int, int]]
_SHORT = (_without_leap_days, "29 February has the records of the 28th")
_LONG = (_with_leap_days_only, "29 February of common years is left out")
RULES: dict[str, tuple[Rule, str]] = {
    "noleap": _SHORT,
    "365_day": _SHORT,
    "all_leap": _LONG,
    "366_day": _LONG,
    "360_day": (
        _of_360_days,
        "each of our days has the records of the day at the same share of the year, so that five or six days occur "
        "twice",
    ),
}
