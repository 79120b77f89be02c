"""Differentiate runs of growing length and print the peak memory after each: run in a process of its own.

``python memory_of_a_run.py LAYERS COLUMNS TIME_STEP MEMORY STEPS...`` prints a JSON list: resident memory at the peak,
in bytes, before the first run and after each.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import torch
from torch import Tensor

from noahpy_core import NoahModel, Options, Parameters, SoilColumn, State, initial_state, run
from noahpy_core.state import Forcing
from noahpy_core.tables import general_parameters, snow_parameters, soil_parameters, vegetation_parameters

THICKNESS = {
    4: (0.1, 0.3, 0.6, 1.0),
    20: (0.05, 0.05, 0.08, 0.12, 0.2, 0.3, 0.4, 0.4, 0.5, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.4, 1.6, 1.9, 2.2),
}
YEAR, DAY = 365.0 * 86400.0, 86400.0
LOAM, GRASSLAND = 8, 7


def weather(steps: int, columns: int, time_step: float) -> Forcing:
    """A cold continental year with its days, the same for all columns."""
    seconds = torch.arange(steps, dtype=torch.float64)[:, None] * time_step
    season = -torch.cos(2.0 * math.pi * seconds / YEAR)
    hour = -torch.cos(2.0 * math.pi * seconds / DAY) if time_step < DAY else torch.zeros_like(seconds)

    def spread(series: Tensor) -> Tensor:
        return series.expand(steps, columns)

    temperature = 271.0 + 14.0 * season + 4.0 * hour
    return Forcing(
        air_temperature=spread(temperature),
        air_pressure=spread(torch.full_like(seconds, 9.0e4)),
        specific_humidity=spread(0.003 * torch.exp(0.07 * (temperature - 273.15)) + 0.0002),
        wind_speed=spread(3.0 + 1.0 * hour),
        shortwave_down=spread((150.0 + 100.0 * season) * torch.clamp(1.0 + 1.5 * hour, min=0.0)),
        longwave_down=spread(260.0 + 50.0 * season),
        precipitation=spread(torch.where(torch.sin(seconds / DAY) > 0.8, 8.0e-5, 0.0).to(seconds.dtype)),
        vegetation_fraction=spread(0.4 + 0.3 * season),
    )


def site(column: SoilColumn, columns: int) -> tuple[State, Parameters]:
    """Moist loam under grass, at the end of winter."""
    classes, plants = torch.full((column.layers, columns), LOAM), torch.full((columns,), GRASSLAND)
    parameters = Parameters(
        soil=soil_parameters(classes),
        vegetation=vegetation_parameters(plants, minimum_fraction=0.1, maximum_fraction=0.7),
        snow=snow_parameters(plants),
        general=general_parameters(columns, deep_temperature=272.0, air_temperature_height=2.0, wind_height=10.0),
    )
    none = torch.zeros(columns, dtype=torch.float64)
    state = initial_state(
        column,
        soil_temperature=torch.full((column.layers, columns), 274.5, dtype=torch.float64),
        soil_moisture=torch.full((column.layers, columns), 0.25, dtype=torch.float64),
        soil_liquid=torch.full((column.layers, columns), 0.25, dtype=torch.float64),
        skin_temperature=none + 272.0, snow_water_equivalent=none, snow_depth=none, canopy_water=none,
        albedo=none + 0.2, roughness_length=none + 0.05, specific_humidity=none + 0.003,
    )  # fmt: skip
    return state, parameters


def differentiate(layers: int, columns: int, time_step: float, steps: int, memory: int) -> None:
    """One run there and back: gradient of the mean soil temperature of the whole run."""
    column = SoilColumn(torch.tensor(THICKNESS[layers], dtype=torch.float64))
    state, parameters = site(column, columns)
    parameters.soil.porosity.requires_grad_()
    parameters.soil.saturated_hydraulic_conductivity.requires_grad_()
    model = NoahModel(column, Options(phase_change="enthalpy"))
    forcing = weather(steps, columns, time_step)
    path = run(model, state, forcing, parameters, time_step, outputs=["soil.temperature"], memory=memory)
    path.outputs["soil.temperature"].mean().backward()
    gradient = parameters.soil.porosity.grad
    assert gradient is not None
    assert bool(torch.isfinite(gradient).all())


def peak() -> int:
    """Largest resident memory of the process so far. [byte]"""
    # The peak of this program alone: what getrusage tells begins with that of the program that started it.
    status = Path("/proc/self/status").read_text()
    largest = int(status.split("VmHWM:")[1].split()[0])
    return largest if sys.platform == "darwin" else 1024 * largest


def main(layers: str, columns: str, time_step: str, memory: str, *lengths: str) -> None:
    torch.set_num_threads(1)
    differentiate(int(layers), int(columns), float(time_step), 2, int(memory))
    peaks = [peak()]
    for length in lengths:
        differentiate(int(layers), int(columns), float(time_step), int(length), int(memory))
        peaks.append(peak())
    sys.stdout.write(json.dumps(peaks))


if __name__ == "__main__":
    main(*sys.argv[1:])
