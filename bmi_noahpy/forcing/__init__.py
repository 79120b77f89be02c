"""Meteorological records of any supported format to one checked table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bmi_noahpy.forcing.ascii import has_forcing_tag, read_noah_ascii
from bmi_noahpy.forcing.checks import check_times, check_values
from bmi_noahpy.forcing.csv import read_csv
from bmi_noahpy.forcing.netcdf import read_netcdf
from bmi_noahpy.forcing.series import ForcingSeries, PrescribedVegetation
from bmi_noahpy.forcing.spec import ForcingSpec, TimeSpec, VariableSpec
from bmi_noahpy.forcing.table import Array, ForcingError, ForcingTable, RawRecords
from bmi_noahpy.forcing.units import convert

__all__ = [
    "ForcingError",
    "ForcingSeries",
    "ForcingSpec",
    "ForcingTable",
    "PrescribedVegetation",
    "TimeSpec",
    "VariableSpec",
    "build_table",
    "open_forcing",
]

Period = tuple[np.datetime64, np.datetime64]


def open_forcing(spec: ForcingSpec | Mapping[str, Any], period: Period | None = None) -> ForcingTable:
    """Read, convert and check a file of records.

    Parameters
    ----------
    spec : The file and how to read it, or the same as a plain mapping (see `ForcingSpec.from_mapping`).
    period : First and last moment needed. Records outside are dropped before their values are checked.

    Returns
    -------
    Checked records in the model's units.

    Raises
    ------
    ForcingError : naming file, variable, first place and remedy.
    """
    if not isinstance(spec, ForcingSpec):
        spec = ForcingSpec.from_mapping(spec)
    if not spec.file.is_file():
        raise ForcingError(f"forcing.file: {str(spec.file)!r} is not a file. Correct the path.")
    form = spec.format or _guess_format(spec.file)
    if form == "noah_ascii":
        raw = read_noah_ascii(spec.file)
    elif form == "csv":
        raw = read_csv(spec.file, spec.variables, spec.time)
    else:
        raw = read_netcdf(spec.file, spec.variables, spec.time)
    return build_table(raw, period)


def build_table(raw: RawRecords, period: Period | None = None) -> ForcingTable:
    """Records as read -> checked records in the model's units.

    Raises
    ------
    ForcingError : for irregular times, unknown units, missing values and values outside the physical bounds.
    """
    check_times(raw.times, raw.source)
    first, last = _needed(raw, period)
    times = raw.times[first:last]
    interval = float((raw.times[1] - raw.times[0]) / np.timedelta64(1, "s")) if len(raw.times) > 1 else None
    values = {}
    for quantity, field in raw.fields.items():
        where = f"{raw.source}: {quantity}" + (f" ({field.name})" if field.name != quantity else "")
        try:
            converted = convert(field.values[first:last], field.units, quantity, interval)
        except ForcingError as error:
            raise ForcingError(f"{where}: {error}") from error
        check_values(quantity, converted, times, where, first)
        values[quantity] = converted
    return ForcingTable(times, _broadcast(_combine(values), raw.source), raw.source, raw.sampled)


def _guess_format(file: Path) -> str:
    """By the ending, else by the tag of Noah's text files."""
    ending = file.suffix.lower()
    if ending in (".nc", ".nc4", ".cdf", ".netcdf"):
        return "netcdf"
    if ending != ".csv" and has_forcing_tag(file):
        return "noah_ascii"
    if ending in (".csv", ".txt"):
        return "csv"
    raise ForcingError(f"{file}: format not recognised. Set forcing.format to noah_ascii, csv or netcdf.")


def _needed(raw: RawRecords, period: Period | None) -> tuple[int, int]:
    """Half-open range of records around the period: the last before it, to the first after it.

    All records when they do not reach around the period's beginning, so that the complaint about that names them all.
    """
    if period is None:
        return 0, len(raw.times)
    start, end = (np.datetime64(moment).astype("datetime64[s]") for moment in period)
    first = int(np.searchsorted(raw.times, start, side="right")) - 1
    last = min(int(np.searchsorted(raw.times, end, side="left")) + 1, len(raw.times))
    return (first, last) if 0 <= first < last else (0, len(raw.times))


def _combine(values: Mapping[str, Array]) -> dict[str, Array]:
    """Wind speed from its components, precipitation from rain and snow."""
    combined = dict(values)
    if "wind_u" in combined:
        combined["wind_speed"] = np.hypot(combined.pop("wind_u"), combined.pop("wind_v"))
    if "rainfall" in combined:
        combined["precipitation"] = combined.pop("rainfall") + combined.pop("snowfall")
    return combined


def _broadcast(values: Mapping[str, Array], source: str) -> dict[str, Array]:
    """All quantities with the same number of columns; one column serves any number."""
    columns = max(array.shape[1] for array in values.values())
    for quantity, array in values.items():
        if array.shape[1] not in (1, columns):
            raise ForcingError(f"{source}: {quantity} has {array.shape[1]} columns, other variables {columns}.")
    return {quantity: np.broadcast_to(array, (array.shape[0], columns)) for quantity, array in values.items()}
