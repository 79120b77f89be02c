"""Observed values brought to the units and the order that everything else expects."""

from __future__ import annotations

import warnings

import numpy as np

from bmi_noahpy import units as scalar_units
from bmi_noahpy.observations.columns import BOUNDS, UNITS
from bmi_noahpy.observations.observed import DAY_SECONDS, Array, Observed
from bmi_noahpy.observations.simulated import SECOND, PlotError, Times

KINDS = {"soil_moisture": ("volumes", "percent"), "soil_liquid_water": ("volumes", "percent"), "albedo": ("percent",)}
"""What ratios a quantity without dimension may be given as."""
CELSIUS, KELVIN = (-80.0, 75.0), (180.0, 360.0)
"""Temperatures on Earth in degC and in K: no series lies in both."""


class ObservationWarning(UserWarning):
    """Something in a file of observations that is used otherwise than it may seem, or not at all."""


def in_own_units(values: Array, units: str | None, quantity: str, where: str) -> Array:
    """Values in the units of `UNITS`.

    Parameters
    ----------
    units : As the file states them; None: it does not, and only what cannot be mistaken is taken.

    Raises
    ------
    PlotError : units of another kind, or none where several are usual.
    """
    target = UNITS[quantity]
    if units is None:
        return _without_units(values, quantity, where)
    spelled = scalar_units.spelling(units)
    if spelled == target:
        return values
    try:
        scalar_units.refuse_other_kind(units, KINDS.get(quantity))
        offset = scalar_units.convert(0.0, spelled, target)
        return values * (scalar_units.convert(1.0, spelled, target) - offset) + offset
    except ValueError as error:
        raise PlotError(f"{where}: {error}") from error


def _without_units(values: Array, quantity: str, where: str) -> Array:
    present = values[np.isfinite(values)]
    if quantity in ("soil_temperature", "skin_temperature") and present.size:
        for (low, high), offset in ((CELSIUS, 273.15), (KELVIN, 0.0)):
            if low <= np.median(present) <= high:
                name = "degC" if offset else "K"
                text = f"{where}: no units in its name; its values can only be {name}."
                warnings.warn(text, ObservationWarning, stacklevel=2)
                return values + offset
    if quantity in ("snow_depth", "snow_water_equivalent"):
        raise PlotError(f"{where}: no units. Write them into its name, as {quantity} [{UNITS[quantity]}] or [cm].")
    return values


def finished(
    where: str,
    column: str,
    quantity: str,
    depth: float | None,
    times: Times,
    values: Array,
    window: str | None = None,
    moved: float = 0.0,
) -> Observed | None:
    """A series in the order of its times, without missing values; None when nothing is left.

    Parameters
    ----------
    where : File and column, for messages.
    values : In the units of `UNITS`; NaN where missing.

    Raises
    ------
    PlotError : impossible values, or two different ones at a time.
    """
    low, high = BOUNDS[quantity]
    outside = np.isfinite(values) & ((values < low) | (values > high))
    if outside.any():
        row, count = int(np.argmax(outside)), int(outside.sum())
        others = f" ({count} such values)" if count > 1 else ""
        raise PlotError(
            f"{where}: row {row + 1} ({str(times[row])[:16]}) is {values[row]:g} {UNITS[quantity]}, outside {low:g} to "
            f"{high:g}{others}. Correct it, leave the field empty if it is missing, or correct the units."
        )
    order = np.argsort(times, kind="stable")
    times, values = times[order].astype("datetime64[ns]"), values[order]
    times, values = _once(times, values, where)
    spacing = float(np.median(np.diff(times) / SECOND)) if times.size > 1 else DAY_SECONDS
    present = np.isfinite(values)
    if not present.any():
        return None
    return Observed(column, quantity, depth, times[present], values[present], spacing, window, moved)


def _once(times: Times, values: Array, where: str) -> tuple[Times, Array]:
    """One value at a time: repeated equal ones are one."""
    again = np.concatenate([[False], np.diff(times) == np.timedelta64(0, "ns")])
    if not again.any():
        return times, values
    before = np.concatenate([values[:1], values[:-1]])
    differ = again & np.isfinite(values) & np.isfinite(before) & (values != before)
    if differ.any():
        row = int(np.argmax(differ))
        raise PlotError(
            f"{where}: {before[row]:g} and {values[row]:g} at the same time, {str(times[row])[:16]}. Keep one of them."
        )
    # The value of a time goes where its record first stands, should that have been a gap.
    first = np.cumsum(~again) - 1
    kept = values[~again].copy()
    fill = again & np.isfinite(values)
    kept[first[fill]] = values[fill]
    return times[~again], kept
