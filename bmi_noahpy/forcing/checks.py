"""Refusing records that are incomplete, out of order or physically impossible."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.forcing.table import BOUNDS, UNITS, WATER, Array, ForcingError, Times
from noahpy_core.likely_units import Likely, likely_units

Place = Callable[[int], str]
"""The place of a record, counted from 0, in words."""

MOST = 0.5
"""Share of values outside the bounds from which on the units are doubted, and not the values."""
NEARLY_ALL = 0.95
"""Share of values that must lie in the range of other units for these to be proposed."""
REPEATED = 3
"""How often an extreme value stands there to look like a code of missing values."""


def check_times(
    times: Times, source: str, offset: int = 0, place: Place | None = None, *, shown: Times | None = None
) -> None:
    """Refuse times that are missing, repeated, unordered or not equally spaced.

    Parameters
    ----------
    times : In UTC: a clock with summer time shows an hour twice.
    source : For messages.
    offset : Number of the first record, counted from 0.
    place : The place of a record in the words of its file; None: its number.
    shown : The times in messages; None: those that are checked.

    Raises
    ------
    ForcingError : naming the file, the first place and how many there are.
    """
    if len(times) == 0:
        raise ForcingError(f"{source}: time: no records.")
    where = place or (lambda row: f"record {row + 1}")

    def refuse(wrong: NDArray[np.bool_], problem: str, remedy: str) -> None:
        if wrong.any():
            row, count = int(np.argmax(wrong)), int(wrong.sum())
            others = f" ({count} such values)" if count > 1 else ""
            moment = str((times if shown is None else shown)[row])[:16]
            raise ForcingError(f"{source}: time: {where(row + offset)} ({moment}) is {problem}{others}. {remedy}")

    refuse(np.isnat(times), "not a time", "Correct these rows.")
    steps = np.diff(times).astype("timedelta64[s]").astype(np.int64)
    if steps.size == 0:
        return
    refuse(np.concatenate([[False], steps == 0]), "a repeated time", "Keep one record per time.")
    refuse(np.concatenate([[False], steps < 0]), "earlier than the record before", "Sort the records by time.")
    lengths, counts = np.unique(steps, return_counts=True)
    interval = int(lengths[np.argmax(counts)])
    uneven = np.concatenate([[False], steps != interval])
    if uneven.any():
        row = int(np.argmax(uneven))
        problem = f"{_duration(int(steps[row - 1]))} after the record before instead of {_duration(interval)}"
        refuse(uneven, problem, "Fill the gap, or set forcing.gaps: records must be equally spaced.")


def check_values(
    quantity: str, values: Array, times: Times, variable: str, offset: int = 0, place: Place | None = None
) -> list[str]:
    """Sentences about missing values and values outside the physical bounds, with the remedy.

    Parameters
    ----------
    quantity : Its bounds and units are looked up.
    values : ``[time, column]`` in the model's units.
    times : Of the records.
    variable : File and variable, for messages.
    offset : Number of records of the file before the first of these.
    """
    sentences = []
    missing = ~np.isfinite(values)
    if missing.any():
        remedy = "Fill these values, or set forcing.gaps: none are invented."
        sentences.append(_sentence(missing, times, variable, "missing (NaN)", remedy, offset, place))
    low, high = BOUNDS[quantity]
    outside = ~missing & ((values < low) | (values > high))
    if outside.any():
        first = float(values[np.unravel_index(int(np.argmax(outside)), values.shape)])
        problem = f"{first:g} {UNITS[quantity]}".removesuffix(" 1") + f", outside {low:g} to {high:g}"
        remedy = remedy_for_values(quantity, values[~missing], int(np.count_nonzero(outside)))
        sentences.append(_sentence(outside, times, variable, problem, remedy, offset, place))
    return sentences


def remedy_for_values(quantity: str, values: Array, outside: int) -> str:
    """Other units when most values point to them, a code when one extreme repeats, else that values be corrected."""
    # Dry records are dry in any units.
    told = values[values != 0.0] if quantity in WATER else values
    share = outside / max(told.size, 1)
    if share >= MOST:
        return _units_sentence(quantity, likely_units(quantity, lambda low, high: nearly_all(told, low, high)))
    extreme = _repeated_extreme(values, BOUNDS[quantity])
    if extreme is not None:
        return code_sentence(*extreme)
    few = "this value" if outside == 1 else "these values"
    return f"Correct {few} ({outside} of {values.size})."


def code_sentence(code: float, count: int) -> str:
    """What to do about an extreme number that stands there again and again."""
    return f"{code:g} stands there {count} times: if it means missing, say so (forcing.missing, in the file's units)."


def remedy_for_range(quantity: str, smallest: float, largest: float, share: float) -> str:
    """As `remedy_for_values`, of values of which only the range and the share outside the bounds are known."""
    if share >= MOST:
        return _units_sentence(quantity, likely_units(quantity, lambda low, high: low <= smallest and largest <= high))
    return "Correct these values."


def nearly_all(values: Array, low: float, high: float) -> bool:
    """Whether nearly all values lie between two numbers."""
    return bool(np.count_nonzero((values >= low) & (values <= high)) >= NEARLY_ALL * values.size)


def _units_sentence(quantity: str, found: Likely | None) -> str:
    if found is None:
        return f"Correct these values, or the units in forcing.variables.{quantity}.units."
    if found.units is None:
        return f"The values look like {found.called}: name them in forcing.variables.relative_humidity instead."
    return f"The values look like {found.units}: set forcing.variables.{quantity}.units to {found.units!r}."


def _repeated_extreme(values: Array, bounds: tuple[float, float]) -> tuple[float, int] | None:
    for extreme in (float(values.max()), float(values.min())):
        count = int(np.count_nonzero(values == extreme))
        if not bounds[0] <= extreme <= bounds[1] and count >= REPEATED:
            return extreme, count
    return None


def _sentence(
    wrong: NDArray[np.bool_], times: Times, what: str, problem: str, remedy: str, offset: int, place: Place | None
) -> str:
    places = np.argwhere(wrong)
    row = int(places[0][0])
    column = f", column {int(places[0][1])}" if wrong.ndim == 2 and wrong.shape[1] > 1 else ""
    others = f" ({len(places)} such values)" if len(places) > 1 else ""
    where = place(row + offset) if place else f"record {row + offset + 1}"
    return f"{what}: {where} ({str(times[row])[:16]}){column} is {problem}{others}. {remedy}"


def _duration(seconds: int) -> str:
    """Seconds in the largest unit that divides them."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
