"""What texts of dates and hours mean, whatever the clock that they are of."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.tabular.errors import AmbiguousDates, TableError

if TYPE_CHECKING:
    # Imported where it is first needed: many forcing files are no tables, and it takes a third of a second.
    import pandas as pd

Times = NDArray[np.datetime64]

DAY_FIRST, MONTH_FIRST = ("day-first", "day first", "dmy"), ("month-first", "month first", "mdy")

AGE = np.datetime64("1678-01-01", "s"), np.datetime64("2262-01-01", "s")
"""Between these, times have nanoseconds."""

_COMPACT = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_PARTED = re.compile(r"(\d{1,2})[./-](\d{1,2})[./-](\d{4})(?:[T ,]\s*(.*))?")


def moments_of(plain: pd.Series, own: pd.Series, form: str | None, variable: str) -> pd.Series:
    """Naive moments: those with their own offset in UTC, the others as written; NaT for what is no time.

    Parameters
    ----------
    plain : Texts of the records.
    own : Which of them carry an offset.
    form : As `TimeSpec.format`.
    variable : For messages.
    """
    import pandas as pd

    if form is not None and form.lower() not in (*DAY_FIRST, *MONTH_FIRST):
        return _naive(pd.to_datetime(plain, format=form, errors="coerce", utc="%z" in form))
    first = str(plain.iloc[0]) if len(plain) else ""
    compact = first.removesuffix(".0")
    if compact.isdigit() and len(compact) in _COMPACT:
        return pd.to_datetime(plain.str.removesuffix(".0"), format=_COMPACT[len(compact)], errors="coerce")
    if _PARTED.fullmatch(first):
        return _parted(plain, form, variable)
    if re.match(r"\d{1,2}[- ][A-Za-z]{3}", first):
        return pd.to_datetime(plain, format="mixed", dayfirst=True, errors="coerce")
    iso = plain.str.replace(r"^(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?!\d)", _iso_date, regex=True)
    iso = iso.str.replace(r"([T ])(\d):", r"\g<1>0\2:", regex=True)
    iso = iso.where(iso.str.match(r"\d{4}-\d{2}-\d{2}"))
    # An offset that is not written as one would otherwise be read by some records, and be an error beside others.
    plainly = ~own & ~iso.str.slice(10).str.contains(r"[-+]", na=False)
    moments = pd.to_datetime(iso.where(plainly), format="ISO8601", errors="coerce")
    if own.any():
        carried = _naive(pd.to_datetime(iso.where(own), format="ISO8601", errors="coerce", utc=True))
        moments = moments.where(~own, carried)
    return moments


def _naive(moments: pd.Series) -> pd.Series:
    return moments.dt.tz_convert("UTC").dt.tz_localize(None) if moments.dt.tz is not None else moments


def _iso_date(match: re.Match[str]) -> str:
    return f"{match[1]}-{int(match[2]):02d}-{int(match[3]):02d}"


def _parted(plain: pd.Series, form: str | None, variable: str) -> pd.Series:
    """Dates as 31/12/2019 or 12/31/2019: as said, else as the only way in which all of them can be read."""
    import pandas as pd

    parts = plain.str.extract(rf"^{_PARTED.pattern}$")
    first, second = (pd.to_numeric(parts[column], errors="coerce") for column in (0, 1))
    if form is not None:
        day_first = form.lower() in DAY_FIRST
    elif (first > 12).any():
        day_first = True
    elif (second > 12).any():
        day_first = False
    else:
        raise AmbiguousDates(
            f"{variable}: {plain.iloc[0]!r} reads as day or as month first, and so do all dates here. Say which: "
            "format: day-first, or format: month-first."
        )
    day, month = (first, second) if day_first else (second, first)
    clock = parts[3].fillna("").where(parts[3].fillna("") != "", "00:00")
    text = (
        parts[2]
        + "-"
        + month.map("{:02.0f}".format)
        + "-"
        + day.map("{:02.0f}".format)
        + " "
        + clock.str.replace(r"^(\d):", r"0\1:", regex=True)
    )
    return _naive(pd.to_datetime(text, errors="coerce", format="mixed"))


def moments_of_parts(parts: Mapping[str, Sequence[str]], variable: str) -> Times:
    """Times out of numbers of years, months, days, hours and minutes; hour 24 is the end of a day."""
    try:
        numbers = {part: np.asarray(texts, dtype=str).astype(np.float64) for part, texts in parts.items()}
    except ValueError as error:
        raise TableError(f"{variable}: {error}. Year, month, day and hour must be numbers.") from None
    years = (numbers["year"].astype(np.int64) - 1970).astype("datetime64[Y]")
    if "doy" in numbers:
        days = years.astype("datetime64[D]").astype("datetime64[s]")
        days = days + np.rint((numbers["doy"] - 1.0) * 86400.0).astype("timedelta64[s]")
    else:
        months = years.astype("datetime64[M]") + (numbers["month"].astype(np.int64) - 1)
        days = (months.astype("datetime64[D]") + (numbers["day"].astype(np.int64) - 1)).astype("datetime64[s]")
    hours = numbers.get("hour", np.zeros(len(days)))
    if "hhmm" in numbers or np.nanmax(hours, initial=0.0) > 24.0:
        hours = numbers.get("hhmm", hours)
        hours = hours // 100 + (hours % 100) / 60.0
    seconds = hours * 3600.0 + numbers.get("minute", np.zeros(len(days))) * 60.0
    found: Times = days + np.rint(seconds).astype("timedelta64[s]")
    return found


def of_our_age(times: Times, variable: str) -> Times:
    """Times of years that can be told in nanoseconds; others would come out as something else."""
    wrong = (times < AGE[0]) | (times >= AGE[1])
    if wrong.any():
        row = int(np.argmax(wrong))
        year = str(times[row])[:-15]
        raise TableError(
            f"{variable}: record {row + 1} is in the year {year}. Write years with four digits, or set "
            "forcing.time.format."
        )
    return times
