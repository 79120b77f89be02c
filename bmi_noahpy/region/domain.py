"""Where the columns of a run are: one place, a list of points, or cells of a grid."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bmi_noahpy.region.projection import Projection

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Kind = Literal["column", "grid", "curvilinear", "points"]

DIMENSIONS: dict[Kind, tuple[str, ...]] = {
    "column": (),
    "grid": ("lat", "lon"),
    "curvilinear": ("y", "x"),
    "points": ("point",),
}
NAMED = 5
"""Cells that a message names one by one."""

OUTSIDE, COMPUTED, INVALID = 0, 1, 2
"""Values of `Domain.status`."""


@dataclasses.dataclass(frozen=True)
class Axis:
    """Coordinate along one side of a curvilinear grid: ``x`` of a projection, for instance."""

    values: Floats
    attributes: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False)
class Domain:
    """Where the columns are.

    Parameters
    ----------
    kind : "column" for a single one, "grid" for latitudes by longitudes, "curvilinear" for a y-x grid with a latitude
        and a longitude in each cell, "points" for a list of places.
    latitude : ``[y]`` of a column or grid, ``[y, x]`` of a curvilinear one, ``[point]``. [degrees north]
    longitude : ``[x]``, ``[y, x]`` or ``[point]``. [degrees east]
    cells : Place in the flattened grid of each column, rising; None when every cell is a column.
    invalid : Places of the cells that were left out because something about them cannot be computed.
    axes : Coordinates of the sides of a curvilinear grid by "y" and "x", where they are known.
    projection : The coordinate reference system of these, and of the file.
    """

    kind: Kind
    latitude: Floats
    longitude: Floats
    cells: Integers | None = None
    invalid: Integers | None = None
    axes: Mapping[str, Axis] = dataclasses.field(default_factory=dict)
    projection: Projection | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns of the grid; the number of points."""
        if self.kind in ("curvilinear", "points"):
            return self.latitude.shape
        return len(self.latitude), len(self.longitude)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Names of the dimensions in an output file."""
        return DIMENSIONS[self.kind]

    @property
    def columns(self) -> int:
        """Number of soil columns; the last dimension varies fastest."""
        return math.prod(self.shape) if self.cells is None else len(self.cells)

    @property
    def complete(self) -> bool:
        """Whether every cell is a column."""
        return self.cells is None

    @functools.cached_property
    def places(self) -> Integers:
        """Place in the flattened grid of each column."""
        return np.arange(self.columns) if self.cells is None else self.cells

    @functools.cached_property
    def coordinates(self) -> tuple[Floats, Floats]:
        """Latitude and longitude of every column, ``[column]``."""
        if self.kind in ("curvilinear", "points"):
            latitude, longitude = self.latitude, self.longitude
        else:
            latitude, longitude = np.meshgrid(self.latitude, self.longitude, indexing="ij")
        return latitude.reshape(-1)[self.places], longitude.reshape(-1)[self.places]

    @property
    def status(self) -> NDArray[np.int8]:
        """0 outside the domain, 1 computed, 2 left out as invalid, in the shape of the grid."""
        status = np.full(int(np.prod(self.shape)), OUTSIDE, dtype=np.int8)
        status[self.places] = COMPUTED
        if self.invalid is not None:
            status[self.invalid] = INVALID
        return status.reshape(self.shape)

    def choose(self, columns: ArrayLike) -> Domain:
        """The same grid with some of its columns only, by their numbers."""
        return dataclasses.replace(self, cells=self.places[np.asarray(columns)])

    def without(self, columns: ArrayLike) -> Domain:
        """The same grid with some columns left out and noted as invalid."""
        left = np.setdiff1d(np.arange(self.columns), columns)
        before = np.empty(0, dtype=np.int64) if self.invalid is None else self.invalid
        return dataclasses.replace(self.choose(left), invalid=np.union1d(before, self.places[np.asarray(columns)]))

    def scatter(self, values: Floats) -> Floats:
        """Values ``[..., column]`` in the shape they have on the grid, NaN where there is no column."""
        leading = values.shape[:-1]
        cells = () if self.kind == "column" else self.shape
        if self.cells is None:
            return values.reshape((*leading, *cells))
        full = np.full((*leading, int(np.prod(self.shape))), np.nan)
        full[..., self.cells] = values
        return full.reshape((*leading, *cells))

    def name(self, column: int) -> str:
        """A column for messages: its indices on the grid, from 0, and its coordinates."""
        index = np.unravel_index(int(self.places[column]), self.shape)
        latitude, longitude = (float(side[column]) for side in self.coordinates)
        label = "point" if self.kind == "points" else "cell"
        return f"{label} [{', '.join(str(int(i)) for i in index)}] (lat {latitude:.6g}, lon {longitude:.6g})"

    def names(self, columns: ArrayLike) -> str:
        """Several columns for messages: the first few one by one, and how many more there are."""
        numbers = np.atleast_1d(np.asarray(columns))
        text = "; ".join(self.name(int(column)) for column in numbers[:NAMED])
        return text + (f"; and {len(numbers) - NAMED} more" if len(numbers) > NAMED else "")
