"""NoahPy drives permamodel's Kudryavtsev model through BMI, and maps of the two are compared.

The grid is an invented valley: it gets warmer from north to south and snowier from west to east. NoahPy runs with the
weather of the built-in example, of which air temperature, incoming longwave radiation and precipitation are replaced
cell by cell. What a year of NoahPy tells about the air, the snow and the soil water is given to the Kudryavtsev model,
which answers with the thickness of the active layer and the temperature at the top of the permafrost. NoahPy's own are
found from the warmest and the mean temperature of each layer.

    python permafrost_models.py [--years 2] [--folder permafrost-models]

The Kudryavtsev model knows one soil, a sinusoidal year and equilibrium; NoahPy layers, weather and a memory of the
past, so that maps agree in their pattern rather than in their numbers.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import toml
import xarray as xr
import yaml
from permamodel.components.bmi_Ku import BmiKuModel

from bmi_noahpy import BmiNoahPy
from bmi_noahpy.example import example_table, write_example

ROWS, COLUMNS = 5, 5  # permamodel's Kudryavtsev model mixes up the sides of a grid that is not square
WARMING = np.linspace(2.5, 0.0, ROWS)[:, None] * np.ones((1, COLUMNS))  # of the air, south to north [K]
SNOWINESS = np.ones((ROWS, 1)) * np.linspace(0.6, 1.4, COLUMNS)[None, :]  # precipitation, west to east [1]
FREEZING = 273.15
DAY = 86400
ROOT_ZONE = 1.0  # depth over which soil water is averaged for the other model [m]

AIR, LONGWAVE = "land_surface_air__temperature", "land_surface_radiation~incoming~longwave__energy_flux"
RAIN = "atmosphere_water__liquid_equivalent_precipitation_rate"
KU_INPUTS = ("air_temperature", "temperature_amplitude", "snow_thickness", "snow_density", "soil_water_content")
MINERAL = {
    "bulk_density": 1400.0, "heat_capacity": 1300.0, "conductivity_thawed_dry": 1.05, "conductivity_thawed_wet": 1.9,
    "conductivity_frozen_dry": 1.25, "conductivity_frozen_wet": 2.4,
}  # fmt: skip


def read(model: Any, name: str) -> np.ndarray:
    """A copy of a variable through BMI."""
    destination = np.empty(model.get_var_nbytes(name) // model.get_var_itemsize(name), model.get_var_type(name))
    return model.get_value(name, destination)


def start_noahpy(folder: Path, years: int) -> BmiNoahPy:
    """The column of the built-in example in every cell, in daily steps."""
    path = write_example(folder, "noah-permafrost")
    sections = yaml.safe_load(path.read_text())
    sections["domain"] = {
        "latitude": (67.0 + 0.25 * np.arange(ROWS)).tolist(),
        "longitude": (-150.0 + 0.25 * np.arange(COLUMNS)).tolist(),
    }
    last = np.datetime64("2019-09-01") + np.timedelta64(365 * years, "D")
    sections["period"] = {"start": "2019-09-01T00:00", "end": f"{last}T00:00", "step": DAY}
    temperature = np.asarray(sections["initial"]["soil_temperature"])[:, None, None] + 0.7 * WARMING
    sections["initial"].update(soil_temperature=temperature.tolist(), soil_liquid="equilibrium")
    sections["general"]["deep_temperature"] = (sections["general"]["deep_temperature"] + 0.7 * WARMING).tolist()
    path.write_text(yaml.safe_dump(sections))
    model = BmiNoahPy()
    model.initialize(str(path))
    return model


def set_weather(model: BmiNoahPy, weather: dict[str, np.ndarray], day: int) -> np.ndarray:
    """Give the weather of a day to every cell; the air temperature. The sky warms with the air."""
    air = weather["air_temperature"][day] + WARMING
    model.set_value(AIR, air)
    model.set_value(LONGWAVE, weather["longwave_down"][day] * (air / weather["air_temperature"][day]) ** 4)
    model.set_value(RAIN, weather["precipitation"][day] * SNOWINESS)
    return air.ravel()


def run_noahpy(model: BmiNoahPy, years: int) -> dict[str, np.ndarray]:
    """Run, and gather of the last year what the other model needs and what it is compared with, all ``[cell]``."""
    table = example_table()
    weather = {name: values[:, 0].reshape(-1, 8).mean(1) for name, values in table.values.items()}
    thickness = read(model, "soil_layer__thickness").reshape(-1, ROWS * COLUMNS)[:, 0]
    middle = thickness.cumsum() - 0.5 * thickness
    share = np.clip(ROOT_ZONE - (thickness.cumsum() - thickness), 0.0, thickness) / ROOT_ZONE
    days = []
    for day in range(365 * years):
        air = set_weather(model, weather, day)
        model.update()
        if day < 365 * (years - 1):
            continue
        depth = read(model, "snowpack__depth")
        days.append(
            {
                "air": air,
                "snow_depth": depth,
                "snow_density": np.where(depth > 0.01, read(model, "snowpack__mass-per-volume_density"), np.nan),
                "soil": read(model, "soil__temperature").reshape(len(thickness), -1),
                "water": share @ read(model, "soil_water__volume_fraction").reshape(len(thickness), -1),
            }
        )
    return summarise({name: np.array([day[name] for day in days]) for name in days[0]}, middle)


def summarise(year: dict[str, np.ndarray], middle: np.ndarray) -> dict[str, np.ndarray]:
    """A year's mean, amplitude and snow, and NoahPy's active layer and permafrost temperature."""
    month = np.stack([part.mean(0) for part in np.array_split(year["air"], 12)])
    winter = year["snow_depth"] > 0.01
    warmest, mean = year["soil"].max(0) - FREEZING, year["soil"].mean(0) - FREEZING
    thaw = np.array([thaw_depth(warmest[:, cell], middle) for cell in range(warmest.shape[1])])
    at_top = [
        np.interp(depth, middle, mean[:, cell]) if np.isfinite(depth) else np.nan for cell, depth in enumerate(thaw)
    ]
    return {
        "air_temperature": year["air"].mean(0) - FREEZING,
        "temperature_amplitude": 0.5 * (month.max(0) - month.min(0)),
        "snow_thickness": np.where(winter, year["snow_depth"], 0.0).sum(0) / np.maximum(winter.sum(0), 1),
        "snow_density": np.nanmean(year["snow_density"], axis=0),
        "soil_water_content": year["water"].mean(0),
        "active_layer_thickness": thaw,
        "permafrost_temperature": np.array(at_top),
    }


def thaw_depth(warmest: np.ndarray, middle: np.ndarray) -> float:
    """Depth at which the warmest temperature of the year crosses freezing; infinite without permafrost. [m]"""
    frozen = np.flatnonzero(warmest <= 0.0)
    if not frozen.size or frozen[0] == 0:
        return np.inf if not frozen.size else 0.0
    upper, lower = frozen[0] - 1, frozen[0]
    return float(np.interp(0.0, [warmest[lower], warmest[upper]], [middle[lower], middle[upper]]))


def start_ku(folder: Path) -> BmiKuModel:
    """The Kudryavtsev model on the same grid, one year, waiting for its inputs."""
    for name in KU_INPUTS:  # what is read from files is writeable through BMI, what is given as a number is not
        empty = xr.DataArray(np.zeros((1, ROWS, COLUMNS)), dims=("time", "x", "y"), name=name)
        empty.to_netcdf(folder / f"{name}.nc")
    numbers = {
        "frozen_vegetation_height": 0.02, "thawed_vegetation_height": 0.02,
        "frozen_vegetation_diffusivity": 1.39e-6, "thawed_vegetation_diffusivity": 5.56e-8,
    }  # fmt: skip
    config = {
        "experiment": "driven by NoahPy",
        "directories": {"inputs_dir": f"{folder}/", "outputs_dir": f"{folder}/"},
        "domain": {"number_of_years": 1, "grid_shape": [ROWS, COLUMNS]},
        "variables": {name: {"nc_file": f"{name}.nc", "scalar": 0.0} for name in KU_INPUTS}
        | {name: {"nc_file": "", "scalar": value} for name, value in numbers.items()},
        "soils": {"silt": {"scalar_fraction": 1.0, "nc_file": "", **MINERAL}},
        "constants": {"uwc": 0.05, "snow_heat_capacity": 2090.0, "sec_per_a": 31556926.0, "latent_heat": 3.34e5},
    }
    path = folder / "ku.toml"
    path.write_text(toml.dumps(config))
    model = BmiKuModel()
    model.initialize(str(path))
    return model


def run_ku(model: BmiKuModel, year: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Hand over the inputs, take one yearly step, fetch the outputs."""
    for name in KU_INPUTS:
        model.set_value(name, year[name])
    model.update()
    answers = {}
    for name in ("active_layer_thickness", "permafrost_temperature"):
        answers[name] = model.get_value(name, np.empty(ROWS * COLUMNS))
    # Where the mean temperature at depth is above freezing there is no permafrost, and its thickness says nothing.
    no_permafrost = answers["permafrost_temperature"] >= 0.0
    answers["active_layer_thickness"][no_permafrost] = np.inf
    return answers


