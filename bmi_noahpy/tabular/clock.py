"""Times of records: which columns hold them, and how they are written."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.tabular.errors import NoTime, TableError
from bmi_noahpy.tabular.moments import Times, moments_of, moments_of_parts, of_our_age
from bmi_noahpy.tabular.plain_times import carry_offset, plain_times

if TYPE_CHECKING:
    # As in `bmi_noahpy.tabular.moments`.
    import pandas as pd

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

_OFFSET = re.compile(r"(?:[zZ]|(?<=\d)[-+]\d{2}:?\d{2})$")
_LOCAL_IN_NAME = re.compile(
    r"(?<![A-Za-z])(local|lst|lt|[cew]es?t|mesz|mez|[ecmp][sd]t|ak[sd]t|jst|kst|ae[sd]t|nz[sd]t|bst)(?![A-Za-z])",
    re.IGNORECASE,
)
"""Words of local time, and abbreviations of zones, which are not unique enough to be read."""
_OFFSET_IN_NAME = re.compile(r"(?<![A-Za-z])(?:UTC|GMT) ?([-+\N{MINUS SIGN}])(\d{1,2})(?::?(\d{2}))?\b", re.IGNORECASE)
_ZONE_IN_NAME = re.compile(r"\s*[\[(]\s*(?:UTC|GMT)[^\])]*[\])]\s*$", re.IGNORECASE)
_MIDNIGHT = re.compile(r"(?:^|[T ])24:00(?::00)?$")


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
        refuse_unknown_label(self.label, "time.label")


def refuse_unknown_label(label: str | None, key: str) -> None:
    """Raise TableError, naming its key, for what no stamp is called."""
    if label is not None and label not in get_args(Label):
        raise TableError(f"{key}: {label!r} is unknown. Use one of {', '.join(get_args(Label))}.")


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
    return np.asarray(_own_offsets(plain), dtype=np.bool_)


def _own_offsets(plain: pd.Series[str]) -> pd.Series[bool]:
    return plain.str.contains(_OFFSET.pattern) & plain.str.contains(":")


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
        parts = moments_of_parts(dict(zip(clock.parts, columns, strict=True)), variable)
        return to_utc(of_our_age(parts, variable), time, variable)
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
        return of_our_age(alike, variable) if offset else to_utc(of_our_age(alike, variable), time, variable)
    import pandas as pd

    plain = pd.Series(texts, dtype=object).astype(str).str.strip()
    late = plain.str.contains(_MIDNIGHT.pattern)
    if late.any():
        plain = plain.where(~late, plain.str.replace(r"24:00((?::00)?)$", r"00:00\1", regex=True))
    own = _own_offsets(plain)
    try:
        moments = moments_of(plain, own, time.format, variable)
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
    values = of_our_age(moments.to_numpy(dtype="datetime64[s]"), variable) + np.where(late, 86400, 0).astype(
        "timedelta64[s]"
    )
    carried = own.to_numpy()
    if carried.all():
        return np.asarray(values, dtype="datetime64[s]")
    return np.where(carried, values, to_utc(values, time, variable))


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


def _expected(time: TimeSpec) -> str:
    return f"the format {time.format!r}" if time.format else "ISO 8601, as 2007-04-01T00:00"


def time_like(names: Iterable[str]) -> set[str]:
    """Names that are of time and of nothing that is measured."""
    known = {*TIME_NAMES, *STARTS, *ENDS, *(name for names in PARTS.values() for name in names), "record"}
    return {name for name in names if name.strip().lower() in known}
