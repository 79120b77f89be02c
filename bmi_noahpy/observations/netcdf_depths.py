"""Depths in netCDF files of observations."""

from __future__ import annotations

import xarray as xr

from bmi_noahpy import units as scalar_units
from bmi_noahpy.observations.simulated import PlotError

NAMES = ("depth", "layer", "depth_below_surface", "soil_depth", "z", "level", "layer_depth")
"""Dimensions and coordinates of depth, in lower case."""


def is_level(variable: xr.DataArray, dim: str) -> bool:
    """Whether a dimension other than that of the time has more than one place, or is one of depth."""
    return variable.sizes[dim] > 1 or dim.lower() in NAMES


def depths_along(data: xr.Dataset, dim: str) -> xr.DataArray | None:
    """The depths along a dimension: its coordinate, or a variable along it that is one of depth; None: neither is.

    A coordinate that counts the levels (units 1) is none, and neither is one that numbers stations.
    """
    candidates = sorted(
        (name for name in data.variables if data[name].dims == (dim,)), key=lambda name: str(name) != dim
    )
    for name in candidates:
        variable = data[name]
        standard = str(variable.attrs.get("standard_name", "")).lower()
        said = str(name).lower() in NAMES or standard in ("depth", "height") or "positive" in variable.attrs
        if said and str(variable.attrs.get("units", "")).strip() != "1":
            return variable
    return None


def scalar_depth(variable: xr.DataArray, source: str) -> float | None:
    """The one depth of a variable that has it as a coordinate without a dimension. [m]"""
    for name, coordinate in variable.coords.items():
        if str(name).lower() in NAMES and coordinate.ndim == 0:
            return metres(coordinate.expand_dims("one"), source)[0]
    return None


def metres(coordinate: xr.DataArray, source: str) -> list[float]:
    """Depths below the surface, positive. [m]

    Raises
    ------
    PlotError : no units, or none of length.
    """
    units = str(coordinate.attrs.get("units", "")).strip()
    where = f"{source}: {coordinate.name}"
    if not units:
        raise PlotError(f"{where}: depths without units. Give it the attribute units: m, cm or mm.")
    try:
        factor = 1.0 if units == "m" else scalar_units.convert(1.0, units, "m")
    except ValueError as error:
        raise PlotError(f"{where}: {error}") from error
    return [round(abs(float(depth)) * factor, 6) for depth in coordinate.values]
