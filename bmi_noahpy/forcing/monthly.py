"""Twelve monthly values to any day."""

from __future__ import annotations

import datetime
import functools
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

MIDDLE_DAY = 15
MONTH = np.timedelta64(1, "M")


def monthly_value(twelve_values: ArrayLike, times: Any) -> Any:
    """Twelve values, each valid on the 15th of its month, interpolated linearly to the day (Noah: MONTH_D).

    Parameters
    ----------
    twelve_values : ``[12]`` or ``[12, column]``, January first.
    times : One `numpy.datetime64` or an array of them. The hour does not matter.

    Returns
    -------
    A float for one time and ``[12]`` values; otherwise an array ``[time]``, ``[column]`` or ``[time, column]``.

    Raises
    ------
    ValueError : when there are not twelve values.

    Notes
    -----
    Between two 15ths the weight counts days over the number of days of the earlier month, leap years respected.
    """
    values = np.asarray(twelve_values, dtype=np.float64)
    if values.ndim not in (1, 2) or values.shape[0] != 12:
        raise ValueError(
            f"monthly values: shape {values.shape}. Give twelve numbers, January first, or [12, column] for a grid."
        )
    days = np.asarray(times, dtype="datetime64[D]")
    earlier, later, weight = _brackets(days) if days.ndim else _brackets_of(days.item())
    weight = weight.reshape(weight.shape + (1,) * (values.ndim - 1))
    interpolated = values[earlier] * (1.0 - weight) + values[later] * weight
    exact = np.where(weight == 0.0, values[earlier], interpolated)
    return float(exact) if exact.ndim == 0 else exact


@functools.lru_cache(maxsize=1024)
def _brackets_of(day: datetime.date) -> tuple[Any, Any, Any]:
    """`_brackets` of one day, kept: a framework makes many components that begin on the same one."""
    return _brackets(np.asarray(day, dtype="datetime64[D]"))


def _brackets(days: NDArray[np.datetime64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Earlier month, later month (0..11) and the weight of the later one."""
    months = days.astype("datetime64[M]")
    day_of_month = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
    first = np.where(day_of_month < MIDDLE_DAY, months - MONTH, months)
    first_day = first.astype("datetime64[D]")
    length = ((first + MONTH).astype("datetime64[D]") - first_day).astype(np.int64)
    elapsed = (days - first_day).astype(np.int64) + 1 - MIDDLE_DAY
    earlier = first.astype(np.int64) % 12
    return earlier, (earlier + 1) % 12, elapsed / length
