"""Records on other cells than those of the domain, and at another elevation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from configurations import problems

from bmi_noahpy.forcing import ForcingError, open_forcing
from bmi_noahpy.forcing.humidity import saturation_specific_humidity
from bmi_noahpy.forcing.spec import ForcingSpec
from bmi_noahpy.region.domain import Domain

VARIABLES = {"Tair": (280.0, "K"), "PSurf": (9e4, "Pa"), "Qair": (2e-3, "kg kg-1"), "Wind": (2.0, "m s-1"),
             "SWdown": (100.0, "W m-2"), "LWdown": (250.0, "W m-2"), "Precip": (0.0, "kg m-2 s-1")}  # fmt: skip
LATITUDE, LONGITUDE = np.array([52.0, 51.0, 50.0]), np.array([358.0, 359.0, 0.0, 1.0])


def plane(latitude, longitude):
    """Warmth that is linear in latitude and longitude, across the meridian of Greenwich."""
    return 280.0 + 0.5 * (latitude - 50.0) + 0.25 * ((longitude + 180.0) % 360.0 - 180.0)


def write(
    folder: Path, *, unordered: bool = False, terrain: tuple[float, str] | None = None, missing: bool = False
) -> Path:
    grid = np.meshgrid(LATITUDE, LONGITUDE, indexing="ij")
    times = np.datetime64("2020-01-01", "ns") + np.arange(3) * np.timedelta64(3, "h")
    dims = ("point",) if unordered else ("lat", "lon")
    shape = (12,) if unordered else (3, 4)
    data = xr.Dataset(coords={"time": times})
    if unordered:
        data = data.assign_coords(lat=("point", grid[0].ravel()), lon=("point", grid[1].ravel()))
    else:
        data = data.assign_coords(lat=LATITUDE, lon=LONGITUDE)
    for name, (value, units) in VARIABLES.items():
        values = plane(*grid).reshape(shape) if name == "Tair" else np.full(shape, value)
        data[name] = (("time", *dims), np.broadcast_to(values, (3, *shape)).copy(), {"units": units})
    if missing:
        data["Tair"][:, 0, 0] = np.nan
    if terrain is not None:
        data["HGT"] = (dims, np.full(shape, terrain[0]), {"units": terrain[1]})
    data.to_netcdf(folder / "weather.nc")
    return folder / "weather.nc"


def grid(latitude, longitude) -> Domain:
    return Domain("grid", np.asarray(latitude, dtype=float), np.asarray(longitude, dtype=float))


def air(path: Path, domain: Domain, method: str, **spec: object) -> np.ndarray:
    return open_forcing({"file": path, "regrid": method, **spec}, domain=domain).values["air_temperature"][0]


@pytest.mark.parametrize("unordered", [False, True])
def test_bilinear_weights_keep_a_plane_across_the_meridian(tmp_path, unordered):
    domain = grid([50.2, 51.7], [-1.3, 0.6, 0.9])
    found = air(write(tmp_path, unordered=unordered), domain, "bilinear")
    np.testing.assert_allclose(found, plane(*domain.coordinates), rtol=0, atol=1e-10)


def test_the_mean_over_an_area_is_kept(tmp_path):
    fine = grid(np.linspace(50.125, 51.875, 8), np.linspace(-1.125, 0.625, 8))
    found = air(write(tmp_path), fine, "conservative")
    area = np.cos(np.deg2rad(fine.coordinates[0]))
    # Cells of the file at 51 degrees between 50.5 and 51.5, a full one and halves of others.
    rows = np.array([50.0, 51.0, 52.0])
    bands = np.clip(np.minimum(rows + 0.5, 52.0) - np.maximum(rows - 0.5, 50.0), 0.0, None)
    edges = np.sin(np.deg2rad([50.0, 50.5, 51.5, 52.0]))
    assert bands.sum() == 2.0
    columns = np.array([-1.0, 0.0, 1.0])
    widths = np.array([0.75, 1.0, 0.25])
    values = plane(rows[:, None], columns[None]) * np.diff(edges)[:, None] * widths
    expected = values.sum() / (np.diff(edges)[:, None] * widths).sum()
    assert np.average(found, weights=area) == pytest.approx(expected, abs=2e-4)


def test_conservative_weights_of_a_coarser_grid_are_those_of_areas(tmp_path):
    coarse = grid([51.5, 50.5], [-1.5, -0.5])
    found = air(write(tmp_path), coarse, "conservative")
    parts = np.diff(np.sin(np.deg2rad([51.0, 51.5, 52.0])))
    expected = (
        sum(part * np.mean([plane(row, -2.0), plane(row, -1.0)]) for part, row in zip(parts, (51.0, 52.0), strict=True))
        / parts.sum()
    )
    assert found[0] == pytest.approx(expected, abs=1e-10)


def test_the_nearest_cell_is_taken_when_asked_for(tmp_path):
    found = air(write(tmp_path), grid([51.4], [359.2, 0.4]), "nearest")
    np.testing.assert_allclose(found, [plane(51.0, 359.0), plane(51.0, 0.0)], atol=1e-12)


def test_a_single_column_can_be_interpolated_to(tmp_path):
    domain = Domain("column", np.array([51.25]), np.array([0.5]))
    assert air(write(tmp_path), domain, "bilinear")[0] == pytest.approx(plane(51.25, 0.5), abs=1e-10)


def test_some_columns_of_a_region_are_those_of_the_whole(tmp_path):
    domain = grid([50.2, 51.7], [-1.3, 0.6, 0.9])
    table = open_forcing({"file": write(tmp_path), "regrid": "bilinear"}, domain=domain)
    chosen = table.choose(np.array([1, 4]))
    np.testing.assert_array_equal(chosen.values["air_temperature"], table.values["air_temperature"][:, [1, 4]])


def test_only_columns_that_a_missing_cell_serves_are_missing(tmp_path):
    path = write(tmp_path, missing=True)
    assert np.isfinite(air(path, grid([50.5, 51.0], [-0.5, 0.5]), "bilinear")).all()
    with pytest.raises(ForcingError, match="is missing"):
        air(path, grid([51.0, 51.5], [-1.5, 0.5]), "bilinear")


@pytest.mark.parametrize("method", ["bilinear", "conservative"])
def test_columns_outside_the_file_are_named(tmp_path, method):
    with pytest.raises(ForcingError, match=r"columns are outside its cells: cell \[0, 0\]"):
        air(write(tmp_path), grid([40.0, 41.0], [-1.0, 0.0]), method)


def test_an_unknown_method_is_refused():
    with pytest.raises(ForcingError, match=r"forcing\.regrid: unknown method 'linear'\. Use nearest, bilinear"):
        ForcingSpec(Path("weather.nc"), regrid="linear")


def test_points_have_no_area(tmp_path):
    with pytest.raises(ForcingError, match=r"Set forcing\.regrid to bilinear"):
        air(write(tmp_path, unordered=True), grid([50.5, 51.0], [-0.5, 0.5]), "conservative")


@pytest.mark.parametrize(("terrain", "units"), [(200.0, "m"), (200.0 * 9.80665, "m**2 s**-2")])
def test_air_at_the_elevation_of_the_columns_is_colder_and_thinner_and_as_humid(tmp_path, terrain, units):
    spec = {"file": write(tmp_path, terrain=(terrain, units)), "regrid": "bilinear"}
    domain = grid([50.5], [0.25, 0.75])
    plain = open_forcing(spec, domain=domain).values
    lapse = {"rate": 0.0065, "elevation": "HGT"}
    table = open_forcing(spec | {"lapse": lapse}, domain=domain, elevation=[1200.0, 200.0])
    lifted = table.values
    fall = plain["air_temperature"][0] - lifted["air_temperature"][0]
    np.testing.assert_allclose(fall, [6.5, 0.0], atol=1e-9)
    assert lifted["air_pressure"][0, 0] == pytest.approx(9e4 * np.exp(-9.80665 * 1000.0 / (287.04 * 277.0)), rel=2e-3)
    relative = [one["specific_humidity"] / saturation_specific_humidity(one["air_temperature"], one["air_pressure"])
                for one in (plain, lifted)]  # fmt: skip
    np.testing.assert_allclose(relative[1], relative[0], rtol=1e-9)
    assert any("6.5 K km-1 over the 0 to 1000 m" in note for note in table.notes)


def test_a_lapse_rate_needs_both_elevations(tmp_path):
    spec = {"file": write(tmp_path), "regrid": "bilinear", "lapse": {"rate": 0.0065, "elevation": "HGT"}}
    with pytest.raises(ForcingError, match=r"Set domain\.elevation"):
        open_forcing(spec, domain=grid([50.5], [0.25, 0.75]))
    with pytest.raises(ForcingError, match="HGT: no such variable"):
        open_forcing(spec, domain=grid([50.5], [0.25, 0.75]), elevation=300.0)


def test_a_configuration_says_how_and_what_it_may_not(tmp_path):
    changes = {
        "forcing": {"file": "weather.nc", "regrid": "cubic", "lapse": {"rate": "6.5 K/m", "elevation": "HGT"}},
        "domain.elevation": "high",
    }
    found = problems(changes, tmp_path)
    assert "unknown value 'cubic'" in found["forcing.regrid"]
    assert "impossible value" in found["forcing.lapse.rate"]
    assert "not a number" in found["domain.elevation"]
