"""How a text table is written: separator, decimal mark, names, units, and where its data begin."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from bmi_noahpy.tabular.errors import NoHeader, TableError
from bmi_noahpy.tabular.header_units import known_units, plain_units
from bmi_noahpy.tabular.lines import SPACES, fields_of, is_moment, is_number, is_value

SEPARATORS = ("\t", ";", ",", SPACES)
SAMPLE = 400
"""Lines that are looked at to find the layout."""
FIRST_NAMES = frozenset(
    {
        "time",
        "date",
        "datetime",
        "timestamp",
        "date/time",
        "date time",
        "date/depth",
        "node",
        "point",
        "id",
        "x",
        "site",
        "station",
        "plot",
        "grid",
        "name",
        "location",
    }
)
"""Names of a first column after which the others may be numbers: depths of a borehole, years of a grid of nodes."""


@dataclasses.dataclass(frozen=True)
class TextOptions:
    """What a user may say about a text table; None, or nothing: recognised.

    Parameters
    ----------
    separator : Between fields; a space stands for any number of spaces and tabs.
    decimal : Mark of decimals, "." or ",".
    encoding : Of the text.
    skip_rows : Lines before the header that are passed over.
    columns : Names of the columns of a file without a header.
    missing : Numbers that stand for no value.
    """

    separator: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    skip_rows: int = 0
    columns: tuple[str, ...] | None = None
    missing: tuple[float, ...] = ()


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a table is written.

    Parameters
    ----------
    kind : "table", or the name of a convention: "TOA5", "EddyPro", "SMET", "ISMN".
    names : Of the columns.
    units : Of the columns whose header states them.
    first_row : Index of the first line of data.
    label : What its time stamps are, where the convention says so: "start", "end" or "middle".
    missing : Codes of missing values that the header declares.
    scales : Column -> (factor, offset) to the units it states.
    utc_offset : Local time minus UTC that the header declares. [h]
    kinds : Column -> "mean", "instant", "sum", "a maximum", "a minimum" or "a standard deviation", where the header
        says so.
    flags : Column -> the column of its quality, which begins with G where the value is good.
    facts : Other statements of the header: name, latitude, longitude, altitude.
    """

    kind: str
    separator: str
    decimal: str
    names: tuple[str, ...]
    units: Mapping[str, str]
    first_row: int
    label: str | None = None
    missing: tuple[float, ...] = ()
    scales: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    utc_offset: float | None = None
    kinds: Mapping[str, str] = dataclasses.field(default_factory=dict)
    flags: Mapping[str, str] = dataclasses.field(default_factory=dict)
    facts: Mapping[str, str] = dataclasses.field(default_factory=dict)


def find_layout(path: Path, lines: Sequence[str], options: TextOptions) -> Layout:
    """The layout of a table, from what is asked for and from what its first lines show.

    Raises
    ------
    TableError : no table is found, or it has no header.
    """
    begin = options.skip_rows
    if not any(line.strip() for line in lines[begin:]):
        raise TableError(f"{path}: the file is empty. It needs a header line and records.")
    separator, width = _separator(path, lines, begin, options)
    first = next(
        row for row in range(begin, len(lines)) if _is_data(fields_of(lines[row], separator), width) is not None
    )
    decimal = options.decimal or _decimal(lines[first : first + SAMPLE], separator)
    if options.columns is not None:
        return Layout("table", separator, decimal, _same_width(path, options.columns, width), {}, first)
    names, units = _header(path, lines, begin, first, separator, width)
    return Layout("table", separator, decimal, names, units, first)


