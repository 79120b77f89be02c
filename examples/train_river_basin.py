"""Soil and river trained together: NoahPy in 200 cells, Muskingum-Cunge routing below, discharge at two gauges.

Both components know nothing but BMI and the gradient extension. The basin and its truth are inventions, so that what is
found can be compared with it; a third gauge is held out.

    python examples/train_river_basin.py
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))

from muskingum_cunge import DISCHARGE, ROUGHNESS, RUNOFF, MuskingumCunge, random_network, upstream_cells
from small_component import Floats

from bmi_noahpy import BmiNoahPy

STEP = 3600.0
CONDUCTIVITY = "soil~saturated_water__hydraulic_conductivity"
INFILTRATION = "land_surface__reference_infiltration_decay"
RAIN = "atmosphere_water__liquid_equivalent_precipitation_rate"
QUICK, SLOW = "land_surface_water_runoff__mass_flux", "land_subsurface_water_runoff__mass_flux"
TRUTH = {"conductivity, upper": 0.6, "conductivity, lower": 1.7, "infiltration": 0.7, "roughness, upper": 1.5,
         "roughness, lower": 0.7}  # fmt: skip
"""Factors on the values both components have at first."""


@dataclasses.dataclass
class Basin:
    """Two coupled components, the rain, and what is observed.

    Parameters
    ----------
    land, river : Initialised components.
    rain : ``[step, cell]``. [mm s-1]
    gauges : Reaches with a gauge; the last one is held out.
    """

    land: BmiNoahPy
    river: MuskingumCunge
    rain: Floats
    gauges: list[int]

    def __post_init__(self) -> None:
        self.extensions = [self.land.get_extension("gradient"), self.river.get_extension("gradient")]
        self.start = [extension.get_state(np.empty(extension.get_state_size())) for extension in self.extensions]
        self.cells = self.rain.shape[1]
        self.first = {name: self._get(k, name) for k, name in ((0, CONDUCTIVITY), (0, INFILTRATION), (1, ROUGHNESS))}
        upper = np.arange(self.cells) >= self.cells // 2
        layers = self.first[CONDUCTIVITY].size // self.cells
        self.zones = {
            "conductivity, upper": (0, CONDUCTIVITY, np.tile(upper, layers)),
            "conductivity, lower": (0, CONDUCTIVITY, np.tile(~upper, layers)),
            "infiltration": (0, INFILTRATION, np.ones(self.cells, dtype=bool)),
            "roughness, upper": (1, ROUGHNESS, upper),
            "roughness, lower": (1, ROUGHNESS, ~upper),
        }

    def set_factors(self, factors: dict[str, float]) -> None:
        """Multiply the parameters of each zone."""
        values = {name: first.copy() for name, first in self.first.items()}
        for zone, (_, name, where) in self.zones.items():
            values[name][where] *= factors[zone]
        for component, name in ((0, CONDUCTIVITY), (0, INFILTRATION), (1, ROUGHNESS)):
            self.extensions[component].set_parameter(name, values[name])

    def forward(self, *, record: bool = False) -> Floats:
        """Discharge of every step at the gauges, ``[step, gauge]``. [m3 s-1]"""
        for extension, state in zip(self.extensions, self.start, strict=True):
            extension.set_state(state)
        self.extensions[0].set_time(0.0)
        for extension in self.extensions if record else ():
            extension.start_recording()
        flow = np.array([self._step(rain) for rain in self.rain])
        for extension in self.extensions if record else ():
            extension.stop_recording()
        return flow

    def gradient(self, seeds: Floats) -> dict[str, float]:
        """Derivative by the logarithm of the factor of each zone, after a recorded run.

        Parameters
        ----------
        seeds : Derivative of the objective by the discharge, ``[step, gauge]``.
        """
        land, river = self.extensions
        at_reaches = np.zeros(self.cells)
        for seed in seeds[::-1]:
            at_reaches[self.gauges] = seed
            river.add_adjoint_seed(DISCHARGE, at_reaches)
            river.update_adjoint()
            by_runoff = river.get_adjoint(RUNOFF, np.empty(self.cells))
            for name in (QUICK, SLOW):
                land.add_adjoint_seed(name, by_runoff)
            land.update_adjoint()
        found = {}
        for zone, (component, name, where) in self.zones.items():
            values = self._get(component, name)
            by_value = self.extensions[component].get_adjoint(name, np.empty(values.size))
            found[zone] = float((by_value * values)[where].sum())
        return found

    def _step(self, rain: Floats) -> Floats:
        self.land.set_value(RAIN, rain)
        self.land.update()
        runoff = sum(self.land.get_value(name, np.empty(self.cells)) for name in (QUICK, SLOW))
        self.river.set_value(RUNOFF, runoff)
        self.river.update()
        return self.river.get_value(DISCHARGE, np.empty(self.cells))[self.gauges]

    def _get(self, component: int, name: str) -> Floats:
        extension = self.extensions[component]
        return extension.get_parameter(name, np.empty(extension.get_parameter_size(name)))


def choose_gauges(downstream: Floats) -> list[int]:
    """The outlet and the largest tributary, and, held out, the largest one that does not flow into the second."""
    cells = upstream_cells(downstream)
    order = [int(reach) for reach in np.argsort(-cells) if cells[reach] < 0.45 * cells[0]]

    def above(reach: int, gauge: int) -> bool:
        while reach > gauge:
            reach = int(downstream[reach])
        return reach == gauge

    held_out = next(reach for reach in order[1:] if not above(reach, order[0]) and not above(order[0], reach))
    return [0, order[0], held_out]


def rain_of(steps: int, cells: int) -> Floats:
    """Showers that cross the basin, ``[step, cell]``. [mm s-1]"""
    hours, places = np.arange(steps)[:, None], np.linspace(0.0, 1.0, cells)
    passing = np.sin(2.0 * np.pi * (hours / 31.0 - 0.6 * places)) + 0.5 * np.sin(2.0 * np.pi * hours / 83.0)
    return 3.0e-3 * np.maximum(0.0, passing - 0.7)


def write_land(folder: Path, cells: int, steps: int) -> Path:
    """Configuration of a row of cells under mild weather; the path of the configuration."""
    start, hours = np.datetime64("2010-06-01T00:00"), np.arange(steps)
    day = 2.0 * np.pi * hours / 24.0
    weather = {
        "air_temperature_K": 287.0 - 4.0 * np.cos(day),
        "air_pressure_Pa": np.full(steps, 95000.0),
        "specific_humidity_kg_kg": np.full(steps, 0.008),
        "wind_speed_m_s": 3.0 + np.cos(0.3 * hours),
        "shortwave_down_W_m2": 500.0 * np.maximum(0.0, -np.cos(day)),
        "longwave_down_W_m2": np.full(steps, 330.0),
        "precipitation_kg_m2_s": np.zeros(steps),
    }
    rows = [",".join(["time_utc", *weather])]
    for k in range(steps):
        moment = start + k * np.timedelta64(1, "h")
        rows.append(",".join([str(moment), *(repr(float(series[k])) for series in weather.values())]))
    (folder / "weather.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    sections = {
        "name": "Basin",
        "domain": {"latitude": [47.0], "longitude": [0.01 * k for k in range(cells)]},
        "period": {"start": str(start), "end": str(start + (steps - 1) * np.timedelta64(1, "h")), "step": int(STEP)},
        "soil": {"thickness": [0.1, 0.3, 0.6, 1.0], "classes": [6, 6, 6, 6]},
        "vegetation": {"class": 7, "fraction": 0.5},
        "general": {"deep_temperature": 283.0, "air_temperature_height": 2.0, "wind_height": 10.0},
        "schemes": {"phase_change": "enthalpy", "transitions": "smooth"},
        "initial": {
            "soil_temperature": [286.0, 285.0, 284.0, 283.0],
            "soil_moisture": [0.36, 0.36, 0.36, 0.36],
            "soil_liquid": [0.36, 0.36, 0.36, 0.36],
            "skin_temperature": 286.0,
            "snow_depth": 0.0,
            "snow_water_equivalent": 0.0,
            "albedo": 0.2,
            "roughness_length": 0.05,
        },
        "forcing": {"file": "weather.csv", "format": "csv"},
    }
    path = folder / "basin.yaml"
    path.write_text(yaml.safe_dump(sections, sort_keys=False), encoding="utf-8")
    return path


def open_basin(folder: Path, cells: int = 200, steps: int = 240) -> Basin:
    """The coupled components."""
    land = BmiNoahPy()
    land.initialize(str(write_land(folder, cells, steps)))
    downstream = random_network(cells)
    river = MuskingumCunge(downstream, area=2.5e7, length=5000.0, slope=2.0e-3, step=STEP)
    return Basin(land, river, rain_of(steps, cells), choose_gauges(downstream))


def objective(flow: Floats, observed: Floats) -> tuple[float, Floats]:
    """Mean square of the misfit at the gauges that are not held out, by the variance there; its derivative."""
    scale = observed[:, :-1].var(0) * len(flow)
    misfit = flow[:, :-1] - observed[:, :-1]
    seeds = np.zeros_like(flow)
    seeds[:, :-1] = 2.0 * misfit / scale
    return float((misfit**2 / scale).sum()), seeds


def train(basin: Basin, observed: Floats, iterations: int = 12) -> tuple[dict[str, float], list[float]]:
    """Factors that L-BFGS finds from one on, and the objective of each run."""
    logarithms = torch.zeros(len(basin.zones), dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([logarithms], max_iter=iterations, line_search_fn="strong_wolfe", history_size=8)
    history: list[float] = []

    def closure() -> float:
        basin.set_factors(dict(zip(basin.zones, np.exp(logarithms.detach().numpy()), strict=True)))
        value, seeds = objective(basin.forward(record=True), observed)
        logarithms.grad = torch.tensor(list(basin.gradient(seeds).values()), dtype=torch.float64)
        history.append(value)
        return value

    search.step(closure)
    return dict(zip(basin.zones, np.exp(logarithms.detach().numpy()).tolist(), strict=True)), history


def compare(basin: Basin, observed: Floats, size: float = 1.0e-6) -> dict[str, tuple[float, float]]:
    """Derivative by the logarithm of each factor where the training begins: one sweep back, and differences."""
    ones = dict.fromkeys(basin.zones, 1.0)
    basin.set_factors(ones)
    exact = basin.gradient(objective(basin.forward(record=True), observed)[1])
    found = {}
    for zone in basin.zones:
        values = []
        for step in (2.0 * size, size, -size, -2.0 * size):
            basin.set_factors({**ones, zone: float(np.exp(step))})
            values.append(objective(basin.forward(), observed)[0])
        difference = (8.0 * (values[1] - values[2]) - (values[0] - values[3])) / (12.0 * size)
        found[zone] = exact[zone], difference
    basin.set_factors(ones)
    return found


def efficiency(flow: Floats, observed: Floats) -> Floats:
    """Of Nash and Sutcliffe, at each gauge."""
    return 1.0 - ((flow - observed) ** 2).sum(0) / ((observed - observed.mean(0)) ** 2).sum(0)


def main(cells: int = 200, steps: int = 240) -> None:
    """Print agreement of the gradient, what was found, and the score of each gauge."""
    with tempfile.TemporaryDirectory() as folder:
        basin = open_basin(Path(folder), cells, steps)
        basin.set_factors(TRUTH)
        observed = basin.forward()
        print(
            f"{cells} cells, {steps} steps, gauges {basin.gauges}, discharge up to {observed.max(0).round(1)} m3 s-1\n"
        )
        print(f"{'derivative by the logarithm of':<32}{'one sweep back':>16}{'differences':>16}{'relative':>10}")
        for zone, (adjoint, difference) in compare(basin, observed).items():
            print(f"{zone:<32}{adjoint:>16.8g}{difference:>16.8g}{abs(adjoint / difference - 1.0):>10.1e}")
        before = efficiency(basin.forward(), observed)
        begin = time.perf_counter()
        factors, history = train(basin, observed)
        seconds = time.perf_counter() - begin
        basin.set_factors(factors)
        after = efficiency(basin.forward(), observed)
        print(
            f"\n{len(history)} runs with gradient, {seconds / len(history):.1f} s each: "
            f"{history[0]:.3g} to {history[-1]:.3g}"
        )
        for zone, factor in factors.items():
            print(f"{zone:<32}found {factor:.4f}, true {TRUTH[zone]}")
        for name, old, new in zip(("outlet", "tributary", "held out"), before, after, strict=True):
            print(f"efficiency at the {name:<14}{old:8.4f} before, {new:.6f} after")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
