"""A small site with freezing and thawing, and observations that the model itself made with other parameters."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from configurations import COLUMNS

from bmi_noahpy.config import read_configuration
from bmi_noahpy.runs.prepare import prepare
from noahpy_core.simulation import run

DAYS = 16
TRUTH = {"porosity": 0.55, "quartz_fraction": 0.3}
DEPTHS = (0.04, 0.12, 0.3)

SITE: dict[str, Any] = {
    "name": "Small site",
    "domain": {"latitude": 60.0, "longitude": 10.0},
    "period": {"start": "2020-04-01T00:00", "end": "2020-04-16T00:00", "step": 86400},
    "soil": {"thickness": [0.08, 0.15, 0.3, 0.6], "classes": [8, 8, 4, 4], "hydraulics": "derived"},
    "vegetation": {"class": 9, "fraction": 0.2},
    "general": {"deep_temperature": 274.0, "air_temperature_height": 2.0, "wind_height": 10.0},
    "schemes": {"phase_change": "enthalpy", "transitions": "smooth"},
    "initial": {
        "soil_temperature": [270.5, 271.5, 272.5, 273.5],
        "soil_moisture": [0.3, 0.3, 0.28, 0.25],
        "soil_liquid": "equilibrium",
        "skin_temperature": 270.0,
        "albedo": 0.2,
        "roughness_length": 0.05,
    },
    "forcing": {"file": "weather.csv"},
}


def write_weather(path: Path, days: int = DAYS) -> None:
    """Daily weather that thaws the ground, freezes it and thaws it again, with some rain."""
    rows = [",".join(COLUMNS)]
    for day in range(days + 1):
        air = 274.0 + 7.0 * np.sin(2.0 * np.pi * day / 9.0)
        date = np.datetime64("2020-04-01") + day
        rain = 4e-5 if day % 5 == 2 else 0.0
        rows.append(
            f"{date}T00:00,{air:.3f},90000,0.003,{3 + day % 3},{160 + 20 * (day % 4)},{250 + 5 * (day % 5)},{rain}"
        )
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def write_site(folder: Path, changes: dict[str, Any] | None = None) -> Path:
    """``site.yaml`` and its weather."""
    site = copy.deepcopy(SITE)
    for key, value in (changes or {}).items():
        section, _, name = key.partition(".")
        site[section] = value if not name else {**site[section], name: value}
    write_weather(folder / "weather.csv")
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump(site), encoding="utf-8")
    return path


def write_observations(
    folder: Path, truth: dict[str, Any] | None = None, *, noise: float = 0.0, name: str = "observed.csv"
) -> Path:
    """What the model gives at some depths with other soil parameters: daily values from the beginning of their day."""
    site = yaml.safe_load((folder / "site.yaml").read_text(encoding="utf-8"))
    site["soil"]["parameters"] = TRUTH if truth is None else truth
    prepared = prepare(read_configuration(site, folder))
    with torch.no_grad():
        path = run(
            prepared.model,
            prepared.initial_state,
            prepared.forcing.block(0, prepared.steps),
            prepared.parameters,
            prepared.step,
            outputs=["soil.temperature", "soil.liquid_water"],
        )
    nodes = prepared.model.column.node_depth[:, 0].numpy()
    random = np.random.default_rng(1)
    columns = {}
    for key, template in (("soil.temperature", "Tsoil_{:g}m_K"), ("soil.liquid_water", "theta_{:g}m_m3_m3")):
        values = path.outputs[key][..., 0].numpy()
        for depth in DEPTHS:
            at_depth = np.array([np.interp(depth, nodes, row) for row in values])
            size = noise if key == "soil.temperature" else 0.05 * noise
            columns[template.format(depth)] = at_depth + size * random.normal(size=at_depth.size)
    days = [f"{np.datetime64('2020-04-01') + day}T00:00Z" for day in range(len(values))]
    rows = [",".join(["time_utc", *columns])]
    rows += [
        ",".join([day, *(f"{series[number]:.12g}" for series in columns.values())]) for number, day in enumerate(days)
    ]
    target = folder / name
    target.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return target


CALIBRATION: dict[str, Any] = {
    "run": "site.yaml",
    "parameters": {
        "soil.porosity": {"by": "one", "bounds": [0.35, 0.7]},
        "soil.quartz_fraction": {"by": "one", "bounds": [0.05, 0.9]},
    },
    "observations": "observed.csv",
    "optimiser": {"name": "levenberg_marquardt", "iterations": 6},
    "results": "results",
}


def write_calibration(folder: Path, changes: dict[str, Any] | None = None) -> Path:
    """``calibration.yaml``, with values at dotted keys of the first level; `...` removes one."""
    mapping = copy.deepcopy(CALIBRATION)
    for key, value in (changes or {}).items():
        if value is ...:
            del mapping[key]
        else:
            mapping[key] = value
    path = folder / "calibration.yaml"
    path.write_text(yaml.safe_dump(mapping, sort_keys=False), encoding="utf-8")
    return path
