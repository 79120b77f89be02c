"""A first look at a file of records: what is found in it, what is guessed, and what is missing."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bmi_noahpy.files.netcdf import begins_as_netcdf
from bmi_noahpy.forcing.accumulation import looks_accumulated
from bmi_noahpy.forcing.alignment import aligned
from bmi_noahpy.forcing.contents import EVERYTHING, Contents, Seen, Source, contents, spaced_by
from bmi_noahpy.forcing.convention import convention_of
from bmi_noahpy.forcing.presets import find_preset
from bmi_noahpy.forcing.spec import ForcingSpec, VariableSpec
from bmi_noahpy.forcing.table import (
    UNITS,
    AmbiguousVariable,
    ForcingError,
    MissingQuantities,
    PresetUnits,
    Times,
    UnstatedUnits,
    required_quantities,
)
from bmi_noahpy.forcing.units import is_amount
from bmi_noahpy.forcing.unstated import likely_units
from bmi_noahpy.tabular import AmbiguousDates, NoTime
from bmi_noahpy.tabular.time_columns import time_by_content

DAY_FIRST, MONTH_FIRST = "day-first", "month-first"
SHOWN = 20
"""Variables that a sentence names."""
NETCDF = (".nc", ".nc4", ".cdf", ".zarr")


@dataclasses.dataclass(frozen=True)
class FirstLook:
    """What a file holds.

    Parameters
    ----------
    preset : Convention that it follows; None: none that is known.
    variables : Quantity -> entry of ``forcing.variables``, where the preset does not say the same.
    time : Entry ``forcing.time``.
    times : Beginning of the interval of each record.
    interval : Between records. [s]
    place : Entries latitude and longitude, where the file says where it is.
    guesses : Sentences about what was not certain.
    """

    preset: str | None
    variables: dict[str, dict[str, Any]]
    time: dict[str, Any]
    times: Times
    interval: float
    place: dict[str, float]
    guesses: tuple[str, ...]


def look_at(files: Sequence[Path], preset: str | None = None) -> FirstLook:
    """Look at a text table or at netCDF files.

    Parameters
    ----------
    preset : Convention that they follow; None: the one that their names are of, if there is one.

    Raises
    ------
    ForcingError : the file cannot be read at all, or holds nothing that is recognised.
    """
    path = files[0]
    netcdf = len(files) > 1 or path.suffix.lower() in NETCDF or begins_as_netcdf(path)
    spec = ForcingSpec(file=path if len(files) == 1 else tuple(files), preset=preset, derive=EVERYTHING)
    source = Source(files, netcdf)
    guesses: list[str] = []
    if preset is None:
        preset, guesses = convention_of(source, spec)
        spec = dataclasses.replace(spec, preset=preset)
    return _Look(source, spec, guesses).taken()


class _Look:
    """Reads again and again, each time with one more thing taken for granted."""

    def __init__(self, source: Source, spec: ForcingSpec, guesses: list[str]) -> None:
        self._source, self._spec, self._guesses = source, spec, guesses
        self._unstated: set[str] = set()

    def taken(self) -> FirstLook:
        found = self._read()
        if not found.seen:
            names = ", ".join(found.unused[:SHOWN])
            raise ForcingError(
                f"{self._source.name}: none of its variables ({names}) is recognised as weather. "
                "Name them in forcing.variables, or set forcing.preset (`noahpy info presets` lists names)."
            )
        if found.ends and not any(seen.label for seen in found.seen.values()):
            self._guesses.append("its hours run to 24: forcing.time.label end is a guess")
            self._spec = dataclasses.replace(self._spec, time=dataclasses.replace(self._spec.time, label="end"))
            found = self._read()
        labels = {quantity: seen.label for quantity, seen in found.seen.items()}
        axis, _ = aligned(found.times, labels, self._source.name)
        variables = self._variables(found)
        self._missing(found)
        if found.cells:
            where = " and ".join(f"{name} {value:g}" for name, value in found.place.items())
            self._guesses.append(f"it has {found.cells} cells: {where} of the one in the middle are a guess")
        time = self._time(found)
        spaces = np.diff(found.times).astype("timedelta64[s]").astype(np.int64)
        interval = float(np.median(spaces)) if len(spaces) else 3600.0
        return FirstLook(self._spec.preset, variables, time, axis, interval, found.place, tuple(self._guesses))

    def _read(self) -> Contents:
        for _ in range(4 * len(UNITS)):
            try:
                return contents(self._source, self._spec)
            except UnstatedUnits as error:
                # Its values are looked at once everything can be read.
                self._unstated.add(error.quantity)
                self._say(error.quantity, VariableSpec(error.name, UNITS[error.quantity]))
            except PresetUnits as error:
                self._guesses.append(
                    f"{error.quantity} ({error.name}) is in {error.units} by the file, and in others by preset "
                    f"{self._spec.preset}: those of the file are a guess"
                )
                self._say(error.quantity, VariableSpec(error.name, error.units))
            except AmbiguousVariable as error:
                first, other = error.names
                self._guesses.append(f"{error.quantity} could be {first} or {other}: {first} is a guess")
                self._say(error.quantity, VariableSpec(first))
            except ForcingError as error:
                if isinstance(error.__cause__, AmbiguousDates) and not self._spec.time.format:
                    self._guess_dates()
                elif not isinstance(error.__cause__, NoTime) or not self._time_is_found():
                    raise
        raise ForcingError(f"{self._source.name}: nearly all of it would be a guess. Name its variables yourself.")

    def _guess_dates(self) -> None:
        """Take the way of reading dates by which they are equally spaced, else the usual one."""
        fitting = [form for form in (DAY_FIRST, MONTH_FIRST) if spaced_by(self._source, self._spec, form)]
        form, why = (fitting[0], ", and is equally spaced") if len(fitting) == 1 else (DAY_FIRST, "")
        self._guesses.append(f"dates can be read with the day or the month first: {form} is a guess{why}")
        self._take(format=form)

    def _time_is_found(self) -> bool:
        """Whether a column that is called otherwise holds times."""
        table = self._source.table(self._spec)
        name = time_by_content(table.names, table.texts)
        if name is None or self._spec.time.name is not None:
            return False
        called = name if isinstance(name, str) else " and ".join(name)
        self._guesses.append(f"the time is taken from {called}, by what stands in it")
        self._take(name=name)
        return True

    def _take(self, **time: Any) -> None:
        self._spec = dataclasses.replace(self._spec, time=dataclasses.replace(self._spec.time, **time))

    def _say(self, quantity: str, variable: VariableSpec) -> None:
        given = self._spec.variables.get(quantity)
        known = dataclasses.replace(variable, label=given.label if given else None)
        self._spec = dataclasses.replace(self._spec, variables={**self._spec.variables, quantity: known})

    def _variables(self, found: Contents) -> dict[str, dict[str, Any]]:
        """Entries of what the preset, if there is one, does not say."""
        said = {} if self._spec.preset is None else find_preset(self._spec.preset).variables
        variables = {}
        for quantity, seen in found.seen.items():
            entry, guessed = self._entry(quantity, seen)
            if guessed or quantity in self._spec.variables or quantity not in said:
                variables[quantity] = entry
        return variables

    def _entry(self, quantity: str, seen: Seen) -> tuple[dict[str, Any], bool]:
        """The entry of a variable, and whether its totals are a guess."""
        entry: dict[str, Any] = {"name": seen.name if isinstance(seen.name, str) else list(seen.name)}
        units = self._units(quantity, seen)
        if units is not None:
            entry["units"] = units
        if seen.label is not None:
            entry["label"] = seen.label
        if seen.accumulated is not None:
            entry["accumulated"] = seen.accumulated
        elif is_amount(units or "", quantity) and looks_accumulated(seen.values):
            falls = np.diff(seen.values[np.isfinite(seen.values[:, 0]), 0]) < 0.0
            entry["accumulated"] = "since_midnight" if falls.any() else "since_start"
            self._guesses.append(
                f"{quantity} looks like a running total: accumulated {entry['accumulated']} is a guess"
            )
            return entry, True
        return entry, False

    def _units(self, quantity: str, seen: Seen) -> str | None:
        """Units as they are stated, else those that the values point to; None where they point to none."""
        if not seen.assumed and quantity not in self._unstated:
            return seen.units
        units = likely_units(quantity, seen.values)
        name = seen.name if isinstance(seen.name, str) else " + ".join(seen.name)
        text = (
            f"its values do not tell: add forcing.variables.{quantity}.units"
            if units is None
            else f"{units} is a guess"
        )
        self._guesses.append(f"{quantity} ({name}) has no units: {text}")
        return units

    def _missing(self, found: Contents) -> None:
        try:
            required_quantities(set(found.seen), "", "")
        except MissingQuantities as error:
            besides = f" The file has besides {', '.join(found.unused[:SHOWN])}." if found.unused else ""
            self._guesses.append(
                f"missing: {', '.join(error.missing)}.{besides} Name them in forcing.variables, or see forcing.derive "
                "for pressure and longwave"
            )
        if not any(seen.label for seen in found.seen.values()):
            self._guesses.append(
                "nothing says what a time stamp is: records are taken to begin at it. Loggers often write the end of "
                "the interval: then set forcing.time.label to end"
            )

    def _time(self, found: Contents) -> dict[str, Any]:
        """Entry ``forcing.time``: name, form of dates, and the zone where it is a guess."""
        name, form = self._spec.time.name, self._spec.time.format
        given = {"name": list(name) if isinstance(name, tuple) else name, "format": form}
        time: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        preset = self._spec.preset
        if found.zoned:
            return time
        local = preset is not None and find_preset(preset).local
        east = found.place.get("longitude")
        offset = 0 if east is None or not local else round(east / 15.0)
        kind = "are of local standard time" if local else "may be of any zone"
        self._guesses.append(
            f"its stamps {kind}, which the file does not name: forcing.time.utc_offset {offset} is a guess"
        )
        return {**time, "utc_offset": offset}
