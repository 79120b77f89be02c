"""Permafrost of a made-up mountain region: 100 x 100 cells, two years, three maps.

Terrain, soils, land cover and lakes are inventions, and so is the weather, which is that of the built-in example moved
to the height of each cell: colder by 6.5 K in each kilometre. The region is written as a domain file and gridded
forcing, run, and drawn: depth of thaw, mean annual ground temperature, and days with snow of the last year. The initial
state is a guess that no spin-up has improved; the maps show how the program is used, not a climate.

``python examples/regional_permafrost.py --workers 4``; ``--rows 20 --columns 20`` for a region that takes a minute.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import xarray
from numpy.typing import NDArray

from bmi_noahpy import (
    Launch,
    active_layer_thickness,
    launch,
    launch_tiles,
    mean_ground_temperature,
    read_configuration,
    snow_days,
)
from bmi_noahpy.example import START, Site, example_table

Floats = NDArray[np.float64]

SEED = 4
LAPSE_RATE = 6.5e-3
"""Cooling of the air with height. [K m-1]"""
LOWEST, HIGHEST = 200.0, 1800.0
LAKE_SHARE, ICE_SHARE = 0.04, 0.02
TREE_LINE, SHRUB_LINE = 650.0, 1000.0
FOREST, SHRUBLAND, TUNDRA, BARE_TUNDRA = 14, 8, 20, 23
PEAT, SILT_LOAM, SANDY_LOAM, GRAVEL = 17, 8, 9, 13
THICKNESS = (0.05, 0.07, 0.11, 0.17, 0.25, 0.35, 0.5, 0.7, 1.0, 1.5, 2.3, 3.0)
DEPTH_OF_MEAN = 5.0
"""Where the mean annual ground temperature is taken. [m]"""
BLOCK, BLOCK_OF_DAYS = 240, 30
"""Records of weather written, and days of output read, at a time."""


def smooth_noise(random: np.random.Generator, rows: int, columns: int, roughness: float) -> Floats:
    """Waves of random direction and phase, high ones long, between 0 and 1."""
    y, x = np.meshgrid(np.linspace(0.0, 1.0, rows), np.linspace(0.0, 1.0, columns), indexing="ij")
    field = np.zeros((rows, columns))
    for number in range(1, 40):
        angle, phase = random.uniform(0.0, 2.0 * np.pi, 2)
        wave = np.sin(2.0 * np.pi * 0.35 * number**0.8 * (x * np.cos(angle) + y * np.sin(angle)) + phase)
        field += wave / number**roughness
    return (field - field.min()) / np.ptp(field)


def terrain(rows: int, columns: int) -> xarray.Dataset:
    """Heights, land mask, soil and land cover, and an initial ground temperature that fits the height."""
    random = np.random.default_rng(SEED)
    site = Site()
    height = LOWEST + (HIGHEST - LOWEST) * smooth_noise(random, rows, columns, 1.2) ** 1.4
    wet = smooth_noise(random, rows, columns, 0.9)
    lake, ice = height < np.quantile(height, LAKE_SHARE), height > np.quantile(height, 1.0 - ICE_SHARE)
    bands = [height < TREE_LINE, height < SHRUB_LINE, height < 0.5 * (SHRUB_LINE + HIGHEST)]
    cover = np.select(bands, [FOREST, SHRUBLAND, TUNDRA], BARE_TUNDRA)
    classes = np.empty((len(THICKNESS), rows, columns), dtype=np.int64)
    bottom = np.cumsum(THICKNESS)
    for layer, depth in enumerate(bottom):
        mineral = np.where(wet > 0.5, SILT_LOAM, SANDY_LOAM) if depth < 3.0 else np.full((rows, columns), GRAVEL)
        peat = (wet > 0.6) & (height < SHRUB_LINE) & (depth < 0.3)
        classes[layer] = np.where(peat, PEAT, mineral)
    air = site.mean_temperature - LAPSE_RATE * (height - site.elevation)
    # Snow keeps the ground warmer than the air, more so where there are trees to hold it.
    ground = air + np.where(height < SHRUB_LINE, 3.0, 2.0)
    middle = bottom - 0.5 * np.asarray(THICKNESS)
    warmth = 6.0 * np.exp(-middle / 0.8)
    temperature = ground + warmth[:, None, None]
    grid = ("lat", "lon")
    return xarray.Dataset(
        {
            "land_mask": (grid, (~lake & ~ice).astype(np.int8)),
            "elevation": (grid, height, {"units": "m"}),
            "vegetation_class": (grid, cover),
            "soil_class": (("layer", *grid), classes),
            "deep_temperature": (grid, ground + 0.5, {"units": "K"}),
            "soil_temperature": (("layer", *grid), temperature, {"units": "K"}),
            "skin_temperature": (grid, temperature[0], {"units": "K"}),
        },
        coords={
            "lat": ("lat", site.latitude + 0.01 * np.arange(rows), {"standard_name": "latitude"}),
            "lon": ("lon", site.longitude + 0.02 * np.arange(columns), {"standard_name": "longitude"}),
        },
    )


def write_weather(folder: Path, region: xarray.Dataset, days: int) -> None:
    """Gridded temperature, humidity and longwave radiation, a file each month; the rest once for all cells."""
    table, site = example_table(years=-(-days // 365)), Site()
    count = 8 * days + 1
    times = table.times[:count]
    one = {name: table.values[name][:count, 0] for name in table.values}
    shift = (-LAPSE_RATE * (region["elevation"].values - site.elevation)).astype(np.float64)
    common = {
        "PSurf": ("air_pressure", "Pa"),
        "Wind": ("wind_speed", "m s-1"),
        "SWdown": ("shortwave_down", "W m-2"),
        "Precip": ("precipitation", "kg m-2 s-1"),
    }
    weather = xarray.Dataset(
        {name: ("time", one[quantity], {"units": units}) for name, (quantity, units) in common.items()},
        coords={"time": times.astype("datetime64[ns]")},
    )
    weather.to_netcdf(folder / "weather_common.nc")
    for number, first in enumerate(range(0, len(times), BLOCK)):
        rows = slice(first, first + BLOCK)
        there = one["air_temperature"][rows, None, None]
        air = there + shift
        # The same relative humidity and cloud at every height; vapour pressure at saturation grows by 7 % a kelvin.
        humidity = one["specific_humidity"][rows, None, None] * np.exp(0.07 * np.minimum(air - there, 4.0))
        longwave = one["longwave_down"][rows, None, None] * (air / there) ** 4
        data = xarray.Dataset(
            {
                "Tair": (("time", "lat", "lon"), air, {"units": "K"}),
                "Qair": (("time", "lat", "lon"), humidity.astype(np.float32), {"units": "kg kg-1"}),
                "LWdown": (("time", "lat", "lon"), longwave, {"units": "W m-2"}),
            },
            coords={"time": times[rows].astype("datetime64[ns]"), "lat": region["lat"], "lon": region["lon"]},
        )
        packed: dict[str, Any] = {"zlib": True, "complevel": 1, "dtype": "int16", "_FillValue": -32768}
        encoding = {
            "Tair": packed | {"scale_factor": 0.01, "add_offset": 250.0},
            "LWdown": packed | {"scale_factor": 0.02, "add_offset": 300.0},
            "Qair": {"zlib": True, "complevel": 1},
        }
        data.to_netcdf(folder / f"weather_{number:03d}.nc", encoding=encoding)


def settings(days: int) -> dict[str, Any]:
    """The configuration: everything that is the same in all cells."""
    last = START + np.timedelta64(8 * days - 1, "h") * 3
    return {
        "name": "Made-up mountain region",
        "domain": {"file": "domain.nc"},
        "period": {"start": str(START), "end": str(last), "step": "3 hours"},
        "soil": {"thickness": list(THICKNESS)},
        "vegetation": {
            "fraction": [0.1, 0.1, 0.1, 0.12, 0.25, 0.45, 0.6, 0.55, 0.35, 0.15, 0.1, 0.1],
            "minimum_fraction": 0.1,
            "maximum_fraction": 0.6,
            "parameters": {"root_layers": 4},
        },
        "general": {"air_temperature_height": 2.0, "wind_height": 10.0},
        "initial": {"soil_moisture": 0.2, "soil_liquid": "equilibrium", "albedo": 0.18, "roughness_length": 0.1},
        "forcing": {"file": ["weather_common.nc", "weather_[0-9]*.nc"]},
        "output": {"file": "region.nc", "variables": ["soil.temperature", "snow.depth"], "daily": ["mean"]},
    }


def maps_of_last_year(path: Path) -> xarray.Dataset:
    """The three maps, of the last 365 days of an output file, which is read once, a month at a time."""
    with xarray.open_dataset(path, decode_timedelta=False, cache=False) as data:
        last = data[["soil_temperature_mean", "snow_depth_mean"]].isel(time=slice(-365, None))
        days, depth = last.sizes["time"], data["layer"].values
        highest, mean = np.asarray(-np.inf), np.asarray(0.0)
        for first in range(0, days, BLOCK_OF_DAYS):
            temperature = last["soil_temperature_mean"].isel(time=slice(first, first + BLOCK_OF_DAYS)).values
            highest = np.maximum(highest, temperature.max(axis=0))
            mean = mean + temperature.sum(axis=0) / days
        grid = ("lat", "lon")
        return xarray.Dataset(
            {
                # The highest temperature of a year is all that the depth of thaw needs of it, and the mean of itself.
                "active_layer_thickness": (grid, active_layer_thickness(highest[None], depth), {"units": "m"}),
                "ground_temperature": (
                    grid,
                    mean_ground_temperature(mean[None], depth, DEPTH_OF_MEAN) - 273.15,
                    {"units": "degC"},
                ),
                "snow_days": (grid, snow_days(last["snow_depth_mean"].values), {"units": "d"}),
            },
            coords={"lat": data["lat"].values, "lon": data["lon"].values},
        )


def draw(maps: xarray.Dataset, region: xarray.Dataset, path: Path) -> None:
    """The maps side by side, over the heights; grey where there is nothing to show: lakes, ice, no permafrost."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15.0, 4.6), layout="constrained")
    panels = (
        ("active_layer_thickness", "Depth of thaw [m]", "viridis"),
        ("ground_temperature", f"Mean annual temperature at {DEPTH_OF_MEAN:g} m [°C]", "coolwarm"),
        ("snow_days", "Days with snow", "Blues"),
    )
    for axes, (name, title, colours) in zip(figure.subplots(1, 3), panels, strict=True):
        values = maps[name].values
        largest = np.nanmax(np.abs(values)) if name == "ground_temperature" and np.isfinite(values).any() else None
        limits = {} if largest is None else {"vmin": -largest, "vmax": largest}
        axes.set_facecolor("0.75")
        shown = axes.pcolormesh(maps["lon"], maps["lat"], np.ma.masked_invalid(values), cmap=colours, **limits)
        heights = axes.contour(
            maps["lon"], maps["lat"], region["elevation"].values, levels=6, colors="black", linewidths=0.4
        )
        axes.clabel(heights, fontsize=6, fmt="%.0f m")
        axes.locator_params(axis="x", nbins=5)
        axes.set(title=title, xlabel="longitude [°E]", ylabel="latitude [°N]")
        figure.colorbar(shown, ax=axes)
    figure.savefig(path, dpi=130)


