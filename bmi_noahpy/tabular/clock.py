"""Times of records: which columns hold them, and how they are written."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.tabular.errors import AmbiguousDates, NoTime, TableError
from bmi_noahpy.tabular.plain_times import carry_offset, plain_times

if TYPE_CHECKING:
    # Imported where it is first needed: many forcing files are no tables, and it takes a third of a second.
    import pandas as pd

Times = NDArray[np.datetime64]
Label = Literal["start", "end", "middle", "instant"]

TIME_NAMES = (
    "time", "time_utc", "datetime", "datetime_utc", "timestamp", "timestamp_utc", "date_time", "date/time", "date time",
    "utc", "utc_time", "valid_time", "time_start", "local_time", "datetimeutc", "tmstamp", "tstamp", "date",
)  # fmt: skip
STARTS = ("timestamp_start", "time_start")
ENDS = ("timestamp_end", "time_end")
PARTS: Mapping[str, tuple[str, ...]] = {
    "year": ("year", "yyyy", "yr", "iyear", "yyyy_"),
    "month": ("month", "mm", "mo", "mon", "imonth"),
    "day": ("day", "dd", "dom", "dy", "iday"),
    "doy": ("doy", "jday", "day_of_year", "julian_day", "julian", "yday", "jd"),
    "hour": ("hour", "hh", "hr", "hours"),
    "minute": ("minute", "min", "mi", "mn", "minutes"),
    "hhmm": ("hhmm", "hrmn", "hrmin", "time_hhmm", "hour_minute", "hourmin"),
}
FARTHEST_ZONE = 15.0
"""No clock is further from UTC. [h]"""
DAY_FIRST, MONTH_FIRST = ("day-first", "day first", "dmy"), ("month-first", "month first", "mdy")

AGE = np.datetime64("1678-01-01", "s"), np.datetime64("2262-01-01", "s")
"""Between these, times have nanoseconds."""

_OFFSET = re.compile(r"(?:[zZ]|(?<=\d)[-+]\d{2}:?\d{2})$")
_LOCAL_IN_NAME = re.compile(
    r"(?<![A-Za-z])(local|lst|lt|[cew]es?t|mesz|mez|[ecmp][sd]t|ak[sd]t|jst|kst|ae[sd]t|nz[sd]t|bst)(?![A-Za-z])",
    re.IGNORECASE,
)
"""Words of local time, and abbreviations of zones, which are not unique enough to be read."""
_OFFSET_IN_NAME = re.compile(r"(?<![A-Za-z])(?:UTC|GMT) ?([-+\N{MINUS SIGN}])(\d{1,2})(?::?(\d{2}))?\b", re.IGNORECASE)
_ZONE_IN_NAME = re.compile(r"\s*[\[(]\s*(?:UTC|GMT)[^\])]*[\])]\s*$", re.IGNORECASE)
_MIDNIGHT = re.compile(r"(?:^|[T ])24:00(?::00)?$")
_COMPACT = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_PARTED = re.compile(r"(\d{1,2})[./-](\d{1,2})[./-](\d{4})(?:[T ,]\s*(.*))?")


@dataclasses.dataclass(frozen=True)
class TimeSpec:
    """The time of a record.

    Parameters
    ----------
    name : Column holding it, or the columns whose texts make it up (date and time); None to recognise it.
    format : `strptime` format, or "day-first" or "month-first"; None for ISO 8601 and forms that read one way only.
    utc_offset : Local time of the file minus UTC, for times that carry no offset themselves; None: as the file says,
        else 0. [h]
    zone : IANA zone of such times, as "Europe/Zurich", instead of an offset.
    label : What a time stamp is: the start, the middle or the end of the interval whose mean or sum the record is;
        None: as the file says, else the start of it for radiation and precipitation, and the moment of everything else.
    """

    name: str | tuple[str, ...] | None = None
    format: str | None = None
    utc_offset: float | None = None
    zone: str | None = None
    label: Label | None = None

    def __post_init__(self) -> None:
        offset = self.utc_offset
        if offset is not None and not -FARTHEST_ZONE <= offset <= FARTHEST_ZONE:
            raise TableError(
                f"time.utc_offset: {offset:g} is no local time minus UTC in hours. Give one from -{FARTHEST_ZONE:g} to "
                f"{FARTHEST_ZONE:g}."
            )


@dataclasses.dataclass(frozen=True)
class Clock:
    """The columns that hold the time, what they are, and what their names say a stamp is."""

    columns: tuple[str, ...]
    parts: tuple[str, ...] = ()
    label: Label | None = None


def find_clock(names: Sequence[str], time: TimeSpec, source: str) -> Clock:
    """The columns of the time: one, a date and a time, or year, month, day and hour.

    Raises
    ------
    NoTime : none is recognised; it lists the columns the file has.
    TableError : one that is asked for is not there.
    """
    known = {_ZONE_IN_NAME.sub("", name).strip().lower(): name for name in reversed(names)}
    if time.name is not None:
        asked = (time.name,) if isinstance(time.name, str) else tuple(time.name)
        for name in asked:
            if name not in names:
                raise TableError(f"{source}: forcing.time.name: no column {name!r} among {', '.join(names)}.")
        return Clock(asked)
    for candidates, label in ((STARTS, "start"), (ENDS, "end")):
        found = next((known[name] for name in candidates if name in known), None)
        if found is not None and (label == "end" or known.get("timestamp_end") or "timestamp" in found.lower()):
            return Clock((found,), label="start" if label == "start" else "end")
    if "date" in known and "time" in known:
        return Clock((known["date"], known["time"]))
    for candidate in TIME_NAMES:
        if candidate in known:
            return Clock((known[candidate],))
    parts = {
        part: next((known[name] for name in candidates if name in known), None) for part, candidates in PARTS.items()
    }
    wanted = ("year", "doy") if parts["doy"] and not parts["month"] else ("year", "month", "day")
    if all(parts[part] for part in wanted):
        used = [part for part in (*wanted, "hour", "minute", "hhmm") if parts[part]]
        return Clock(tuple(str(parts[part]) for part in used), tuple(used))
    raise NoTime(
        f"{source}: no time among {', '.join(names)}. Name it in forcing.time.name, or call it {TIME_NAMES[0]!r}."
    )


def offset_in_names(names: Iterable[str]) -> float | None:
    """Local time minus UTC that the name of a column declares, as ``time (UTC+9)`` does. [h]"""
    for name in names:
        found = _OFFSET_IN_NAME.search(name)
        if found is not None:
            hours = float(found[2]) + float(found[3] or 0.0) / 60.0
            return -hours if found[1] in "-\N{MINUS SIGN}" else hours
    return None


def local_by_name(names: Iterable[str]) -> str | None:
    """What the name of a column of times says of a clock that is not UTC; None when it says nothing of the kind."""
    for name in names:
        if name.strip().lower() in (*STARTS[:1], *ENDS[:1]):
            return "local standard time in files of FLUXNET and AmeriFlux"
        found = _LOCAL_IN_NAME.search(name)
        if found is not None:
            return f"by its name ({found[1]}) a local time"
    return None


def carry_offsets(texts: Sequence[Sequence[str]]) -> NDArray[np.bool_]:
    """Which times carry an offset of their own, out of the texts of the columns of a clock."""
    alike = carry_offset(texts[-1])
    if alike is not None:
        return np.full(len(texts[-1]), alike)
    import pandas as pd

    plain = pd.Series(list(texts[-1]), dtype=object).astype(str).str.strip()
    return np.asarray(plain.str.contains(_OFFSET.pattern) & plain.str.contains(":"), dtype=np.bool_)


def runs_to_24(clock: Clock, columns: Sequence[Sequence[str]]) -> bool:
    """Whether hours are counted to 24, as where a stamp is the end of its interval."""
    if not clock.parts:
        return any("24:00" in text and _MIDNIGHT.search(text.strip()) is not None for text in columns[-1])
    if "hour" not in clock.parts:
        return False
    import pandas as pd

    hours = pd.to_numeric(pd.Series(list(columns[clock.parts.index("hour")])), errors="coerce").max()
    return bool(hours in (24.0, 2400.0))


def parse_clock(clock: Clock, columns: Sequence[Sequence[str]], time: TimeSpec, variable: str) -> Times:
    """Times in UTC out of the texts of the columns of a clock.

    Raises
    ------
    TableError : naming the first record that is no time, one of another age, or dates that read both ways.
    """
    if clock.parts:
        parts = _from_parts(dict(zip(clock.parts, columns, strict=True)), variable)
        return to_utc(_of_our_age(parts, variable), time, variable)
    texts = columns[0] if len(columns) == 1 else [" ".join(parts) for parts in zip(*columns, strict=True)]
    return parse_times(texts, time, variable)


def parse_times(texts: Sequence[str], time: TimeSpec, variable: str) -> Times:
    """Times in UTC.

    A time with its own offset ("Z", "+08:00") keeps it, others are moved by that of `time`. 24:00 is the end of a day.

    Raises
    ------
    TableError : naming the first record that is no time, or dates that read both ways.
    """
    offset = None if time.format is not None else carry_offset(texts)
    alike = None if offset is None else plain_times(texts, offset=offset)
    if alike is not None:
        return _of_our_age(alike, variable) if offset else to_utc(_of_our_age(alike, variable), time, variable)
    import pandas as pd

    plain = pd.Series(texts, dtype=object).astype(str).str.strip()
    late = plain.str.contains(_MIDNIGHT.pattern)
    if late.any():
        plain = plain.where(~late, plain.str.replace(r"24:00((?::00)?)$", r"00:00\1", regex=True))
    own = plain.str.contains(_OFFSET.pattern) & plain.str.contains(":")
    try:
        moments = _moments(plain, own, time, variable)
    except ValueError as error:
        if isinstance(error, TableError):
            raise
        raise TableError(f"{variable}: times of several kinds ({str(error)[:80]}). Write all of them alike.") from None
    if moments.isna().any():
        row = int(np.argmax(moments.isna().to_numpy()))
        raise TableError(
            f"{variable}: record {row + 1} is {texts[row][:60]!r}, not a time in {_expected(time)}. Set "
            "forcing.time.format."
        )
    values = _of_our_age(moments.to_numpy(dtype="datetime64[s]"), variable) + np.where(late, 86400, 0).astype(
        "timedelta64[s]"
    )
    carried = own.to_numpy()
    if carried.all():
        return np.asarray(values, dtype="datetime64[s]")
    return np.where(carried, values, to_utc(values, time, variable))


def _of_our_age(times: Times, variable: str) -> Times:
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


def to_utc(times: Times, time: TimeSpec, variable: str) -> Times:
    """Local times as UTC.

    Raises
    ------
    TableError : an unknown zone, or local times that its clock skips or shows twice.
    """
    if time.zone is None:
        return times - np.timedelta64(round((time.utc_offset or 0.0) * 3600), "s")
    if time.utc_offset is not None:
        raise TableError("forcing.time: zone and utc_offset are given. Keep one of them.")
    import pandas as pd

    try:
        local = pd.DatetimeIndex(times.astype("datetime64[ns]")).tz_localize(time.zone, ambiguous="infer")
    except Exception as error:  # pandas raises errors of several packages here
        raise TableError(
            f"{variable}: not local times of {time.zone!r} ({str(error)[:80]}). A logger that keeps standard time all "
            "year needs forcing.time.utc_offset instead."
        ) from None
    found: Times = local.tz_convert("UTC").tz_localize(None).to_numpy(dtype="datetime64[s]")
    return found


def from_utc(times: Times, time: TimeSpec) -> Times:
    """What the clock of the file showed at times of UTC."""
    if time.zone is None:
        return times + np.timedelta64(round((time.utc_offset or 0.0) * 3600), "s")
    import pandas as pd

    universal = pd.DatetimeIndex(times.astype("datetime64[ns]")).tz_localize("UTC")
    found: Times = universal.tz_convert(time.zone).tz_localize(None).to_numpy(dtype="datetime64[s]")
    return found


def _moments(plain: pd.Series, own: pd.Series, time: TimeSpec, variable: str) -> pd.Series:
    """Naive moments: those with their own offset in UTC, the others as written; NaT for what is no time."""
    import pandas as pd

    form = time.format
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


def _from_parts(parts: Mapping[str, Sequence[str]], variable: str) -> Times:
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


def _expected(time: TimeSpec) -> str:
    return f"the format {time.format!r}" if time.format else "ISO 8601, as 2007-04-01T00:00"


def time_like(names: Iterable[str]) -> set[str]:
    """Names that are of time and of nothing that is measured."""
    known = {*TIME_NAMES, *STARTS, *ENDS, *(name for names in PARTS.values() for name in names), "record"}
    return {name for name in names if name.strip().lower() in known}
