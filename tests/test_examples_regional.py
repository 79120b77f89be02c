"""The regional example on a few cells for a few days."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import xarray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))

import regional_permafrost

FREEZING_POINT = 273.15


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("region")
    regional_permafrost.main(["--rows", "6", "--columns", "7", "--days", "40", "--folder", str(folder)])
    return folder


def test_every_land_cell_of_the_example_has_its_place_on_the_maps(small):
    region, maps = xarray.load_dataset(small / "domain.nc"), xarray.load_dataset(small / "maps.nc")
    land = region["land_mask"].values == 1
    assert 30 < land.sum() < 42
    for name in ("ground_temperature", "snow_days"):
        np.testing.assert_array_equal(np.isfinite(maps[name].values), land)
    assert (small / "maps.png").stat().st_size > 20_000


def test_higher_cells_of_the_example_are_colder_and_thaw_less(small):
    region, maps = xarray.load_dataset(small / "domain.nc"), xarray.load_dataset(small / "maps.nc")
    land = region["land_mask"].values == 1
    height = region["elevation"].values[land]
    assert np.corrcoef(height, maps["ground_temperature"].values[land])[0, 1] < -0.95
    thaw = maps["active_layer_thickness"].values[land]
    frozen = np.isfinite(thaw)
    assert np.corrcoef(height[frozen], thaw[frozen])[0, 1] < -0.5


def test_the_weather_of_the_example_cools_with_height(small):
    region = xarray.load_dataset(small / "domain.nc")
    with xarray.open_dataset(small / "weather_000.nc") as weather:
        air = weather["Tair"].mean("time").values
    slope = np.polyfit(region["elevation"].values.ravel(), air.ravel(), 1)[0]
    assert slope == pytest.approx(-6.5e-3, rel=1e-2)


def test_the_output_of_the_example_is_daily(small):
    with xarray.open_dataset(small / "region.nc") as data:
        assert data.sizes["time"] == 40
        assert data["soil_temperature_mean"].dims == ("time", "layer", "lat", "lon")


@pytest.mark.slow
def test_the_example_gives_the_same_maps_on_two_processes(small, tmp_path):
    pytest.importorskip("distributed")
    arguments = ["--rows", "6", "--columns", "7", "--days", "40", "--folder", str(tmp_path), "--workers", "2"]
    maps, expected = regional_permafrost.main(arguments), xarray.load_dataset(small / "maps.nc")
    for name in expected.data_vars:
        np.testing.assert_array_equal(maps[name], expected[name])
