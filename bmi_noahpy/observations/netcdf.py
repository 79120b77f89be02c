"""Observations from netCDF files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bmi_noahpy import units as scalar_units
from bmi_noahpy.files.netcdf import NotNetcdf, open_netcdf_file
from bmi_noahpy.observations.columns import NAMES
from bmi_noahpy.observations.observed import DAY_SECONDS, Array, Observed
from bmi_noahpy.observations.quantities import QUANTITIES
from bmi_noahpy.observations.simulated import SECOND, PlotError, Times
from bmi_noahpy.observations.values import finished, in_own_units
from bmi_noahpy.tabular.reader import MISSING_CODES

DEPTHS = ("depth", "layer", "depth_below_surface", "soil_depth", "z", "level")


def read_netcdf(path: Path) -> list[Observed]:
    """Every variable named like one of an output file or by its standard name, with a dimension of depth or without.

    Time is a coordinate ``time``; where it has bounds, values of a day or longer stand for the interval. Units are
    those of the attributes, of depths too.

    Raises
    ------
    FileNotFoundError, PlotError : no such file, no time, no variable that can be compared, or units of another kind.
    """
    if not path.exists():
        raise FileNotFoundError(f"observations file {path} does not exist.")
    try:
        with open_netcdf_file(path) as data:
            data.load()
    except NotNetcdf as error:
        raise PlotError(str(error)) from error
    if "time" not in data.variables or not np.issubdtype(data["time"].dtype, np.datetime64):
        raise PlotError(f"{path}: no coordinate 'time' with units of time. Add it.")
    found = [
        series
        for name, quantity in _variables(data).items()
        for series in _series(path, data, name, quantity)
        if series is not None
    ]
    if not found:
        raise PlotError(f"{path}: no variable to compare. Name variables like {', '.join(QUANTITIES[:3])}.")
    return found


def _variables(data: xr.Dataset) -> dict[str, str]:
    """Variable -> quantity, by its own name, else by its standard name; of several for one, those named like it."""
    found: dict[str, str] = {str(name): str(name) for name in data.data_vars if name in QUANTITIES}
    for name, variable in data.data_vars.items():
        standard = str(variable.attrs.get("standard_name", "")).lower()
        quantity = next((key for key, names in NAMES.items() if standard in names), None)
        if quantity is not None and quantity not in found.values():
            found[str(name)] = quantity
    return found


def _series(path: Path, data: xr.Dataset, name: str, quantity: str) -> list[Observed | None]:
    variable = data[name]
    where = f"{path}: {name}"
    levels = [str(dim) for dim in variable.dims if (dim != "time" and variable.sizes[dim] > 1) or str(dim) in DEPTHS]
    variable = variable.squeeze([dim for dim in variable.dims if dim not in (*levels, "time")])
    units = variable.attrs.get("units")
    if not levels:
        return [_observed(data, where, name, quantity, None, _plain(variable.values), units)]
    if len(levels) > 1 or levels[0] not in data.variables:
        raise PlotError(
            f"{where} has the dimensions {', '.join(map(str, variable.dims))}. "
            "Give (time) or (time, depth) with depths as the coordinate."
        )
    values = _plain(variable.transpose("time", levels[0]).values)
    depths = _depths(path, data[levels[0]])
    return [
        _observed(data, f"{where} at {depth:g} m", f"{name}_{depth:g}m", quantity, depth, values[:, number], units)
        for number, depth in enumerate(depths)
    ]


def _plain(values: Any) -> Array:
    """Numbers with codes of missing values as NaN."""
    plain = np.asarray(values, dtype=np.float64).copy()
    plain[np.isin(plain, MISSING_CODES)] = np.nan
    found: Array = plain
    return found


def _depths(path: Path, coordinate: Any) -> list[float]:
    """Depths below the surface, positive. [m]"""
    units = str(coordinate.attrs.get("units", "m"))
    try:
        factor = 1.0 if units == "m" else scalar_units.convert(1.0, units, "m")
    except ValueError as error:
        raise PlotError(f"{path}: {coordinate.name}: {error}") from error
    return [abs(float(depth)) * factor for depth in coordinate.values]


def _observed(
    data: xr.Dataset, where: str, column: str, quantity: str, depth: float | None, values: Array, units: Any
) -> Observed | None:
    converted = in_own_units(values, None if units is None else str(units), quantity, where)
    name = column if column in data else column.rpartition("_")[0] if depth is not None else quantity
    methods = str(data[name].attrs.get("cell_methods", "")) if name in data else ""
    instants = "time: point" in methods
    window = "instant" if instants else None
    return finished(where, column, quantity, depth, _stamps(data, instants), converted, window)


def _stamps(data: xr.Dataset, instants: bool) -> Times:
    """The moment at which a value holds, with bounds; beginning of intervals of a day or more."""
    times = data["time"].values.astype("datetime64[ns]")
    bounds = data["time"].attrs.get("bounds", data["time"].encoding.get("bounds", "time_bnds"))
    if bounds not in data or times.size < 2:
        return times
    begin = data[bounds].values[:, 0].astype("datetime64[ns]")
    end = data[bounds].values[:, 1].astype("datetime64[ns]")
    if instants:
        found: Times = end
        return found
    daily = abs(float(np.median(np.diff(times) / SECOND))) >= DAY_SECONDS
    found = begin if daily else begin + (end - begin) // 2
    return found
