"""NetCDF records, in one file or many: one column, columns, or a grid. Only times are read before they are needed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bmi_noahpy import units as scalar_units
from bmi_noahpy.forcing.calendars import is_foreign, on_our_days
from bmi_noahpy.forcing.derived import not_derived
from bmi_noahpy.forcing.gaps import regular
from bmi_noahpy.forcing.names import NAMES, choose_variables, statistics_among
from bmi_noahpy.forcing.netcdf_fields import NetcdfField, NetcdfRecords, OpenFiles, Part
from bmi_noahpy.forcing.netcdf_times import (
    declared_statistics,
    dimension_of_time,
    in_utc,
    label_of,
    name_of_time,
    read_times,
    time_of_name,
)
from bmi_noahpy.forcing.netcdf_units import factors_of_sum, stated_units
from bmi_noahpy.forcing.placement import Placement, place_on
from bmi_noahpy.forcing.presets import refuse_other_interval, with_variables
from bmi_noahpy.forcing.recognition import hint, unsaid
from bmi_noahpy.forcing.site import far_note, site_of
from bmi_noahpy.forcing.spec import ForcingSpec, LapseSpec
from bmi_noahpy.forcing.statistics import left_out
from bmi_noahpy.forcing.table import RATES, Array, ForcingError, Times, UnstatedUnits
from bmi_noahpy.forcing.terrain import GRAVITY
from bmi_noahpy.forcing.units import is_amount
from bmi_noahpy.region.domain import Domain
from bmi_noahpy.tabular import TimeSpec

GEOPOTENTIALS = ("m2 s-2", "m2 s2", "J kg-1", "J kg")
"""Units of a geopotential, which over gravity is a height."""


def open_netcdf(paths: Sequence[Path], spec: ForcingSpec, domain: Domain | None = None) -> NetcdfRecords:
    """Records with the dimensions ``(time)``, ``(time, column)`` or ``(time, y, x)`` in any order.

    Dimensions of length one do not matter. Variables are recognised by their standard name, then by their name; a
    variable in several files is joined along time, whatever the order of the files. Units come from the specification,
    else from the attribute; what a stamp is, else from cell methods and the bounds of the time.

    Parameters
    ----------
    domain : What the cells must be (see `place_on`); None: the cells, flattened in the order of the first variable with
        the last dimension fastest, are the columns.

    Raises
    ------
    ForcingError : for missing or ambiguous variables, missing units, dimensions that differ between variables, times
        that do, cells that are not those of the domain, and calendars that are not known.
    """
    source = str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more files"
    with OpenFiles() as files:
        labels = _labels([files[path] for path in paths])
        variables = with_variables(spec, list(labels), source, stated_units([files[path] for path in paths]))
        asked = {quantity: given.names[0] for quantity, given in variables.items()}
        declared = {name: kind for path in paths for name, kind in declared_statistics(files[path]).items()}
        advice = hint(list(labels), "netcdf") if spec.preset is None else ""
        chosen = choose_variables(labels, asked, source, frozenset(spec.derive), declared=declared, hint=advice)
        if not chosen:
            raise ForcingError(
                f"{source}: none of its variables ({', '.join(labels)}) is recognised as weather. Name them in "
                "forcing.variables, or set forcing.preset (`noahpy info presets` lists names)."
            )
        parts = {quantity: _parts(files, paths, name, spec.time) for quantity, name in chosen.items()}
        firsts = {name: (files[parts[q][0].path][name], parts[q][0].dimension) for q, name in chosen.items()}
        placements = place_on(firsts, domain, source, spec.regrid)
        factors = {
            quantity: factors_of_sum(files, parts[quantity], given.names, quantity, given.units)
            for quantity, given in variables.items()
            if quantity in chosen and len(given.names) > 1
        }
        site = site_of(files[paths[0]])
    fields = {}
    for quantity, name in chosen.items():
        given = variables.get(quantity)
        units = (given.units if given else None) or parts[quantity][0].units
        if units is None:
            text = f"{source}: {name}: no units attribute. Set forcing.variables.{quantity}.units."
            raise UnstatedUnits(text, quantity, name)
        fields[quantity] = NetcdfField(
            name,
            str(units),
            parts[quantity],
            placements[name],
            label=(given.label if given else None) or spec.time.label or parts[quantity][0].label,
            accumulated=given.accumulated if given else None,
            summed=given.names if given and len(given.names) > 1 else (),
            factors=factors.get(quantity, ()),
            codes=spec.text.missing,
        )
    records = _on_one_axis(fields, spec, source)
    amounts = [quantity for quantity, field in fields.items() if is_amount(field.units, quantity)]
    refuse_other_interval(spec, records.times, amounts, source)
    taken = {name for field in fields.values() for name in (field.summed or (field.name,))}
    others = [*left_out(statistics_among(labels, declared, taken), chosen), *_of_labels(fields, spec)]
    others += not_derived(spec.derive, fields)
    rates = [field.label for quantity, field in fields.items() if quantity in RATES]
    told = [f"{source}: {text}" for text in (*others, *unsaid(spec.preset, list(labels), "netcdf", rates))]
    return dataclasses.replace(records, notes=(*records.notes, *told, *far_note(site, domain, source)))


def _of_labels(fields: Mapping[str, NetcdfField], spec: ForcingSpec) -> Iterator[str]:
    """A sentence when the file says of stamps what its preset does not."""
    for field in fields.values():
        declared = field.parts[0].label
        if spec.preset is not None and declared is not None and field.label != declared:
            yield (
                f"stamps of {field.name} are {declared!r} of their interval by its bounds or cell methods, and read "
                f"as {field.label!r}, as said or as by forcing.preset {spec.preset}"
            )


def _on_one_axis(fields: Mapping[str, NetcdfField], spec: ForcingSpec, source: str) -> NetcdfRecords:
    """The variables on times of our calendar; with every time between where gaps are filled."""
    times, rows, notes = _common_times(fields, source), None, []
    if is_foreign(times):
        times, rows, note = on_our_days(times, source)
        times = in_utc(times, spec.time, source)
        notes.append(note)
    if spec.gaps is not None:
        whole, places = regular(times, source)
        if len(whole) > len(times):
            known = np.arange(len(times)) if rows is None else rows
            rows = np.full(len(whole), -1, dtype=np.int64)
            rows[places] = known
            times = whole
    placed = {quantity: dataclasses.replace(field, rows=rows) for quantity, field in fields.items()}
    if spec.regrid is not None:
        notes.append(f"{source}: brought to the columns, {spec.regrid}")
    return NetcdfRecords(times, placed, source, spec.derive, tuple(notes), spec.time)


def terrain_of(records: NetcdfRecords, lapse: LapseSpec, files: Sequence[Path]) -> Array:
    """The elevation of the records at the columns, ``[column]``, brought there as the records are. [m]

    Parameters
    ----------
    files : Of the records.

    Raises
    ------
    ForcingError : no such variable, on other cells, or in other units.
    """
    placement = next((field.placement for field in records.fields.values() if field.placement.dims), None)
    where = f"{lapse.file or records.source}: {lapse.elevation}"
    with OpenFiles() as opened:
        held = [path for path in ([lapse.file] if lapse.file else files) if lapse.elevation in opened[path].variables]
        if not held:
            raise ForcingError(f"{where}: no such variable. Correct forcing.lapse.elevation.")
        variable = opened[held[0]][lapse.elevation]
        units = str(variable.attrs.get("units", "m"))
        dims = () if placement is None else placement.dims
        others = {name: 0 for name in variable.dims if name not in dims}
        variable = variable.isel(others).expand_dims("record")
        if placement is None and variable.size == 1:
            placement = Placement((), (), np.zeros(1, np.int64))
        sizes = {} if placement is None else dict(zip(placement.dims, placement.shape, strict=True))
        if placement is None or any(variable.sizes.get(name) != size for name, size in sizes.items()):
            raise ForcingError(f"{where}: is on other cells than the records. Give their own terrain.")
        found = dataclasses.replace(placement, single=()).read(variable, "record", slice(0, 1))[0]
    if units.replace("**", "").replace("^", "").replace("/", " ") in GEOPOTENTIALS:
        return np.asarray(found / GRAVITY)
    try:
        return np.asarray(found * scalar_units.convert(1.0, units, "m"))
    except ValueError as error:
        raise ForcingError(f"{where}: {error}") from error


def _labels(files: Iterable[Any]) -> dict[str, str]:
    """Variable -> standard name where that is one of ours and unique, else the variable's own name."""
    aliases = {alias.lower() for names in NAMES.values() for alias in names}
    standard = {
        str(name): str(variable.attrs.get("standard_name", ""))
        for data in files
        for name, variable in data.data_vars.items()
    }
    shared = {name for name in standard.values() if list(standard.values()).count(name) > 1}
    return {
        name: label if label.lower() in aliases and label not in shared else name for name, label in standard.items()
    }


