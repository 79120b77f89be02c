"""Domains of HRLDAS and WRF, and grids with a coordinate reference system."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from configurations import changed, write_weather

from bmi_noahpy import prepare, read_configuration, simulate
from bmi_noahpy.config import ConfigurationError

POLAR = {
    "grid_mapping_name": "polar_stereographic",
    "latitude_of_projection_origin": 90.0,
    "straight_vertical_longitude_from_pole": -45.0,
    "standard_parallel": 70.0,
    "false_easting": 0.0,
    "false_northing": 0.0,
}
ROWS, LINES = 2, 3


def wrf(**attributes: str) -> xr.Dataset:
    """A made-up HRLDAS_setup file: sandy loam in the numbering of SOILPARM files, a lake in a corner."""
    shape = (1, ROWS, LINES)
    dims = ("Time", "south_north", "west_east")
    latitude, longitude = np.meshgrid([62.0, 62.1], [130.0, 130.2, 130.4], indexing="ij")
    land = np.array([[1, 1, 1], [1, 1, 2]])
    maps = {
        "XLAT": (latitude, "degree_north"),
        "XLONG": (longitude, "degree_east"),
        "XLAND": (land, ""),
        "ISLTYP": (np.where(land == 1, 3, 14), "category"),
        "IVGTYP": (np.where(land == 1, 7, 16), "category"),
        "TMN": (270.0 + np.arange(6.0).reshape(ROWS, LINES), "K"),
        "TSK": (np.full((ROWS, LINES), 271.0), "K"),
        "SHDMAX": (np.full((ROWS, LINES), 55.0), ""),
        "SHDMIN": (np.full((ROWS, LINES), 5.0), "%"),
    }
    data = xr.Dataset({name: (dims, values.reshape(shape), {"units": units}) for name, (values, units) in maps.items()})
    layered = ("Time", "soil_layers_stag", "south_north", "west_east")
    profile = np.array([272.0, 271.5, 271.0, 270.5]).reshape(1, 4, 1, 1)
    data["TSLB"] = (layered, np.broadcast_to(profile, (1, 4, ROWS, LINES)), {"units": "K"})
    data["SMOIS"] = (layered, np.full((1, 4, ROWS, LINES), 0.25), {"units": "m{3} m{-3}"})
    data["DZS"] = (("Time", "soil_layers_stag"), [[0.1, 0.3, 0.6, 1.0]], {"units": "m"})
    return data.assign_attrs(MMINLU="USGS", **attributes)


LEFT_OUT = ("soil", "vegetation.class", "vegetation.minimum_fraction", "vegetation.maximum_fraction",
            "general.deep_temperature")  # fmt: skip


def configuration(folder: Path, data: xr.Dataset, **changes: object):
    data.to_netcdf(folder / "domain.nc")
    write_weather(folder / "weather.csv")
    mapping = changed({"period.end": "2020-01-01T09:00", "initial.soil_liquid": "equilibrium"} | changes)
    for key in LEFT_OUT:
        section, _, name = key.partition(".")
        if key in changes or any(one.startswith(f"{key}.") for one in changes):
            continue
        (mapping[section] if name else mapping).pop(name or section, None)
    mapping["domain"] = {"file": "domain.nc"}
    mapping["forcing"] = {"file": "weather.csv"}
    return read_configuration(mapping, folder)


def test_a_domain_of_hrldas_says_classes_layers_and_first_state(tmp_path):
    found = configuration(tmp_path, wrf())
    assert found.soil.table == "stas"
    assert found.vegetation.table == "usgs"
    assert found.soil.thickness == (0.1, 0.3, 0.6, 1.0)
    run = prepare(found)
    assert run.domain.columns == 5
    # Sandy loam is class 3 of SOILPARM files.
    assert float(run.parameters.soil.porosity[0, 0]) == 0.434
    assert run.parameters.general.deep_temperature.tolist() == [270.0, 271.0, 272.0, 273.0, 274.0]
    assert run.parameters.vegetation.maximum_fraction[0] == pytest.approx(0.55)
    assert run.initial_state.soil.temperature[:, 2].tolist() == [272.0, 271.5, 271.0, 270.5]


def test_a_domain_of_hrldas_runs_on_its_grid(tmp_path):
    output = simulate(configuration(tmp_path, wrf()), variables=["soil.temperature", "skin_temperature"])
    assert output["skin_temperature"].dims == ("time", "y", "x")
    assert output["lat"].values[1, 0] == 62.1
    assert np.isnan(output["skin_temperature"].values[-1, 1, 2])


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"soil.table": "noah", "soil.thickness": [0.1, 0.3, 0.6, 1.0]}, "soil.table", "numbered as in 'stas'"),
        ({"vegetation.table": "modis"}, "vegetation.table", "numbered as in 'usgs'"),
    ],
)
def test_a_table_of_another_numbering_is_refused(tmp_path, changes, key, words):
    with pytest.raises(ConfigurationError) as caught:
        configuration(tmp_path, wrf(), **changes)
    assert words in {problem.key: problem.text for problem in caught.value.problems}[key]


def projected(**attributes: object) -> xr.Dataset:
    """A grid of a polar projection without latitudes."""
    data = xr.Dataset(
        {"deep_temperature": (("y", "x"), 270.0 + np.arange(6.0).reshape(ROWS, LINES), {"units": "K"})},
        {
            "y": ("y", [-2.0e6, -1.9e6], {"standard_name": "projection_y_coordinate", "units": "m"}),
            "x": ("x", [0.0, 1.0e5, 2.0e5], {"standard_name": "projection_x_coordinate", "units": "m"}),
        },
    )
    data["spatial_ref"] = ((), 0, {**POLAR, **attributes})
    data["deep_temperature"].attrs["grid_mapping"] = "spatial_ref"
    return data


COLUMN = {"soil.classes": 7, "vegetation.class": 7, "vegetation.minimum_fraction": 0.05}


def test_places_of_a_projected_grid_follow_from_its_projection_which_the_output_keeps(tmp_path):
    pytest.importorskip("pyproj")
    output = simulate(configuration(tmp_path, projected(), **COLUMN), variables=["skin_temperature"])
    assert output["lon"].values[0, 0] == pytest.approx(-45.0)
    assert 71.0 < output["lat"].values[0, 0] < 72.5
    assert output["spatial_ref"].attrs["grid_mapping_name"] == "polar_stereographic"
    assert output["skin_temperature"].attrs.get("grid_mapping", output["skin_temperature"].encoding.get("grid_mapping"))
    assert output["x"].values.tolist() == [0.0, 1.0e5, 2.0e5]


def test_a_projection_that_is_not_understood_is_named(tmp_path):
    pytest.importorskip("pyproj")
    with pytest.raises(ConfigurationError, match="the projection is not understood"):
        configuration(tmp_path, projected(grid_mapping_name="flat_earth"), **COLUMN)


def test_a_projected_grid_without_a_projection_lacks_its_latitudes(tmp_path):
    data = projected().drop_vars("spatial_ref")
    with pytest.raises(ConfigurationError, match="no latitude among"):
        configuration(tmp_path, data, **COLUMN)