def _separator(path: Path, lines: Sequence[str], begin: int, options: TextOptions) -> tuple[str, int]:
    """The separator whose fields are values in most lines, and how many fields there are."""
    sample = [line for line in lines[begin : begin + SAMPLE] if line.strip() and not line.lstrip().startswith("#")]
    found: dict[str, tuple[int, int]] = {}
    for separator in [options.separator] if options.separator else SEPARATORS:
        widths = Counter(
            len(fields) for line in sample if _is_data(fields := fields_of(line, separator), None) is not None
        )
        if widths:
            width, count = widths.most_common(1)[0]
            found[separator] = (count, width)
    if not found:
        shown = next((line for line in sample), "").strip()[:60]
        raise TableError(
            f"{path}: no table of numbers is found in it; it begins with {shown!r}. Correct the file, or say how it is "
            "written (separator, skip_rows, columns)."
        )
    most = max(count for count, _ in found.values())
    return next((separator, width) for separator, (count, width) in found.items() if count >= 0.9 * most)


def _is_data(fields: Sequence[str], width: int | None) -> Sequence[str] | None:
    """The fields of a line when they are those of a record; None otherwise."""
    if len(fields) < 2 or (width is not None and len(fields) != width) or fields[0].lower() in FIRST_NAMES:
        return None
    present = [field for field in fields if field]
    values = sum(map(is_value, present))
    begins = is_number(fields[0]) or is_moment(fields[0]) or not fields[0]
    counted = any(is_number(field) or is_moment(field) for field in present)
    return fields if counted and (2 * values > len(present) if begins else 3 * values >= 2 * len(present)) else None


def _decimal(lines: Sequence[str], separator: str) -> str:
    if separator == ",":
        return "."
    numbers = [field for line in lines for field in fields_of(line, separator) if is_number(field)]
    commas, points = (sum(mark in number for number in numbers) for mark in (",", "."))
    return "," if commas > points else "."


def _header(
    path: Path, lines: Sequence[str], begin: int, first: int, separator: str, width: int
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Names and units in the lines before the data."""
    candidates = {
        row: fields_of(lines[row].lstrip("#").strip() if lines[row].startswith("#") else lines[row], separator)
        for row in range(begin, first)
        if lines[row].strip()
    }
    rows = [
        row
        for row, fields in candidates.items()
        if width <= len(fields) <= width + 1 and not all(is_number(field) for field in fields[:width] if field)
    ]
    fitting = [candidates[row][:width] for row in rows]
    if not fitting:
        raise NoHeader(
            f"{path}: no line of names before the data, which begin in line {first + 1} with {width} columns. "
            "Give their names as columns: [time, Tair_K, ...]."
        )
    where = max(range(len(fitting)), key=lambda row: (_names(fitting[row]), -row))
    names = _unique(fitting[where])
    units: dict[str, str] = {}
    for row, following in zip(rows[where + 1 :], fitting[where + 1 :], strict=True):
        stated = [plain_units(field) for field in following]
        if not units and 2 * sum(known_units(unit) for unit in stated if unit) > sum(bool(unit) for unit in stated):
            units = {name: unit for name, unit in zip(names, stated, strict=True) if unit}
        elif any(is_number(field) or is_moment(field) for field in following) and not lines[row].startswith("#"):
            raise TableError(
                f"{path}: line {row + 1} ({lines[row].strip()[:60]!r}) lies between names and records, and has numbers "
                "among words. Correct it, begin it with # to leave it out, or say how the table is written (skip_rows, "
                "columns)."
            )
    return names, units


def _names(fields: Sequence[str]) -> int:
    """How many fields of a line can be names of columns."""
    return len({field for field in fields if field and not known_units(plain_units(field))})


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    """Names that are there twice get a number; a column without one is called by its place."""
    seen: Counter[str] = Counter()
    result = []
    for place, name in enumerate(names, start=1):
        given = name or f"column {place}"
        seen[given] += 1
        result.append(given if seen[given] == 1 else f"{given}.{seen[given]}")
    return tuple(result)


def _same_width(path: Path, columns: tuple[str, ...], width: int) -> tuple[str, ...]:
    if len(columns) != width:
        raise TableError(f"{path}: has {width} columns, but columns names {len(columns)}. Name each of them.")
    return columns
