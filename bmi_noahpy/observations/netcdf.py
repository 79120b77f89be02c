"""Observations from netCDF files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bmi_noahpy.observations.csv import DAY_SECONDS, Observed
from bmi_noahpy.observations.quantities import QUANTITIES
from bmi_noahpy.observations.simulated import SECOND, PlotError, Times

DEPTHS = ("depth", "layer")


def read_netcdf(path: Path) -> list[Observed]:
    """Every variable named like one of an output file (``soil_temperature``), with a dimension of depth or without.

    Time is a coordinate ``time``; where it has bounds, values of a day or longer stand for the interval.

    Raises
    ------
    FileNotFoundError, PlotError : no such file, no time, or no variable that can be compared.
    """
    if not path.exists():
        raise FileNotFoundError(f"observations file {path} does not exist.")
    try:
        with xr.open_dataset(path, decode_timedelta=False) as data:
            data.load()
    except (OSError, ValueError) as error:
        raise PlotError(f"{path}: cannot be read as netCDF ({error}).") from error
    if "time" not in data.variables or not np.issubdtype(data["time"].dtype, np.datetime64):
        raise PlotError(f"{path}: no coordinate 'time' with units of time. Add it.")
    found = [series for name in QUANTITIES if name in data for series in _series(path, data, name)]
    if not found:
        raise PlotError(f"{path}: no variable to compare. Name variables like {', '.join(QUANTITIES[:3])}.")
    return found


def _series(path: Path, data: xr.Dataset, name: str) -> list[Observed]:
    variable = data[name]
    levels = [str(dim) for dim in variable.dims if dim != "time"]
    if not levels:
        return [_observed(data, name, None, variable.values, name)]
    if len(levels) > 1 or levels[0] not in DEPTHS or levels[0] not in data.variables:
        raise PlotError(
            f"{path}: {name} has the dimensions {', '.join(map(str, variable.dims))}. "
            "Give (time) or (time, depth) with depths in m as the coordinate."
        )
    values = variable.transpose("time", levels[0]).values
    return [
        _observed(data, name, float(depth), values[:, number], f"{name}_{float(depth):g}m")
        for number, depth in enumerate(data[levels[0]].values)
    ]


def _observed(data: xr.Dataset, quantity: str, depth: float | None, values: Any, column: str) -> Observed:
    times = _stamps(data, quantity)
    present = np.isfinite(values)
    spacing = float(np.median(np.diff(data["time"].values) / SECOND)) if times.size > 1 else DAY_SECONDS
    return Observed(column, quantity, depth, times[present], np.asarray(values, np.float64)[present], spacing)


def _stamps(data: xr.Dataset, quantity: str) -> Times:
    """Beginning of intervals of a day or more; else the moment at which a value holds."""
    times = data["time"].values.astype("datetime64[ns]")
    if "time_bnds" not in data or times.size < 2:
        return times
    begin = data["time_bnds"].values[:, 0].astype("datetime64[ns]")
    end = data["time_bnds"].values[:, 1].astype("datetime64[ns]")
    if np.median(np.diff(times) / SECOND) >= DAY_SECONDS:
        return begin
    return end if "time: point" in data[quantity].attrs.get("cell_methods", "") else begin + (end - begin) // 2
