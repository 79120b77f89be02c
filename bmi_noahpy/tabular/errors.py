"""What may go wrong with a text table."""

from __future__ import annotations


class TableError(ValueError):
    """A text file that cannot be read as a table; the message names file, place, value and remedy."""


class AmbiguousDates(TableError):
    """Dates that can be read with the day or with the month first."""


class NoHeader(TableError):
    """A table of numbers without names of its columns."""


class NoTime(TableError):
    """No column is called as a time is."""