def main(arguments: list[str] | None = None) -> xarray.Dataset:
    """Make, run and draw the region; returns its maps."""
    parser = argparse.ArgumentParser(description="Permafrost of a made-up mountain region")
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--days", type=int, default=730)
    parser.add_argument("--workers", type=int, help="processes; without it everything runs in this one")
    parser.add_argument("--folder", type=Path, default=Path("regional_permafrost"))
    given = parser.parse_args(arguments)
    folder: Path = given.folder
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("weather_*.nc"):
        old.unlink()
    region = terrain(given.rows, given.columns)
    region.to_netcdf(folder / "domain.nc")
    write_weather(folder, region, given.days)
    configuration, how = read_configuration(settings(given.days), folder), Launch(overwrite=True)
    if given.workers is None:
        summary = launch(configuration, how)
    else:
        summary = launch_tiles(configuration, how, workers=given.workers)
    print(f"{int(region['land_mask'].sum())} columns, {summary.steps} steps in {summary.seconds:.0f} s")
    maps = maps_of_last_year(summary.path)
    maps.to_netcdf(folder / "maps.nc")
    draw(maps, region, folder / "maps.png")
    for name, values in maps.items():
        low, middle, high = np.nanquantile(values, [0.05, 0.5, 0.95])
        print(f"{name}: {low:.2f} to {high:.2f} {values.attrs['units']} (median {middle:.2f})")
    return maps


if __name__ == "__main__":
    main()
