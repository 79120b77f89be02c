"""From the cells of a file to the columns of a run."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bmi_noahpy.forcing.other_axes import refuse_other_axes
from bmi_noahpy.forcing.regrid import Cells, weights
from bmi_noahpy.forcing.table import Array, ForcingError
from bmi_noahpy.region.domain import Domain

Index = NDArray[np.int64]
EARTH_RADIUS = 6371.0
"""[km]"""
COORDINATE_TOLERANCE = 1.0e-3
"""Two grids are the same when no coordinate differs by more; single precision may cost some of it. [degrees]"""
SIDE_TOLERANCE = 1.0e-2
"""How far coordinates of a projection may differ, as a share of a cell."""
SPACINGS, FAR_CELL = 2.0, 100.0
"""How far from the nearest cell a place may be: twice the distance of cells, and this. [km]"""
LATITUDES, LONGITUDES = ("latitude", "lat", "xlat", "xlat_m"), ("longitude", "lon", "xlong", "xlong_m")


class NearestCell(UserWarning):
    """Records of a single column are those of the nearest cell of a file."""


@dataclasses.dataclass(frozen=True)
class Placement:
    """Which cells of a variable are the columns, and in what order.

    Parameters
    ----------
    dims : Dimensions of the cells, the last varies fastest; empty for a variable that is the same everywhere.
    shape : Their lengths.
    places : Place of each column in the flattened cells; with `weights`, of the cells that give anything, rising.
    single : Dimensions of length one.
    weights : What each of these cells gives to each column, ``[column, cell]``; None: columns are cells.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    places: Index
    single: tuple[str, ...] = ()
    weights: Any = None

    def __post_init__(self) -> None:
        rows = self.places // int(np.prod(self.shape[1:], dtype=np.int64)) if self.dims else np.zeros(1, np.int64)
        # Only the rows of the grid between the first and the last column are read.
        object.__setattr__(self, "_rows", slice(int(rows.min()), int(rows.max()) + 1))

    @property
    def columns(self) -> int:
        """Number of columns; 1 for a variable that is the same everywhere."""
        return len(self.places) if self.weights is None else int(self.weights.shape[0])

    @property
    def cells(self) -> int:
        """Cells read to get the columns."""
        rows: slice = self._rows  # type: ignore[attr-defined]
        return (rows.stop - rows.start) * int(np.prod(self.shape[1:], dtype=np.int64)) if self.dims else 1

    def read(self, variable: Any, dimension: str, rows: slice) -> Array:
        """Some records of a variable: ``[time, column]`` in double precision."""
        index: dict[Any, Any] = {dimension: rows} | dict.fromkeys(self.single, 0)
        begin = 0
        if self.dims:
            index[self.dims[0]] = self._rows  # type: ignore[attr-defined]
            begin = self._rows.start * int(np.prod(self.shape[1:], dtype=np.int64))  # type: ignore[attr-defined]
        values = variable.isel(index).transpose(dimension, *self.dims).values.astype(np.float64, copy=False)
        values = values.reshape(values.shape[0], -1)
        places = self.places - begin
        if self.weights is not None:
            blended: Array = np.ascontiguousarray((self.weights @ values[:, places].T).T)
            return blended
        if len(places) == values.shape[1] and np.array_equal(places, np.arange(len(places))):
            found: Array = values
            return found
        found = values[:, places]
        return found

    def choose(self, columns: ArrayLike) -> Placement:
        """The placement of some of the columns; one that serves all columns still does."""
        if not self.dims:
            return self
        if self.weights is None:
            return dataclasses.replace(self, places=self.places[np.asarray(columns)])
        chosen = self.weights[np.asarray(columns)].tocsc()
        used = np.flatnonzero(np.diff(chosen.indptr))
        return dataclasses.replace(self, places=self.places[used], weights=chosen[:, used].tocsr())


