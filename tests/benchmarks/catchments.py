"""What a catchment costs a framework that holds many in one process: time and memory to initialise, and a step.

Each catchment has a configuration of its own, as in a framework: another place, soil, land cover and weather.

Run it by itself: ``python tests/benchmarks/catchments.py 400``.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from psutil import Process

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bmi"))

import bmi_cases as cases

from bmi_noahpy import BmiNoahPy


def initialised(path: Path) -> BmiNoahPy:
    model = BmiNoahPy()
    model.initialize(str(path))
    return model


def configurations(folder: Path, count: int) -> list[Path]:
    """Files of so many catchments, none like another."""
    content = cases.configuration(forcing=None, schemes={"phase_change": "enthalpy"})
    paths = []
    for number in range(count):
        content["domain"] = {"latitude": 30.0 + 0.01 * number, "longitude": 91.0}
        content["soil"]["classes"] = [1 + (number + layer) % 9 for layer in range(5)]
        content["vegetation"]["class"] = (2, 5, 7, 10, 11)[number % 5]
        content["general"]["deep_temperature"] = 272.0 + 0.01 * number
        content["initial"]["soil_temperature"] = [271.0 + 0.001 * (number + layer) for layer in range(5)]
        paths.append(cases.write_case(folder / str(number), content))
    return paths


def stepped(model: BmiNoahPy, inputs: dict[str, np.ndarray]) -> None:
    """A step as a framework takes it, which sets every input before."""
    for name, values in inputs.items():
        model.set_value(name, values)
    model.update()


def main(count: int) -> None:
    """Print the cost of each of so many catchments beyond the first."""
    with tempfile.TemporaryDirectory() as folder:
        first, *paths = configurations(Path(folder), count + 1)
        inputs = {name: cases.weather()[field][:1] for name, field in cases.INPUT_OF.items()}
        inputs["land_surface_wind__y_component_of_velocity"] = np.zeros(1)
        stepped(initialised(first), inputs)

        process, before = Process(), Process().memory_info().rss
        models, made = [], []
        for path in paths:
            start = time.process_time()
            models.append(initialised(path))
            made.append(time.process_time() - start)
        for model in models:
            stepped(model, inputs)
        memory = process.memory_info().rss - before

        best = float("inf")
        for _ in range(5):
            start = time.process_time()
            for model in models:
                stepped(model, inputs)
            best = min(best, time.process_time() - start)
    print(
        f"{count} catchments: {1e3 * min(made):.2f} ms at least, {1e3 * float(np.median(made)):.2f} ms in the median "
        f"and {1e3 * sum(made) / count:.2f} ms in the mean, with Python's collections of garbage, to initialise, "
        f"{memory / count / 2**20:.3f} MB,"
    )
    print(f"{1e6 * best / count:.0f} us for a step with {len(inputs)} inputs set before it")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
