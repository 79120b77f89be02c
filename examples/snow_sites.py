"""Snow at two measured sites, nothing tuned: Col de Porte (French Alps) and Reynolds Mountain East (Idaho), 2005/06.

The preset `conservative` with layered snow and the published values of its parameters, at several steps and numbers of
snow layers. Daily snow water equivalent and depth, the day on which the snow is gone, and the albedo where it was
measured, are compared with the observations. A third winter, Col de Porte 2001/02, is there for whoever has its forcing
(no pressure, total precipitation).

    python snow_sites.py [col_de_porte] [reynolds_mountain_east] [col_de_porte_2001] [--steps 3600] [--layers 3]
        [--schemes phase=ramp snow_conductivity=sturm1997] [--total] [--precipitation 1.2] [--data folder of the sites]
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from calibration_sites import DATA, missing
from rich.console import Console
from rich.table import Table

from bmi_noahpy import prepare, read_configuration
from noahpy_core import State, run

GONE = 5.0
"""Snow water equivalent below which the snow counts as gone. [kg m-2]"""
DEEP = 0.1
"""Depth from which the albedo is that of snow. [m]"""
OUTPUTS = ["snow.water_equivalent", "snow.depth", "snow.albedo"]


class Site(NamedTuple):
    """Where the station is, how high its instruments are, and what the ground is like before the snow."""

    position: tuple[float, float]
    period: tuple[str, str]
    heights: tuple[float, float]
    """Of temperature and wind. [m]"""
    vegetation: int
    soil_temperature: list[float]
    series: tuple[str, str]
    """Observed water equivalent and depth."""
    folder: str | None = None
    """Where the files are, unless it has the name of the site."""
    forcing: str = "forcing.csv"
    elevation: float | None = None
    """Where the forcing has no pressure. [m]"""


class Scores(NamedTuple):
    """Of one run."""

    water: float
    """Nash-Sutcliffe efficiency of daily snow water equivalent."""
    depth: float
    peak: tuple[float, float]
    """Modelled and observed. [kg m-2]"""
    gone: tuple[pd.Timestamp, pd.Timestamp]
    """When the snow is gone, modelled and observed."""
    albedo: float
    """Root mean square error; nan where it was not measured."""

    @property
    def days_late(self) -> int:
        """Days by which the modelled snow is gone after the observed."""
        return (self.gone[0] - self.gone[1]).days


SITES = {
    # Temperature and humidity are kept at 1.5 m above the snow.
    "col_de_porte": Site(
        (45.3, 5.77), ("2005-10-01T00:00", "2006-06-30T21:00"), (1.5, 10.0), 7,
        [283.0, 283.0, 281.0, 280.0], ("SWE_auto_kg_m2", "snow_depth_auto_m"),
    ),
    "reynolds_mountain_east": Site(
        (43.07, -116.75), ("2005-09-01T07:00", "2006-09-01T04:00"), (3.0, 3.0), 8,
        [285.0, 285.0, 283.0, 278.0], ("SWE_kg_m2", "snow_depth_sheltered_m"),
    ),
    "col_de_porte_2001": Site(
        (45.3, 5.77), ("2001-09-21T00:00", "2002-04-09T21:00"), (1.5, 10.0), 7,
        [283.0, 283.0, 281.0, 280.0], ("SWE_auto_kg_m2", "snow_depth_auto_m"),
        "col_de_porte", "forcing_2001_2002_nopressure.csv", 1325.0,
    ),
}  # fmt: skip


def configuration(
    site: Site, forcing: Path, step: int, schemes: dict[str, str], precipitation: float = 1.0
) -> dict[str, Any]:
    """Loam under low vegetation; nothing of it matters much to the snow."""
    return {
        "domain": dict(zip(("latitude", "longitude"), site.position, strict=True)),
        "period": {**dict(zip(("start", "end"), site.period, strict=True)), "step": step},
        "soil": {"thickness": [0.1, 0.3, 0.6, 1.0], "classes": [6] * 4},
        "vegetation": {"class": site.vegetation, "fraction": 0.5},
        "general": {
            "deep_temperature": site.soil_temperature[-1],
            **dict(zip(("air_temperature_height", "wind_height"), site.heights, strict=True)),
        },
        "schemes": {"preset": "conservative", **schemes},
        "initial": {
            "soil_temperature": site.soil_temperature,
            "soil_moisture": [0.25] * 4,
            "soil_liquid": "equilibrium",
            "skin_temperature": site.soil_temperature[0],
            "albedo": 0.2,
            "roughness_length": 0.05,
        },
        "forcing": {
            "file": str(forcing),
            "derive": {} if site.elevation is None else {"air_pressure": site.elevation},
            "corrections": {} if precipitation == 1.0 else {"precipitation": {"factor": precipitation}},
        },
        "output": {"file": "snow.nc"},
    }


def with_snow_layers(state: State, layers: int) -> State:
    """A state without snow whose pack will have so many layers."""
    empty = torch.zeros(layers, state.skin_temperature.shape[0], dtype=state.skin_temperature.dtype)
    snow = dataclasses.replace(state.snow, layer_mass=empty, layer_enthalpy=empty, layer_thickness=empty)
    return dataclasses.replace(state, snow=snow)


def simulated(
    site: Site, forcing: Path, step: int, layers: int, schemes: dict[str, str], precipitation: float = 1.0
) -> pd.DataFrame:
    """Snow and the sunlight on it, step by step."""
    given = configuration(site, forcing, step, schemes, precipitation)
    site_run = prepare(read_configuration(given, forcing.parent))
    steps = site_run.forcing.steps
    weather = site_run.forcing.block(0, steps)
    start = with_snow_layers(site_run.initial_state, layers)
    with torch.no_grad():
        found = run(site_run.model, start, weather, site_run.parameters, site_run.step, outputs=OUTPUTS).outputs
    times = pd.date_range(site.period[0], periods=steps + 1, freq=f"{step}s")[1:]
    columns = {name.removeprefix("snow."): values[:, 0].numpy() for name, values in found.items()}
    return pd.DataFrame({**columns, "shortwave": weather.shortwave_down[:, 0].numpy()}, index=times)


def efficiency(modelled: pd.Series, observed: pd.Series) -> float:
    """Nash-Sutcliffe efficiency where there are observations."""
    pairs = pd.DataFrame({"modelled": modelled, "observed": observed}).dropna()
    squared = ((pairs.modelled - pairs.observed) ** 2).sum()
    return float(1.0 - squared / ((pairs.observed - pairs.observed.mean()) ** 2).sum())


def gone(water: pd.Series) -> pd.Timestamp:
    """The first day after the largest pack on which there is hardly any snow."""
    after = water.dropna()
    after = after[after.idxmax() :]
    return after[after < GONE].index[0].normalize()


def scores(site: Site, modelled: pd.DataFrame, observations: Path) -> Scores:
    """A run beside the observations: at noon where those are of noon, else means of days."""
    observed = pd.read_csv(observations, index_col=0, parse_dates=True)
    observed = observed.set_axis(observed.index.tz_localize(None))[modelled.index[0] : modelled.index[-1]]
    hourly = len(observed) > 2 * len(observed.index.normalize().unique())
    daily = observed.resample("D").mean() if hourly else observed
    here = modelled.resample("D").mean().reindex(daily.index) if hourly else None
    if here is None:
        here = modelled.reindex(daily.index, method="nearest", tolerance=pd.Timedelta("3h"))
    water, depth = (daily[name] for name in site.series)
    return Scores(
        efficiency(here.water_equivalent, water),
        efficiency(here.depth, depth),
        (float(here.water_equivalent.max()), float(water.max())),
        (gone(here.water_equivalent), gone(water)),
        albedo_error(modelled, daily, depth) if "albedo" in daily else float("nan"),
    )


def albedo_error(modelled: pd.DataFrame, daily: pd.DataFrame, depth: pd.Series) -> float:
    """Error of the albedo of the day's sunlight, where snow lies."""
    days = modelled.index.normalize()
    reflected = (modelled.albedo * modelled.shortwave).groupby(days).sum()
    albedo = reflected / modelled.shortwave.groupby(days).sum()
    error = albedo.reindex(daily.index.normalize()).to_numpy() - daily.albedo
    return float(np.sqrt((error[depth > DEEP] ** 2).mean()))


