"""Columns of a table that hold its time by what they contain, whatever they are called."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from bmi_noahpy.tabular.clock import TimeSpec, parse_times
from bmi_noahpy.tabular.errors import AmbiguousDates, TableError

LOOKED_AT = 200
"""Records from the beginning that decide."""
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?!\d)")
_HOURS = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?")


def time_by_content(names: Sequence[str], texts: Callable[[str], list[str]]) -> str | tuple[str, str] | None:
    """A date and the hours beside it, or the first column of dates, that rise from record to record.

    Parameters
    ----------
    names : Of the columns, in the order of the file.
    texts : A column as it stands in the file.

    Returns
    -------
    None where no column is of this kind: numbers such as 20200101 may be anything.
    """
    columns = {name: texts(name)[:LOOKED_AT] for name in names}
    dated = [name for name, column in columns.items() if column and all(map(_DATE.match, column))]
    clocks = [name for name, column in columns.items() if column and all(map(_HOURS.fullmatch, column))]
    for date in dated:
        for clock in clocks:
            if _rises([f"{day} {hours}" for day, hours in zip(columns[date], columns[clock], strict=True)]):
                return date, clock
    return next((name for name in dated if _rises(columns[name])), None)


def _rises(texts: Sequence[str]) -> bool:
    try:
        times = parse_times(texts, TimeSpec(), "time")
    except AmbiguousDates:
        times = parse_times(texts, TimeSpec(format="day-first"), "time")
    except TableError:
        return False
    return len(times) > 1 and bool((np.diff(times) > np.timedelta64(0, "s")).all())
