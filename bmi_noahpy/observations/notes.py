"""What is told of a file of observations: one warning for everything of a kind."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

MOST, MOST_UNUSED = 12, 60
"""Columns that one sentence names."""


class ObservationWarning(UserWarning):
    """Something in a file of observations that is used otherwise than it may seem, or not at all."""


class Notes:
    """Sentences about a file, gathered while it is read.

    Parameters
    ----------
    source : The file.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._sentences: list[str] = []
        self._columns: dict[str, list[str]] = {}
        self.left_out: list[str] = []

    def add(self, sentence: str | None) -> None:
        """Keep a sentence, if there is one; the same one once."""
        if sentence is not None and sentence not in self._sentences:
            self._sentences.append(sentence)

    def of_columns(self, column: str, sentence: str) -> None:
        """Keep a sentence that is said of several columns together."""
        self._columns.setdefault(sentence, []).append(column)

    def leave_out(self, column: str) -> None:
        """A column that is not used, with the reason in brackets."""
        self.left_out.append(column)

    def tell(self) -> None:
        """Warn of everything."""
        together = [f"{_listed(columns, MOST)}: {sentence}" for sentence, columns in self._columns.items()]
        unused = [f"not used, by their names: {_listed(self.left_out, MOST_UNUSED)}"] if self.left_out else []
        for sentence in (*self._sentences, *together, *unused):
            end = "" if sentence.endswith("?") else "."
            warnings.warn(f"{self._source}: {sentence}{end}", ObservationWarning, stacklevel=2)


def _listed(columns: Sequence[str], most: int) -> str:
    return ", ".join(columns) if len(columns) <= most else f"{', '.join(columns[:most])} and {len(columns) - most} more"
