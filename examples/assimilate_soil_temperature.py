"""Soil temperature is observed every day and corrects an ensemble of NoahPy while it runs, through BMI alone.

One component holds all members as the columns of a grid: the northern row is the free ensemble, the southern row is
corrected. The members differ in their soil temperature at the start and in a bias of the air temperature. The "truth"
is another run, warmer than the middle of the ensemble, and its temperature at a few depths with an error of 0.2 K is
what is observed. After each day the ensemble Kalman filter with perturbed observations [1]_ changes the temperature of
the layers, `set_value` gives it back, and the run goes on.

    python assimilate_soil_temperature.py [--days 20] [--members 16] [--folder assimilation]

Where any member has ice in a layer its temperature is left alone: it says nothing of the heat in freezing soil.

.. [1] Burgers, van Leeuwen and Evensen, 1998, Monthly Weather Review 126, 1719-1724.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import yaml

from bmi_noahpy import BmiNoahPy
from bmi_noahpy.example import example_table, write_example

SOIL, ICE, AIR = "soil__temperature", "soil_ice__volume_fraction", "land_surface_air__temperature"
STEP = 10800
STEPS_A_DAY = 86400 // STEP
OBSERVED_LAYERS = (1, 3, 5)  # 0.07, 0.23 and 0.66 m below the ground
OBSERVATION_ERROR = 0.2  # [K]
TRUE_OFFSET, TRUE_BIAS = 1.5, 0.8  # of the soil at the start and of the air [K]
SPREAD = 1.2  # of both among the members [K]
CORRELATION_DEPTH = 0.7  # corrections fade with the distance from the sensor [m]


def read(model: Any, name: str) -> np.ndarray:
    """A copy of a variable through BMI."""
    destination = np.empty(model.get_var_nbytes(name) // model.get_var_itemsize(name), model.get_var_type(name))
    return model.get_value(name, destination)


def start(folder: Path, days: int, offsets: np.ndarray, schemes: dict[str, str] | None = None) -> BmiNoahPy:
    """The column of the built-in example once for each soil temperature offset of ``[row, member]``."""
    path = write_example(folder, "noah-permafrost")
    sections = yaml.safe_load(path.read_text())
    rows, members = offsets.shape
    if offsets.size > 1:
        sections["domain"] = {"latitude": np.arange(float(rows)).tolist(), "longitude": np.arange(members).tolist()}
    end = np.datetime64("2019-09-01T00:00") + np.timedelta64(days * 86400 - STEP, "s")
    sections["period"]["end"] = str(end)
    sections["schemes"] = {**sections.get("schemes", {}), **(schemes or {})}
    profile = np.asarray(sections["initial"]["soil_temperature"])
    fading = np.exp(-np.linspace(0.0, 4.0, len(profile)))  # deep soil is known
    temperature = profile[:, None, None] + fading[:, None, None] * offsets
    sections["initial"]["soil_temperature"] = (temperature if offsets.size > 1 else temperature[:, 0, 0]).tolist()
    sections["initial"]["soil_liquid"] = "equilibrium"
    path.write_text(yaml.safe_dump(sections))
    model = BmiNoahPy()
    model.initialize(str(path))
    return model


def run_day(model: BmiNoahPy, air: np.ndarray, bias: np.ndarray) -> None:
    """The steps of one day, with the air temperature of each step and its bias in each column. [K]"""
    first = round(model.get_current_time() / STEP)
    for step in range(first, first + STEPS_A_DAY):
        model.set_value(AIR, air[step] + bias)
        model.update()


def observe(truth: BmiNoahPy, random: np.random.Generator) -> np.ndarray:
    """What the sensors say. [K]"""
    exact = read(truth, SOIL)[list(OBSERVED_LAYERS)]
    return exact + random.normal(0.0, OBSERVATION_ERROR, exact.shape)


def analyse(forecast: np.ndarray, observed: np.ndarray, middle: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Ensemble Kalman filter with perturbed observations.

    Parameters
    ----------
    forecast : Temperature ``[layer, member]``. [K]
    observed : Temperature at the sensors. [K]
    middle : Depth of the middle of each layer. [m]
    """
    sensors = list(OBSERVED_LAYERS)
    anomaly = forecast - forecast.mean(1, keepdims=True)
    fading = np.exp(-np.abs(middle[:, None] - middle[None, sensors]) / CORRELATION_DEPTH)
    covariance = fading * (anomaly @ anomaly[sensors].T) / (forecast.shape[1] - 1)
    gain = covariance @ np.linalg.inv(covariance[sensors] + OBSERVATION_ERROR**2 * np.eye(len(sensors)))
    noise = random.normal(0.0, OBSERVATION_ERROR, (len(sensors), forecast.shape[1]))
    return forecast + gain @ (observed[:, None] + noise - forecast[sensors])


