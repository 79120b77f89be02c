"""Regions: only land becomes columns, maps reach the cells they belong to, and output lies on the grid again."""

from __future__ import annotations

import numpy as np
import pytest
import xarray
from configurations import changed, write
from regions import (
    LAND,
    LATITUDE,
    LINES,
    LONGITUDE,
    MASK,
    ROWS,
    domain_data,
    forcing_data,
    on_grid,
    region,
    region_changes,
    write_region,
)

from bmi_noahpy import BmiNoahPy
from bmi_noahpy.config import ConfigurationError, ConfigurationWarning, read_configuration
from bmi_noahpy.observations.simulated import PlotError, read_column
from bmi_noahpy.runs.launch import launch
from bmi_noahpy.runs.prepare import prepare
from noahpy_core.quantities import get_quantity, quantities
from noahpy_core.state import State


def output(configuration) -> xarray.Dataset:
    with xarray.open_dataset(launch(configuration).path, decode_timedelta=False) as data:
        return data.load()


def test_only_land_cells_become_columns(tmp_path):
    run = prepare(region(write_region(tmp_path)))
    assert run.domain.columns == MASK.sum() == run.parameters.soil.porosity.shape[1]
    np.testing.assert_array_equal(run.domain.places, LAND)
    latitude, longitude = run.domain.coordinates
    assert (latitude[5], longitude[5]) == (60.5, 130.5)


def test_maps_reach_the_columns_of_their_cells_in_the_units_of_the_model(tmp_path):
    run, data = prepare(region(write_region(tmp_path))), domain_data()
    deep = data["deep_temperature"].values.ravel()[LAND] + 273.15
    np.testing.assert_allclose(run.parameters.general.deep_temperature, deep, rtol=1e-15)
    temperature = data["soil_temperature"].values.transpose(2, 0, 1).reshape(4, -1)[:, LAND]
    np.testing.assert_array_equal(run.initial_state.soil.temperature, temperature)
    conductivity = data["saturated_hydraulic_conductivity"].values.ravel()[LAND]
    np.testing.assert_array_equal(run.parameters.soil.saturated_hydraulic_conductivity, np.tile(conductivity, (4, 1)))
    assert np.unique(run.parameters.soil.porosity).size > 1


def test_output_is_on_the_grid_and_missing_where_there_is_no_land(tmp_path):
    data = output(region(write_region(tmp_path), output__file="out.nc"))
    assert data["skin_temperature"].dims == ("time", "lat", "lon")
    np.testing.assert_array_equal(np.isfinite(data["soil_temperature"].values), np.broadcast_to(MASK, (16, 4, 4, 5)))
    np.testing.assert_array_equal(data["cell_status"], MASK)
    assert data["cell_status"].attrs["flag_meanings"].split()[1] == "computed"
    np.testing.assert_array_equal(data["lat"], LATITUDE)


def test_every_cell_is_computed_as_if_it_were_alone(tmp_path):
    together = output(region(write_region(tmp_path), output__file="out.nc"))
    maps, weather = domain_data(), on_grid(forcing_data())
    for place in LAND[[0, 3, 9, 15]]:
        y, x = np.unravel_index(place, (ROWS, LINES))
        cell, site = maps.isel(lat=y, lon=x), tmp_path / f"cell{place}"
        site.mkdir()
        weather.isel(lat=y, lon=x).to_netcdf(site / "weather.nc")
        alone = {
            "domain": {"latitude": float(cell["lat"]), "longitude": float(cell["lon"])},
            "soil.classes": cell["soil_class"].values.tolist(),
            "soil.parameters.saturated_hydraulic_conductivity": float(cell["saturated_hydraulic_conductivity"]),
            "vegetation.class": int(cell["vegetation_class"]),
            "general.deep_temperature": float(cell["deep_temperature"]) + 273.15,
            "initial.soil_temperature": cell["soil_temperature"].values.tolist(),
            "initial.soil_liquid": "equilibrium",
            "forcing.file": "weather.nc",
            "output.file": "out.nc",
        }
        expected = output(read_configuration(changed(alone), site))
        for name in ("soil_temperature", "skin_temperature", "snow_depth", "evapotranspiration", "soil_ice"):
            np.testing.assert_allclose(
                together[name].isel(lat=y, lon=x), expected[name], rtol=1e-9, atol=1e-12, err_msg=f"{name} of {place}"
            )


