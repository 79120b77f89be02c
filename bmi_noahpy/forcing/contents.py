"""What a reader finds in files of records, before any of it is judged."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bmi_noahpy.files.netcdf import open_netcdf_file
from bmi_noahpy.forcing.netcdf import open_netcdf
from bmi_noahpy.forcing.netcdf_fields import OpenFiles
from bmi_noahpy.forcing.presets import before_reading
from bmi_noahpy.forcing.site import middle_of, site_of
from bmi_noahpy.forcing.spec import ForcingSpec
from bmi_noahpy.forcing.table import AIR, Array, ForcingError, Times
from bmi_noahpy.forcing.text import records_of
from bmi_noahpy.tabular import TableError, TextOptions, TextTable, find_clock, parse_clock, read_text_table, runs_to_24
from bmi_noahpy.tabular.clock import carry_offsets, offset_in_names, time_like

EVERYTHING: Mapping[str, float] = dict.fromkeys(AIR, 0.0)
"""So that nothing need be there to be looked at."""
JUDGED = 96
"""Records of netCDF files that are looked at."""


class Source:
    """Files of records that are looked at several times, a table of which is read once.

    Parameters
    ----------
    files : A text table, or netCDF files.
    netcdf : Which of the two.
    """

    def __init__(self, files: Sequence[Path], netcdf: bool) -> None:
        self.files, self.netcdf = files, netcdf
        self._tables: dict[TextOptions, TextTable] = {}

    @property
    def name(self) -> str:
        """The first file, for messages."""
        return str(self.files[0])

    def table(self, spec: ForcingSpec) -> TextTable:
        """The text table, written as the specification and its preset say.

        Raises
        ------
        ForcingError : it cannot be read so.
        """
        options = before_reading(spec).text
        if options not in self._tables:
            try:
                self._tables[options] = read_text_table(self.files[0], options)
            except TableError as error:
                raise ForcingError(str(error)) from error
        return self._tables[options]


@dataclasses.dataclass(frozen=True)
class Seen:
    """One variable as it was found.

    Parameters
    ----------
    assumed : Whether nothing states its units.
    """

    name: str | tuple[str, ...]
    units: str
    label: str | None
    accumulated: str | None
    values: Array
    assumed: bool = False


@dataclasses.dataclass(frozen=True)
class Contents:
    """Stamps, variables by quantity, and the entries latitude and longitude where the files say where they are.

    Parameters
    ----------
    zoned : Whether the files say what zone their stamps are of, or are of a kind that keeps UTC.
    unused : Other variables.
    ends : Whether hours are counted to 24, as where stamps are the end of their interval.
    cells : Number of places of a grid, the middle one of which is in `place`; 0: it is of one place, or does not say.
    """

    times: Times
    seen: dict[str, Seen]
    place: dict[str, float]
    zoned: bool
    unused: tuple[str, ...]
    ends: bool = False
    cells: int = 0


def contents(source: Source, spec: ForcingSpec) -> Contents:
    """What is found in a text table or in netCDF files.

    Raises
    ------
    ForcingError : they cannot be read as the specification says.
    """
    return _netcdf(source.files, spec) if source.netcdf else _table(source.table(spec), spec)


def _table(table: TextTable, spec: ForcingSpec) -> Contents:
    raw = records_of(table, before_reading(spec))
    seen = {
        quantity: Seen(_names(field.name), field.units, field.label, field.accumulated, field.values, field.assumed)
        for quantity, field in raw.fields.items()
    }
    facts = table.layout.facts
    place = {name: float(facts[name]) for name in ("latitude", "longitude") if facts.get(name)}
    clock = find_clock(table.names, spec.time, raw.source)
    times = {*time_like(table.names), *clock.columns}
    others = _others([name for name in table.names if name not in times], seen)
    ends = runs_to_24(clock, [table.texts(name) for name in clock.columns])
    return Contents(raw.times, seen, place, says_zone(table), others, ends)


def spaced_by(source: Source, spec: ForcingSpec, form: str) -> bool:
    """Whether the times of a table are equally spaced when its dates are read in one of two ways."""
    time = dataclasses.replace(spec.time, format=form)
    try:
        table = source.table(spec)
        clock = find_clock(table.names, time, source.name)
        times = parse_clock(clock, [table.texts(name) for name in clock.columns], time, source.name)
    except (ForcingError, TableError):
        return False
    return len(np.unique(np.diff(times))) == 1


def says_zone(table: TextTable) -> bool:
    """Whether the header or the names of the columns say the zone of the stamps, or the stamps themselves do."""
    if table.layout.utc_offset is not None or offset_in_names(table.names) is not None:
        return True
    return any("utc" in name.lower() or carry_offsets([table.texts(name)[:1]])[0] for name in table.names[:2])


def _others(names: Sequence[str], seen: Mapping[str, Seen]) -> tuple[str, ...]:
    taken = {part for found in seen.values() for part in ([found.name] if isinstance(found.name, str) else found.name)}
    return tuple(name for name in names if name not in taken)


def _names(name: str) -> str | tuple[str, ...]:
    """The variables of a sum, which the reader calls by all their names."""
    return tuple(name.split(" + ")) if " + " in name else name


def _netcdf(paths: Sequence[Path], spec: ForcingSpec) -> Contents:
    records = open_netcdf(paths, before_reading(spec))
    seen = {}
    with OpenFiles() as files:
        for quantity, field in records.fields.items():
            values = field.read(0, min(len(records.times), JUDGED), files)[:, :1]
            seen[quantity] = Seen(field.summed or field.name, field.units, field.label, field.accumulated, values)
    with open_netcdf_file(paths[0]) as data:
        site, middle = site_of(data), middle_of(data)
        dated = [str(name) for name, variable in data.data_vars.items() if variable.ndim]
    cells = 0
    if site is None and middle is not None:
        site, cells = middle
    place = {} if site is None else dict(zip(("latitude", "longitude"), site, strict=True))
    return Contents(records.times, seen, place, True, _others(dated, seen), cells=cells)
