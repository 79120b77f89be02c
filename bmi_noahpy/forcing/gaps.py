"""Short gaps in records, filled on request; each is reported."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.forcing.spec import GapSpec
from bmi_noahpy.forcing.table import Array, ForcingError, Times

NEIGHBOURING_DAYS = 3
"""Days before and after a gap whose same hours fill it."""


def regular(times: Times, source: str) -> tuple[Times, NDArray[np.int64]]:
    """The equally spaced times that the records are some of, and the place of each record among them.

    Raises
    ------
    ForcingError : times that are not on one spacing; repeated or unordered ones are left for the check of times.
    """
    steps = np.diff(times).astype("timedelta64[s]").astype(np.int64)
    if len(times) < 3 or np.isnat(times).any() or (steps <= 0).any():
        return times, np.arange(len(times))
    lengths, counts = np.unique(steps, return_counts=True)
    interval = int(lengths[np.argmax(counts)])
    places = np.concatenate([[0], np.cumsum(steps)])
    off = places % interval != 0
    if off.any():
        row = int(np.argmax(off))
        raise ForcingError(
            f"{source}: time: record {row + 1} ({str(times[row])[:16]}) is not on the spacing of {interval} s that "
            "most records have. Correct it: gaps are filled at that spacing."
        )
    whole = times[0] + np.arange(places[-1] // interval + 1) * np.timedelta64(interval, "s")
    return whole, places // interval


def reach(spec: GapSpec, interval: float) -> int:
    """Records before and after a part of a series without which its gaps cannot be filled.

    Parameters
    ----------
    interval : Between records. [s]
    """
    days = NEIGHBOURING_DAYS * 86400.0 if spec.method == "diurnal" else 0.0
    return int((spec.longest + days) // interval) + 1


def fill(values: Array, times: Times, spec: GapSpec, name: str, told: slice | None = None) -> tuple[Array, list[str]]:
    """Values with their short gaps filled, and a sentence about each; longer gaps stay missing.

    Parameters
    ----------
    values : ``[time, column]`` with NaN for what is missing.
    name : Of the variable, for the sentences.
    told : Rows whose gaps are told of; None: all. Of several columns with the same gap, the first one is.
    """
    missing = ~np.isfinite(values)
    columns = np.flatnonzero(missing.any(axis=0))
    if not len(columns):
        return values, []
    filled, notes = values.copy(), dict[tuple[int, int], str]()
    interval = float((times[1] - times[0]) / np.timedelta64(1, "s")) if len(times) > 1 else spec.longest
    rows_told = range(len(times))[told or slice(None)]
    for column in columns:
        for first, last in _runs(missing[:, column]):
            if (last - first) * interval > spec.longest or first == 0 or last == len(times):
                continue
            rows = np.arange(first, last)
            filled[rows, column] = _filling(values[:, column], rows, missing[:, column], spec.method, interval)
            if first in rows_told and (first, last) not in notes:
                where = f"{str(times[first])[:16]}" + (f" to {str(times[last - 1])[:16]}" if last - first > 1 else "")
                text = f"{name}: {last - first} missing values at {where} are filled ({spec.method})"
                notes[first, last] = text + (f", in column {column}" if values.shape[1] > 1 else "")
    return filled, list(notes.values())


def _runs(missing: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], missing.astype(np.int8), [0]])))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def _filling(series: Array, rows: NDArray[np.int64], missing: NDArray[np.bool_], method: str, interval: float) -> Array:
    known = np.flatnonzero(~missing)
    linear = np.interp(rows, known, series[known])
    if method == "linear" or interval > 43200.0:
        return linear
    day = round(86400.0 / interval)
    shifts = [day * number for number in range(-NEIGHBOURING_DAYS, NEIGHBOURING_DAYS + 1) if number]
    hours = np.stack([_at(series, rows + shift) for shift in shifts])
    count = np.isfinite(hours).sum(axis=0)
    means = np.nansum(hours, axis=0) / np.maximum(count, 1)
    return np.where(count > 0, means, linear)


def _at(series: Array, rows: NDArray[np.int64]) -> Array:
    within = (rows >= 0) & (rows < len(series))
    return np.where(within, series[np.clip(rows, 0, len(series) - 1)], np.nan)
