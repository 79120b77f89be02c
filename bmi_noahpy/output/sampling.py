"""From steps to records: every n steps, or statistics of each day.

Sums are taken step after step, never in another order, so that a record does not depend on how the steps came: one by
one, in blocks of any length, or before and after a restart.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.output.variables import OutputVariable
from noahpy_core.errors import KeyedError

Array = NDArray[np.float64]
DAY = 86400.0

STATISTICS = {"mean": "mean", "min": "minimum", "max": "maximum"}
"""Suffix of a variable's name -> the word of a CF cell method."""

_COLLECT = {"mean": np.add, "min": np.fmin, "max": np.fmax}
LAST = "last"
"""The statistic of a value that is valid at the end of a record."""


@dataclasses.dataclass(frozen=True)
class Column:
    """One variable of the file: what it is sampled from, its name there, its CF cell method.

    Parameters
    ----------
    source : Position of its variable among those of the sampler.
    statistic : mean, min, max or last.
    """

    variable: OutputVariable
    name: str
    cell_methods: str
    source: int = 0
    statistic: str = LAST


@dataclasses.dataclass(frozen=True)
class Records:
    """Entries along the time dimension: the intervals they cover [s since start] and ``[record, ...]`` per column."""

    begin: Array
    end: Array
    values: list[Array]

    def __len__(self) -> int:
        return len(self.begin)


@dataclasses.dataclass(frozen=True)
class Partial:
    """The steps since the last record: how many, the beginning of the first [s since start], what they add up to."""

    count: int = 0
    begin: float = 0.0
    values: tuple[Array, ...] = ()


class Sampler:
    """Collects blocks of steps and returns the records they complete.

    Parameters
    ----------
    columns : What to collect.
    ends : (first step, count) -> whether each of these steps ends a record. All but the first and the last record of
        a run have the same number of steps.
    step : Length of a step. [s]
    """

    def __init__(self, columns: list[Column], ends: Callable[[int, int], NDArray[np.bool_]], step: float) -> None:
        self.columns = columns
        self.partial = Partial()
        self._ends = ends
        self._step = step

    def add(self, first: int, values: Sequence[Array]) -> Records:
        """Take the values of the steps from `first` on, ``[time, ...]`` in the order of the variables."""
        count = len(values[0])
        stops = np.flatnonzero(self._ends(first, count)) + 1
        if not len(stops):
            self._collect(first, count, [_fold(c, self._carried(i), values[c.source]) for i, c in self._numbered()])
            return self._none(values)
        head, tail = int(stops[0]), int(stops[-1])
        length = (tail - head) // max(len(stops) - 1, 1)
        columns = []
        for number, column in self._numbered():
            rows = values[column.source]
            one = _result(column, _fold(column, self._carried(number), rows[:head]), self.partial.count + head)
            columns.append(np.concatenate([one[None], _means(column, rows[head:tail], length)]))
        begin = self.partial.begin if self.partial.count else first * self._step
        starts = np.array([begin, *((first + stops[:-1]) * self._step)])
        self.partial = Partial()
        if tail < count:
            rest = [_fold(column, None, values[column.source][tail:]) for column in self.columns]
            self._collect(first + tail, count - tail, rest)
        return Records(starts, np.asarray((first + stops) * self._step, dtype=np.float64), columns)

    def finish(self, end: float) -> Records | None:
        """The record of the steps since the last one, when the run stops in the middle of one at `end` [s]."""
        partial = self.partial
        if partial.count == 0:
            return None
        values = [_result(c, partial.values[i], partial.count)[None] for i, c in self._numbered()]
        return Records(np.array([partial.begin]), np.array([end]), values)

    def _numbered(self) -> list[tuple[int, Column]]:
        return list(enumerate(self.columns))

    def _carried(self, number: int) -> Array | None:
        return self.partial.values[number] if self.partial.count else None

    def _collect(self, first: int, count: int, values: list[Array]) -> None:
        begin = self.partial.begin if self.partial.count else first * self._step
        self.partial = Partial(self.partial.count + count, begin, tuple(values))

    def _none(self, values: Sequence[Array]) -> Records:
        empty = np.empty(0)
        return Records(empty, empty, [np.empty((0, *values[column.source].shape[1:])) for column in self.columns])


def _fold(column: Column, carried: Array | None, rows: Array) -> Array:
    """What the rows add up to, from the first to the last, after what was carried over."""
    if column.statistic == LAST:
        found: Array = rows[-1].copy()
        return found
    if carried is not None:
        rows = np.concatenate([carried[None], rows])
    found = _COLLECT[column.statistic].accumulate(rows, axis=0)[-1].copy()
    return found


def _means(column: Column, rows: Array, length: int) -> Array:
    """The records of complete groups of `length` rows."""
    groups = rows.reshape(-1, max(length, 1), *rows.shape[1:])
    if column.statistic == LAST or length == 1:
        return groups[:, -1]
    return _result(column, _COLLECT[column.statistic].accumulate(groups, axis=1)[:, -1], length)


def _result(column: Column, collected: Array, count: int) -> Array:
    return collected / count if column.statistic == "mean" else collected


def make_sampler(
    variables: Sequence[OutputVariable], *, every: int, daily: Sequence[str], step: float, start: np.datetime64
) -> Sampler:
    """The sampler a configuration asks for: daily statistics when some are named, else every n steps.

    Parameters
    ----------
    every : Steps of a record: means of the mean quantities, the last value of the instantaneous ones.
    daily : Statistics of a day of the time axis. A step belongs to the day in which it begins, so that the state at
        24:00 counts to the day that ends.
    step : Length of a model step. [s]
    start : Beginning of the first step; its time of day decides where days begin.
    """
    if not daily:
        return _every(variables, every, step)
    since_midnight = float((start - start.astype("datetime64[D]")) / np.timedelta64(1, "s"))
    return _daily(variables, daily, step, since_midnight)


def _every(variables: Sequence[OutputVariable], every: int, step: float) -> Sampler:
    if every < 1:
        raise KeyedError("output.every", f"must be a positive number of steps, got {every}. Use 1 for every step.")
    columns = [
        Column(v, v.name, f"time: {'mean' if v.mean else 'point'}", number, "mean" if v.mean else LAST)
        for number, v in enumerate(variables)
    ]
    return Sampler(columns, lambda first, count: (np.arange(first, first + count) + 1) % every == 0, step)


def _daily(variables: Sequence[OutputVariable], statistics: Sequence[str], step: float, offset: float) -> Sampler:
    unknown = [name for name in statistics if name not in STATISTICS]
    if unknown:
        raise KeyedError("output.daily", f"unknown statistic {unknown[0]!r}. Use some of {', '.join(STATISTICS)}.")
    if step > DAY or DAY % step != 0.0:
        raise KeyedError(
            "output.daily", f"needs steps that divide a day, but period.step is {step:g} s. Use output.every instead."
        )
    columns = [
        Column(variable, f"{variable.name}_{name}", _daily_cell_methods(variable, name, step), number, name)
        for number, variable in enumerate(variables)
        for name in statistics
    ]

    def ends(first: int, count: int) -> NDArray[np.bool_]:
        days = (offset + np.arange(first, first + count + 1) * step) // DAY
        found: NDArray[np.bool_] = days[1:] != days[:-1]
        return found

    return Sampler(columns, ends, step)


def _daily_cell_methods(variable: OutputVariable, statistic: str, step: float) -> str:
    samples = "means" if variable.mean else "instantaneous values"
    return f"time: {STATISTICS[statistic]} (interval: {step:g} s comment: of {samples})"
