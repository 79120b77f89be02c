"""Observations from netCDF files."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bmi_noahpy.files.netcdf import NotNetcdf, open_netcdf_file
from bmi_noahpy.forcing.calendars import is_foreign
from bmi_noahpy.forcing.netcdf_times import declared_statistics, dimension_of_time, name_of_time, read_times
from bmi_noahpy.forcing.table import ForcingError
from bmi_noahpy.observations.columns import (
    AT_DEPTHS,
    NAMES,
    NOT_THE_VALUES,
    Column,
    as_asked,
    note_assumptions,
    read_name,
)
from bmi_noahpy.observations.flags import note_unused_flags, without_flagged
from bmi_noahpy.observations.netcdf_depths import depths_along, is_level, metres, scalar_depth
from bmi_noahpy.observations.notes import Notes
from bmi_noahpy.observations.observed import Array, Observed, as_labelled
from bmi_noahpy.observations.quantities import QUANTITIES
from bmi_noahpy.observations.simulated import DAY_SECONDS, SECOND, PlotError, Times
from bmi_noahpy.observations.spec import ReadingSpec, in_our_keys
from bmi_noahpy.observations.values import Records, finished, in_own_units
from bmi_noahpy.tabular import TextOptions
from bmi_noahpy.tabular.clock import from_utc
from bmi_noahpy.tabular.reader import MISSING_CODES

CODE_PRECISION = 1e-6
"""How near to a code a number of single precision is taken for it, as a share of it."""


def read_netcdf(path: Path, reading: ReadingSpec) -> list[Observed]:
    """Every variable that its own name, its standard name or `reading` says, with a dimension of depth or without.

    Where the time has bounds, values of a day or longer stand for the interval. Units are those of the attributes, of
    depths too.

    Raises
    ------
    PlotError : no time, no variable that can be compared, units of another kind, or what is said of tables alone.
    """
    if dataclasses.replace(reading.text, missing=()) != TextOptions() or reading.time.format is not None:
        raise PlotError(f"{path}: text and time.format are of text tables, and this is netCDF. Remove them.")
    try:
        with open_netcdf_file(path) as data:
            data.load()
        time_name = name_of_time(data, reading.time, str(path))
        times = read_times(data[time_name], reading.time, f"{path}: {time_name}")
    except NotNetcdf as error:
        raise PlotError(str(error)) from error
    except ForcingError as error:
        raise in_our_keys(error) from error
    if is_foreign(times):
        raise PlotError(f"{path}: {time_name}: observations of the calendar {times[0].calendar!r}. Give our calendar.")
    reading.refuse_unknown(map(str, data.data_vars), str(path))
    file = _File(path, data, reading, Notes(str(path)), time_name, times)
    found = file.all_series()
    if not found:
        among = ", ".join(file.notes.left_out) or ", ".join(map(str, data.data_vars))
        raise PlotError(
            f"{path}: no variable to compare among {among}. Name variables like {', '.join(QUANTITIES[:3])}, or say "
            "what they are (variables)."
        )
    file.notes.tell()
    return found


@dataclasses.dataclass(frozen=True)
class _File:
    """A file, and its times in UTC."""

    path: Path
    data: xr.Dataset
    reading: ReadingSpec
    notes: Notes
    time_name: str
    times: Times

    @property
    def along(self) -> str:
        """The dimension of the time."""
        return dimension_of_time(self.data[self.time_name])

    def columns(self) -> dict[str, Column]:
        """Variable -> what it is; those with times that are nothing that can be compared are noted."""
        extremes = declared_statistics(self.data)
        found: dict[str, Column] = {}
        exact = {str(name) for name in self.data.data_vars if name in QUANTITIES}
        bounds = _attribute(self.data[self.time_name], "bounds")
        names = sorted(map(str, self.data.data_vars), key=lambda name: name not in exact)
        for name in names:
            variable, asked = self.data[name], self.reading.variables.get(name)
            if self.along not in variable.dims or name in (self.time_name, bounds):
                continue
            read = _read(name, variable)
            if asked is not None:
                found[name] = as_asked(read, name, asked, f"{self.path}: {name}", self._has_depths(name))
            elif name in extremes:
                self.notes.leave_out(f"{name} ({extremes[name]})")
            elif isinstance(read, Column) and read.depth is None and read.quantity in exact and name not in exact:
                self.notes.leave_out(f"{name} ({read.quantity} is used)")
            elif isinstance(read, Column):
                found[name] = read
                note_assumptions(name, read, self.notes)
            else:
                self.notes.leave_out(f"{name} ({read})" if read else name)
        return found

    def all_series(self) -> list[Observed]:
        """Every series that can be compared.

        Raises
        ------
        PlotError : with what is wrong of every variable.
        """
        found, wrong = [], []
        for name, column in self.columns().items():
            try:
                found += self._series(name, column)
            except PlotError as error:
                wrong.append(str(error))
        if wrong:
            self.notes.tell()
            raise PlotError("\n  ".join(wrong))
        return found

    def _series(self, name: str, column: Column) -> list[Observed]:
        """The series of a variable, one for each depth."""
        variable = self.data[name]
        where = f"{self.path}: {name}"
        levels = self._levels(variable)
        variable = variable.squeeze([dim for dim in variable.dims if dim not in (*levels, self.along)])
        coordinate = depths_along(self.data, levels[0]) if len(levels) == 1 else None
        if levels and coordinate is None:
            raise PlotError(
                f"{where} has the dimensions {', '.join(map(str, variable.dims))}. "
                "Give (time) or (time, depth) with depths as the coordinate."
            )
        values = self._good(name, variable.transpose(self.along, ...))
        if coordinate is None:
            depth = scalar_depth(variable, str(self.path)) if column.depth is None else column.depth
            if depth is None and column.quantity in AT_DEPTHS:
                self.notes.leave_out(f"{name} (no depth: add a coordinate depth, or say variables.{name}.depth)")
                return []
            alone = self._one(name, name, where, dataclasses.replace(column, depth=depth), values)
            return [] if alone is None else [alone]
        every = [
            self._one(
                name, f"{name}_{depth:g}m", f"{where} at {depth:g} m", dataclasses.replace(column, depth=depth), row
            )
            for depth, row in zip(metres(coordinate, str(self.path)), values.T, strict=True)
        ]
        return [series for series in every if series is not None]

    def _one(self, name: str, title: str, where: str, column: Column, numbers: Array) -> Observed | None:
        asked = self.reading.variables.get(name)
        units = (asked.units if asked else None) or _attribute(self.data[name], "units") or column.units
        stamps, window, moved = self._stamps(name)
        series = Observed(title, column.quantity, column.depth, stamps, numbers, window=window, moved=moved)
        values = in_own_units(numbers, units, series, where, self.notes)
        records = Records(name, numbers, from_utc(self.times.astype("datetime64[s]"), self.reading.time))
        done = finished(where, dataclasses.replace(series, values=values), records, self.notes)
        if done is None:
            self.notes.leave_out(f"{title} (no values)")
        return done

    def _stamps(self, name: str) -> tuple[Times, str | None, float]:
        """Times, what they are, and how far they lie before those of the file. [s]

        With bounds: of means the beginning of intervals of a day or more, else their middle; of instants the end.
        """
        times = self.times.astype("datetime64[ns]")
        asked = self.reading.variables.get(name)
        label = (asked.label if asked else None) or self.reading.time.label
        if label is not None:
            return as_labelled(times, label)
        instants = "time: point" in str(self.data[name].attrs.get("cell_methods", ""))
        window = "instant" if instants else None
        bounds = _attribute(self.data[self.time_name], "bounds") or "time_bnds"
        if bounds not in self.data or times.size < 2:
            return times, window, 0.0
        stamped = self.data[self.time_name].values
        if not (np.issubdtype(stamped.dtype, np.datetime64) and stamped.shape == times.shape):
            return times, window, 0.0
        edges = self.data[bounds].values
        shift = times - stamped.astype("datetime64[ns]")
        begin, end = edges[:, 0].astype("datetime64[ns]") + shift, edges[:, 1].astype("datetime64[ns]") + shift
        if instants:
            return end, window, 0.0
        daily = abs(float(np.median(np.diff(times) / SECOND))) >= DAY_SECONDS
        return (begin, "start", 0.0) if daily else (begin + (end - begin) // 2, window, 0.0)

    def _good(self, name: str, variable: xr.DataArray) -> Array:
        """The numbers of a variable without those with a flag that is not good, where that is asked for."""
        values, asked = self._plain(variable.values), self.reading.variables.get(name)
        if asked is None or asked.flag is None:
            note_unused_flags(name, map(str, self.data.data_vars), self.notes)
            return values
        flags = self.data[asked.flag]
        flags = flags.squeeze([dim for dim in flags.dims if dim not in variable.dims and flags.sizes[dim] == 1])
        if set(flags.dims) != set(variable.dims):
            dims = f"{', '.join(map(str, flags.dims))}, and {name} {', '.join(map(str, variable.dims))}"
            raise PlotError(f"{self.path}: {asked.flag} has the dimensions {dims}. Flags must be those of the values.")
        return without_flagged(values, flags.transpose(*variable.dims).values.ravel().tolist(), asked, name, self.notes)

    def _plain(self, values: Any) -> Array:
        """Numbers with codes of missing values as NaN."""
        plain: Array = np.asarray(values, dtype=np.float64).copy()
        for code in (*self.reading.text.missing, *MISSING_CODES):
            plain[np.isclose(plain, code, rtol=CODE_PRECISION, atol=0.0)] = np.nan
        return plain

    def _levels(self, variable: xr.DataArray) -> list[str]:
        return [str(dim) for dim in variable.dims if dim != self.along and is_level(variable, str(dim))]

    def _has_depths(self, name: str) -> bool:
        variable = self.data[name]
        return bool(self._levels(variable)) or scalar_depth(variable, str(self.path)) is not None


def _read(name: str, variable: xr.DataArray) -> Column | str | None:
    """What a variable is by its own name as in an output file, by its standard name, else by the words of its name."""
    standard = str(variable.attrs.get("standard_name", "")).lower()
    quantity = next((key for key, names in NAMES.items() if standard in names), None)
    words = read_name(name, depth_elsewhere=True)
    if words == NOT_THE_VALUES:
        return words
    if name in QUANTITIES or quantity is not None:
        depth = words.depth if isinstance(words, Column) else None
        return Column(name if name in QUANTITIES else str(quantity), depth, None)
    return words


def _attribute(variable: xr.DataArray, key: str) -> str | None:
    """An attribute, or what it was before decoding."""
    found = variable.attrs.get(key, variable.encoding.get(key))
    return None if found is None else str(found)
