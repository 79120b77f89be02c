"""Can a calibration find what made the observations? A twin experiment on the forcing of Tanggula.

The model runs with other soil parameters than the calibration begins from, its soil temperature and liquid water get
the noise of sensors, and from random starts all over the bounds the calibration looks for parameters that give them:
the four of Tian et al. (2026), porosity, saturated hydraulic conductivity, suction and b, in each of ten layers, the
layers of a class at most 10 % from what they share. A start has arrived when its misfit is that of the true parameters,
the noise floor: no calibration can know more.

    python calibrate_twin.py [--days 366] [--starts 10] [--folder twin] [--data folder of forcing.txt]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from calibration_sites import DATA, HYDRAULICS, missing, tanggula
from rich.console import Console

from bmi_noahpy import Launch, calibrate, launch, load_configuration, read_calibration
from bmi_noahpy.calibration import Fit, write_calibrated

DEPTHS = (0.05, 0.1, 0.2, 0.4, 0.7, 1.05, 1.3, 2.0)  # [m]
NOISE = {"soil_temperature": 0.1, "soil_liquid_water": 0.01}  # [K, m3 m-3]
NAMES = {"soil_temperature": "Tsoil_{:g}m_K", "soil_liquid_water": "theta_{:g}m_m3_m3"}
POSSIBLE = {"soil_temperature": 270.0, "soil_liquid_water": 0.1}  # values to begin with, before there are any
NEAR_THE_FLOOR = 1.02  # of the objective: the root-mean-square misfit is within 1 % of the noise


def settings(run: dict[str, Any], layers: int, starts: int, iterations: int) -> dict[str, Any]:
    """The calibration as plain data; its observations are still to be made."""
    entry = {"by": "layer", "layers": f"1-{layers}", "spread": 0.1}
    return {
        "run": run,
        "parameters": {name: {**entry, "bounds": bounds} for name, bounds in HYDRAULICS.items()},
        "observations": {
            "file": "observed.csv",
            "quantities": {name: {"error": error} for name, error in NOISE.items()},
        },
        "objective": "gaussian",
        "starts": {"count": starts, "first": "random", "seed": 1},
        "optimiser": {"name": "levenberg_marquardt", "iterations": iterations},
        "stop": {"tolerance": 1e-4, "patience": 5},
        "results": "results",
    }


def true_parameters(count: int) -> torch.Tensor:
    """Unknowns of the truth, away from the bounds, ``[unknown, 1]``."""
    generator = torch.Generator().manual_seed(42)
    return torch.logit(0.2 + 0.6 * torch.rand(count, 1, generator=generator, dtype=torch.float64))


def write_observations(path: Path, values: np.ndarray, start: str) -> None:
    """Daily values ``[day, series]`` of temperature and liquid water at the depths."""
    header = ["time_utc", *(NAMES[name].format(depth) for name in NOISE for depth in DEPTHS)]
    days = np.datetime64(start[:10]) + np.arange(len(values))
    rows = [
        ",".join([f"{day}T00:00Z", *(f"{value:.8g}" for value in row)]) for day, row in zip(days, values, strict=True)
    ]
    path.write_text("\n".join([",".join(header), *rows]) + "\n", encoding="utf-8")


def observe(trajectory: Path) -> np.ndarray:
    """What the true run gives at the depths, without noise, ``[day, series]``."""
    with xr.open_dataset(trajectory) as data:
        series = [data[name].interp(layer=list(DEPTHS)).values for name in NOISE]
    return np.concatenate(series, axis=1)


def make_truth(folder: Path, mapping: dict[str, Any], start: str, days: int) -> tuple[torch.Tensor, np.ndarray]:
    """Run the model with true parameters and write noisy observations; these parameters, and values without noise."""
    possible = np.repeat([POSSIBLE[name] for name in NOISE], len(DEPTHS))
    placeholder = possible * (1.0 + 1e-4 * np.arange(days)[:, None])
    write_observations(folder / "observed.csv", placeholder, start)
    fit = Fit(read_calibration(mapping, folder))
    truth = true_parameters(fit.controls.count)
    write_calibrated(fit, truth, folder / "truth.yaml")
    launch(load_configuration(folder / "truth.yaml"), Launch(output=folder / "truth.nc", overwrite=True))
    clean = observe(folder / "truth.nc")
    errors = np.repeat(list(NOISE.values()), len(DEPTHS))
    noise = np.random.default_rng(0).normal(size=clean.shape)
    write_observations(folder / "observed.csv", clean + errors * noise, start)
    return truth, clean


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=366, help="length of the run, at most 1371")
    parser.add_argument("--starts", type=int, default=10, help="random starts")
    parser.add_argument("--layers", type=int, default=10, help="calibrated layers")
    parser.add_argument("--iterations", type=int, default=60, help="at most")
    parser.add_argument("--folder", type=Path, default=Path("twin"), help="where files are written")
    parser.add_argument("--data", type=Path, default=DATA / "tgl", help="folder of the forcing of Tanggula")
    options = parser.parse_args(arguments)
    problem = missing(options.data, ("forcing.txt",))
    if problem:
        sys.exit(problem)
    begin = time.perf_counter()
    options.folder.mkdir(parents=True, exist_ok=True)
    mapping = settings(
        tanggula(options.data.resolve(), options.days), options.layers, options.starts, options.iterations
    )
    truth, clean = make_truth(options.folder, mapping, "2007-04-01", options.days)
    calibration = read_calibration(mapping, options.folder)
    floor = float(Fit(calibration).losses(truth))
    console = Console()
    outcome = calibrate(calibration, overwrite=True, progress=console)
    arrived = int((outcome.losses <= NEAR_THE_FLOOR * floor).sum())
    best = observe(options.folder / "results" / "trajectory.nc")
    errors = np.repeat(list(NOISE.values()), len(DEPTHS))
    distance = float(np.sqrt(np.mean(((best - clean) / errors) ** 2)))
    over = " ".join(f"{loss / floor:.3f}" for loss in sorted(outcome.losses.tolist()))
    console.print(f"Objective with the true parameters, the noise floor: {floor:.4f}")
    console.print(f"Objective of the starts over it: {over}", soft_wrap=True)
    console.print(f"{arrived} of {options.starts} starts reached the noise floor, in {outcome.iterations} iterations.")
    console.print(f"The best trajectory is {distance:.3f} noises from the true one.")
    console.print(f"{time.perf_counter() - begin:.0f} s")
    return {"floor": floor, "losses": outcome.losses, "arrived": arrived, "distance": distance, "outcome": outcome}


if __name__ == "__main__":
    main()
