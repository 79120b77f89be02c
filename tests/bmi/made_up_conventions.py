"""The same weather in a made-up file of each convention that has a preset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from bmi_noahpy.forcing.humidity_sources import vapour_pressure
from bmi_noahpy.forcing.presets import presets
from bmi_noahpy.forcing.units import convert, is_amount

HOURS = 49
START = np.datetime64("2019-06-01T00:00", "s")
SUN = np.maximum(np.sin(np.pi * (np.arange(HOURS) % 24 - 5.5) / 12.0), 0.0)
TRUTH = {
    "air_temperature": 280.0 + 5.0 * SUN,
    "air_pressure": np.full(HOURS, 9.0e4),
    "specific_humidity": 0.004 + 0.001 * SUN,
    "wind_speed": 3.0 + np.arange(HOURS) % 4,
    "shortwave_down": 700.0 * SUN,
    "longwave_down": 300.0 + 20.0 * SUN,
    "precipitation": np.where(np.arange(HOURS) % 5 == 0, 2.0e-4, 0.0),
    "snowfall": np.where(np.arange(HOURS) % 10 == 0, 1.0e-4, 0.0),
}
TEXT = ("fluxnet", "ameriflux", "fsm", "smet")


def other_quantities() -> dict[str, np.ndarray]:
    """What conventions hold in the place of a quantity of the truth."""
    humidity, pressure = TRUTH["specific_humidity"], TRUTH["air_pressure"]
    vapour = humidity * pressure / (0.622 + 0.378 * humidity)
    saturated = vapour_pressure(TRUTH["air_temperature"])
    logarithm = np.log(vapour / 611.21)
    dewpoint = np.full(HOURS, 270.0)
    for _ in range(60):
        dewpoint += (logarithm - np.log(vapour_pressure(dewpoint) / 611.21)) / 0.072
    return {
        "dewpoint_temperature": dewpoint,
        "vapour_pressure_deficit": saturated - vapour,
        "mixing_ratio": humidity / (1.0 - humidity),
        "relative_humidity": np.full(HOURS, 0.7),
        "wind_u": 0.6 * TRUTH["wind_speed"],
        "wind_v": -0.8 * TRUTH["wind_speed"],
        "shortwave_direct": 0.7 * TRUTH["shortwave_down"],
        "shortwave_diffuse": 0.3 * TRUTH["shortwave_down"],
        "rainfall": TRUTH["precipitation"] - TRUTH["snowfall"],
    }


def in_file(quantity: str, entry: dict, label: str | None) -> np.ndarray:
    """Values of a quantity as a file of the convention has them, stamps from the first hour on."""
    values = (TRUTH | other_quantities())[quantity]
    units = entry["units"]
    zero = 0.0 if is_amount(units, quantity) else float(convert(np.zeros(1), units, quantity, 3600.0)[0])
    factor = float(convert(np.ones(1), units, quantity, 3600.0)[0]) - zero
    stored = (values - zero) / factor
    if entry.get("accumulated") == "since_midnight":
        stored = np.concatenate([np.cumsum(day) for day in np.split(stored, range(24, HOURS, 24))])
    elif entry.get("accumulated") == "since_start":
        stored = np.cumsum(stored)
    before = [0.0] if "accumulated" in entry else stored[:1]
    return np.concatenate([before, stored[:-1]]) if (entry.get("label") or label) == "end" else stored


def write(name: str, folder: Path) -> Path:
    preset = presets()[name]
    stamps = START + np.arange(HOURS) * np.timedelta64(1, "h")
    columns = {}
    for quantity, entry in preset.variables.items():
        values = in_file(quantity, entry, preset.label)
        if "sum" in entry:
            columns |= {part: (0.25 + 0.5 * number) * values for number, part in enumerate(entry["sum"])}
        else:
            columns[entry["names"][0]] = values
    if name not in TEXT:
        times = {"time": stamps.astype("datetime64[ns]")}
        path = folder / f"{name}.nc"
        xr.Dataset({key: ("time", values) for key, values in columns.items()}, times).to_netcdf(path)
        return path
    path = folder / f"{name}.{'smet' if name == 'smet' else 'txt' if name == 'fsm' else 'csv'}"
    path.write_text("\n".join([*text_lines(name, stamps, columns)]) + "\n", encoding="utf-8")
    return path


def text_lines(name: str, stamps: np.ndarray, columns: dict[str, np.ndarray]) -> Iterator[str]:
    """Header and records of the tables."""
    compact = [str(stamp)[:16].replace("-", "").replace("T", "").replace(":", "") for stamp in stamps]
    if name in ("fluxnet", "ameriflux"):
        if name == "ameriflux":
            yield from ("# Site: XX-Xxx", "# Version: 1-5")
        yield ",".join(["TIMESTAMP_START", "TIMESTAMP_END", *columns])
        times = [f"{begin},{end}" for begin, end in zip(compact, [*compact[1:], "201906030100"], strict=True)]
        for moment, row in zip(times, zip(*columns.values(), strict=True), strict=True):
            yield f"{moment},{','.join(map(repr, map(float, row)))}"
    elif name == "smet":
        yield from ("SMET 1.1 ASCII", "[HEADER]", "station_id = X", "latitude = 46.8", "longitude = 9.8")
        yield from ("altitude = 2500", "nodata = -999", "tz = 0", f"fields = timestamp {' '.join(columns)}", "[DATA]")
        for stamp, row in zip(stamps, zip(*columns.values(), strict=True), strict=True):
            yield f"{str(stamp)[:16]} {' '.join(map(repr, map(float, row)))}"
    else:
        order = presets()[name].columns[4:]
        for stamp, row in zip(compact, zip(*(columns[key] for key in order), strict=True), strict=True):
            parts = (stamp[:4], str(int(stamp[4:6])), str(int(stamp[6:8])), str(int(stamp[8:10])))
            yield " ".join([*parts, *map(repr, map(float, row))])
