"""The coordinate reference system of a grid: kept for the output, and used where a file has no latitudes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

USUAL_NAMES = ("spatial_ref", "crs", "grid_mapping", "projection")
"""What the variable of a projection is called where no other variable names it."""
SIDES = {"y": "projection_y_coordinate", "x": "projection_x_coordinate"}
"""Side of a grid -> standard name of its coordinate."""


class ProjectionError(ValueError):
    """A projection that cannot be used; the message says why."""


@dataclasses.dataclass(frozen=True)
class Projection:
    """A coordinate reference system, as a variable of a netCDF file describes it.

    Parameters
    ----------
    name : Of the variable.
    attributes : As of CF, or as GDAL and rioxarray write them (``crs_wkt``, ``spatial_ref``).
    """

    name: str
    attributes: Mapping[str, Any]


def find_projection(data: Any) -> Projection | None:
    """The coordinate reference system of a dataset; None where it has none."""
    named = {
        str(value)
        for variable in data.variables.values()
        for value in (variable.attrs.get("grid_mapping"), variable.encoding.get("grid_mapping"))
        if value
    }
    # Longer forms of the attribute, "crs: x y", name it first.
    for name in (*sorted(text.split(":")[0].split()[0] for text in named), *USUAL_NAMES):
        if name in data.variables and data[name].attrs:
            return Projection(name, dict(data[name].attrs))
    return None


def sides_of(data: Any) -> dict[str, Any]:
    """Coordinates along the sides of a projected grid by "y" and "x", by their standard name, else their own."""
    found: dict[str, Any] = {}
    for side, standard in SIDES.items():
        names = [str(name) for name, one in data.variables.items() if one.attrs.get("standard_name") == standard]
        names += [name for name in (side, side.upper(), f"{side}c") if name in data.variables]
        usable = [name for name in names if data[name].ndim == 1]
        if usable:
            found[side] = data[usable[0]]
    return found


def geographic(
    projection: Projection, y: NDArray[np.float64], x: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Latitude and longitude of every cell of a projected grid, ``[y, x]``.

    Raises
    ------
    ProjectionError : a system that is not understood, or that needs the package pyproj.
    """
    try:
        from pyproj import CRS, Transformer
        from pyproj.exceptions import ProjError
    except ImportError:
        raise ProjectionError(
            "has no latitudes and longitudes; to compute them from its projection the package pyproj is needed. "
            "Install noahpy[maps], or add them to the file."
        ) from None
    try:
        system = CRS.from_cf(dict(projection.attributes))
        transform = Transformer.from_crs(system, CRS.from_epsg(4326), always_xy=True)
    except (ProjError, KeyError, ValueError, TypeError) as error:
        text = " ".join(str(error).split())[:160]
        raise ProjectionError(f"{projection.name}: the projection is not understood ({text}). Correct it.") from None
    longitude, latitude = transform.transform(*np.meshgrid(x, y))
    return np.asarray(latitude, dtype=np.float64), np.asarray(longitude, dtype=np.float64)