def correct(model: BmiNoahPy, observed: np.ndarray, middle: np.ndarray, random: np.random.Generator) -> None:
    """Change the southern row of the grid; layers with ice keep their temperature."""
    temperature = read(model, SOIL).reshape(len(middle), 2, -1)
    thawed = ~(read(model, ICE).reshape(temperature.shape)[:, 0] > 0.0).any(1)
    analysis = analyse(temperature[:, 0], observed, middle, random)
    temperature[thawed, 0] = analysis[thawed]
    model.set_value(SOIL, temperature)


def experiment(folder: Path, days: int, members: int) -> dict[str, np.ndarray]:
    """Run truth and ensemble side by side; temperatures at the end of each day, before its correction."""
    random = np.random.default_rng(20190901)
    offsets, bias = random.normal(0.0, SPREAD, (2, members))
    truth = start(folder / "truth", days, np.array([[TRUE_OFFSET]]))
    ensemble = start(folder / "ensemble", days, np.stack([offsets, offsets]))
    air = example_table().values["air_temperature"][:, 0]
    thickness = read(truth, "soil_layer__thickness")
    middle = thickness.cumsum() - 0.5 * thickness
    series: dict[str, list[np.ndarray]] = {"truth": [], "free": [], "corrected": [], "observed": []}
    for _ in range(days):
        run_day(truth, air, np.array([TRUE_BIAS]))
        run_day(ensemble, air, np.concatenate([bias, bias]))
        both = read(ensemble, SOIL).reshape(len(middle), 2, members)
        observed = observe(truth, random)
        for name, values in (
            ("truth", read(truth, SOIL)), ("free", both[:, 1]), ("corrected", both[:, 0]), ("observed", observed),
        ):  # fmt: skip
            series[name].append(values)
        correct(ensemble, observed, middle, random)
    return {name: np.array(values) for name, values in series.items()} | {"depth": middle}


def errors(result: dict[str, np.ndarray]) -> dict[str, float]:
    """Root-mean-square error of the ensemble mean in the upper metre after the first five days. [K]"""
    upper = result["depth"] < 1.0
    truth = result["truth"][5:, upper]
    return {
        name: float(np.sqrt(np.mean((result[name].mean(-1)[5:, upper] - truth) ** 2))) for name in ("free", "corrected")
    }


def draw(result: dict[str, np.ndarray], path: Path) -> None:
    """Temperature at one sensor, and the error at the last day with depth."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", width_ratios=[2, 1])
    layer, days = OBSERVED_LAYERS[-1], np.arange(1, len(result["truth"]) + 1)
    for name, color in (("free", "tab:orange"), ("corrected", "tab:blue")):
        left.plot(days, result[name][:, layer] - 273.15, color=color, alpha=0.25, linewidth=0.7)
        left.plot(days, result[name][:, layer].mean(1) - 273.15, color=color, linewidth=2, label=f"{name} ensemble")
        error = np.abs(result[name][-1].mean(1) - result["truth"][-1])
        right.plot(error, result["depth"], color=color)
    left.plot(days, result["truth"][:, layer] - 273.15, color="black", label="truth")
    left.plot(days, result["observed"][:, -1] - 273.15, "k.", markersize=4, label="observed")
    left.set(xlabel="day", ylabel=f"soil temperature at {result['depth'][layer]:.2f} m [degC]")
    left.legend()
    right.set(xlabel="error on the last day [K]", ylabel="depth [m]", ylim=(4, 0))
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=20, help="length of the run, more than five")
    parser.add_argument("--members", type=int, default=16, help="size of the ensemble")
    parser.add_argument("--folder", type=Path, default=Path("assimilation"), help="where files are written")
    options = parser.parse_args(arguments)
    if options.days <= 5 or options.members < 3:
        parser.error("--days must be more than 5 and --members at least 3")
    result: dict[str, Any] = experiment(options.folder, options.days, options.members)
    result["errors"] = errors(result)
    sensors = [f"{result['depth'][layer]:.2f}" for layer in OBSERVED_LAYERS]
    print(f"Observed every day at {', '.join(sensors)} m")
    for name, error in result["errors"].items():
        print(f"  {name:9} ensemble: error of the mean in the upper metre {error:.2f} K")
    draw(result, options.folder / "assimilation.png")
    print(f"Figure: {options.folder / 'assimilation.png'}")
    return result


if __name__ == "__main__":
    main()