def test_what_the_file_lacks_comes_from_the_configuration_and_what_it_has_goes_before_it(tmp_path):
    write_region(tmp_path)
    run = prepare(region(tmp_path, vegetation__class=11, general__air_temperature_height=3.0))
    assert run.parameters.general.air_temperature_height.unique().tolist() == [3.0]
    classes = domain_data()["vegetation_class"].values.ravel()[LAND]
    other = prepare(region(tmp_path)).parameters.vegetation.minimum_stomatal_resistance
    assert np.array_equal(run.parameters.vegetation.minimum_stomatal_resistance, other)
    assert len(np.unique(classes)) == len(np.unique(other))


def test_a_configuration_with_maps_is_written_without_them_and_read_back_the_same(tmp_path):
    configuration = region(write_region(tmp_path))
    plain = configuration.model_dump(mode="json")
    assert "classes" not in plain["soil"]
    assert "saturated_hydraulic_conductivity" not in plain["soil"]["parameters"]
    ours, again = prepare(configuration), prepare(read_configuration(plain))
    for path, _ in quantities(State):
        np.testing.assert_array_equal(get_quantity(ours.initial_state, path), get_quantity(again.initial_state, path))


def test_some_columns_of_a_region_are_those_of_the_whole(tmp_path):
    configuration = region(write_region(tmp_path))
    whole, some = prepare(configuration), prepare(configuration, columns=[2, 5, 11])
    assert some.domain.places.tolist() == LAND[[2, 5, 11]].tolist()
    for path, _ in quantities(State):
        every = get_quantity(whole.initial_state, path)
        part = None if every is None else every[..., [2, 5, 11]]
        np.testing.assert_array_equal(get_quantity(some.initial_state, path), part)
    np.testing.assert_array_equal(
        some.forcing.block(0, 16).precipitation, whole.forcing.block(0, 16).precipitation[:, [2, 5, 11]]
    )


def test_monthly_maps_are_interpolated_in_each_cell(tmp_path):
    fraction = np.linspace(0.1, 0.8, 12)[:, None, None] * np.linspace(0.5, 1.0, 20).reshape(ROWS, LINES)
    run = prepare(region(write_region(tmp_path, domain_data(vegetation_fraction=(("month", "lat", "lon"), fraction)))))
    december, january = fraction[11].ravel()[LAND], fraction[0].ravel()[LAND]
    expected = december + (january - december) * 17 / 31
    np.testing.assert_allclose(run.forcing.at(0).vegetation_fraction, expected, rtol=1e-14)


def points() -> xarray.Dataset:
    data = domain_data().stack(point=("lat", "lon")).isel(point=LAND).reset_index("point")
    return data.drop_vars("land_mask")


def test_a_list_of_points_is_a_domain(tmp_path):
    weather = on_grid(forcing_data())
    listed = weather.stack(point=("lat", "lon")).isel(point=LAND).reset_index("point")
    (tmp_path / "grid").mkdir()
    grid = output(region(write_region(tmp_path / "grid"), output__file="out.nc"))
    data = output(region(write_region(tmp_path, points(), listed), output__file="out.nc"))
    assert data["soil_temperature"].dims == ("time", "layer", "point")
    assert {"lat", "lon"} <= set(data["soil_temperature"].coords)
    expected = grid["soil_temperature"].values.reshape(16, 4, -1)[..., LAND]
    np.testing.assert_array_equal(data["soil_temperature"], expected)
    np.testing.assert_array_equal(data["lon"], LONGITUDE[LAND % LINES])


def curved(data: xarray.Dataset) -> xarray.Dataset:
    y, x = np.meshgrid(np.arange(ROWS), np.arange(LINES), indexing="ij")
    data = data.drop_vars(["lat", "lon"], errors="ignore").rename(lat="y", lon="x")
    data["lat"] = (("y", "x"), 60.0 + 0.4 * y + 0.05 * x, {"standard_name": "latitude"})
    data["lon"] = (("y", "x"), 130.0 + 0.6 * x - 0.02 * y, {"standard_name": "longitude"})
    data = data.set_coords(["lat", "lon"])
    return data.assign_coords(x=("x", 25e3 * np.arange(LINES), {"units": "m"}))


def test_a_curvilinear_grid_keeps_its_coordinates(tmp_path):
    write_region(tmp_path, curved(domain_data()), curved(on_grid(forcing_data())))
    data = output(region(tmp_path, output__file="out.nc"))
    assert data["skin_temperature"].dims == ("time", "y", "x")
    np.testing.assert_array_equal(data["lat"], curved(domain_data())["lat"])
    np.testing.assert_array_equal(data["x"], 25e3 * np.arange(LINES))
    np.testing.assert_array_equal(np.isfinite(data["skin_temperature"][0]), MASK == 1)