def place_on(
    variables: Mapping[str, tuple[Any, str]], domain: Domain | None, source: str, regrid: str | None = None
) -> dict[str, Placement]:
    """The placement of each variable, given with the name of its time dimension.

    With a domain of several cells, a variable that varies in space must be on the same cells: dimensions of the same
    names, else of the same lengths in the same order, and where the file has coordinates, the same coordinates. A
    domain of one column takes the nearest cell, with a warning that names it. With a method of
    `bmi_noahpy.forcing.regrid` the cells may be others than those of the domain.

    Raises
    ------
    ForcingError : when cells differ between variables or from those of the domain.
    """
    layout: tuple[str, ...] = ()
    sizes: dict[str, int] = {}
    first: Any = None
    for variable, dimension in variables.values():
        space = tuple(str(name) for name in variable.dims if name != dimension and variable.sizes[name] > 1)
        refuse_other_axes(variable, space, source)
        if space and not layout:
            layout, sizes, first = space, {name: variable.sizes[name] for name in space}, variable
        if space and {name: variable.sizes[name] for name in space} != sizes:
            raise ForcingError(
                f"{source}: {variable.name}: has the dimensions {space}, other variables {layout}. They must agree."
            )
    if regrid is not None and domain is not None and layout:
        return _regridded(variables, layout, sizes, domain, source, regrid)
    if domain is not None and layout and domain.kind != "column":
        layout = _ordered(layout, domain)
        _check_shape(tuple(sizes[name] for name in layout), layout, domain, source)
        _check_coordinates(first, layout, domain, source)
    shape = tuple(sizes[name] for name in layout)
    count = int(np.prod(shape, dtype=np.int64))
    places = np.arange(count) if domain is None or domain.kind == "column" else domain.places
    if domain is not None and domain.kind == "column" and count > 1:
        places = _nearest(first, layout, shape, domain, source)
    return _each(variables, Placement(layout, shape, places))


def _each(variables: Mapping[str, tuple[Any, str]], whole: Placement) -> dict[str, Placement]:
    """The placement of every variable: that of the cells, or one number for all columns."""
    placements = {}
    for name, (variable, dimension) in variables.items():
        varies = any(key in variable.dims for key in whole.dims)
        others = tuple(str(key) for key in variable.dims if key != dimension and key not in whole.dims)
        same = Placement((), (), np.zeros(1, np.int64), others)
        placements[name] = dataclasses.replace(whole, single=others) if varies else same
    return placements


def _regridded(
    variables: Mapping[str, tuple[Any, str]],
    layout: tuple[str, ...],
    sizes: Mapping[str, int],
    domain: Domain,
    source: str,
    method: str,
) -> dict[str, Placement]:
    """The placement of each variable on other cells than its own."""
    first = next(variable for variable, _ in variables.values() if set(layout) <= set(map(str, variable.dims)))
    found = [_coordinate(first, names) for names in (LATITUDES, LONGITUDES)]
    if any(side is None or not set(map(str, side.dims)) <= set(layout) for side in found):
        raise ForcingError(f"{source}: has no latitudes and longitudes of its cells. Add them to regrid its records.")
    sides = len(layout) == 2 and all(side.ndim == 1 for side in found) and found[0].dims != found[1].dims
    if sides:
        layout = (str(found[0].dims[0]), str(found[1].dims[0]))
        places = [np.asarray(side.values, dtype=np.float64) for side in found]
    else:
        template = _template(first, sizes)
        whole = [side.broadcast_like(template).transpose(*layout) for side in found]
        places = [np.asarray(side.values, dtype=np.float64).reshape(-1) for side in whole]
    shares = weights(method, Cells(places[0], places[1], sides), domain, source).tocsc()
    used = np.flatnonzero(np.diff(shares.indptr))
    shape = tuple(sizes[name] for name in layout)
    return _each(variables, Placement(layout, shape, used, weights=shares[:, used].tocsr()))


def _ordered(layout: tuple[str, ...], domain: Domain) -> tuple[str, ...]:
    """Dimensions of the file in the order of the domain, by their names where these tell."""
    roles = {"lat": 0, "latitude": 0, "y": 0, "lon": 1, "longitude": 1, "x": 1}
    if len(layout) == 2 and len(domain.shape) == 2:
        found = [roles.get(name.lower()) for name in layout]
        if found == [1, 0]:
            return layout[::-1]
    return layout


def _check_shape(shape: tuple[int, ...], layout: tuple[str, ...], domain: Domain, source: str) -> None:
    # A list of all cells is accepted for a grid.
    if shape != domain.shape and (len(shape) != 1 or shape[0] != int(np.prod(domain.shape))):
        raise ForcingError(
            f"{source}: has {' x '.join(f'{n} ({name})' for n, name in zip(shape, layout, strict=True))} cells, the "
            f"domain {' x '.join(map(str, domain.shape))}. Put the records on the grid of the domain, set "
            "forcing.regrid, or give those of a single column for all."
        )


