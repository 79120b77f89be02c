"""The runs that the calibration examples calibrate: Tanggula, Yakou and Toolik, as configurations in plain data.

The forcing and observations are real and not part of this repository: each function takes the folder that holds the
site's files, and `missing` says what is not there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
THICKNESS = (
    0.045, 0.046, 0.075, 0.123, 0.204, 0.336, 0.371, 0.3, 0.5, 0.5,
    0.7, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0,
)  # fmt: skip
MIDDLE = np.cumsum(THICKNESS) - 0.5 * np.asarray(THICKNESS)
SENSOR_THICKNESS = (
    0.02, 0.04, 0.02, 0.04, 0.04, 0.08, 0.1, 0.12, 0.24, 0.2, 0.2, 0.2, 0.2, 0.2, 0.5, 0.8, 1.0, 2.0, 3.0, 6.0,
)  # fmt: skip
"""Layers whose middles are where the sensors of Yakou are: 0.04, 0.1, 0.2, 0.4, 0.8, 1.2 and 1.6 m."""
SENSOR_HORIZONS = [8] * 3 + [7] * 2 + [6] + [4] * 2 + [9] * 2 + [10] * 2 + [11] * 2 + [13] * 6
"""A class for the layers around each sensor: a name for what is fitted together, no texture."""
SCHEMES = {"phase_change": "enthalpy", "transitions": "smooth"}
"""The schemes whose derivatives hold through years of freezing and thawing."""

HYDRAULICS = {
    "soil.porosity": [0.3, 0.65],
    "soil.saturated_hydraulic_conductivity": [1e-7, 6e-3],
    "soil.saturated_suction": [0.01, 0.65],
    "soil.clapp_hornberger_b": [2.5, 12.0],
}
"""The four parameters of Tian et al. (2026) and their bounds."""


def missing(folder: Path, names: tuple[str, ...] = ("forcing.csv", "observations.csv")) -> str | None:
    """What is missing in a site's folder, as a sentence; None when all is there."""
    absent = [name for name in names if not (folder / name).is_file()]
    return (
        f"{folder}: no {' and no '.join(absent)}. Give the folder with the site's data by --data." if absent else None
    )


def tanggula(folder: Path, days: int | None = None) -> dict[str, Any]:
    """The run of the original's header, its first days, with the schemes for gradients."""
    changes: dict[str, Any] = {
        "base": str(folder / "forcing.txt"),
        "schemes": SCHEMES,
        "soil": {"hydraulics": "derived"},
        "initial": {"soil_liquid": "equilibrium"},
    }
    if days is not None:
        end = np.datetime64("2007-04-01") + (days - 1)
        changes["period"] = {"end": f"{end}T00:00"}
    return changes


def yakou(folder: Path, end: str = "2019-12-10T16:00") -> dict[str, Any]:
    """Alpine meadow at 4148 m; starts from the measured profile, with the water of the autumn before it froze."""
    observed = pd.read_csv(folder / "observations.csv", index_col=0, parse_dates=True)
    depths = (0.04, 0.1, 0.2, 0.4, 0.8, 1.2, 1.6)
    first, autumn = observed.iloc[0], observed["2016-09-20":"2016-10-05"].mean()
    temperature = [first[f"Tsoil_{depth:.2f}m_K"] for depth in depths] + [271.5, 271.5]
    water = [autumn[f"theta_liq_{depth:.2f}m_m3_m3"] for depth in depths] + [0.15]
    return {
        "name": "Yakou",
        "domain": {"latitude": 38.0142, "longitude": 100.2421},
        "period": {"start": "2015-12-31T16:00", "end": end, "step": 86400},
        "soil": {
            "thickness": list(THICKNESS),
            "classes": [8] * 5 + [9] * 6 + [13] * 9,
            "hydraulics": "derived",
            "parameters": {"porosity": [0.5] * 5 + [0.45] * 6 + [0.4] * 9},
        },
        "vegetation": {
            "class": 20,
            "fraction": [0.02, 0.02, 0.07, 0.17, 0.27, 0.58, 0.8, 0.8, 0.5, 0.2, 0.05, 0.02],
        },
        "snow": {"deep_snow_albedo": 0.75},
        "general": {"deep_temperature": 271.5, "air_temperature_height": 5.0, "wind_height": 10.0},
        "schemes": SCHEMES,
        "initial": {
            "soil_temperature": np.interp(MIDDLE, (*depths, 4.0, 20.0), temperature).round(2).tolist(),
            "soil_moisture": np.interp(MIDDLE, (*depths, 20.0), water).round(3).tolist(),
            "soil_liquid": "equilibrium",
            "skin_temperature": float(first["Tsoil_0.00m_K"]),
            "albedo": 0.2,
            "roughness_length": 0.05,
        },
        "forcing": {"file": str(folder / "forcing.csv")},
    }