@pytest.mark.parametrize("policy", ["error", "mask"])
def test_cells_without_a_class_are_named_or_left_out(tmp_path, policy):
    data = domain_data()
    data["vegetation_class"][1, 2] = np.nan
    data["vegetation_class"][3, 4] = np.nan
    write_region(tmp_path, data)
    changes = {"domain__invalid_cells": policy, "output__file": "out.nc"}
    if policy == "error":
        with pytest.raises(ConfigurationError) as caught:
            region(tmp_path, **changes)
        (problem,) = caught.value.problems
        assert problem.key == "vegetation.class"
        assert "missing in 2 cells: cell [1, 2] (lat 60.5, lon 131); cell [3, 4]" in problem.text
        return
    with pytest.warns(ConfigurationWarning, match=r"2 cells: cell \[1, 2\].*left out"):
        written = output(region(tmp_path, **changes))
    expected = MASK.copy()
    expected[[1, 3], [2, 4]] = 2
    np.testing.assert_array_equal(written["cell_status"], expected)
    np.testing.assert_array_equal(np.isfinite(written["skin_temperature"][-1]), expected == 1)


@pytest.mark.parametrize(
    ("name", "value", "key", "words"),
    [
        ("vegetation_class", 16.0, "vegetation.class", r"no physics for, \(16\) in one cell: cell \[1, 2\]"),
        ("vegetation_class", 7.5, "vegetation.class", r"holds no whole number in one cell: cell \[1, 2\]"),
        ("soil_class", 99.0, "soil.classes", r"do not exist.*\(99\) in one cell: cell \[1, 2\]"),
        ("deep_temperature", 80.0, "general.deep_temperature", r"353.15 K, outside .* in one cell: cell \[1, 2\]"),
        (
            "saturated_hydraulic_conductivity",
            -1.0,
            "soil.parameters.saturated_hydraulic_conductivity",
            r"holds -1 m s-1, outside .* cell \[1, 2\]",
        ),
    ],
)
def test_an_impossible_value_of_a_map_is_named_with_its_cell_or_left_out(tmp_path, name, value, key, words):
    data = domain_data()
    data[name].loc[{"lat": LATITUDE[1], "lon": LONGITUDE[2]}] = value
    write_region(tmp_path, data)
    with pytest.raises(ConfigurationError, match=words) as caught:
        region(tmp_path)
    assert [problem.key for problem in caught.value.problems] == [key]
    with pytest.warns(ConfigurationWarning, match="left out"):
        left = prepare(region(tmp_path, domain__invalid_cells="mask"))
    assert left.domain.columns == len(LAND) - 1
    assert left.domain.status[1, 2] == 2


@pytest.mark.parametrize("policy", ["error", "mask"])
def test_values_that_do_not_go_together_are_found_cell_by_cell(tmp_path, policy):
    moisture = np.full((ROWS, LINES), 0.2)
    moisture[2, 1] = 0.9
    roots = np.full((ROWS, LINES), 2.0)
    roots[0, 0] = 9.0
    data = domain_data(
        soil_moisture=(("lat", "lon"), moisture),
        root_layers=(("lat", "lon"), roots),
    )
    write_region(tmp_path, data)
    changes = {"domain__invalid_cells": policy, "initial__soil_moisture": ...}
    if policy == "error":
        with pytest.raises(ConfigurationError) as caught:
            region(tmp_path, **changes)
        texts = {problem.key: problem.text for problem in caught.value.problems}
        assert "cell [2, 1]" in texts["initial.soil_moisture"]
        assert "cell [0, 0]" in texts["vegetation.parameters.root_layers"]
        return
    with pytest.warns(ConfigurationWarning):
        run = prepare(region(tmp_path, **changes))
    assert np.argwhere(run.domain.status == 2).tolist() == [[0, 0], [2, 1]]


def test_an_error_that_is_not_about_cells_is_no_reason_to_leave_any_out(tmp_path):
    data = domain_data()
    data["vegetation_class"][1, 2] = np.nan
    write_region(tmp_path, data)
    with pytest.raises(ConfigurationError, match=r"period\.end"):
        region(tmp_path, domain__invalid_cells="mask", period__end="2019-01-01")


