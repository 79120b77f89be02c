"""The layout of the classic text tables SOILPARM.TBL, VEGPARM.TBL and GENPARM.TBL."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator

HEADER = re.compile(r"^\s*(\d+)\s*,\s*\d+\s*,?\s*'([^']*)'?\s*$")
"""``27,1, 'SHDFAC NROOT RS ...'``: how many classes follow, and their columns."""
LABEL = re.compile(r"'([^']*)'")
KEY = re.compile(r"^[A-Z][A-Z0-9_]*$")
NUMBER = re.compile(r"^[-+.\d]")


class TableTextError(ValueError):
    """A text that is no such table; the message says where and why."""


@dataclasses.dataclass(frozen=True)
class Row:
    """A class: its number, its values by column, its name, and the line it stands in."""

    number: int
    values: dict[str, float]
    label: str
    line: int


@dataclasses.dataclass(frozen=True)
class ClassSection:
    """One table of a file.

    Parameters
    ----------
    name : As "STAS" or "MODIFIED_IGBP_MODIS_NOAH".
    rows : Its classes.
    numbers : What follows them: key -> value, as ``CMCMAX_DATA: 0.0005``.
    """

    name: str
    rows: tuple[Row, ...]
    numbers: dict[str, float]


def read_sections(text: str) -> list[ClassSection]:
    """Every table of a file of soil or land cover.

    Raises
    ------
    TableTextError : no table, rows that are missing, misnumbered, or lack values.
    """
    lines = text.splitlines()
    heads = [index for index, line in enumerate(lines) if HEADER.match(line)]
    if not heads:
        raise TableTextError("holds no line like \"19,1 'BB DRYSMC ...'\" before its classes. Is it another file?")
    sections = []
    for index, after in zip(heads, [*heads[1:], len(lines)], strict=True):
        found = HEADER.match(lines[index])
        assert found is not None
        count, columns = int(found[1]), found[2].split()
        name = next((line.strip() for line in lines[index - 1 :: -1] if line.strip()), "") if index else ""
        rows = list(_rows(lines, index + 1, after, columns))[:count]
        if [row.number for row in rows] != list(range(1, count + 1)):
            numbers = ", ".join(str(row.number) for row in rows[:30])
            raise TableTextError(f"line {index + 1}: {name} announces {count} classes, but there are {numbers}.")
        sections.append(ClassSection(name, tuple(rows), dict(keyed(lines[rows[-1].line : after]))))
    return sections


def keyed(lines: list[str]) -> Iterator[tuple[str, float]]:
    """Keys with the number in the line after them."""
    for key, value in itertools.pairwise(lines):
        if KEY.match(key.strip()) and NUMBER.match(value.strip()):
            number = _number(value.split()[0].rstrip(","))
            if number is not None:
                yield key.strip(), number


def read_general(text: str) -> tuple[tuple[float, ...], dict[str, float]]:
    """Drainage factors of the slope classes, and the other numbers by their key.

    Raises
    ------
    TableTextError : no slopes, or fewer than it says.
    """
    lines = text.splitlines()
    places = [index for index, line in enumerate(lines) if line.strip() == "SLOPE_DATA"]
    if not places:
        raise TableTextError("holds no SLOPE_DATA. Is it another file?")
    first = places[0] + 1
    numbers = [_number(line.strip()) for line in lines[first:]]
    count = int(numbers[0] or 0) if numbers else 0
    announced = itertools.takewhile(lambda value: value is not None, numbers[1 : 1 + count])
    slopes = [value for value in announced if value is not None]
    if not slopes or len(slopes) != count:
        raise TableTextError(f"line {first + 1}: SLOPE_DATA announces {count} slopes, but there are {len(slopes)}.")
    return tuple(slopes), dict(keyed(lines[first + 1 + count :]))


def _rows(lines: list[str], first: int, last: int, columns: list[str]) -> Iterator[Row]:
    for index in range(first, last):
        line = lines[index]
        label = LABEL.search(line)
        # Commas are left out here and there.
        parts = LABEL.sub("", line.partition("!")[0]).replace(",", " ").split()
        if not parts or not parts[0].isdigit() or len(parts) == 1:
            continue
        values = [_number(part) for part in parts[1:]]
        if len(values) < len(columns) or None in values[: len(columns)]:
            raise TableTextError(f"line {index + 1}: {len(values)} values for the {len(columns)} columns of its table.")
        named = {name: value for name, value in zip(columns, values, strict=False) if value is not None}
        yield Row(int(parts[0]), named, (label[1] if label else f"class {parts[0]}").strip(), index + 1)


def _number(text: str) -> float | None:
    try:
        return float(text.rstrip(",").replace("d", "e").replace("D", "E"))
    except ValueError:
        return None
