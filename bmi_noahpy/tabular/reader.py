"""A text table read whole, as text, with the lines of its records."""

from __future__ import annotations

import dataclasses
import operator
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.tabular.clock import Clock, TimeSpec, carry_offsets, local_by_name, offset_in_names
from bmi_noahpy.tabular.conventions import declared_layout
from bmi_noahpy.tabular.errors import TableError
from bmi_noahpy.tabular.fields import Fields, QuotedFields, as_numbers, fields, is_float
from bmi_noahpy.tabular.layout import Layout, TextOptions, find_layout
from bmi_noahpy.tabular.lines import MISSING_MARKS, SPACES, fields_of, read_lines

Array = NDArray[np.float64]

MISSING_CODES = (-999.0, -999.9, -6999.0, -7999.0, -9999.0, -99999.0)
"""Numbers that stand for no value in many networks, and that no quantity of air, snow or soil can have."""
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}\.\d{3}")
LOGGERS = ("TOA5", "EddyPro")
"""Conventions whose header does not say how far the clock is from UTC."""


@dataclasses.dataclass(frozen=True)
class TextTable:
    """The records of a file as text.

    Parameters
    ----------
    fields : Of each column, as they stand in the file.
    rows : Number of each record's line in the file, from 1.
    missing : Numbers that stand for no value.
    """

    path: Path
    layout: Layout
    fields: Fields | QuotedFields
    rows: NDArray[np.int64]
    missing: tuple[float, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.layout.names

    def written(self, name: str) -> str:
        """The name of a column as it stands in the file, where the second of that name got a number."""
        first, dot, number = name.rpartition(".")
        return first if dot and number.isdigit() and first in self.names else name

    def texts(self, name: str) -> list[str]:
        """A column as it stands in the file, without blanks around."""
        return self.fields.texts(name)

    def numbers(self, name: str) -> Array:
        """A column as numbers in the units that its header states; NaN for missing values.

        Raises
        ------
        TableError : naming the first field that is no number.
        """
        values = self._plain_numbers(name)
        if values is None:
            values = self._read_numbers(name)
        values[np.isin(values, self.missing) | self.doubtful(name)] = np.nan
        factor, offset = self.layout.scales.get(name, (1.0, 0.0))
        return values if (factor, offset) == (1.0, 0.0) else values * factor + offset

    def _plain_numbers(self, name: str) -> Array | None:
        """A column of numbers only, which needs no look at each of its fields; None for any other."""
        if self.layout.decimal == ",":
            return None
        try:
            return self.fields.numbers(name)
        except ValueError:
            return None

    def _read_numbers(self, name: str) -> Array:
        written = self.texts(name)
        texts = ["nan" if text.lower() in MISSING_MARKS else text for text in written]
        if self.layout.decimal == ",":
            self._refuse_thousands(name, texts)
            texts = [text.replace(",", ".") for text in texts]
        try:
            return as_numbers(texts)
        except ValueError:
            row = next(row for row, text in enumerate(texts) if not is_float(text))
            raise TableError(
                f"{self.path}: {name}: {self.place(row)} is {written[row][:60]!r}, not a number. "
                "Correct it, or say what stands for missing values."
            ) from None

    def _refuse_thousands(self, name: str, texts: Sequence[str]) -> None:
        row = next((row for row, text in enumerate(texts) if _THOUSANDS.fullmatch(text)), None)
        if row is not None:
            raise TableError(
                f"{self.path}: {name}: {self.place(row)} is {texts[row]!r}: one thousand or one? The decimals of "
                "this file are commas. Remove marks of thousands, or say the decimal mark (text.decimal)."
            )

    def doubtful(self, name: str) -> NDArray[np.bool_]:
        """Which records of a column have a flag that calls them anything but good."""
        flag = self.layout.flags.get(name)
        if flag is None:
            return np.zeros(len(self.rows), dtype=np.bool_)
        return np.array([not text.upper().startswith("G") for text in self.texts(flag)], dtype=np.bool_)

    def time(self, asked: TimeSpec, clock: Clock) -> TimeSpec:
        """How the times of a clock are read: as asked for, else with the offset that the header declares."""
        declared = self.layout.utc_offset
        if declared is None:
            declared = offset_in_names(clock.columns)
        if declared is None or asked.utc_offset is not None or asked.zone is not None:
            return asked
        return dataclasses.replace(asked, utc_offset=declared)

    def doubtful_clock(
        self, time: TimeSpec, clock: Clock, texts: Sequence[Sequence[str]], section: str = ""
    ) -> str | None:
        """Why the times of a clock are hardly UTC, as which they are read; None where nothing speaks against it.

        Parameters
        ----------
        time : What is said of the time, with what the header declares.
        texts : Of the columns of the clock.
        section : What stands before the keys in the remedy.
        """
        if time.utc_offset is not None or time.zone is not None:
            return None
        carried = carry_offsets(texts)
        if carried.any():
            without = int(np.count_nonzero(~carried))
            mixed = f"{clock.columns[0]}: {without} of {len(carried)} times carry no offset, and are taken as UTC"
            return mixed if without else None
        if any(re.search("utc|gmt", name, re.IGNORECASE) for name in clock.columns):
            return None
        what = "a logger's clock" if self.layout.kind in LOGGERS else local_by_name(clock.columns)
        if what is None:
            return None
        return (
            f"{clock.columns[0]} is {what}, and nothing says how far it is from UTC: it is taken as UTC. Say "
            f"{section}time.utc_offset or {section}time.zone"
        )

    def label(self, column: str, whole: str | None) -> str | None:
        """What the stamps of a column are, where those of the whole file are `whole`: a logger says so of each."""
        return "instant" if self.layout.kinds.get(column) == "instant" else whole

    def place(self, row: int) -> str:
        """A record by its number and line, for messages."""
        return f"record {row + 1} (line {self.rows[row]})"


def read_text_table(path: Path, options: TextOptions | None = None) -> TextTable:
    """Read a table of any usual convention.

    Parameters
    ----------
    path : TOA5, SMET, EddyPro, ISMN, AmeriFlux, FLUXNET, or any text with a line of names and records: separated by
        commas, semicolons, tabs or blanks, with decimal points or commas, with or without a line of units. Lines that
        begin with ``#`` are passed over.
    options : What is not to be recognised.

    Raises
    ------
    TableError : no such table; the message names file, line and remedy.
    """
    chosen = options or TextOptions()
    lines, _ = read_lines(path, chosen.encoding)
    layout = declared_layout(path, lines) if not chosen.skip_rows and not chosen.columns else None
    if layout is None:
        layout = find_layout(path, lines, chosen)
    rows = [row for row in range(layout.first_row, len(lines)) if _is_record(lines[row])]
    width, kept = len(layout.names), [lines[row] for row in rows]
    if not _are_whole(kept, width, layout):
        kept = [_whole(path, lines[row], row, number, width, layout) for number, row in enumerate(rows, start=1)]
    found = fields(path, kept, layout.names, layout.separator)
    missing = tuple(dict.fromkeys((*layout.missing, *chosen.missing, *MISSING_CODES)))
    return TextTable(path, layout, found, np.array(rows, dtype=np.int64) + 1, missing)


def _is_record(line: str) -> bool:
    # Nearly all begin with a digit, and then nothing else need be asked.
    return line[:1].isdigit() or bool(line.strip(" \t,;") and not line.lstrip(' "').startswith("#"))


def _are_whole(lines: Sequence[str], width: int, layout: Layout) -> bool:
    """Whether all lines have as many fields as there are names, without a look at each field."""
    separator = layout.separator
    if separator == SPACES or '"' in "".join(lines):
        return False
    return set(map(operator.methodcaller("count", separator), lines)) <= {width - 1}


def _whole(path: Path, line: str, row: int, number: int, width: int, layout: Layout) -> str:
    """The line of a record, refused when it has more or fewer fields than there are names."""
    if layout.separator == SPACES or '"' in line:
        fields = fields_of(line, layout.separator)
        found, ends = len(fields), bool(fields) and not fields[-1]
    else:
        found, ends = line.count(layout.separator) + 1, line.rstrip(" ").endswith(layout.separator)
    if found == width:
        return line
    if found == width + 1 and ends:
        # Of blanks alone the end is no separator, of tabs it is.
        return line.rstrip(" ").removesuffix(layout.separator)
    raise TableError(f"{path}: record {number} has {found} values, the header {width} (line {row + 1}). Correct it.")
