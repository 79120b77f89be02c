"""The fields of a table's records, as texts or numbers, each column when it is asked for."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.tabular.errors import TableError
from bmi_noahpy.tabular.lines import SPACES

Array = NDArray[np.float64]

USUAL_MARKS = ("", "NA")
"""What most tables have in fields without a value."""


class Fields:
    """Columns of lines that have no quotes.

    Parameters
    ----------
    lines : Of the records, each with as many fields as there are names.
    names : Of the columns.
    separator : Between fields.
    """

    def __init__(self, lines: Sequence[str], names: Sequence[str], separator: str) -> None:
        self._lines, self._separator = lines, None if separator == SPACES else separator
        self._place = {name: number for number, name in enumerate(names)}
        self._numbers: dict[str, Array] | None = None

    def texts(self, name: str) -> list[str]:
        """A column as it stands in the file, without blanks around."""
        place, separator = self._place[name], self._separator
        return [line.split(separator, place + 1)[place].strip() for line in self._lines]

    def numbers(self, name: str) -> Array:
        """A column of numbers only; NaN in fields that are blank or NA.

        Raises
        ------
        ValueError : one of its fields is no number.
        """
        if self._numbers is None:
            self._numbers = self._all_numbers()
        found = self._numbers.get(name)
        return self._read([self._place[name]], self._lines)[:, 0] if found is None else found.copy()

    def _all_numbers(self) -> dict[str, Array]:
        """The columns that begin with a number, read at once; none where one of them has a word further on."""
        first = self._lines[0].split(self._separator) if self._lines else []
        begun = [(name, place) for name, place in self._place.items() if first and self._begins(first, place)]
        ways: tuple[Callable[[], Sequence[str]], ...] = (lambda: self._lines, self._without_marks)
        for lines in ways:
            try:
                found = self._read([place for _, place in begun], lines())
            except ValueError:
                continue
            return dict(zip((name for name, _ in begun), found.T, strict=True))
        return {}

    def _begins(self, first: Sequence[str], place: int) -> bool:
        """Whether a column begins with a number, after fields that stand for no value."""
        if first[place] not in USUAL_MARKS:
            return is_float(first[place])
        later = (line.split(self._separator, place + 1)[place] for line in self._lines)
        return is_float(next((text for text in later if text not in USUAL_MARKS), ""))

    def _without_marks(self) -> Sequence[str]:
        """The lines with ``nan`` in fields that stand for no value."""
        if self._separator is None:
            return self._lines
        text, ends = "\n".join(["", *self._lines, ""]), ("\n", self._separator)
        # What stands between two such fields belongs to both, and counts once in a pass.
        for before, mark, after in 2 * list(itertools.product(ends, USUAL_MARKS, ends)):
            if before + after != "\n\n":
                text = text.replace(before + mark + after, f"{before}nan{after}")
        return text[1:-1].split("\n")

    def _read(self, places: Sequence[int], lines: Sequence[str]) -> Array:
        if not places or not lines:
            return np.empty((len(lines), len(places)))
        # Exact to the last bit, as Python's own parser is; to that 28_0 is 280, here it is a slip.
        found = np.loadtxt(lines, delimiter=self._separator, usecols=places, comments=None, ndmin=2)
        if len(found) != len(lines):
            raise ValueError("empty lines")
        return found


class QuotedFields:
    """Columns of lines some of which have quotes.

    Parameters
    ----------
    columns : Texts by name.
    """

    def __init__(self, columns: Mapping[str, Sequence[str]]) -> None:
        self._columns = columns

    def texts(self, name: str) -> list[str]:
        """A column as it stands in the file, without quotes and blanks around."""
        return [text.strip() for text in self._columns[name]]

    def numbers(self, name: str) -> Array:
        """A column of numbers only; ValueError when one of its fields is none."""
        return as_numbers(self._columns[name])


def fields(path: Path, lines: Sequence[str], names: Sequence[str], separator: str) -> Fields | QuotedFields:
    """The fields of lines, each of which has as many as there are names.

    Raises
    ------
    TableError : a quote that is not closed in its line, which would join it with others.
    """
    if '"' not in "".join(lines):
        return Fields(lines, names, separator)
    import pandas as pd

    try:
        frame = pd.read_csv(
            io.StringIO("\n".join(lines)),
            sep=r"\s+" if separator == SPACES else separator,
            header=None,
            names=list(names),
            dtype=str,
            keep_default_na=False,
            na_filter=False,
            skipinitialspace=True,
            skip_blank_lines=False,
            index_col=False,
        )
    except pd.errors.ParserError:
        frame = None
    if frame is None or len(frame) != len(lines):
        raise TableError(f'{path}: a quote (") is not closed in its line. Remove it, or close it.')
    return QuotedFields({name: [str(text) for text in frame[name].tolist()] for name in names})


def as_numbers(texts: Sequence[str]) -> Array:
    """The numbers of texts; ValueError where one is none."""
    # To Python 28_0 is 280; in a table it is a slip.
    if "_" in "".join(texts):
        raise ValueError("underscores")
    # The parser of Python is exact to the last bit.
    return np.fromiter(map(float, texts), dtype=np.float64, count=len(texts))


def is_float(text: str) -> bool:
    """Whether a text is a number, of those that `as_numbers` reads."""
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text
