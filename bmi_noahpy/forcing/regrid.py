"""Weights that bring the cells of a file to the columns of a run, when a configuration asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.forcing.table import ForcingError
from bmi_noahpy.region.domain import Domain

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = NDArray[np.float64]
COVERED = 1.0e-6
"""How much of a cell, as a share of it, may lie outside the grid of the file."""


class Cells(NamedTuple):
    """Where the cells of a file are: coordinates of its two sides, or of every cell (`sides` False). [degrees]"""

    latitude: Floats
    longitude: Floats
    sides: bool


def weights(method: str, cells: Cells, domain: Domain, source: str) -> csr_matrix:
    """What each cell of a file, flattened, gives to each column: ``[column, cell]``, rows that add up to one.

    Parameters
    ----------
    method : "nearest" takes the nearest cell. "bilinear" is linear in latitude and longitude between the four cells
        around a column, or within the triangle of three cells where these are not on two sides; up to half a cell
        beyond the outermost ones it is constant. "conservative" is the mean over the area that cells of both grids
        share, with edges halfway between their middles; both must have two sides.

    Raises
    ------
    ForcingError : columns outside the cells of the file, or grids that the method cannot serve.
    """
    # Costs a while to import, and few runs need it.
    import scipy.sparse

    if method == "conservative":
        return scipy.sparse.csr_matrix(_conservative(cells, domain, source))
    latitude, longitude = domain.coordinates
    if method == "nearest":
        columns = _nearest(cells, latitude, longitude)
        parts = (columns[None], np.ones((1, len(columns))))
    elif cells.sides:
        parts = _bilinear(cells, latitude, longitude, domain, source)
    else:
        parts = _within_triangles(cells, latitude, longitude, domain, source)
    places, shares = parts
    count = len(cells.latitude) * len(cells.longitude) if cells.sides else len(cells.latitude)
    rows = np.broadcast_to(np.arange(places.shape[1]), places.shape)
    found = scipy.sparse.csr_matrix((shares.ravel(), (rows.ravel(), places.ravel())), shape=(places.shape[1], count))
    # Cells that give nothing must not spoil a column when they are missing.
    found.eliminate_zeros()
    return found


def _nearest(cells: Cells, latitude: Floats, longitude: Floats) -> NDArray[np.int64]:
    from scipy.spatial import cKDTree

    sides = np.meshgrid(cells.latitude, cells.longitude, indexing="ij") if cells.sides else cells[:2]
    tree = cKDTree(_on_sphere(*(side.reshape(-1) for side in sides)))
    found: NDArray[np.int64] = tree.query(_on_sphere(latitude, longitude))[1]
    return found


def _on_sphere(latitude: Floats, longitude: Floats) -> Floats:
    phi, angle = np.deg2rad(latitude), np.deg2rad(longitude)
    return np.stack([np.cos(phi) * np.cos(angle), np.cos(phi) * np.sin(angle), np.sin(phi)], axis=1)


def _bilinear(
    cells: Cells, latitude: Floats, longitude: Floats, domain: Domain, source: str
) -> tuple[NDArray[np.int64], Floats]:
    """Four cells of each column and what each gives."""
    low_y, high_y, up = _between(cells.latitude, latitude, None)
    low_x, high_x, east = _between(cells.longitude, longitude, 360.0)
    outside = np.isnan(up) | np.isnan(east)
    _refuse_outside(outside, domain, source)
    width = len(cells.longitude)
    places = np.stack([low_y * width + low_x, low_y * width + high_x, high_y * width + low_x, high_y * width + high_x])
    return places, np.stack([(1 - up) * (1 - east), (1 - up) * east, up * (1 - east), up * east])


def _between(side: Floats, at: Floats, period: float | None) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Neighbours of points along a side, and how far they are from the first to the second; NaN outside."""
    order = np.argsort(side) if period is None else _in_one_piece(side, period)
    sorted_side = side[order] if period is None else _rising(side[order], period)
    spacing = float(np.median(np.diff(sorted_side))) if len(side) > 1 else 0.0
    if period is not None:
        round_about = len(side) > 1 and sorted_side[0] + period - sorted_side[-1] <= 1.5 * spacing
        begin = sorted_side[0] - (0.0 if round_about else 0.5 * spacing)
        at = begin + (at - begin) % period
        if round_about:
            # The first cell follows the last one.
            order, sorted_side = np.append(order, order[0]), np.append(sorted_side, sorted_side[0] + period)
    if len(sorted_side) == 1:
        share = np.where(np.abs(at - sorted_side[0]) <= COVERED, 0.0, np.nan)
        return np.zeros(at.shape, np.int64) + order[0], np.zeros(at.shape, np.int64) + order[0], share
    upper = np.clip(np.searchsorted(sorted_side, at), 1, len(sorted_side) - 1)
    share = (at - sorted_side[upper - 1]) / (sorted_side[upper] - sorted_side[upper - 1])
    beyond = (share < -0.5 - COVERED) | (share > 1.5 + COVERED)
    return order[upper - 1], order[upper], np.where(beyond, np.nan, np.clip(share, 0.0, 1.0))