def _check_coordinates(variable: Any, layout: tuple[str, ...], domain: Domain, source: str) -> None:
    """Compare coordinates, when the file has any, with those of the domain."""
    _check_sides(variable, domain, source)
    for names, expected, period in (
        (LATITUDES, domain.latitude, None),
        (LONGITUDES, domain.longitude, 360.0),
    ):
        coordinate = _coordinate(variable, names)
        if coordinate is None or not set(coordinate.dims) <= set(layout):
            continue
        values = coordinate.transpose(*(name for name in layout if name in coordinate.dims)).values
        if values.shape != expected.shape:
            continue
        difference = np.abs(values.astype(np.float64) - expected)
        if period is not None:
            difference = np.minimum(difference % period, -difference % period)
        if not difference.max() <= COORDINATE_TOLERANCE:
            place = np.unravel_index(int(np.argmax(difference)), difference.shape)
            where = ", ".join(str(int(index)) for index in place)
            flipped = values.ndim == 1 and np.allclose(values[::-1], expected, atol=COORDINATE_TOLERANCE)
            remedy = (
                "Turn the order of the rows round."
                if flipped
                else "Put the records on the grid of the domain, or set forcing.regrid."
            )
            raise ForcingError(
                f"{source}: {coordinate.name} is {values[place]:.6g} at [{where}], that of the domain "
                f"{expected[place]:.6g}. {remedy}"
            )


def _check_sides(variable: Any, domain: Domain, source: str) -> None:
    """Compare coordinates of a projection, where both have them in the same units."""
    for side, axis in domain.axes.items():
        theirs = variable.coords.get(side)
        if theirs is None or theirs.shape != axis.values.shape:
            continue
        if theirs.attrs.get("units") != axis.attributes.get("units"):
            continue
        spacing = float(np.abs(np.diff(axis.values)).min()) if axis.values.size > 1 else 1.0
        if np.abs(theirs.values - axis.values).max() > SIDE_TOLERANCE * spacing:
            raise ForcingError(
                f"{source}: {side} runs from {float(theirs[0]):g} to {float(theirs[-1]):g}, that of the domain from "
                f"{axis.values[0]:g} to {axis.values[-1]:g}. Put the records on the grid of the domain, or set "
                "forcing.regrid."
            )


def _coordinate(variable: Any, names: tuple[str, ...]) -> Any:
    for name, coordinate in variable.coords.items():
        if coordinate.attrs.get("standard_name") == names[0] or str(name).lower() in names:
            # WRF gives each time its own, all the same.
            return coordinate.isel({key: 0 for key in coordinate.dims if str(key).lower() == "time"})
    return None


def _nearest(variable: Any, layout: tuple[str, ...], shape: tuple[int, ...], domain: Domain, source: str) -> Index:
    """The cell nearest to the point of a single column, with a sentence about it; all cells without coordinates."""
    found = [_coordinate(variable, names) for names in (LATITUDES, LONGITUDES)]
    if any(coordinate is None or not set(coordinate.dims) <= set(layout) for coordinate in found):
        return np.arange(int(np.prod(shape, dtype=np.int64)))
    sizes = dict(zip(layout, shape, strict=True))
    latitude, longitude = (
        coordinate.broadcast_like(_template(variable, sizes)).transpose(*layout).values.astype(np.float64).reshape(-1)
        for coordinate in found
    )
    place = float(domain.latitude.flat[0]), float(domain.longitude.flat[0])
    away = distance(latitude, longitude, *place)
    nearest = int(np.nanargmin(away))
    _refuse_outside(latitude, longitude, nearest, float(away[nearest]), place, source)
    warnings.warn(
        f"{source}: of its {len(away)} cells the nearest to {place[0]:g}, {place[1]:g} is taken, at "
        f"{latitude[nearest]:g}, {longitude[nearest]:g}, {away[nearest]:.1f} km from it.",
        NearestCell,
        stacklevel=2,
    )
    return np.array([nearest])


def _refuse_outside(
    latitude: Array, longitude: Array, nearest: int, away: float, place: tuple[float, float], source: str
) -> None:
    """Refuse a place that is further from the nearest cell than cells are from each other."""
    between = distance(latitude, longitude, float(latitude[nearest]), float(longitude[nearest]))
    spacing = float(np.min(between[between > 0.0], initial=np.inf))
    if away > max(SPACINGS * spacing, FAR_CELL):
        raise ForcingError(
            f"{source}: {place[0]:g}, {place[1]:g} lies outside its {len(latitude)} cells, the nearest of which is at "
            f"{latitude[nearest]:g}, {longitude[nearest]:g}, {away:.0f} km from it. Correct domain.latitude and "
            "domain.longitude, or take other records."
        )


def _template(variable: Any, sizes: Mapping[str, int]) -> Any:
    """The cells of a variable, without its other dimensions."""
    return variable.isel({name: 0 for name in variable.dims if name not in sizes}, drop=True)


def distance(latitude: Array, longitude: Array, to_latitude: float, to_longitude: float) -> Array:
    """Along the great circle, from degrees. [km]"""
    phi, to = np.deg2rad(latitude), np.deg2rad(to_latitude)
    half = np.sin(0.5 * (phi - to)) ** 2
    half = half + np.cos(phi) * np.cos(to) * np.sin(0.5 * np.deg2rad(longitude - to_longitude)) ** 2
    return np.asarray(2.0 * EARTH_RADIUS * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0))))
