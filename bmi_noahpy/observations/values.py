"""Observed values brought to the units and the order that everything else expects."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy import units as scalar_units
from bmi_noahpy.observations.columns import BOUNDS, UNITS
from bmi_noahpy.observations.doubts import OFTEN, code_like, doubts, odd_stamps
from bmi_noahpy.observations.notes import Notes
from bmi_noahpy.observations.observed import Array, Observed
from bmi_noahpy.observations.simulated import DAY_SECONDS, SECOND, PlotError, Times

KINDS = {"soil_moisture": ("volumes", "percent"), "soil_liquid_water": ("volumes", "percent"), "albedo": ("percent",)}
"""What ratios a quantity without dimension may be given as."""
CELSIUS, KELVIN = (-80.0, 75.0), (180.0, 360.0)
"""Temperatures on Earth in degC and in K: no series lies in both."""
FLUXES = ("net_radiation", "sensible_heat_flux", "latent_heat_flux", "ground_heat_flux")
NOISE = {"snow_depth": -0.1, "snow_water_equivalent": -10.0, "soil_liquid_water": -0.02, "soil_moisture": -0.02}
"""Quantity -> what instruments show where there is none of it, at the lowest."""
LIKELY_UNITS = {
    "soil_temperature": ("K", "degC", "degF"),
    "skin_temperature": ("K", "degC", "degF"),
    "soil_liquid_water": ("percent",),
    "soil_moisture": ("percent",),
    "snow_depth": ("cm", "mm"),
    "albedo": ("percent",),
}
"""Quantity -> units that impossible values may be in."""
NEARLY_ALL = 0.95
"""Share of values that must be possible in other units for these to be proposed."""


@dataclasses.dataclass(frozen=True)
class Records:
    """The records of a column as they stand in the file, for messages.

    Parameters
    ----------
    name : Of the column, or the variable, in the file.
    numbers : In the units of the file; NaN where missing.
    shown : What the clock of the file shows.
    lines : Number of each record's line, from 1; None where there are none.
    """

    name: str
    numbers: Array
    shown: Times
    lines: NDArray[np.int64] | None = None

    def moment(self, row: int) -> str:
        """The time of a record, by its number from 0."""
        return str(self.shown[row])[:16]

    def place(self, row: int) -> str:
        """The place of a record, with its time."""
        line = "" if self.lines is None else f"line {self.lines[row]}, "
        return f"{line}row {row + 1} ({self.moment(row)})"


def in_own_units(values: Array, units: str | None, series: Observed, where: str, notes: Notes) -> Array:
    """Values in the units of `UNITS`.

    Parameters
    ----------
    units : As the file states them; None: it does not, and only what cannot be mistaken is taken.
    series : What they are values of.
    where : File and column, for messages.

    Raises
    ------
    PlotError : units of another kind, or none where several are usual.
    """
    target = UNITS[series.quantity]
    if units is None:
        return _without_units(values, series, where, notes)
    spelled = scalar_units.spelling(units)
    if spelled == target:
        return values
    try:
        scalar_units.refuse_other_kind(units, KINDS.get(series.quantity))
        offset, factor = scalar_units.linear(spelled, target)
    except ValueError as error:
        raise PlotError(f"{where}: {error}") from error
    return values * factor + offset


def _without_units(values: Array, series: Observed, where: str, notes: Notes) -> Array:
    present, quantity = values[np.isfinite(values)], series.quantity
    if quantity in ("soil_temperature", "skin_temperature") and present.size:
        for (low, high), offset in ((CELSIUS, 273.15), (KELVIN, 0.0)):
            if low <= np.median(present) <= high:
                name = "degC" if offset else "K"
                notes.of_columns(series.column, f"no units; the values can only be {name}")
                return values + offset
    if quantity in ("snow_depth", "snow_water_equivalent"):
        raise PlotError(
            f"{where}: no units. Write them into its name, as {quantity} [{UNITS[quantity]}] or [cm], or say them "
            f"(variables.{series.column}.units)."
        )
    if quantity in FLUXES:
        notes.of_columns(series.column, f"no units; taken as {UNITS[quantity]}")
    return values


def finished(where: str, series: Observed, records: Records, notes: Notes) -> Observed | None:
    """A series in the order of its times, without missing values; None when nothing is left.

    Parameters
    ----------
    where : File and column, for messages.
    series : All records in the order of the file, in the units of `UNITS`; NaN where missing.

    Raises
    ------
    PlotError : impossible values, or two different ones at a time.
    """
    series = _without_noise(series, notes)
    _refuse_impossible(where, series, records)
    for sentence in doubts(series, records.numbers):
        notes.of_columns(series.column, sentence)
    order = np.argsort(series.times, kind="stable")
    if (order[1:] < order[:-1]).any():
        notes.add("its records are not in the order of time, and are put into it")
    times, values = _once(series.times[order].astype("datetime64[ns]"), series.values[order], where, records, order)
    if len(times) < len(order):
        notes.add(f"times that are there twice: {len(order) - len(times)}; their values count once")
    spacing = float(np.median(np.diff(times) / SECOND)) if times.size > 1 else DAY_SECONDS
    present = np.isfinite(values)
    if not present.any():
        return None
    if series.window is None:
        notes.add(odd_stamps(records.shown, spacing))
    return dataclasses.replace(series, times=times[present], values=values[present], spacing=spacing)


def _without_noise(series: Observed, notes: Notes) -> Observed:
    """Small negative values of what cannot be negative as zero, unless they are all one number, as codes are."""
    low = NOISE.get(series.quantity)
    if low is None:
        return series
    noisy = (series.values < 0.0) & (series.values >= low)
    negative = series.values[series.values < 0.0]
    if not noisy.any() or (negative.size >= OFTEN and (negative == negative[0]).all()):
        return series
    lowest = float(series.values[noisy].min())
    told = f"{int(noisy.sum())} small negative values, to {lowest:.2g} {UNITS[series.quantity]}, are taken as 0"
    notes.add(f"{series.column}: {told}")
    return dataclasses.replace(series, values=np.where(noisy, 0.0, series.values))


def _refuse_impossible(where: str, series: Observed, records: Records) -> None:
    low, high = BOUNDS[series.quantity]
    outside = (series.values < low) | (series.values > high)
    if not outside.any():
        return
    row, count, units = int(np.argmax(outside)), int(outside.sum()), UNITS[series.quantity]
    others = f" ({count} such values)" if count > 1 else ""
    raise PlotError(
        f"{where}: {records.place(row)} is {series.values[row]:g} {units}, outside {low:g} to {high:g}{others}. "
        f"{_remedy(series.quantity, records, outside, float(records.numbers[row]))}"
    )


def _remedy(quantity: str, records: Records, outside: NDArray[np.bool_], number: float) -> str:
    """Other units where most values are impossible, else a code where the number is there again or looks like one."""
    present = records.numbers[np.isfinite(records.numbers)]
    if np.isfinite(number) and 2 * int(outside.sum()) >= present.size:
        low, high = BOUNDS[quantity]
        for units in LIKELY_UNITS.get(quantity, ()):
            offset, factor = scalar_units.linear(units, UNITS[quantity])
            converted = present * factor + offset
            inside = np.count_nonzero((converted >= low) & (converted <= high))
            if inside >= NEARLY_ALL * present.size:
                return f"The values look like {units}: say so (variables.{records.name}.units: {units})."
        return "Correct the units, or the values."
    again = int(np.count_nonzero(present == number))
    code = f"If {number:g} means missing, say so (missing: {number:g}). " if again > 1 or code_like(number) else ""
    return f"{code}Correct it, or leave the field empty if it is missing."


def _once(times: Times, values: Array, where: str, records: Records, order: NDArray[np.int64]) -> tuple[Times, Array]:
    """One value at a time, in the order of time: repeated equal ones are one, and one beside gaps counts."""
    first = np.flatnonzero(np.concatenate([[True], times[1:] != times[:-1]]))
    if len(first) == len(times):
        return times, values
    lowest, highest = np.fmin.reduceat(values, first), np.fmax.reduceat(values, first)
    differ = lowest < highest
    if differ.any():
        group = int(np.argmax(differ))
        rows = order[first[group] : first[group + 1] if group + 1 < len(first) else None]
        raise PlotError(
            f"{where}: {lowest[group]:g} and {highest[group]:g} at the same time, {records.moment(rows[0])} (rows "
            f"{', '.join(str(row + 1) for row in rows[:4])}). Keep one of them."
        )
    return times[first], highest
