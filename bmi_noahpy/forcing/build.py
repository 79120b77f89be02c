"""Records as a reader hands them over -> checked records in the model's units."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from bmi_noahpy.forcing.accumulation import amounts, looks_accumulated, totals
from bmi_noahpy.forcing.alignment import SHARES, aligned
from bmi_noahpy.forcing.checks import check_times, check_values
from bmi_noahpy.forcing.derived import not_derived, with_longwave, with_pressure
from bmi_noahpy.forcing.gaps import fill, regular
from bmi_noahpy.forcing.noise import clipped
from bmi_noahpy.forcing.prepared import (
    Biases,
    Period,
    combine,
    means_among,
    needed,
    rain_beyond_total,
    rain_sentence,
    widen,
)
from bmi_noahpy.forcing.spec import GapSpec
from bmi_noahpy.forcing.table import Array, ForcingError, ForcingTable, RawField, RawRecords, Times
from bmi_noahpy.forcing.units import convert, is_amount
from bmi_noahpy.tabular.clock import from_utc


def build_table(
    raw: RawRecords,
    period: Period | None = None,
    *,
    gaps: GapSpec | None = None,
    derivations: Mapping[str, float | str] | None = None,
    biases: Biases | None = None,
) -> ForcingTable:
    """Records as read -> checked records in the model's units.

    Parameters
    ----------
    period : Records outside, save the nearest ones, are dropped before their values are checked.
    gaps : Which gaps are filled, and how.
    derivations : What is computed because the file lacks it (see `bmi_noahpy.forcing.derived`).
    biases : Values are compared with their bounds as a run corrects them.

    Raises
    ------
    ForcingError : for irregular times, unknown units, missing values and values outside the physical bounds, all
        of them together.
    """
    if gaps is not None:
        raw = _with_every_time(raw)
    # In the time of the file, where a user finds it.
    shown = from_utc(raw.times, raw.clock)
    check_times(raw.times, raw.source, place=raw.place, shown=shown)
    labels = {quantity: field.label for quantity, field in raw.fields.items()}
    axis, shifts = aligned(raw.times, labels, raw.source)
    interval = float((raw.times[1] - raw.times[0]) / np.timedelta64(1, "s")) if len(raw.times) > 1 else None
    first, last = needed(axis, period)
    values, problems = {}, []
    notes = [*raw.notes, *(f"{raw.source}: {text}" for text in not_derived(derivations or {}, raw.fields))]
    for quantity, field in raw.fields.items():
        where = f"{raw.source}: {quantity}" + (f" ({field.name})" if field.name != quantity else "")
        try:
            converted = _in_model_units(quantity, field, raw, interval)
        except ForcingError as error:
            problems.append(f"{where}: {error}")
            continue
        shift = shifts[quantity]
        used, count = clipped(quantity, converted[first + shift : last + shift])
        if count:
            notes.append(f"{where}: {count} small negative values are taken as zero")
        if gaps is not None:
            used, filled = fill(used, axis[first:last], gaps, where)
            notes += filled
        factor, offset = (biases or {}).get(quantity, (1.0, 0.0))
        checked = used if (factor, offset) == (1.0, 0.0) else used * factor + offset
        problems += check_values(quantity, checked, shown[first + shift :], where, first + shift, raw.place)
        values[quantity] = used
    if problems:
        raise ForcingError("\n  ".join(problems))
    beyond = rain_beyond_total(values)
    if beyond:
        notes.append(f"{raw.source}: {rain_sentence(beyond)}")
    table = with_longwave(combine(with_pressure(values, derivations or {})), derivations or {})
    origins = {
        quantity: (field.name, f"{field.units}, not stated" if field.assumed else field.units)
        for quantity, field in raw.fields.items()
    }
    return ForcingTable(
        axis[first:last], widen(table, raw.source), raw.source, raw.sampled, means_among(labels), tuple(notes), origins
    )


def _in_model_units(quantity: str, field: RawField, raw: RawRecords, interval: float | None) -> Array:
    """Values of all records, amounts as rates."""
    values = field.values
    if field.accumulated in ("since_midnight", "since_start"):
        begins = from_utc(_begins(raw.times, field.label, interval), raw.clock)
        values = amounts(values, begins, field.accumulated)
    elif field.accumulated is None and is_amount(field.units, quantity) and looks_accumulated(values):
        raise ForcingError(totals(field.units, quantity))
    return convert(values, field.units, quantity, interval)


def _begins(times: Times, label: str | None, interval: float | None) -> Times:
    """Beginnings of the intervals of stamps."""
    share = SHARES[label or "start"]
    return times - np.timedelta64(round(share * (interval or 0.0)), "s")


def _with_every_time(raw: RawRecords) -> RawRecords:
    """Records at every time of their spacing, missing ones as NaN."""
    times, rows = regular(raw.times, raw.source)
    if len(times) == len(raw.times):
        return raw
    fields = {}
    for quantity, field in raw.fields.items():
        values = np.full((len(times), field.values.shape[1]), np.nan)
        values[rows] = field.values
        fields[quantity] = dataclasses.replace(field, values=values)
    return dataclasses.replace(raw, times=times, fields=fields, place=None)