def absent(data: Path, name: str) -> str | None:
    """What keeps a site from being run, as a sentence."""
    if name not in SITES:
        return f"no site {name}"
    site = SITES[name]
    return missing(data / (site.folder or name), (site.forcing, "observations.csv"))


def without_phase(forcing: Path, folder: Path) -> Path:
    """The forcing with nothing but total precipitation, written to a folder."""
    table = pd.read_csv(forcing)
    file = folder / f"{forcing.parent.name}_total.csv"
    table.drop(columns=[name for name in ("Snowf_kg_m2_s", "Rainf_kg_m2_s") if name in table]).to_csv(file, index=False)
    return file


def table_of(results: dict[tuple[str, int, int], tuple[Scores, float]]) -> Table:
    """What is printed."""
    table = Table(title="Snow, nothing tuned")
    for head in ("site", "step", "layers", "NSE water", "NSE depth", "peak [kg m-2]", "gone", "albedo RMSE", "time"):
        table.add_column(head)
    for (name, step, layers), (found, seconds) in results.items():
        table.add_row(
            name, f"{step} s", str(layers), f"{found.water:.3f}", f"{found.depth:.3f}",
            "{:.0f} ({:.0f})".format(*found.peak),
            f"{found.gone[0]:%d %b} ({found.gone[1]:%d %b})", f"{found.albedo:.3f}", f"{seconds:.1f} s",
        )  # fmt: skip
    return table


def main(arguments: Sequence[str] | None = None) -> dict[tuple[str, int, int], Scores]:
    """Run from the command line; (site, step, layers) -> scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sites", nargs="*", default=list(SITES)[:2], help=", ".join(SITES))
    parser.add_argument("--steps", type=int, nargs="+", default=[600, 3600, 10800], help="in seconds")
    parser.add_argument("--layers", type=int, nargs="+", default=[3, 2, 1], help="of the snow")
    parser.add_argument("--schemes", nargs="*", default=[], help="slot=scheme, beside the preset's")
    parser.add_argument("--total", type=Path, metavar="FOLDER", help="forget the measured phase; writes a file here")
    parser.add_argument("--precipitation", type=float, default=1.0, help="factor of all precipitation")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with the folders of the sites")
    options = parser.parse_args(arguments)
    problems = [absent(options.data, name) for name in options.sites]
    if any(problems):
        sys.exit("\n".join(filter(None, problems)))
    schemes = dict(text.split("=", 1) for text in options.schemes)
    results: dict[tuple[str, int, int], tuple[Scores, float]] = {}
    for name in options.sites:
        folder = options.data.resolve() / (SITES[name].folder or name)
        forcing = folder / SITES[name].forcing
        if options.total:
            forcing = without_phase(forcing, options.total)
        for layers in options.layers:
            for step in options.steps:
                begin = time.perf_counter()
                modelled = simulated(SITES[name], forcing, step, layers, schemes, options.precipitation)
                found = scores(SITES[name], modelled, folder / "observations.csv")
                results[name, step, layers] = (found, time.perf_counter() - begin)
    Console(width=140).print(table_of(results))
    return {key: found for key, (found, _) in results.items()}


if __name__ == "__main__":
    main()
