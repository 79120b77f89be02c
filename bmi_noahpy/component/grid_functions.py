"""The grid functions of BMI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from bmi_noahpy.component.grids import Grid, Mesh


class GridFunctions:
    """Answers about the grids a component has in ``self._grids``, indexed by grid identifier.

    Coordinates of a structured grid fill an array as long as the side of the grid, or one with room for every node.

    A question that a type of grid has no answer to raises `NotImplementedError` naming the type.
    """

    def _grid(self, grid: int, function: str) -> Grid:
        raise NotImplementedError

    def get_grid_type(self, grid: int) -> str:
        """BMI grid type."""
        return self._grid(grid, "get_grid_type").type

    def get_grid_rank(self, grid: int) -> int:
        """Number of dimensions."""
        return self._grid(grid, "get_grid_rank").rank

    def get_grid_size(self, grid: int) -> int:
        """Number of nodes."""
        return self._grid(grid, "get_grid_size").size

    def get_grid_shape(self, grid: int, shape: NDArray[Any]) -> NDArray[Any]:
        """Nodes along each dimension, slowest first."""
        found = self._grid(grid, "get_grid_shape")
        if found.mesh is not None:
            raise NotImplementedError(f"get_grid_shape: grid {grid} is unstructured and has no shape.")
        return _fill(shape, found.shape, "get_grid_shape")

    def get_grid_spacing(self, grid: int, spacing: NDArray[Any]) -> NDArray[Any]:
        """Distance of neighbouring nodes along each dimension, slowest first. [degrees]"""
        axes = self._uniform_axes(grid, "get_grid_spacing")
        return _fill(spacing, [(axis[-1] - axis[0]) / (len(axis) - 1) for axis in axes], "get_grid_spacing")

    def get_grid_origin(self, grid: int, origin: NDArray[Any]) -> NDArray[Any]:
        """Coordinates of the first node, slowest dimension first. [degrees]"""
        axes = self._uniform_axes(grid, "get_grid_origin")
        return _fill(origin, [axis[0] for axis in axes], "get_grid_origin")

    def get_grid_x(self, grid: int, x: NDArray[Any]) -> NDArray[Any]:
        """Longitude [degrees]; in the depth section of one column the distance along the section [m]."""
        return _fill(x, self._grid(grid, "get_grid_x").coordinate("x", x.size), "get_grid_x")

    def get_grid_y(self, grid: int, y: NDArray[Any]) -> NDArray[Any]:
        """Latitude [degrees]; in the depth section of one column the depth, positive down [m]."""
        return _fill(y, self._grid(grid, "get_grid_y").coordinate("y", y.size), "get_grid_y")

    def get_grid_z(self, grid: int, z: NDArray[Any]) -> NDArray[Any]:
        """Depth of the middle of the layers, positive down. [m]"""
        return _fill(z, self._grid(grid, "get_grid_z").coordinate("z", z.size), "get_grid_z")

    def get_grid_node_count(self, grid: int) -> int:
        """Number of nodes."""
        return self._grid(grid, "get_grid_node_count").size

    def get_grid_edge_count(self, grid: int) -> int:
        """Number of edges; 0 for a scalar."""
        if self._grid(grid, "get_grid_edge_count").type == "scalar":
            return 0
        return len(self._mesh(grid, "get_grid_edge_count").edge_nodes)

    def get_grid_face_count(self, grid: int) -> int:
        """Number of faces; 0 for a scalar."""
        if self._grid(grid, "get_grid_face_count").type == "scalar":
            return 0
        return len(self._mesh(grid, "get_grid_face_count").face_nodes)

    def get_grid_edge_nodes(self, grid: int, edge_nodes: NDArray[Any]) -> NDArray[Any]:
        """Both nodes of each edge."""
        return _fill(edge_nodes, self._mesh(grid, "get_grid_edge_nodes").edge_nodes, "get_grid_edge_nodes")

    def get_grid_face_nodes(self, grid: int, face_nodes: NDArray[Any]) -> NDArray[Any]:
        """Nodes of each face, counter-clockwise."""
        return _fill(face_nodes, self._mesh(grid, "get_grid_face_nodes").face_nodes, "get_grid_face_nodes")

    def get_grid_face_edges(self, grid: int, face_edges: NDArray[Any]) -> NDArray[Any]:
        """Edges of each face."""
        return _fill(face_edges, self._mesh(grid, "get_grid_face_edges").face_edges, "get_grid_face_edges")

    def get_grid_nodes_per_face(self, grid: int, nodes_per_face: NDArray[Any]) -> NDArray[Any]:
        """Number of nodes of each face: four."""
        faces = self._mesh(grid, "get_grid_nodes_per_face").face_nodes
        return _fill(nodes_per_face, np.full(len(faces), faces.shape[1]), "get_grid_nodes_per_face")

    def _uniform_axes(self, grid: int, function: str) -> tuple[NDArray[np.float64], ...]:
        found = self._grid(grid, function)
        if found.type not in ("uniform_rectilinear", "scalar"):
            raise NotImplementedError(f"{function}: grid {grid} is {found.type} and has no uniform spacing.")
        return found.axes if found.type == "uniform_rectilinear" else ()

    def _mesh(self, grid: int, function: str) -> Mesh:
        found = self._grid(grid, function)
        if found.mesh is None:
            raise NotImplementedError(f"{function}: grid {grid} is {found.type}; only unstructured grids have this.")
        return found.mesh


def _fill(destination: NDArray[Any], values: Any, function: str) -> NDArray[Any]:
    """Write into the caller's array and return that same array."""
    source = np.asarray(values).ravel()
    if destination.size != source.size:
        raise ValueError(f"{function}: the array given holds {destination.size} numbers, {source.size} are needed.")
    destination[...] = source.reshape(destination.shape)
    return destination