def _in_one_piece(longitude: Floats, period: float) -> NDArray[np.int64]:
    """Order that begins after the widest gap, so that a grid across the meridian of Greenwich is one piece."""
    order = np.argsort(longitude % period)
    turned = (longitude % period)[order]
    gap = int(np.argmax(np.diff(np.append(turned, turned[0] + period))))
    return np.roll(order, -gap - 1)


def _rising(longitude: Floats, period: float) -> Floats:
    """Longitudes that go on rising where they begin anew."""
    return np.asarray(longitude[0] + np.cumsum(np.append(0.0, np.diff(longitude) % period)))


def _within_triangles(
    cells: Cells, latitude: Floats, longitude: Floats, domain: Domain, source: str
) -> tuple[NDArray[np.int64], Floats]:
    """Three cells of each column and what each gives."""
    from scipy.spatial import Delaunay

    middle = float(np.median(longitude))
    points = np.stack([cells.latitude, _about(cells.longitude, middle)], axis=1)
    wanted = np.stack([latitude, _about(longitude, middle)], axis=1)
    triangles = Delaunay(points)
    where = triangles.find_simplex(wanted, tol=1e-9)
    _refuse_outside(where < 0, domain, source)
    transform = triangles.transform[where]
    two = np.einsum("nij,nj->ni", transform[:, :2], wanted - transform[:, 2])
    shares = np.clip(np.concatenate([two, 1.0 - two.sum(axis=1, keepdims=True)], axis=1), 0.0, 1.0)
    return triangles.simplices[where].T.astype(np.int64), (shares / shares.sum(axis=1, keepdims=True)).T


def _about(longitude: Floats, middle: float) -> Floats:
    return np.asarray((longitude - middle + 180.0) % 360.0 - 180.0)


def _conservative(cells: Cells, domain: Domain, source: str) -> Any:
    """Shares of area of cells of the file in cells of the domain."""
    import scipy.sparse

    if not cells.sides or domain.kind != "grid" or min(*domain.shape, len(cells.latitude), len(cells.longitude)) < 2:
        raise ForcingError(
            f"{source}: conservative regridding is between two grids of latitudes by longitudes with two cells a side "
            "at least. Set forcing.regrid to bilinear."
        )
    own, theirs = (np.sin(np.deg2rad(_edges(side, 90.0))) for side in (cells.latitude, domain.latitude))
    rows = _overlap(own, theirs)
    order = _in_one_piece(cells.longitude, 360.0)
    own, theirs = _edges(_rising(cells.longitude[order], 360.0), None), _edges(domain.longitude, None)
    turned = sum((_overlap(own + turn, theirs) for turn in (-720.0, -360.0, 0.0, 360.0)), np.zeros(1))
    columns = np.empty_like(turned)
    columns[:, order] = turned
    shares = scipy.sparse.kron(scipy.sparse.csr_matrix(rows), scipy.sparse.csr_matrix(columns)).tocsr()[domain.places]
    _refuse_outside(np.abs(np.asarray(shares.sum(axis=1)).reshape(-1) - 1.0) > COVERED, domain, source)
    return shares


def _edges(side: Floats, limit: float | None) -> Floats:
    """Edges halfway between middles, the outermost as far from them as the next ones."""
    inner = 0.5 * (side[:-1] + side[1:])
    found = np.concatenate([[2.0 * side[0] - inner[0]], inner, [2.0 * side[-1] - inner[-1]]])
    return found if limit is None else np.clip(found, -limit, limit)


def _overlap(own: Floats, theirs: Floats) -> Floats:
    """Share of each of their intervals that lies in each of our own, ``[theirs, own]``."""
    low, high = (np.minimum(own[:-1], own[1:]), np.maximum(own[:-1], own[1:]))
    begin, end = (np.minimum(theirs[:-1], theirs[1:]), np.maximum(theirs[:-1], theirs[1:]))
    shared = np.minimum(high[None], end[:, None]) - np.maximum(low[None], begin[:, None])
    return np.asarray(np.maximum(shared, 0.0) / (end - begin)[:, None])


def _refuse_outside(outside: NDArray[np.bool_], domain: Domain, source: str) -> None:
    if outside.any():
        columns = np.flatnonzero(outside)
        raise ForcingError(
            f"{source}: {len(columns)} of {domain.columns} columns are outside its cells: {domain.names(columns)}. "
            "Take a file that covers the domain."
        )
