"""The built-in example: a permafrost column under two years of invented weather.

It needs no data, and is the default of the command line and of the BMI component. Weather and site are inventions
(`bmi_noahpy.example.weather` states every assumption).
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from bmi_noahpy.example.initial import initial_state
from bmi_noahpy.example.weather import INTERVAL, SEED, Site, weather
from bmi_noahpy.forcing.table import ForcingTable

__all__ = ["START", "Site", "example_configuration", "example_table", "write_example", "write_table"]

START = np.datetime64("2019-09-01T00:00", "s")
WEATHER_FILE = "permafrost_weather.csv"
CONFIGURATION_FILE = "permafrost.yaml"
OUTPUT_FILE = "permafrost.nc"

# Header of the weather file: these endings are recognised as units.
HEADERS = {
    "air_temperature": "air_temperature_K",
    "air_pressure": "air_pressure_Pa",
    "specific_humidity": "specific_humidity_kg_kg",
    "wind_speed": "wind_speed_m_s",
    "shortwave_down": "shortwave_down_W_m2",
    "longwave_down": "longwave_down_W_m2",
    "precipitation": "precipitation_kg_m2_s",
}

HEADING = """\
# Built-in example of NoahPy: a permafrost column under two years of invented weather (seed {seed}).
# Run it with:  noahpy run {name}
"""

# Twenty layers to 15.2 m, thin where temperature and water change fast.
THICKNESS = (
    0.045, 0.046, 0.075, 0.123, 0.204, 0.336, 0.371, 0.3, 0.5, 0.5,
    0.7, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0,
)  # fmt: skip
ORGANIC, SILT_LOAM, SANDY_LOAM, GRAVEL = 17, 8, 9, 13
CLASSES = (ORGANIC,) * 2 + (SILT_LOAM,) * 5 + (SANDY_LOAM,) * 4 + (GRAVEL,) * 9
HERBACEOUS_TUNDRA = 20


def example_table(seed: int = SEED, years: int = 2) -> ForcingTable:
    """Three-hourly weather of the example from 1 September 2019.

    Parameters
    ----------
    seed : The same seed gives the same weather; another one another two years of the same climate.
    years : Number of years.

    Raises
    ------
    ValueError : for less than one year.
    """
    if years < 1:
        raise ValueError(f"example: years is {years}. Ask for one year or more.")
    return weather(START, _end(years), seed)


def example_configuration(preset: str = "conservative") -> dict[str, Any]:
    """The configuration of the example as plain numbers, strings and lists; its files are beside it.

    The initial state is that of 1 September after the model had been run through the same two years again and again:
    the ground has thawed to its greatest depth, and freezes from above soon after.

    Parameters
    ----------
    preset : Set of schemes (`noahpy_core.preset`); each begins with a state of its own.
    """
    site = Site()
    last_step = _end(2) - INTERVAL
    return {
        "name": "Permafrost example",
        "domain": {"latitude": site.latitude, "longitude": site.longitude},
        "period": {"start": _minute(START), "end": _minute(last_step), "step": int(INTERVAL / np.timedelta64(1, "s"))},
        "soil": {"thickness": list(THICKNESS), "classes": list(CLASSES), "table": "noah"},
        "vegetation": {
            "table": "usgs",
            "class": HERBACEOUS_TUNDRA,
            "fraction": [0.05, 0.05, 0.05, 0.08, 0.2, 0.4, 0.55, 0.5, 0.3, 0.12, 0.05, 0.05],
            "minimum_fraction": 0.05,
            "maximum_fraction": 0.55,
        },
        "snow": {"deep_snow_albedo": 0.72},
        "general": {
            "slope_class": 1,
            "deep_temperature": 270.9,
            "air_temperature_height": 2.0,
            "wind_height": 10.0,
        },
        "schemes": {"preset": preset},
        "initial": initial_state(preset),
        "forcing": {"file": WEATHER_FILE, "format": "csv"},
        "output": {"file": OUTPUT_FILE, "daily": ["mean"]},
    }


def write_example(folder: Path | str, preset: str = "conservative") -> Path:
    """Write the weather (CSV) and the configuration (YAML) of the example.

    Parameters
    ----------
    folder : Created when it does not exist. Existing files of the same names are replaced.
    preset : Set of schemes (`noahpy_core.preset`).

    Returns
    -------
    Path of the configuration.
    """
    import yaml

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_table(example_table(), folder / WEATHER_FILE)
    path = folder / CONFIGURATION_FILE
    text = yaml.safe_dump(example_configuration(preset), sort_keys=False, default_flow_style=None, width=110)
    path.write_text(HEADING.format(seed=SEED, name=path.name) + text, encoding="utf-8")
    return path


def write_table(table: ForcingTable, path: Path) -> None:
    """Write records of one column as CSV that `bmi_noahpy.forcing.open_forcing` reads back unchanged.

    Parameters
    ----------
    table : With the quantities of the example.
    path : File to write.

    Raises
    ------
    ValueError : for records of several columns.
    """
    if table.columns != 1:
        raise ValueError(f"{path}: a table of {table.columns} columns does not fit into CSV. Write netCDF instead.")
    series = [table.values[quantity][:, 0].tolist() for quantity in HEADERS]
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["time_utc", *HEADERS.values()])
        for moment, *numbers in zip(table.times, *series, strict=True):
            rows.writerow([_minute(moment), *(f"{number:.12g}" for number in numbers)])


def _end(years: int) -> np.datetime64:
    found: np.datetime64 = (START.astype("datetime64[M]") + np.timedelta64(12 * years, "M")).astype("datetime64[s]")
    return found


def _minute(moment: np.datetime64) -> str:
    return str(moment.astype("datetime64[m]"))
