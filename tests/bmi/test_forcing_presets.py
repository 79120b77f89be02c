"""The same weather in a made-up file of each convention: two lines of configuration read it right."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from bmi_noahpy.forcing import ForcingError, open_forcing
from bmi_noahpy.forcing.derived import pressure_at
from bmi_noahpy.forcing.humidity_sources import humidity_of, vapour_pressure
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


def write(name: str, folder):
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


def text_lines(name: str, stamps: np.ndarray, columns: dict[str, np.ndarray]):
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


@pytest.mark.parametrize("name", presets())
def test_a_file_of_each_convention_gives_the_same_weather(name, tmp_path):
    path = write(name, tmp_path)
    table = open_forcing({"file": path, "preset": name})
    first = int((table.times[0] - START) / np.timedelta64(1, "h"))
    begin = 0
    if presets()[name].label == "end":
        assert table.times[0] == START - np.timedelta64(1, "h")
        first, begin = 0, 1
    for quantity, values in table.values.items():
        if quantity not in TRUTH:
            assert quantity == "relative_humidity"
            np.testing.assert_allclose(values, 0.7, rtol=1e-12)
            continue
        found = values[begin:, 0]
        np.testing.assert_allclose(
            found, TRUTH[quantity][first : first + len(found)], rtol=2e-6, atol=1e-10, err_msg=quantity
        )


def test_what_is_said_goes_before_the_preset(tmp_path):
    path = write("plumber2", tmp_path)
    warmer = {"air_temperature": {"name": "Tair", "units": "degC"}}
    with pytest.raises(ForcingError, match="outside 150 to 350"):
        open_forcing({"file": path, "preset": "plumber2", "variables": warmer})


def test_a_preset_that_does_not_fit_or_exist_is_refused(tmp_path):
    path = write("plumber2", tmp_path)
    with pytest.raises(ForcingError, match=r"none of its variables .* is one of forcing.preset 'era5'"):
        open_forcing({"file": path, "preset": "era5"})
    with pytest.raises(ForcingError, match=r"unknown preset 'plumber'. Did you mean 'plumber2'"):
        open_forcing({"file": path, "preset": "plumber"})


def test_humidity_of_each_kind_is_the_same_humidity():
    humidity, temperature, pressure = (TRUTH[name] for name in ("specific_humidity", "air_temperature", "air_pressure"))
    for source in ("dewpoint_temperature", "vapour_pressure_deficit", "mixing_ratio"):
        found = humidity_of(source, other_quantities()[source], temperature, pressure)
        np.testing.assert_allclose(found, humidity, rtol=1e-9, err_msg=source)


def test_pressure_follows_the_standard_atmosphere():
    assert pressure_at(0.0) == 101325.0
    assert pressure_at(5000.0) == pytest.approx(54020.0, rel=1e-3)
