"""What the benchmarks found, as a table at the end."""

from __future__ import annotations

from typing import NamedTuple

MICROSECOND, MILLISECOND = 1.0e-6, 1.0e-3


class Row(NamedTuple):
    """One line of the table.

    Parameters
    ----------
    value, unit : What was measured.
    target : What it should be, in words.
    reference : Times the cost of the scalar reference for a column-step.
    eager : Times the cost of the same done by torch, operation by operation.
    """

    what: str
    value: float
    unit: str
    target: str = ""
    reference: float | None = None
    eager: float | None = None

    def cells(self, column_step: float | None) -> tuple[str, ...]:
        """The row as text.

        Parameters
        ----------
        column_step : Of the scalar reference at the same go, for rows that were not measured beside it. [s]
        """
        reference = self.reference
        if reference is None and column_step is not None and self.unit == "us":
            reference = self.value * MICROSECOND / column_step
        return self.what, f"{self.value:.3g} {self.unit}", self.target, _ratio(reference), _ratio(self.eager)


HEADER = ("what", "value", "target", "of reference", "of eager")


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Columns of text, the first to the left, the others to the right."""
    lines = [header, *rows]
    widths = [max(len(line[k]) for line in lines) for k in range(len(header))]
    return "\n".join(_line(line, widths) for line in lines)


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    first, *others = (
        cell.rjust(width) if k else cell.ljust(width) for k, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *others]).rstrip()


class Report:
    """Rows in the order in which they were measured."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.notes: list[str] = []
        self.references: list[float] = []
        """Seconds of a column-step of the scalar reference, found time and again."""

    def add(self, row: Row) -> None:
        """Enter what was found."""
        self.rows.append(row)

    def note(self, text: str) -> None:
        """A line below the table."""
        self.notes.append(text)

    def text(self) -> str:
        """The whole table."""
        column_step = min(self.references, default=None)
        return "\n".join([table(HEADER, [row.cells(column_step) for row in self.rows]), *self.notes])


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