def _parts(files: OpenFiles, paths: Sequence[Path], name: str, time: TimeSpec) -> tuple[Part, ...]:
    """The records of a variable in every file that has it, by their first time."""
    parts: list[Part] = []
    for path in paths:
        if name in files[path].variables:
            parts.append(_part(files[path], path, name, time))
            _same_as_first(parts[0], parts[-1], name)
    return tuple(sorted(parts, key=lambda part: part.times[0] if len(part.times) else np.datetime64(0, "s")))


def _part(data: Any, path: Path, name: str, time: TimeSpec) -> Part:
    variable = data[name]
    times, dimension, label = _times(data, path, variable, time)
    if dimension not in variable.dims:
        raise ForcingError(f"{path}: {name}: has no dimension {dimension!r}, only {variable.dims}.")
    chunks = variable.encoding.get("chunksizes")
    return Part(
        path=path,
        times=times,
        dimension=dimension,
        shape={str(key): size for key, size in variable.sizes.items() if key != dimension},
        units=variable.attrs.get("units"),
        chunk=int(chunks[variable.dims.index(dimension)]) if chunks else 1,
        label=label,
    )


def _times(data: Any, path: Path, variable: Any, time: TimeSpec) -> tuple[Times, str, str | None]:
    """Times of a file, their dimension, and what they are; of a single record, its name may say it."""
    try:
        name = name_of_time(data, time, str(path))
    except ForcingError:
        stamp, alone = time_of_name(path), [str(key) for key in variable.dims if str(key).lower() == "time"]
        if stamp is None or time.name is not None or not alone or variable.sizes[alone[0]] != 1:
            raise
        return in_utc(stamp, time, str(path)), alone[0], None
    times = read_times(data[name], time, f"{path}: {name}")
    return times, dimension_of_time(data[name]), label_of(data, name, variable)


