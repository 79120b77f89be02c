"""Observed series, and their pairing with simulated values."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.observations.simulated import (
    DAY,
    DAY_SECONDS,
    SECOND,
    ColumnOutput,
    PlotError,
    Series,
    Times,
    TooSeldom,
    too_seldom,
)

Array = NDArray[np.float64]

WINDOWS = ("auto", "start", "centre", "instant")
"""What an observation's time stamp is: the start or the centre of the interval it is the mean of, or an instant.

"auto" takes daily and coarser observations as means from their stamp on, finer ones as instants.
"""

_OF_LABELS = {"start": "start", "middle": "centre", "instant": "instant", "end": "start"}
"""What stamps are called in a file's specification -> what the times of its series are."""


@dataclasses.dataclass(frozen=True)
class Observed:
    """One observed series.

    Parameters
    ----------
    column : Its name in the file.
    quantity : Name of the simulated variable it is compared with.
    depth : Below the surface, for soil. [m]
    spacing : Time from one row of the file to the next; with gaps in the column still that of the rows. [s]
    window : What the file says its stamps are, as `WINDOWS`; None: nothing.
    moved : How far `times` lie before the stamps of the file, which are the end of intervals. [s]
    """

    column: str
    quantity: str
    depth: float | None
    times: Times
    values: Array
    spacing: float = DAY_SECONDS
    window: str | None = None
    moved: float = 0.0

    def stamped(self, window: str) -> str:
        """What its stamps are: as asked for, else as the file says, else by their spacing."""
        if window != "auto":
            return window
        return self.window or ("start" if self.spacing >= DAY_SECONDS else "instant")

    def times_for(self, window: str) -> Times:
        """Its times where the stamps are what is asked for: what is said of stamps is said of those in the file."""
        found: Times = self.times if window == "auto" else self.times + duration(self.moved)
        return found


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Simulated and observed values that belong together."""

    times: Times
    simulated: Array
    observed: Array

    def complete(self) -> Pairs:
        """Those with both values."""
        both = np.isfinite(self.simulated) & np.isfinite(self.observed)
        return Pairs(self.times[both], self.simulated[both], self.observed[both])

    def daily(self) -> Pairs:
        """Means of the complete pairs of each day."""
        pairs = self.complete()
        days, first, count = np.unique(pairs.times.astype("datetime64[D]"), return_index=True, return_counts=True)
        simulated, observed = (
            np.add.reduceat(values, first) / count if days.size else values
            for values in (pairs.simulated, pairs.observed)
        )
        return Pairs(days.astype("datetime64[ns]") + DAY // 2, simulated, observed)

    def with_gaps(self) -> Pairs:
        """The complete pairs, with a NaN in every longer gap so that lines break there."""
        pairs = self.complete()
        if pairs.times.size < 3:
            return pairs
        steps = np.diff(pairs.times)
        after = np.flatnonzero(steps > 2.5 * np.median(steps.astype(np.int64)).astype(steps.dtype))
        times = np.insert(pairs.times, after + 1, pairs.times[after] + steps[after] // 2)
        return Pairs(times, np.insert(pairs.simulated, after + 1, np.nan), np.insert(pairs.observed, after + 1, np.nan))


def at_depth(series: Series, output: ColumnOutput, depth: float) -> Series | None:
    """A soil variable interpolated linearly to a depth, constant beyond the outer nodes; None below the soil."""
    if depth > output.faces[-1]:
        return None
    nodes = output.depth
    upper = int(np.clip(np.searchsorted(nodes, depth) - 1, 0, nodes.size - 2))
    weight = float(np.clip((depth - nodes[upper]) / (nodes[upper + 1] - nodes[upper]), 0.0, 1.0))
    values = (1.0 - weight) * series.values[:, upper] + weight * series.values[:, upper + 1]
    return series.with_values(values)


def pair(series: Series, observed: Observed, window: str = "auto") -> Pairs:
    """Bring a simulated and an observed series to common times.

    The finer of the two is averaged over the intervals of the coarser one; observed instants coarser than the
    simulation are met by interpolating it. Simulated instants between which steps were not written are neither averaged
    nor interpolated: they meet observed instants within half a step.

    Raises
    ------
    PlotError : an unknown window; `TooSeldom` : means are to be compared with simulated instants too far apart.
    """
    if window not in WINDOWS:
        raise PlotError(f"observation time {window!r} is unknown. Use one of {', '.join(WINDOWS)}.")
    spacing, times, window = observed.spacing, observed.times_for(window), observed.stamped(window)
    if spacing < 0.75 * series.length:
        offset = {"start": spacing / 2, "centre": 0.0, "instant": 0.0}[window]
        means = window_means(times + duration(offset), observed.values, series.begin, series.end)
        return Pairs(series.middle, series.values, means)
    if window == "instant":
        return Pairs(times, _interpolate(series, times), observed.values)
    if not series.gives_means_over(spacing):
        raise TooSeldom(
            f"{observed.column}: observed means of {spacing / 3600.0:g} h, but {too_seldom(series)}, or say --window "
            "instant (window='instant') if the observations are instants."
        )
    begin = times - duration(spacing / 2 if window == "centre" else 0.0)
    simulated = window_means(series.middle, series.values, begin, begin + duration(spacing))
    return Pairs(begin + duration(spacing / 2), simulated, observed.values)


def as_labelled(stamps: Times, label: str | None) -> tuple[Times, str | None, float]:
    """The times of a series, what they are, and how far they lie before its stamps. [s]

    Parameters
    ----------
    stamps : In UTC, in the order of the file.
    label : What they are (see `TimeSpec`); None: nothing says it.
    """
    window = None if label is None else _OF_LABELS[label]
    if label != "end" or stamps.size < 2:
        return stamps, window, 0.0
    interval = float(np.median(np.diff(np.sort(stamps)) / SECOND))
    return stamps - duration(interval), window, interval


def duration(seconds: float) -> np.timedelta64:
    """A time as numpy has it, to the nanosecond."""
    return np.timedelta64(round(seconds * 1e9), "ns")


def window_means(times: Times, values: Array, begin: Times, end: Times) -> Array:
    """Mean of the values whose time is in [begin, end), NaN where there is none."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    first, last = np.searchsorted(times, begin), np.searchsorted(times, end)
    count = last - first
    return np.where(count > 0, (total[last] - total[first]) / np.maximum(count, 1), np.nan)


def _interpolate(series: Series, times: Times) -> Array:
    zero = series.valid[0]
    at, known = (times - zero) / SECOND, (series.valid - zero) / SECOND
    found: Array = np.interp(at, known, series.values, left=np.nan, right=np.nan)
    if series.spacing is None or series.gives_means_over(DAY_SECONDS):
        return found
    after = np.minimum(np.searchsorted(known, at), known.size - 1)
    before = np.maximum(after - 1, 0)
    away = np.minimum(np.abs(at - known[before]), np.abs(at - known[after]))
    return np.where(away <= 0.5 * series.length, found, np.nan)