def yakou_at_sensors(folder: Path, end: str = "2019-12-10T16:00") -> dict[str, Any]:
    """Yakou with layers that have the sensors in their middle, and a horizon around each sensor.

    Between two layers a sensor would see a mean of both: water below 0.5 m differs fourfold from sensor to sensor. The
    pores are first taken to be a little more than the water of the autumn fills.
    """
    observed = pd.read_csv(folder / "observations.csv", index_col=0, parse_dates=True)
    depths = (0.04, 0.1, 0.2, 0.4, 0.8, 1.2, 1.6)
    middle = np.cumsum(SENSOR_THICKNESS) - 0.5 * np.asarray(SENSOR_THICKNESS)
    first, autumn = observed.iloc[0], observed["2016-09-20":"2016-10-05"].mean()
    temperature = [first[f"Tsoil_{depth:.2f}m_K"] for depth in depths] + [271.5, 271.5]
    water = [autumn[f"theta_liq_{depth:.2f}m_m3_m3"] for depth in depths] + [0.15]
    run = yakou(folder, end)
    run["soil"] = {
        "thickness": list(SENSOR_THICKNESS),
        "classes": SENSOR_HORIZONS,
        "hydraulics": "derived",
        "parameters": {
            "porosity": np.interp(middle, (*depths, 2.0), [1.15 * value for value in water[:-1]] + [0.3])
            .round(3)
            .tolist(),
            "clapp_hornberger_b": [5.0] * 14 + [3.0] * 6,
            "saturated_suction": [0.2] * 14 + [0.1] * 6,
            "saturated_hydraulic_conductivity": [5e-6] * 14 + [2e-5] * 6,
            "quartz_fraction": [0.3] * 20,
        },
    }
    run["initial"] |= {
        "soil_temperature": np.interp(middle, (*depths, 4.0, 20.0), temperature).round(2).tolist(),
        "soil_moisture": np.interp(middle, (*depths, 20.0), water).round(3).tolist(),
    }
    return run


def toolik(folder: Path, end: str = "2003-12-30T09:00") -> dict[str, Any]:
    """Moist tundra on permafrost: a layer of peat on silt.

    Precipitation is the reanalysis's: the gauge misses most of the snow of some winters (29 mm from September 2001 to
    January 2002), and under so little the ground would have been colder than it was.
    """
    depths = (0.09, 0.12, 0.28, 0.39, 0.68, 1.5, 4.0, 15.0)
    temperature = (275.0, 274.4, 273.9, 273.6, 273.2, 271.5, 268.5, 266.5)
    water = (0.45, 0.5, 0.42, 0.42, 0.42, 0.4, 0.35, 0.3)
    return {
        "name": "Toolik",
        "domain": {"latitude": 68.633, "longitude": -149.6},
        "period": {"start": "1998-09-16T09:00", "end": end, "step": 86400},
        "soil": {
            "thickness": list(THICKNESS),
            "classes": [17] * 4 + [8] * 8 + [9] * 8,
            "hydraulics": "derived",
            "parameters": {"porosity": [0.65] * 4 + [0.5] * 4 + [0.45] * 4 + [0.4] * 8},
        },
        "vegetation": {
            "class": 20,
            "fraction": [0.05, 0.05, 0.05, 0.05, 0.1, 0.4, 0.6, 0.5, 0.3, 0.1, 0.05, 0.05],
            "maximum_fraction": 0.7,
        },
        "snow": {"deep_snow_albedo": 0.75},
        "general": {"deep_temperature": 266.5, "air_temperature_height": 3.0, "wind_height": 5.0},
        "schemes": SCHEMES,
        "initial": {
            "soil_temperature": np.interp(MIDDLE, depths, temperature).round(2).tolist(),
            "soil_moisture": np.interp(MIDDLE, depths, water).round(3).tolist(),
            "soil_liquid": "equilibrium",
            "skin_temperature": 276.0,
            "albedo": 0.2,
            "roughness_length": 0.05,
        },
        "forcing": {"file": str(folder / "forcing.csv"), "variables": {"precipitation": "Precip_NARR_kg_m2_s"}},
    }
