"""The grids: a column and its depth section, a y-x grid and its layers, a row of columns."""

from __future__ import annotations

import bmi_cases as cases
import numpy as np
import pytest

DEPTHS = np.cumsum([0.05, 0.1, 0.25, 0.6, 1.5])
NODES = DEPTHS - 0.5 * np.array([0.05, 0.1, 0.25, 0.6, 1.5])


def coordinate(model, function, grid, size):
    values = np.full(size, np.nan)
    assert getattr(model, function)(grid, values) is values
    return values


def connectivity(model, function, grid, size):
    values = np.full(size, -1, dtype=np.int32)
    assert getattr(model, function)(grid, values) is values
    return values


@pytest.fixture
def column(tmp_path):
    return cases.started(tmp_path)


@pytest.fixture
def grid(tmp_path):
    return cases.started(tmp_path, cases.grid_configuration())


def test_a_column_is_a_scalar(column):
    assert column.get_var_grid("land_surface__temperature") == 0
    assert column.get_var_location("land_surface__temperature") == "node"
    assert (column.get_grid_type(0), column.get_grid_rank(0), column.get_grid_size(0)) == ("scalar", 0, 1)
    assert column.get_grid_node_count(0) == 1
    assert column.get_grid_edge_count(0) == column.get_grid_face_count(0) == 0
    assert column.get_grid_shape(0, np.empty(0, dtype=int)).size == 0
    assert coordinate(column, "get_grid_x", 0, 1)[0] == 91.0
    assert coordinate(column, "get_grid_y", 0, 1)[0] == 33.0


def test_the_layers_of_a_column_are_faces_of_a_depth_section(column):
    assert column.get_var_grid("soil__temperature") == 1
    assert column.get_var_location("soil__temperature") == "face"
    assert (column.get_grid_type(1), column.get_grid_rank(1)) == ("unstructured", 2)
    assert column.get_grid_face_count(1) == cases.LAYERS
    assert column.get_grid_size(1) == column.get_grid_node_count(1) == 2 * (cases.LAYERS + 1)
    assert column.get_var_nbytes("soil__temperature") == 8 * column.get_grid_face_count(1)
    x, y = coordinate(column, "get_grid_x", 1, 12), coordinate(column, "get_grid_y", 1, 12)
    faces = connectivity(column, "get_grid_face_nodes", 1, 20).reshape(5, 4)
    assert np.allclose(y[faces].mean(axis=1), NODES)
    assert np.allclose(polygon_area(x[faces], y[faces]), [0.05, 0.1, 0.25, 0.6, 1.5])


def polygon_area(x, y):
    """Positive where the nodes go counter-clockwise."""
    return 0.5 * (x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y).sum(axis=1)


def test_edges_and_faces_of_the_section_fit_together(column):
    edges = connectivity(column, "get_grid_edge_nodes", 1, 2 * column.get_grid_edge_count(1)).reshape(-1, 2)
    assert len(edges) == 3 * cases.LAYERS + 1
    assert len(np.unique(edges, axis=0)) == len(edges)
    assert (connectivity(column, "get_grid_nodes_per_face", 1, 5) == 4).all()
    faces = connectivity(column, "get_grid_face_nodes", 1, 20).reshape(5, 4)
    sides = connectivity(column, "get_grid_face_edges", 1, 20).reshape(5, 4)
    for nodes, edge_numbers in zip(faces, sides, strict=True):
        for number, edge in enumerate(edge_numbers):
            assert set(edges[edge]) == {nodes[number], nodes[(number + 1) % 4]}


def test_a_grid_of_columns_is_uniform(grid):
    assert (grid.get_grid_type(0), grid.get_grid_rank(0), grid.get_grid_size(0)) == ("uniform_rectilinear", 2, 6)
    assert connectivity(grid, "get_grid_shape", 0, 2).tolist() == [2, 3]
    assert coordinate(grid, "get_grid_spacing", 0, 2).tolist() == [0.5, 0.5]
    assert coordinate(grid, "get_grid_origin", 0, 2).tolist() == [33.0, 91.0]
    assert coordinate(grid, "get_grid_x", 0, 3).tolist() == cases.LONGITUDES
    assert coordinate(grid, "get_grid_y", 0, 2).tolist() == cases.LATITUDES
    assert grid.get_var_location("land_surface__temperature") == "node"


def test_the_layers_of_a_grid_are_rectilinear(grid):
    assert (grid.get_grid_type(1), grid.get_grid_rank(1), grid.get_grid_size(1)) == ("rectilinear", 3, 30)
    assert connectivity(grid, "get_grid_shape", 1, 3).tolist() == [5, 2, 3]
    assert np.allclose(coordinate(grid, "get_grid_z", 1, 5), NODES)
    assert coordinate(grid, "get_grid_x", 1, 3).tolist() == cases.LONGITUDES
    assert grid.get_var_location("soil__temperature") == "node"


