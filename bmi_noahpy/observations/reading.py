"""Observations from files of any kind."""

from __future__ import annotations

from pathlib import Path

from bmi_noahpy.observations.netcdf import read_netcdf
from bmi_noahpy.observations.observed import Observed
from bmi_noahpy.observations.text import read_text
from bmi_noahpy.tabular import TextOptions, TimeSpec

NETCDF = (".nc", ".nc4", ".cdf")


def read_observations(
    path: str | Path, time: TimeSpec | None = None, text: TextOptions | None = None
) -> list[Observed]:
    """Every series of a netCDF file or a text table that says what it is.

    Parameters
    ----------
    time : How a table tells the time, where that is not recognised.
    text : How a table is written, where that is not recognised.

    Raises
    ------
    FileNotFoundError, PlotError : no such file, no time, nothing that can be compared, or values that cannot be true.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"observations file {path} does not exist.")
    return read_netcdf(path) if path.suffix in NETCDF else read_text(path, time, text)
