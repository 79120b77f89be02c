"""From steps to records: every n steps, or statistics of each day."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.output.variables import OutputVariable

Array = NDArray[np.float64]
DAY = 86400.0

STATISTICS = {"mean": "mean", "min": "minimum", "max": "maximum"}
"""Suffix of a variable's name -> the word of a CF cell method."""

_COLLECT: dict[str, Callable[[Array, Array], Array]] = {"mean": np.add, "min": np.fmin, "max": np.fmax}


@dataclasses.dataclass(frozen=True)
class Column:
    """One variable of the file: what it is sampled from, its name there and its CF cell method."""

    variable: OutputVariable
    name: str
    cell_methods: str


@dataclasses.dataclass(frozen=True)
class Record:
    """One entry along the time dimension: the interval it covers [s since start] and a value for every column."""

    begin: float
    end: float
    values: list[Array]


class Sampler(Protocol):
    """Collects steps and returns a record whenever one is complete."""

    columns: list[Column]

    def add(self, begin: float, end: float, values: list[Array]) -> Record | None:
        """Take the values of one step, in the order of the variables; the record that it completes, if any."""
        ...

    def finish(self) -> Record | None:
        """What was collected since the last record, when the run stops in the middle of one."""
        ...


class StepSampler:
    """A record every n steps: means of the mean quantities, the last value of the instantaneous ones."""

    def __init__(self, variables: Sequence[OutputVariable], every: int = 1) -> None:
        if every < 1:
            raise ValueError(f"output.every: must be a positive number of steps, got {every}. Use 1 for every step.")
        self.every = every
        self.columns = [Column(v, v.name, f"time: {'mean' if v.mean else 'point'}") for v in variables]
        self._values: list[Array] = []
        self._count = 0
        self._begin = self._end = 0.0

    def add(self, begin: float, end: float, values: list[Array]) -> Record | None:
        """Accumulate one step."""
        if self._count == 0:
            self._begin, self._values = begin, values
        else:
            self._values = [
                total + value if column.variable.mean else value
                for column, total, value in zip(self.columns, self._values, values, strict=True)
            ]
        self._count += 1
        self._end = end
        return self.finish() if self._count == self.every else None

    def finish(self) -> Record | None:
        """The record of the steps since the last one."""
        if self._count == 0:
            return None
        values = [
            value / self._count if column.variable.mean else value
            for column, value in zip(self.columns, self._values, strict=True)
        ]
        self._count = 0
        return Record(self._begin, self._end, values)


class DailySampler:
    """A record for every day (of the time axis of the run) with the chosen statistics of each variable.

    A step belongs to the day in which it begins, so that the state at 24:00 counts to the day that ends.
    """

    def __init__(self, variables: Sequence[OutputVariable], statistics: Sequence[str], *, step: float, offset: float):
        unknown = [name for name in statistics if name not in STATISTICS]
        if unknown:
            raise ValueError(f"output.daily: unknown statistic {unknown[0]!r}. Use some of {', '.join(STATISTICS)}.")
        if step > DAY or DAY % step != 0.0:
            raise ValueError(
                f"output.daily: needs steps that divide a day, but period.step is {step:g} s. Use output.every instead."
            )
        self._offset = offset
        self._sources = [(index, name) for index in range(len(variables)) for name in statistics]
        self.columns = [
            Column(variables[i], f"{variables[i].name}_{name}", _daily_cell_methods(variables[i], name, step))
            for i, name in self._sources
        ]
        self._values: list[Array] = []
        self._count = 0
        self._begin = self._end = 0.0

    def add(self, begin: float, end: float, values: list[Array]) -> Record | None:
        """Accumulate one step; the record of its day when the step ends it."""
        if self._count == 0:
            self._begin = begin
            self._values = [values[index] for index, _ in self._sources]
        else:
            self._values = [
                _COLLECT[name](collected, values[index])
                for (index, name), collected in zip(self._sources, self._values, strict=True)
            ]
        self._count += 1
        self._end = end
        day_is_over = (self._offset + begin) // DAY != (self._offset + end) // DAY
        return self.finish() if day_is_over else None

    def finish(self) -> Record | None:
        """The record of the day so far."""
        if self._count == 0:
            return None
        values = [
            value / self._count if name == "mean" else value
            for (_, name), value in zip(self._sources, self._values, strict=True)
        ]
        self._count = 0
        return Record(self._begin, self._end, values)


def _daily_cell_methods(variable: OutputVariable, statistic: str, step: float) -> str:
    samples = "means" if variable.mean else "instantaneous values"
    return f"time: {STATISTICS[statistic]} (interval: {step:g} s comment: of {samples})"


def make_sampler(
    variables: Sequence[OutputVariable], *, every: int, daily: Sequence[str], step: float, start: np.datetime64
) -> Sampler:
    """The sampler a configuration asks for: daily statistics when some are named, else every n steps.

    Parameters
    ----------
    step : Length of a model step. [s]
    start : Beginning of the first step; its time of day decides where days begin.
    """
    if not daily:
        return StepSampler(variables, every)
    since_midnight = float((start - start.astype("datetime64[D]")) / np.timedelta64(1, "s"))
    return DailySampler(variables, daily, step=step, offset=since_midnight)
