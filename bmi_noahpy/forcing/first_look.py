"""A first look at a file of records: what is found in it, what is guessed, and what is missing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bmi_noahpy.files.netcdf import begins_as_netcdf, open_netcdf_file
from bmi_noahpy.forcing.accumulation import looks_accumulated
from bmi_noahpy.forcing.alignment import aligned
from bmi_noahpy.forcing.netcdf import open_netcdf
from bmi_noahpy.forcing.netcdf_fields import OpenFiles
from bmi_noahpy.forcing.presets import before_reading
from bmi_noahpy.forcing.site import site_of
from bmi_noahpy.forcing.spec import ForcingSpec, VariableSpec
from bmi_noahpy.forcing.table import (
    AIR,
    UNITS,
    AmbiguousVariable,
    Array,
    ForcingError,
    MissingQuantities,
    Times,
    UnstatedUnits,
    required_quantities,
)
from bmi_noahpy.forcing.text import read_text
from bmi_noahpy.forcing.units import is_amount
from bmi_noahpy.tabular import AmbiguousDates, TableError, read_text_table

NETCDF = (".nc", ".nc4", ".cdf", ".zarr")
EVERYTHING: Mapping[str, float] = dict.fromkeys(AIR, 0.0)
"""So that nothing need be there to be looked at."""


@dataclasses.dataclass(frozen=True)
class FirstLook:
    """What a file holds.

    Parameters
    ----------
    variables : Quantity -> entry of ``forcing.variables``.
    time : Entry ``forcing.time``.
    times : Beginning of the interval of each record.
    interval : Between records. [s]
    place : Entries latitude and longitude, where the file says where it is.
    guesses : Sentences about what was not certain.
    """

    variables: dict[str, dict[str, Any]]
    time: dict[str, Any]
    times: Times
    interval: float
    place: dict[str, float]
    guesses: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class _Seen:
    """One variable as it was found."""

    name: str | tuple[str, ...]
    units: str
    label: str | None
    values: Array


def look_at(files: Sequence[Path], preset: str | None = None) -> FirstLook:
    """Look at a text table or at netCDF files.

    Raises
    ------
    ForcingError : the file cannot be read at all, or holds nothing that is recognised.
    """
    path = files[0]
    netcdf = len(files) > 1 or path.suffix.lower() in NETCDF or begins_as_netcdf(path)
    spec = ForcingSpec(file=path if len(files) == 1 else tuple(files), preset=preset, derive=EVERYTHING)
    guesses: list[str] = []
    for _ in range(4 * len(UNITS)):
        try:
            times, seen, place = _netcdf(files, spec) if netcdf else _table(path, spec)
            break
        except UnstatedUnits as error:
            units = "mm" if error.quantity in ("precipitation", "rainfall", "snowfall") else UNITS[error.quantity]
            guesses.append(f"{error.quantity} ({error.name}) has no units: {units} is a guess")
            spec = _with(spec, error.quantity, VariableSpec(error.name, units))
        except AmbiguousVariable as error:
            first, other = error.names
            guesses.append(f"{error.quantity} could be {first} or {other}: {first} is a guess")
            spec = _with(spec, error.quantity, VariableSpec(first))
        except ForcingError as error:
            if not isinstance(error.__cause__, AmbiguousDates) or spec.time.format:
                raise
            guesses.append("dates can be read with the day or the month first: day-first is a guess")
            spec = dataclasses.replace(spec, time=dataclasses.replace(spec.time, format="day-first"))
    if not seen:
        raise ForcingError(f"{path}: no variable of weather is recognised in it. `noahpy info presets` lists names.")
    return _look(path, times, seen, place, spec, guesses)


def _with(spec: ForcingSpec, quantity: str, variable: VariableSpec) -> ForcingSpec:
    given = spec.variables.get(quantity)
    label = given.label if given else None
    return dataclasses.replace(spec, variables={**spec.variables, quantity: dataclasses.replace(variable, label=label)})


def _look(
    path: Path, times: Times, seen: Mapping[str, _Seen], place: dict[str, float], spec: ForcingSpec, guesses: list[str]
) -> FirstLook:
    axis, _ = aligned(times, {quantity: found.label for quantity, found in seen.items()}, str(path))
    variables = {quantity: _entry(quantity, found, spec, guesses) for quantity, found in seen.items()}
    try:
        required_quantities(set(seen), str(path), "")
    except MissingQuantities as error:
        guesses.append(
            f"missing: {', '.join(error.missing)}. Name them in forcing.variables, or see forcing.derive for pressure "
            "and longwave"
        )
    if not any(found.label for found in seen.values()):
        guesses.append(
            "nothing says what a time stamp is: records are taken to begin at it. Loggers often write the end of the "
            "interval: then set forcing.time.label to end"
        )
    time: dict[str, Any] = {"format": spec.time.format} if spec.time.format else {}
    interval = float(np.median(np.diff(times).astype("timedelta64[s]").astype(np.int64))) if len(times) > 1 else 3600.0
    return FirstLook(variables, time, axis, interval, place, tuple(guesses))


def _entry(quantity: str, found: _Seen, spec: ForcingSpec, guesses: list[str]) -> dict[str, Any]:
    name = found.name if isinstance(found.name, str) else list(found.name)
    entry: dict[str, Any] = {"name": name, "units": found.units}
    if found.label is not None:
        entry["label"] = found.label
    asked = spec.variables.get(quantity)
    if asked is not None and asked.accumulated is not None:
        entry["accumulated"] = asked.accumulated
    elif is_amount(found.units, quantity) and looks_accumulated(found.values):
        falls = np.diff(found.values[np.isfinite(found.values[:, 0]), 0]) < 0.0
        entry["accumulated"] = "since_midnight" if falls.any() else "since_start"
        guesses.append(f"{quantity} looks like a running total: accumulated {entry['accumulated']} is a guess")
    return entry


def _table(path: Path, spec: ForcingSpec) -> tuple[Times, dict[str, _Seen], dict[str, float]]:
    raw = read_text(path, before_reading(spec))
    seen = {
        quantity: _Seen(_names(field.name), field.units, field.label, field.values)
        for quantity, field in raw.fields.items()
    }
    try:
        facts = read_text_table(path, before_reading(spec).text).layout.facts
    except TableError as error:
        raise ForcingError(str(error)) from error
    place = {name: float(facts[name]) for name in ("latitude", "longitude") if facts.get(name)}
    return raw.times, seen, place


def _names(name: str) -> str | tuple[str, ...]:
    """The variables of a sum, which the reader calls by all their names."""
    return tuple(name.split(" + ")) if " + " in name else name


def _netcdf(paths: Sequence[Path], spec: ForcingSpec) -> tuple[Times, dict[str, _Seen], dict[str, float]]:
    records = open_netcdf(paths, before_reading(spec))
    seen = {}
    with OpenFiles() as files:
        for quantity, field in records.fields.items():
            values = field.read(0, min(len(records.times), 96), files)[:, :1]
            seen[quantity] = _Seen(field.summed or field.name, field.units, field.label, values)
    with open_netcdf_file(paths[0]) as data:
        site = site_of(data)
    place = {} if site is None else dict(zip(("latitude", "longitude"), site, strict=True))
    return records.times, seen, place
