"""Totals that grow through a day or a run, turned into the amount of each record."""

from __future__ import annotations

import numpy as np

from bmi_noahpy.forcing.table import Array, ForcingError, Times

DAY = 86400
FEW_FALLS = 0.2
"""A series of amounts falls about as often as it rises; one that falls in fewer of its changes is a running total."""
ENOUGH = 10
"""Changes that it takes to judge."""


def amounts(running: Array, begins: Times, accumulated: str) -> Array:
    """Amount of each record out of totals, ``[time, column]``; NaN where the total before it is not known.

    Parameters
    ----------
    begins : Beginning of the interval of each record, by the clock whose midnight it is.
    accumulated : "since_midnight" or "since_start".

    Raises
    ------
    ForcingError : a total since the start falls.
    """
    before = np.concatenate([np.full_like(running[:1], np.nan), running[:-1]])
    if accumulated == "since_midnight":
        seconds = begins.astype("datetime64[s]").astype(np.int64)
        days, step = seconds // DAY, int(np.median(np.diff(seconds))) if len(seconds) > 1 else DAY
        fresh = np.concatenate([[seconds[0] % DAY < step], days[1:] != days[:-1]])
        before = np.where(fresh[:, None], 0.0, before)
    change = running - before
    # A total in single precision falls by its rounding.
    noise = 1e-6 * np.nanmax(np.abs(running), initial=0.0)
    falls = change < -noise
    if falls.any():
        row = int(np.argwhere(falls)[0][0])
        raise ForcingError(
            f"the total {accumulated.replace('_', ' ')} falls at record {row + 1} ({str(begins[row])[:16]}), from "
            f"{float(before[falls][0]):g} to {float(running[falls][0]):g}. Correct accumulated, or the label of time."
        )
    return np.where(change < 0.0, 0.0, change)


def looks_accumulated(values: Array) -> bool:
    """Whether a series rises like a total: its changes are falls in few cases, and there are enough of them."""
    series = values[:, 0][np.isfinite(values[:, 0])]
    changes = np.diff(series)
    changes = changes[changes != 0.0]
    return bool(changes.size >= ENOUGH and np.count_nonzero(changes < 0.0) <= FEW_FALLS * changes.size)


def totals(units: str, quantity: str) -> str:
    """What to say of a series that looks accumulated."""
    return (
        f"its values in {units!r} rise from record to record and hardly ever fall: they look like a running total. Set "
        f"forcing.variables.{quantity}.accumulated to since_midnight or since_start; to 'no' if each is the amount of "
        "its own record."
    )