def test_leaving_out_every_cell_is_an_error(tmp_path):
    data = domain_data()
    data["vegetation_class"][:] = 16.0
    write_region(tmp_path, data)
    with pytest.raises(ConfigurationError, match="no cell is left"):
        region(tmp_path, domain__invalid_cells="mask")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data.drop_vars("lat"), "no latitude among"),
        (lambda data: data.assign(land_mask=0 * data["land_mask"]), "land_mask is 0 everywhere"),
        (lambda data: data.assign_coords(lat=LATITUDE[[0, 2, 1, 3]]), "lat does not rise"),
        (lambda data: data.assign_coords(lon=LONGITUDE + 300.0), "lon holds 430, outside -180 to 360"),
        (lambda data: data.assign(deep_temperature=("lat", np.full(4, 270.0))), "deep_temperature: has the dimensions"),
        (
            lambda data: data.assign(soil_classes=data["soil_class"]),
            "'soil_class' and 'soil_classes' both set soil.classes",
        ),
    ],
)
def test_a_domain_file_that_does_not_fit_together_is_refused(tmp_path, change, words):
    write_region(tmp_path, change(domain_data()))
    with pytest.raises(ConfigurationError, match=words) as caught:
        region(tmp_path)
    assert caught.value.problems[0].key == "domain.file"


def test_a_map_of_another_number_of_layers_is_refused(tmp_path):
    write_region(tmp_path, domain_data().isel(layer=slice(3)))
    with pytest.raises(ConfigurationError, match=r"the map soil_class has 3 layers, but soil.thickness has 4"):
        region(tmp_path)


def test_a_domain_file_and_a_latitude_are_not_given_together(tmp_path):
    write_region(tmp_path)
    with pytest.raises(ConfigurationError, match=r"domain\.latitude: 60\.0 is given beside domain\.file"):
        region(tmp_path, domain__latitude=60.0)


def test_rows_and_columns_are_not_written_into_the_configuration_of_a_domain_file(tmp_path):
    write_region(tmp_path)
    with pytest.raises(ConfigurationError, match=r"skin_temperature: has rows and columns beside domain\.file"):
        region(tmp_path, initial__skin_temperature=[[269.0, 270.0]])


def test_a_slip_in_the_name_of_a_map_is_pointed_out(tmp_path):
    write_region(tmp_path, domain_data().rename(deep_temperature="deep_temperatur"))
    with pytest.warns(UserWarning, match=r"'deep_temperatur' is ignored. Did you mean 'deep_temperature'"):
        region(tmp_path, general__deep_temperature=270.0)


def test_the_path_of_a_domain_file_starts_from_the_folder_of_the_configuration(tmp_path):
    with pytest.raises(ConfigurationError, match=rf"domain\.file: '{tmp_path}/domain\.nc' is not a file"):
        read_configuration(changed(region_changes()), tmp_path)


@pytest.mark.parametrize("listed", [False, True])
def test_a_region_runs_as_a_bmi_component_on_one_face_per_column(tmp_path, listed):
    weather = on_grid(forcing_data())
    if listed:
        weather = weather.stack(point=("lat", "lon")).isel(point=LAND).reset_index("point")
    write_region(tmp_path, points() if listed else None, weather)
    path = write(tmp_path / "run.yaml", changed(region_changes(domain__masked_cells="packed")))
    model = BmiNoahPy()
    model.initialize(str(path))
    grid = model.get_var_grid("land_surface__temperature")
    assert (model.get_grid_type(grid), model.get_grid_face_count(grid)) == ("unstructured", len(LAND))
    x = np.empty(model.get_grid_node_count(grid))
    nodes = np.empty(4 * len(LAND), dtype=np.int32)
    model.get_grid_face_nodes(grid, nodes)
    centres = model.get_grid_x(grid, x)[nodes].reshape(-1, 4).mean(axis=1)
    np.testing.assert_allclose(centres, LONGITUDE[LAND % LINES], rtol=1e-12)
    model.update()
    temperature = np.empty(len(LAND))
    model.get_value("land_surface__temperature", temperature)
    assert np.unique(temperature).size == len(LAND)
    model.finalize()


def test_the_first_computed_cell_is_drawn_and_a_masked_one_refused(tmp_path):
    data = domain_data(land_mask=(("lat", "lon"), np.where(np.arange(20).reshape(4, 5) < 2, 0, MASK)))
    path = launch(region(write_region(tmp_path, data), output__file="out.nc")).path
    assert "cell 0,3" in read_column(path).title
    with pytest.raises(PlotError, match="cell 0,0 was not computed"):
        read_column(path, (0, 0))
