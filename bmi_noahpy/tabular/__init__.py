"""Text tables of the usual conventions: loggers, networks and models write the same numbers in many ways."""

from __future__ import annotations

from bmi_noahpy.tabular.clock import TimeSpec, find_clock, parse_clock, parse_times, runs_to_24
from bmi_noahpy.tabular.errors import AmbiguousDates, NoTime, TableError
from bmi_noahpy.tabular.layout import Layout, TextOptions
from bmi_noahpy.tabular.reader import TextTable, read_text_table

__all__ = [
    "AmbiguousDates",
    "Layout",
    "NoTime",
    "TableError",
    "TextOptions",
    "TextTable",
    "TimeSpec",
    "find_clock",
    "parse_clock",
    "parse_times",
    "read_text_table",
    "runs_to_24",
]
