"""Comma-separated records."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bmi_noahpy.forcing.names import choose_variables, find_time, split_units
from bmi_noahpy.forcing.spec import TimeSpec, VariableSpec
from bmi_noahpy.forcing.table import UNITS, Array, ForcingError, RawField, RawRecords, Times

MISSING = frozenset({"", "na", "nan", "n/a", "null", "none", "-"})


def read_csv(path: Path, variables: Mapping[str, VariableSpec], time: TimeSpec) -> RawRecords:
    """Records of a file with one header line; lines beginning with ``#`` before it are skipped.

    Units come from `variables`, else from the header (``Tair_K``, ``Tair [K]``), else they are the model's.
    Only the columns that are needed are read.

    Raises
    ------
    ForcingError : for missing or ambiguous columns, rows of the wrong length, and text that is not a number or a time.
    """
    header, rows = _rows(path)
    labels = {name: split_units(name)[0] for name in header}
    quantities = choose_variables(labels, {key: asked.name for key, asked in variables.items()}, str(path))
    time_column = time.name if time.name is not None else find_time(header, str(path))
    if time_column not in header:
        raise ForcingError(f"{path}: forcing.time.name: no column {time_column!r} among {', '.join(header)}.")
    times = parse_times([row[header.index(time_column)] for row in rows], time, f"{path}: {time_column}")
    fields = {}
    for quantity, column in quantities.items():
        asked = variables.get(quantity)
        units = (asked.units if asked else None) or split_units(column)[1] or UNITS[quantity]
        texts = [row[header.index(column)] for row in rows]
        fields[quantity] = RawField(_numbers(texts, f"{path}: {column}")[:, None], units, column)
    return RawRecords(times, fields, str(path))


def _rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and data rows, all of the same length."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = [row for row in csv.reader(file) if row and not row[0].startswith("#")]
    if not lines:
        raise ForcingError(f"{path}: the file is empty. It needs a header line and records.")
    header = [name.strip() for name in lines[0]]
    for number, row in enumerate(lines[1:], start=1):
        if len(row) != len(header):
            raise ForcingError(f"{path}: record {number} has {len(row)} values, the header {len(header)}. Correct it.")
    return header, lines[1:]


def _numbers(texts: Sequence[str], variable: str) -> Array:
    """Text to numbers; blanks and the usual marks for missing values become NaN."""
    values = np.empty(len(texts))
    for row, text in enumerate(texts):
        try:
            values[row] = float(text)
        except ValueError as error:
            if text.strip().lower() not in MISSING:
                raise ForcingError(f"{variable}: record {row + 1} is {text!r}, not a number. Correct it.") from error
            values[row] = np.nan
    return values


def parse_times(texts: Sequence[str], time: TimeSpec, variable: str) -> Times:
    """Times in UTC.

    ISO 8601 without `time.format`; a time with its own offset ("Z", "+08:00") keeps it, others are moved by
    `time.utc_offset`.

    Raises
    ------
    ForcingError : naming the first record that is not a time.
    """
    times = np.empty(len(texts), dtype="datetime64[s]")
    for row, text in enumerate(texts):
        try:
            times[row] = _utc(text.strip(), time)
        except ValueError as error:
            expected = f"the format {time.format!r}" if time.format else "ISO 8601, as 2007-04-01T00:00"
            raise ForcingError(
                f"{variable}: record {row + 1} is {text!r}, not a time in {expected}. Set forcing.time.format."
            ) from error
    return times


def _utc(text: str, time: TimeSpec) -> np.datetime64:
    """One time; `datetime` before Python 3.11 does not read the letter Z."""
    if time.format:
        moment = datetime.datetime.strptime(text, time.format)
    else:
        moment = datetime.datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text)
    offset = moment.utcoffset()
    if offset is None:
        offset = datetime.timedelta(hours=time.utc_offset)
    return np.datetime64(moment.replace(tzinfo=None) - offset, "s")
