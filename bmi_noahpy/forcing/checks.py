"""Refusing records that are incomplete, out of order or physically impossible."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.forcing.table import BOUNDS, UNITS, Array, ForcingError, Times

# quantity: smallest, largest value of the wrong unit, and what to say when all values lie there.
LIKELY_UNITS: dict[str, tuple[tuple[float, float, str], ...]] = {
    "air_temperature": ((-90.0, 65.0, "degC"),),
    "air_pressure": ((20.0, 120.0, "kPa"), (200.0, 1200.0, "hPa")),
    "relative_humidity": ((0.0, 110.0, "percent"),),
    "specific_humidity": ((0.0, 40.0, "g kg-1"),),
    "vegetation_fraction": ((0.0, 100.0, "percent"),),
    "snow_free_albedo": ((0.0, 100.0, "percent"),),
    "precipitation": ((0.0, 500.0, "mm h-1"),),
}


def check_times(times: Times, source: str, offset: int = 0) -> None:
    """Refuse times that are missing, repeated, unordered or not equally spaced.

    Raises
    ------
    ForcingError : naming the file, the first place and how many there are.
    """
    if len(times) == 0:
        raise ForcingError(f"{source}: time: no records.")
    _refuse(np.isnat(times), times, f"{source}: time", "not a time", "Correct these rows.", offset)
    steps = np.diff(times).astype("timedelta64[s]").astype(np.int64)
    if steps.size == 0:
        return
    after = np.concatenate([[False], steps == 0])
    _refuse(after, times, f"{source}: time", "a repeated time", "Keep one record per time.", offset)
    after = np.concatenate([[False], steps < 0])
    _refuse(after, times, f"{source}: time", "earlier than the record before", "Sort the records by time.", offset)
    lengths, counts = np.unique(steps, return_counts=True)
    interval = int(lengths[np.argmax(counts)])
    after = np.concatenate([[False], steps != interval])
    if after.any():
        row = int(np.argmax(after))
        problem = f"{_duration(int(steps[row - 1]))} after the record before instead of {_duration(interval)}"
        _refuse(after, times, f"{source}: time", problem, "Fill the gap: records must be equally spaced.", offset)


def check_values(quantity: str, values: Array, times: Times, variable: str, offset: int = 0) -> None:
    """Refuse missing values and values outside the physical bounds.

    Parameters
    ----------
    quantity : Its bounds and units are looked up.
    values : ``[time, column]`` in the model's units.
    times : Of the records.
    variable : File and variable, for messages.
    offset : Number of records of the file before the first of these.

    Raises
    ------
    ForcingError : naming the variable, the first place, how many there are, and a likely unit error.
    """
    _refuse(~np.isfinite(values), times, variable, "missing (NaN)", "Fill these values: none are invented.", offset)
    low, high = BOUNDS[quantity]
    outside = (values < low) | (values > high)
    if outside.any():
        worst = float(values[np.unravel_index(int(np.argmax(outside)), values.shape)])
        problem = f"{worst:g} {UNITS[quantity]}, outside {low:g} to {high:g}"
        remedy = remedy_for_range(quantity, float(values.min()), float(values.max()))
        _refuse(outside, times, variable, problem, remedy, offset)


def remedy_for_range(quantity: str, smallest: float, largest: float) -> str:
    """A likely unit error, if the range of all values fits one."""
    for low, high, units in LIKELY_UNITS.get(quantity, ()):
        if low <= smallest and largest <= high:
            return f"The values look like {units}: set forcing.variables.{quantity}.units to {units!r}."
    return f"Correct these values, or the units in forcing.variables.{quantity}.units."


def _refuse(wrong: NDArray[np.bool_], times: Times, what: str, problem: str, remedy: str, offset: int) -> None:
    """Raise when anything is wrong, naming the first place."""
    if not wrong.any():
        return
    places = np.argwhere(wrong)
    row = int(places[0][0])
    column = f", column {int(places[0][1])}" if wrong.ndim == 2 and wrong.shape[1] > 1 else ""
    others = f" ({len(places)} such values)" if len(places) > 1 else ""
    raise ForcingError(
        f"{what}: record {row + offset + 1} ({str(times[row])[:16]}){column} is {problem}{others}. {remedy}"
    )


def _duration(seconds: int) -> str:
    """Seconds in the largest unit that divides them."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