def _same_as_first(first: Part, part: Part, name: str) -> None:
    """Files of one variable must agree in everything but time."""
    if part.shape != first.shape:
        raise ForcingError(
            f"{part.path}: {name}: has the cells {part.shape}, {first.path} {first.shape}. They must agree."
        )
    if part.units != first.units:
        raise ForcingError(
            f"{part.path}: {name}: is in {part.units!r}, an earlier file in {first.units!r}. They must agree."
        )


def _common_times(fields: Mapping[str, NetcdfField], source: str) -> Times:
    """Times of all records; every variable must have the same ones."""
    times = {field.name: np.concatenate([part.times for part in field.parts]) for field in fields.values()}
    first, *others = times
    for name in others:
        if not _same_times(times[first], times[name]):
            raise ForcingError(
                f"{source}: {name} has {_extent(times[name])}, {first} {_extent(times[first])}. Variables must have "
                "the same times: add or remove files or records."
            )
    return times[first]


def _same_times(first: Times, other: Times) -> bool:
    """Whether times are equal; what is not a time is refused where times are checked."""
    dated = all(np.issubdtype(times.dtype, np.datetime64) for times in (first, other))
    return np.array_equal(first, other, equal_nan=dated)


def _extent(times: Times) -> str:
    return f"{len(times)} records from {str(times[0])[:16]} to {str(times[-1])[:16]}" if len(times) else "no records"
