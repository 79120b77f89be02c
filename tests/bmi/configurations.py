"""A small valid configuration that tests change in one place."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from bmi_noahpy.config import Configuration, ConfigurationError, read_configuration

VALID: dict[str, Any] = {
    "name": "Test site",
    "domain": {"latitude": 33.0, "longitude": 92.0},
    "period": {"start": "2020-01-01T00:00", "end": "2020-01-02T21:00", "step": 10800},
    "soil": {"thickness": [0.1, 0.3, 0.6, 1.0], "classes": [7, 7, 8, 8]},
    "vegetation": {"class": 9, "fraction": 0.3},
    "general": {"deep_temperature": 272.0, "air_temperature_height": 2.0, "wind_height": 10.0},
    "initial": {
        "soil_temperature": [270.0, 271.0, 272.0, 272.5],
        "soil_moisture": [0.2, 0.25, 0.3, 0.3],
        "soil_liquid": [0.1, 0.1, 0.1, 0.1],
        "skin_temperature": 269.0,
        "albedo": 0.2,
        "roughness_length": 0.05,
    },
}

COLUMNS = (
    "time",
    "air_temperature_K",
    "air_pressure_Pa",
    "specific_humidity",
    "wind_speed",
    "shortwave_down",
    "longwave_down",
    "precipitation_kg_m2_s",
)


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    """The valid configuration with values at dotted keys; `...` removes one."""
    mapping = copy.deepcopy(VALID)
    for path, value in changes.items():
        *sections, key = path.split(".")
        place = mapping
        for section in sections:
            place = place.setdefault(section, {})
        if value is ...:
            del place[key]
        else:
            place[key] = value
    return mapping


def read(changes: dict[str, Any], folder: Path | str = ".") -> Configuration:
    return read_configuration(changed(changes), folder)


def problems(changes: dict[str, Any], folder: Path | str = ".") -> dict[str, str]:
    """Key -> text of every problem that a changed configuration has."""
    with pytest.raises(ConfigurationError) as caught:
        read(changes, folder)
    return {problem.key: problem.text for problem in caught.value.problems}


def write(path: Path, mapping: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(mapping, sort_keys=False), encoding="utf-8")
    return path


def write_weather(path: Path, records: int = 16) -> Path:
    """Three-hourly CSV records from the start of the valid configuration on."""
    rows = [",".join(COLUMNS)]
    for number in range(records):
        day, hour = divmod(3 * number, 24)
        rows.append(f"2020-01-{1 + day:02d}T{hour:02d}:00,{265 + number},60000,0.002,3,{10 * number},220,0.00001")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path
