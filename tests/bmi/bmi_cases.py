"""Small runs for the tests of the BMI component: one column and a grid, under thirty hours of invented weather."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from bmi_noahpy import BmiNoahPy

STEP = 3600.0
RECORDS = 30
LAYERS = 5
LATITUDES = [33.0, 33.5]
LONGITUDES = [91.0, 91.5, 92.0]

HEADER = {
    "air_temperature": "air_temperature_K",
    "air_pressure": "air_pressure_Pa",
    "specific_humidity": "specific_humidity_kg_kg",
    "wind_speed": "wind_speed_m_s",
    "shortwave_down": "shortwave_down_W_m2",
    "longwave_down": "longwave_down_W_m2",
    "precipitation": "precipitation_kg_m2_s",
}
INPUT_OF = {
    "land_surface_air__temperature": "air_temperature",
    "land_surface_air__pressure": "air_pressure",
    "atmosphere_air_water~vapor__relative_saturation": "specific_humidity",
    "land_surface_wind__x_component_of_velocity": "wind_speed",
    "land_surface_radiation~incoming~shortwave__energy_flux": "shortwave_down",
    "land_surface_radiation~incoming~longwave__energy_flux": "longwave_down",
    "atmosphere_water__liquid_equivalent_precipitation_rate": "precipitation",
}


def weather() -> dict[str, np.ndarray]:
    """Hourly records that begin with snowfall at frost and end with rain at thaw."""
    hours = np.arange(RECORDS)
    temperature = 268.0 + 10.0 * hours / RECORDS + 2.0 * np.sin(hours)
    sun = np.maximum(0.0, np.sin(2.0 * np.pi * (hours - 6.0) / 24.0))
    return {
        "air_temperature": temperature,
        "air_pressure": 58000.0 + 10.0 * hours,
        "specific_humidity": 0.002 + 0.00005 * hours,
        "wind_speed": 3.0 + np.cos(hours),
        "shortwave_down": 700.0 * sun,
        "longwave_down": 240.0 + hours,
        "precipitation": np.where(hours % 3 == 0, 3.0e-4, 0.0),
    }


def configuration(**changes: Any) -> dict[str, Any]:
    """One column; `changes` replace whole sections, or are merged into them where they are mappings."""
    sections: dict[str, Any] = {
        "domain": {"latitude": 33.0, "longitude": 91.0},
        "period": {"start": "2007-04-10T00:00", "end": "2007-04-11T05:00", "step": int(STEP)},
        "soil": {"thickness": [0.05, 0.1, 0.25, 0.6, 1.5], "classes": [7, 7, 6, 6, 13]},
        "vegetation": {
            "class": 7,
            "fraction": [0.1, 0.1, 0.12, 0.2, 0.3, 0.4, 0.5, 0.5, 0.4, 0.3, 0.2, 0.1],
            "parameters": {"root_layers": 3},
        },
        "general": {"deep_temperature": 272.0, "air_temperature_height": 2.0, "wind_height": 10.0},
        "initial": {
            "soil_temperature": [272.0, 271.8, 271.5, 271.6, 272.0],
            "soil_moisture": [0.2, 0.22, 0.25, 0.25, 0.1],
            "soil_liquid": [0.12, 0.12, 0.1, 0.1, 0.05],
            "skin_temperature": 270.0,
            "snow_depth": 0.05,
            "snow_water_equivalent": 8.0,
            "albedo": 0.2,
            "roughness_length": 0.05,
        },
        "forcing": {"file": "weather.csv", "format": "csv"},
    }
    for key, change in changes.items():
        merge = isinstance(change, dict) and isinstance(sections.get(key), dict)
        sections[key] = {**sections[key], **change} if merge else change
    return sections


def grid_configuration(**changes: Any) -> dict[str, Any]:
    """A grid of two rows and three columns that differ in their temperature."""
    skin = [[270.0, 269.0, 268.0], [271.0, 270.5, 269.5]]
    return configuration(
        **{"domain": {"latitude": LATITUDES, "longitude": LONGITUDES}, "initial": {"skin_temperature": skin}, **changes}
    )


def write_case(folder: Path, sections: dict[str, Any]) -> Path:
    """Write weather and configuration; the path of the configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    records = weather()
    moments = np.datetime64("2007-04-10T00:00") + np.arange(RECORDS) * np.timedelta64(1, "h")
    rows = [",".join(["time_utc", *HEADER.values()])]
    rows += [
        ",".join([str(moment), *(repr(float(records[name][row])) for name in HEADER)])
        for row, moment in enumerate(moments)
    ]
    (folder / "weather.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(sections, sort_keys=False), encoding="utf-8")
    return path


def started(folder: Path, sections: dict[str, Any] | None = None) -> BmiNoahPy:
    """An initialised component."""
    model = BmiNoahPy()
    model.initialize(str(write_case(folder, sections or configuration())))
    return model


def read(model: Any, name: str) -> np.ndarray:
    """All values of a variable, through a new array."""
    destination = np.empty(model.get_var_nbytes(name) // model.get_var_itemsize(name), model.get_var_type(name))
    assert model.get_value(name, destination) is destination
    return destination


def supply(model: Any, step: int, columns: int = 1) -> None:
    """Set the eight inputs to the records of a step."""
    records = weather()
    for name, record in INPUT_OF.items():
        model.set_value(name, np.full(columns, records[record][step]))
    model.set_value("land_surface_wind__y_component_of_velocity", np.zeros(columns))
