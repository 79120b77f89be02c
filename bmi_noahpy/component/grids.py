"""Grids of the BMI component: 0 the columns, 1 the soil layers of the columns, 2 a single number, 3 snow layers.

| domain | columns (grid 0) | soil layers (grid 1) |
|---|---|---|
| one column | ``scalar`` | ``unstructured`` depth section, one quadrilateral face per layer |
| y-x grid | ``uniform_rectilinear``, or ``rectilinear`` when the spacing varies | ``rectilinear`` of (layer, y, x) |
| y-x grid with a mask | as without: missing cells are NaN | the same |
| one row or line of columns | ``unstructured``, one quadrilateral face per column | the same, once per layer |
| packed cells of a grid with a mask, curvilinear grid, points | the same | the same |

These types are what pymt, bmi-tester, grpc4bmi and NextGen all accept: a rectilinear dimension of length 1, for
example, fails in most of them. Arrays are in C order with the layer slowest. Depth is positive down.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from bmi_noahpy.region.domain import Domain

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

COLUMNS, LAYERS, NUMBER = 0, 1, 2

STRUCTURED = ("uniform_rectilinear", "rectilinear")


@dataclasses.dataclass(frozen=True)
class Mesh:
    """Quadrilateral faces in a plane or at depths.

    Parameters
    ----------
    points : Coordinates of the nodes, ``[rank, node]``, in the order x, y, z.
    face_nodes : Nodes of each face, counter-clockwise, ``[face, 4]``.
    """

    points: Floats
    face_nodes: Integers

    @functools.cached_property
    def _edges(self) -> tuple[Integers, Integers]:
        sides = np.stack([self.face_nodes, np.roll(self.face_nodes, -1, axis=1)], axis=-1).reshape(-1, 2)
        nodes, index = np.unique(np.sort(sides, axis=1), axis=0, return_inverse=True)
        return nodes, index.reshape(self.face_nodes.shape)

    @property
    def edge_nodes(self) -> Integers:
        """Both nodes of each edge, ``[edge, 2]``."""
        return self._edges[0]

    @property
    def face_edges(self) -> Integers:
        """Edges of each face, ``[face, 4]``."""
        return self._edges[1]


@dataclasses.dataclass(frozen=True)
class Grid:
    """One BMI grid.

    Parameters
    ----------
    type : BMI grid type.
    location : Where values sit: "node" or "face".
    axes : Coordinates along each dimension, slowest first (structured grids); of the point (scalar).
    mesh : Nodes and faces of an unstructured grid.
    """

    type: str
    location: str
    axes: tuple[Floats, ...] = ()
    mesh: Mesh | None = None

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        if self.mesh is not None:
            return len(self.mesh.points)
        return len(self.axes) if self.type in STRUCTURED else 0

    @property
    def size(self) -> int:
        """Number of nodes."""
        if self.mesh is not None:
            return int(self.mesh.points.shape[1])
        return int(np.prod(self.shape)) if self.type in STRUCTURED else 1

    @property
    def values(self) -> int:
        """Number of values a variable has on this grid."""
        return self.size if self.mesh is None else len(self.mesh.face_nodes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Nodes along each dimension, slowest first; empty for a scalar."""
        return tuple(len(axis) for axis in self.axes) if self.type in STRUCTURED else ()

    def coordinate(self, name: str, count: int | None = None) -> Floats:
        """Coordinates in direction "x", "y" or "z": of all nodes when unstructured, else along that dimension.

        Parameters
        ----------
        count : Numbers the caller has room for. As many as a structured grid has nodes: those of all nodes, which is
            what pymt allocates.
        """
        position = "xyz".index(name)
        if self.mesh is not None and position < len(self.mesh.points):
            points: Floats = self.mesh.points[position]
            return points
        if self.mesh is None and position < len(self.axes):
            axis = self.axes[-1 - position]
            if count is None or count != self.size or count == len(axis):
                return axis
            return np.meshgrid(*self.axes, indexing="ij")[-1 - position].ravel()
        raise NotImplementedError(f"a {self.type} grid of rank {self.rank} has no {name} coordinate.")


def keeps_shape(domain: Domain, *, packed: bool) -> bool:
    """Whether the columns are shown as a y-x grid, whether or not every cell of it is a column.

    Parameters
    ----------
    domain : One column, a y-x grid of columns, or a part of one, or points.
    packed : Whether only the cells of a grid with a mask are shown that are columns.
    """
    whole = domain.complete or not packed
    return domain.kind == "grid" and whole and min(domain.shape) > 1


