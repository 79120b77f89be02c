"""Meteorological records of any supported format to one checked table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bmi_noahpy.forcing.ascii import has_forcing_tag, read_noah_ascii
from bmi_noahpy.forcing.checks import check_times, check_values
from bmi_noahpy.forcing.csv import read_csv
from bmi_noahpy.forcing.netcdf import open_netcdf
from bmi_noahpy.forcing.prepared import combine, needed, widen
from bmi_noahpy.forcing.series import ForcingSeries, PrescribedVegetation
from bmi_noahpy.forcing.spec import ForcingSpec, TimeSpec, VariableSpec, find_files
from bmi_noahpy.forcing.streamed import StreamedTable
from bmi_noahpy.forcing.table import ForcingError, ForcingTable, RawRecords
from bmi_noahpy.forcing.units import convert
from bmi_noahpy.region.domain import Domain

__all__ = [
    "ForcingError",
    "ForcingSeries",
    "ForcingSpec",
    "ForcingTable",
    "PrescribedVegetation",
    "StreamedTable",
    "TimeSpec",
    "VariableSpec",
    "build_table",
    "open_forcing",
]

Period = tuple[np.datetime64, np.datetime64]


def open_forcing(
    spec: ForcingSpec | Mapping[str, Any],
    period: Period | None = None,
    *,
    domain: Domain | None = None,
    check: bool = True,
) -> ForcingTable | StreamedTable:
    """Read, convert and check a file of records, or several of netCDF.

    Parameters
    ----------
    spec : The file and how to read it, or the same as a plain mapping (see `ForcingSpec.from_mapping`).
    period : First and last moment needed. Records outside are dropped before their values are checked.
    domain : The columns of the run: netCDF records must be on the same cells, or those of one column for all.
    check : False to leave the values of netCDF records unchecked for now (`StreamedTable.findings`).

    Returns
    -------
    Records in the model's units. Those of netCDF files stay there, and are read and converted when they are needed.

    Raises
    ------
    ForcingError : naming file, variable, first place and remedy.
    """
    if not isinstance(spec, ForcingSpec):
        spec = ForcingSpec.from_mapping(spec)
    files = find_files(spec.file)
    form = spec.format or _guess_format(files[0])
    if form == "netcdf":
        table = StreamedTable.of(open_netcdf(files, spec.variables, spec.time, domain), period)
        if check:
            table.findings(domain).refuse()
        return table
    if len(files) > 1:
        raise ForcingError(f"forcing.file: {len(files)} files of the format {form}. Only netCDF may be in several.")
    raw = read_noah_ascii(files[0]) if form == "noah_ascii" else read_csv(files[0], spec.variables, spec.time)
    return build_table(raw, period)


def build_table(raw: RawRecords, period: Period | None = None) -> ForcingTable:
    """Records as read -> checked records in the model's units.

    Raises
    ------
    ForcingError : for irregular times, unknown units, missing values and values outside the physical bounds.
    """
    check_times(raw.times, raw.source)
    first, last = needed(raw.times, period)
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
    return ForcingTable(times, widen(combine(values), raw.source), raw.source, raw.sampled)


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
