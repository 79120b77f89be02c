"""A small made-up region: a domain file, forcing on its grid, and the configuration that runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray
from configurations import changed

from bmi_noahpy.config import Configuration, read_configuration

ROWS, LINES, LAYERS, RECORDS = 4, 5, 4, 24
LATITUDE = 60.0 + 0.5 * np.arange(ROWS)
LONGITUDE = 130.0 + 0.5 * np.arange(LINES)
START = np.datetime64("2020-01-01T00:00", "ns")
MASK = np.array([[1, 1, 0, 1, 1], [1, 1, 1, 1, 0], [0, 1, 1, 1, 1], [1, 0, 1, 1, 1]])
LAND = np.flatnonzero(MASK.ravel())


def domain_data(**changes: Any) -> xarray.Dataset:
    """Mask, soil classes by layer, land cover, a parameter, the deep temperature and the initial temperature."""
    random = np.random.default_rng(5)
    maps: dict[str, Any] = {
        "land_mask": (("lat", "lon"), MASK),
        "soil_class": (("layer", "lat", "lon"), random.choice([7, 8, 9], (LAYERS, ROWS, LINES)).astype(float)),
        "vegetation_class": (("lat", "lon"), random.choice([7, 9, 20], (ROWS, LINES)).astype(float)),
        "deep_temperature": (("lat", "lon"), random.uniform(-4.0, 0.0, (ROWS, LINES)), {"units": "degC"}),
        "saturated_hydraulic_conductivity": (("lat", "lon"), random.uniform(1e-6, 1e-5, (ROWS, LINES))),
        "soil_temperature": (("lat", "lon", "layer"), random.uniform(266.0, 272.0, (ROWS, LINES, LAYERS))),
        "elevation": (("lat", "lon"), random.uniform(0.0, 900.0, (ROWS, LINES)), {"units": "m"}),
    }
    data = xarray.Dataset(
        {name: value for name, value in (maps | changes).items() if value is not None},
        coords={"lat": ("lat", LATITUDE), "lon": ("lon", LONGITUDE)},
    )
    water = np.broadcast_to(data["land_mask"].values == 0, (ROWS, LINES))
    for name in ("soil_class", "vegetation_class", "deep_temperature"):
        if name in data:
            data[name] = data[name].where(xarray.DataArray(~water, dims=("lat", "lon")))
    return data


def forcing_data(records: int = RECORDS, rows: int = ROWS, lines: int = LINES, seed: int = 6) -> xarray.Dataset:
    """Three-hourly ALMA forcing that differs in every cell; without the water cells, which are missing."""
    random = np.random.default_rng(seed)
    ranges = {
        "Tair": (255.0, 280.0, "K"),
        "PSurf": (8.0e4, 9.0e4, "Pa"),
        "Qair": (1e-4, 3e-3, "kg kg-1"),
        "Wind": (0.5, 9.0, "m s-1"),
        "SWdown": (0.0, 600.0, "W m-2"),
        "LWdown": (150.0, 350.0, "W m-2"),
        "Rainf": (0.0, 1e-4, "kg m-2 s-1"),
        "Snowf": (0.0, 1e-4, "kg m-2 s-1"),
    }
    data = xarray.Dataset(coords={"time": START + np.arange(records) * np.timedelta64(3, "h")})
    for name, (low, high, units) in ranges.items():
        data[name] = (("time", "lat", "lon"), random.uniform(low, high, (records, rows, lines)), {"units": units})
    return data


def on_grid(data: xarray.Dataset) -> xarray.Dataset:
    """With the coordinates of the region, and nothing over its water."""
    data = data.assign_coords(lat=("lat", LATITUDE), lon=("lon", LONGITUDE))
    return data.where(xarray.DataArray(MASK == 1, dims=("lat", "lon")))


def region_changes(**changes: Any) -> dict[str, Any]:
    return {
        "domain": {"file": "domain.nc"},
        "soil.classes": ...,
        "vegetation.class": ...,
        "general.deep_temperature": ...,
        "initial.soil_temperature": ...,
        "initial.soil_liquid": "equilibrium",
        "forcing.file": "weather.nc",
        **{key.replace("__", "."): value for key, value in changes.items()},
    }


def write_region(folder: Path, domain: xarray.Dataset | None = None, forcing: xarray.Dataset | None = None) -> Path:
    (domain_data() if domain is None else domain).to_netcdf(folder / "domain.nc")
    (on_grid(forcing_data()) if forcing is None else forcing).to_netcdf(folder / "weather.nc")
    return folder


def region(folder: Path, **changes: Any) -> Configuration:
    return read_configuration(changed(region_changes(**changes)), folder)
