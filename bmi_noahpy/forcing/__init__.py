"""Meteorological records of any supported format to one checked table."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bmi_noahpy.files.netcdf import begins_as_netcdf
from bmi_noahpy.forcing.ascii import has_forcing_tag, read_noah_ascii
from bmi_noahpy.forcing.build import build_table
from bmi_noahpy.forcing.derived import check_wanted
from bmi_noahpy.forcing.netcdf import open_netcdf, terrain_of
from bmi_noahpy.forcing.netcdf_fields import NetcdfRecords
from bmi_noahpy.forcing.prepared import Biases, Period
from bmi_noahpy.forcing.presets import before_reading
from bmi_noahpy.forcing.series import ForcingSeries, PrescribedVegetation
from bmi_noahpy.forcing.site import far_note
from bmi_noahpy.forcing.spec import ForcingSpec, GapSpec, LapseSpec, VariableSpec, find_files
from bmi_noahpy.forcing.streamed import StreamedTable
from bmi_noahpy.forcing.table import ForcingError, ForcingTable, RawRecords
from bmi_noahpy.forcing.terrain import Lift
from bmi_noahpy.forcing.text import read_text
from bmi_noahpy.region.domain import Domain
from bmi_noahpy.tabular import TimeSpec

__all__ = [
    "ForcingError",
    "ForcingSeries",
    "ForcingSpec",
    "ForcingTable",
    "GapSpec",
    "LapseSpec",
    "PrescribedVegetation",
    "RawRecords",
    "StreamedTable",
    "TimeSpec",
    "VariableSpec",
    "build_table",
    "open_forcing",
]

NETCDF_ENDINGS = (".nc", ".nc4", ".cdf", ".netcdf", ".zarr")
TEXT_ENDINGS = (".csv", ".txt", ".dat", ".tsv", ".smet", ".asc")


def open_forcing(
    spec: ForcingSpec | Mapping[str, Any],
    period: Period | None = None,
    *,
    domain: Domain | None = None,
    check: bool = True,
    biases: Biases | None = None,
    elevation: ArrayLike | None = None,
) -> ForcingTable | StreamedTable:
    """Read, convert and check a file of records, or several of netCDF.

    Parameters
    ----------
    spec : The file and how to read it, or the same as a plain mapping (see `ForcingSpec.from_mapping`).
    period : First and last moment needed. Records outside are dropped before their values are checked.
    domain : The columns of the run: netCDF records must be on the same cells, or those of one column for all.
    check : False to leave the values of netCDF records unchecked for now (`StreamedTable.findings`).
    biases : Corrections (factor, offset) of a run: bounds are those of corrected values.
    elevation : Of the columns above the sea, where the air shall change with it (`ForcingSpec.lapse`). [m]

    Returns
    -------
    Records in the model's units. Those of netCDF files stay there, and are read and converted when they are needed.

    Raises
    ------
    ForcingError : naming file, variable, first place and remedy.
    """
    if not isinstance(spec, ForcingSpec):
        spec = ForcingSpec.from_mapping(spec)
    spec = before_reading(spec)
    check_wanted(spec.derive)
    files = find_files(spec.file)
    form = spec.format or guess_format(files[0])
    if form == "netcdf":
        records = open_netcdf(files, spec, domain)
        table = StreamedTable.of(records, period, gaps=spec.gaps, biases=biases)
        if spec.lapse is not None:
            table = table.lifted(_lift(records, spec.lapse, files, elevation))
        if check:
            table.findings(domain).refuse()
        return table
    if spec.regrid is not None or spec.lapse is not None:
        raise ForcingError(f"forcing.regrid, forcing.lapse: are of netCDF, not of the format {form}. Remove them.")
    if len(files) > 1:
        raise ForcingError(f"forcing.file: {len(files)} files of the format {form}. Only netCDF may be in several.")
    raw = read_noah_ascii(files[0]) if form == "noah_ascii" else read_text(files[0], spec)
    whole = build_table(raw, period, gaps=spec.gaps, derivations=spec.derive, biases=biases)
    return dataclasses.replace(whole, notes=(*whole.notes, *far_note(raw.site, domain, raw.source)))


def _lift(records: NetcdfRecords, lapse: LapseSpec, files: Sequence[Path], elevation: ArrayLike | None) -> Lift:
    """How far the columns lie above the terrain of the records."""
    if elevation is None:
        raise ForcingError(
            "forcing.lapse: the elevation of the domain is not known. Set domain.elevation, or add elevation to the "
            "domain file."
        )
    heights = np.asarray(elevation, dtype=np.float64) - terrain_of(records, lapse, files)
    return Lift(lapse.rate, np.atleast_1d(heights))


def guess_format(file: Path) -> str:
    """By the ending, else by the tag of Noah's text files, else by how netCDF begins (``2019060100.LDASIN_DOMAIN1``).

    Raises
    ------
    ForcingError : neither says.
    """
    ending = file.suffix.lower()
    if ending in NETCDF_ENDINGS:
        return "netcdf"
    if ending != ".csv" and has_forcing_tag(file):
        return "noah_ascii"
    if ending in TEXT_ENDINGS:
        return "csv"
    if begins_as_netcdf(file):
        return "netcdf"
    raise ForcingError(f"{file}: format not recognised. Set forcing.format to noah_ascii, csv or netcdf.")