def make_grids(
    domain: Domain, node_depth: Floats, bottom_depth: Floats, *, packed: bool = False
) -> tuple[Grid, Grid, Grid]:
    """The grids of a domain, indexed by grid identifier.

    Parameters
    ----------
    domain, packed : As for `keeps_shape`.
    node_depth : Depth of the middle of each layer, positive down. [m]
    bottom_depth : Depth of the lower face of each layer, positive down. [m]
    """
    number = Grid("scalar", "node")
    if domain.columns == 1 and not keeps_shape(domain, packed=packed):
        place = Grid("scalar", "node", domain.coordinates)
        return place, Grid("unstructured", "face", mesh=depth_section(bottom_depth)), number
    y, x = domain.latitude, domain.longitude
    if not keeps_shape(domain, packed=packed):
        whole = domain.kind == "grid"
        cells = chosen_faces(cell_mesh(y, x), domain.places) if whole else scattered_cells(*domain.coordinates)
        layers = repeat_in_depth(cells, node_depth)
        return Grid("unstructured", "face", mesh=cells), Grid("unstructured", "face", mesh=layers), number
    uniform = _is_uniform(y) and _is_uniform(x)
    columns = Grid("uniform_rectilinear" if uniform else "rectilinear", "node", (y, x))
    return columns, Grid("rectilinear", "node", (node_depth, y, x)), number


def snow_grid(layers: int, columns: int) -> Grid:
    """Layers of the snow by columns, or by cells of a grid, counted: their depths change with time."""
    return Grid("rectilinear", "node", (np.arange(float(layers)), np.arange(float(columns))))


def depth_section(bottom_depth: Floats) -> Mesh:
    """A strip one metre wide (x) cut at the layer interfaces (y: depth, positive down), one face per layer."""
    depths = np.concatenate([[0.0], bottom_depth])
    points = np.stack([np.tile([0.0, 1.0], len(depths)), np.repeat(depths, 2)])
    first = 2 * np.arange(len(bottom_depth), dtype=np.int64)
    return Mesh(points, np.stack([first, first + 1, first + 3, first + 2], axis=1))


def cell_mesh(y: Floats, x: Floats) -> Mesh:
    """Cells around the points of a y-x grid, one face per point in C order."""
    rows, lines = _cell_edges(y), _cell_edges(x)
    grid_y, grid_x = np.meshgrid(rows, lines, indexing="ij")
    row, line = (index.ravel() for index in np.indices((len(y), len(x))))
    first = row * len(lines) + line
    face_nodes = np.stack([first, first + 1, first + len(lines) + 1, first + len(lines)], axis=1)
    return Mesh(np.stack([grid_x.ravel(), grid_y.ravel()]), face_nodes.astype(np.int64))


def chosen_faces(mesh: Mesh, faces: Integers) -> Mesh:
    """A mesh of some of the faces, with the nodes they need."""
    nodes, index = np.unique(mesh.face_nodes[faces], return_inverse=True)
    return Mesh(mesh.points[:, nodes], index.reshape(-1, 4).astype(np.int64))


def scattered_cells(y: Floats, x: Floats) -> Mesh:
    """A square around each point, as large as the mean share of a point in the area they span."""
    side = float(np.sqrt(np.ptp(y) * np.ptp(x) / len(y))) or 1.0
    corners = 0.5 * side * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    points = np.stack([(x[:, None] + corners[:, 0]).ravel(), (y[:, None] + corners[:, 1]).ravel()])
    return Mesh(points, np.arange(4 * len(y), dtype=np.int64).reshape(-1, 4))


def repeat_in_depth(mesh: Mesh, depths: Floats) -> Mesh:
    """A plane mesh once at each depth, faces of the uppermost first."""
    count = mesh.points.shape[1]
    points = np.vstack([np.tile(mesh.points, len(depths)), np.repeat(depths, count)])
    faces = [mesh.face_nodes + count * level for level in range(len(depths))]
    return Mesh(points, np.concatenate(faces))


def _cell_edges(centres: Floats) -> Floats:
    """Edges halfway between neighbouring centres; half a unit either side of a single one."""
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = 0.5 * (centres[:-1] + centres[1:])
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])


def _is_uniform(axis: Floats) -> bool:
    """Whether the axis rises in equal steps, as origin and spacing can describe it."""
    steps = np.diff(axis)
    return bool(steps[0] > 0 and np.allclose(steps, steps[0], rtol=1e-9, atol=0.0))