def report(noahpy: dict[str, np.ndarray], ku: dict[str, np.ndarray]) -> float:
    """Print both maps; the rank correlation of the active layers where both models have permafrost."""
    for name, units in (("active_layer_thickness", "m"), ("permafrost_temperature", "degC")):
        print(f"{name} [{units}], north at the top: NoahPy | Kudryavtsev")
        rows = zip(noahpy[name].reshape(ROWS, -1)[::-1], ku[name].reshape(ROWS, -1)[::-1], strict=True)
        for left, right in rows:
            print("  " + " ".join(f"{v:6.2f}" for v in left) + "  | " + " ".join(f"{v:6.2f}" for v in right))
    both = np.isfinite(noahpy["active_layer_thickness"]) & np.isfinite(ku["active_layer_thickness"])
    ranks = [np.argsort(np.argsort(model["active_layer_thickness"][both])) for model in (noahpy, ku)]
    agreement = float(np.corrcoef(*ranks)[0, 1])
    print(f"Permafrost in both: {both.sum()} of {both.size} cells; rank correlation of active layers {agreement:.2f}")
    return agreement


def draw(noahpy: dict[str, np.ndarray], ku: dict[str, np.ndarray], path: Path) -> None:
    """Both maps of the active layer, each with its own scale; cells without permafrost are grey."""
    figure, panels = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained", sharey=True)
    titled = (("NoahPy", noahpy), ("Kudryavtsev, driven by NoahPy", ku))
    for axes, (title, model) in zip(panels, titled, strict=True):
        thickness = model["active_layer_thickness"].reshape(ROWS, COLUMNS)
        image = axes.pcolormesh(np.where(np.isfinite(thickness), thickness, np.nan))
        axes.set(title=title, xlabel="snowier to the east", facecolor="0.8", xticks=[], yticks=[])
        figure.colorbar(image, ax=axes, label="active layer [m]")
    panels[0].set_ylabel("colder to the north")
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--years", type=int, choices=(1, 2), default=2, help="years of NoahPy; the last one counts")
    parser.add_argument("--folder", type=Path, default=Path("permafrost-models"), help="where files are written")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    noahpy = run_noahpy(start_noahpy(options.folder, options.years), options.years)
    ku = run_ku(start_ku(options.folder), noahpy)
    agreement = report(noahpy, ku)
    draw(noahpy, ku, options.folder / "permafrost_models.png")
    print(f"Figure: {options.folder / 'permafrost_models.png'}")
    return {"noahpy": noahpy, "ku": ku, "agreement": agreement}


if __name__ == "__main__":
    main()
