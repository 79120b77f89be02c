"""Observations from files of any kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bmi_noahpy.observations.netcdf import read_netcdf
from bmi_noahpy.observations.observed import Observed
from bmi_noahpy.observations.spec import ColumnSpec, ReadingSpec, reading_of
from bmi_noahpy.observations.text import read_text
from bmi_noahpy.tabular import TextOptions, TimeSpec

NETCDF = (".nc", ".nc4", ".cdf")


def read_observations(
    path: str | Path,
    time: TimeSpec | Mapping[str, Any] | None = None,
    text: TextOptions | Mapping[str, Any] | None = None,
    *,
    missing: Iterable[float] = (),
    variables: Mapping[str, ColumnSpec | Mapping[str, Any]] | None = None,
) -> list[Observed]:
    """Every series of a netCDF file or a text table that says what it is.

    What is not recognised is said by the keys of `forcing` in a configuration.

    Parameters
    ----------
    time : How the file tells the time: ``{"utc_offset": 1}``, or ``name``, ``format``, ``zone``, ``label``.
    text : How a table is written: ``{"separator": ";", "decimal": ","}``, or ``encoding``, ``skip_rows``, ``columns``.
    missing : Numbers that stand for no value, beside -9999 and its like.
    variables : Column -> what it is: ``{"T_3": {"quantity": "soil_temperature", "depth": "5 cm", "units": "degC"}}``,
        or ``label``, of each what its name does not say.

    Raises
    ------
    FileNotFoundError, PlotError : no such file, no time, nothing that can be compared, or values that cannot be true.
    """
    return read_as(path, reading_of(time, text, missing, variables))


def read_as(path: str | Path, reading: ReadingSpec) -> list[Observed]:
    """As `read_observations`, with everything said in one."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"observations file {path} does not exist.")
    return read_netcdf(path, reading) if path.suffix in NETCDF else read_text(path, reading)