@pytest.mark.parametrize(
    "latitudes", [[33.0, 33.5, 34.5], [34.0, 33.5, 33.0]], ids=["uneven spacing", "north to south"]
)
def test_a_grid_that_spacing_and_origin_cannot_describe_is_rectilinear(tmp_path, latitudes):
    sections = cases.configuration(domain={"latitude": latitudes, "longitude": cases.LONGITUDES})
    model = cases.started(tmp_path, sections)
    assert (model.get_grid_type(0), model.get_grid_rank(0)) == ("rectilinear", 2)
    assert coordinate(model, "get_grid_y", 0, 3).tolist() == latitudes
    with pytest.raises(NotImplementedError, match="get_grid_spacing: grid 0 is rectilinear"):
        model.get_grid_spacing(0, np.empty(2))


@pytest.mark.parametrize(
    ("latitude", "longitude"), [([33.0], cases.LONGITUDES), (cases.LONGITUDES[:2], [91.0])], ids=["row", "line"]
)
def test_a_row_of_columns_is_a_mesh_of_cells(tmp_path, latitude, longitude):
    latitude = [value if value < 90 else value - 58.0 for value in latitude]
    count = len(latitude) * len(longitude)
    model = cases.started(tmp_path, cases.configuration(domain={"latitude": latitude, "longitude": longitude}))
    assert model.get_grid_type(0) == model.get_grid_type(1) == "unstructured"
    assert (model.get_grid_rank(0), model.get_grid_rank(1)) == (2, 3)
    assert model.get_grid_face_count(0) == count
    assert model.get_grid_face_count(1) == count * cases.LAYERS
    x, y = (coordinate(model, f"get_grid_{axis}", 0, model.get_grid_node_count(0)) for axis in "xy")
    faces = connectivity(model, "get_grid_face_nodes", 0, 4 * count).reshape(count, 4)
    expected = [(a, b) for b in latitude for a in longitude]
    assert np.allclose(np.stack([x[faces].mean(1), y[faces].mean(1)], axis=1), expected)
    depth = coordinate(model, "get_grid_z", 1, model.get_grid_node_count(1))
    faces = connectivity(model, "get_grid_face_nodes", 1, 4 * count * cases.LAYERS).reshape(-1, 4)
    assert np.allclose(depth[faces].mean(axis=1), np.repeat(NODES, count))
    assert model.get_var_nbytes("soil__temperature") == 8 * count * cases.LAYERS


def test_the_balance_is_one_number_on_any_grid(grid):
    assert grid.get_var_grid("ngen::mass_in") == 2
    assert (grid.get_grid_type(2), grid.get_var_nbytes("ngen::mass_in")) == ("scalar", 8)


@pytest.mark.parametrize("function", ["get_grid_edge_nodes", "get_grid_face_nodes", "get_grid_face_edges"])
def test_structured_grids_have_no_lists_of_parts(grid, function):
    with pytest.raises(NotImplementedError, match=f"{function}: grid 1 is rectilinear"):
        getattr(grid, function)(1, np.empty(4, dtype=int))


def test_a_depth_section_has_no_shape(column):
    with pytest.raises(NotImplementedError, match="get_grid_shape: grid 1 is unstructured"):
        column.get_grid_shape(1, np.empty(2, dtype=int))
    with pytest.raises(NotImplementedError, match="no z coordinate"):
        column.get_grid_z(1, np.empty(12))


def test_an_array_of_another_size_is_refused(column):
    with pytest.raises(ValueError, match="get_grid_x: the array given holds 3 numbers, 12 are needed"):
        column.get_grid_x(1, np.empty(3))


def test_counts_are_python_integers(column, grid):
    for model in (column, grid):
        for number in (0, 1, 2):
            assert type(model.get_grid_rank(number)) is int
            assert type(model.get_grid_size(number)) is int
            assert type(model.get_grid_node_count(number)) is int
    assert type(column.get_grid_face_count(1)) is int
    assert type(column.get_grid_edge_count(1)) is int


@pytest.mark.parametrize("grid", [0, 1])
def test_an_array_with_room_for_every_node_gets_the_coordinates_of_all_nodes(tmp_path, grid):
    model = cases.started(tmp_path, cases.grid_configuration())
    nodes, rank = model.get_grid_node_count(grid), model.get_grid_rank(grid)
    shape = model.get_grid_shape(grid, np.empty(rank, int))
    sides = {"x": shape[-1], "y": shape[-2]} | ({"z": shape[0]} if rank == 3 else {})
    for name, axis in zip(sides, range(rank - 1, -1, -1), strict=True):
        function = getattr(model, f"get_grid_{name}")
        side, full = function(grid, np.empty(sides[name])), function(grid, np.empty(nodes))
        expected = np.broadcast_to(side.reshape([-1 if k == axis else 1 for k in range(rank)]), shape)
        assert np.array_equal(full, expected.ravel()), name
