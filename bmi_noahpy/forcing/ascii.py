"""The text format of Noah's simple driver."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bmi_noahpy.forcing.table import Array, ForcingError, RawField, RawRecords

TAG = "<FORCING>"

# Format (I4.4, 4(1x, I2.2), 8(F17.10)).
DATE_FIELDS = (slice(0, 4), slice(5, 7), slice(8, 10), slice(11, 13), slice(14, 16))
DATE_WIDTH = 16
NUMBER_WIDTH = 17
NUMBERS = (
    "wind speed",
    "wind direction",
    "temperature",
    "humidity",
    "pressure",
    "shortwave",
    "longwave",
    "precipitation",
)
LAYOUT = "Columns are fixed: yyyy mm dd hh mi, then eight numbers of width 17 (F17.10)."


def has_forcing_tag(path: Path) -> bool:
    """Whether a file contains a line that begins with ``<Forcing>``."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        return any(line.lstrip().upper().startswith(TAG) for line in lines)


def read_noah_ascii(path: Path) -> RawRecords:
    """Records of the table after the line ``<Forcing>``.

    As in the original, digits beyond column 17 of a number are cut, so the last column may hold more digits than are
    read. The wind direction is not used. Temperature in K, humidity in percent, pressure in hPa.

    Raises
    ------
    ForcingError : for a file without the tag, or a line that does not fit the fixed columns; it names the line.
    """
    with path.open(encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    tags = [number for number, line in enumerate(lines) if line.lstrip().upper().startswith(TAG)]
    if not tags:
        raise ForcingError(f"{path}: no line begins with <Forcing>. It must precede the table of a Noah text file.")
    rows = [(number + 1, line) for number, line in enumerate(lines) if number > tags[0] and line.strip()]
    times = np.array([_time(line, f"{path}: line {number}") for number, line in rows], dtype="datetime64[s]")
    numbers = np.array([_numbers(line, f"{path}: line {number}") for number, line in rows], dtype=np.float64)
    return _records(times, numbers.reshape(len(rows), len(NUMBERS)), str(path))


def _records(times: np.ndarray, numbers: Array, source: str) -> RawRecords:
    """Columns by quantity; percent and hPa become fractions and Pa with the original's factors."""
    wind, _, temperature, humidity, pressure, shortwave, longwave, precipitation = numbers.T[:, :, None]
    fields = {
        "air_temperature": RawField(temperature, "K", "temperature"),
        "air_pressure": RawField(pressure * 1.0e2, "Pa", "pressure"),
        "relative_humidity": RawField(humidity * 1.0e-2, "1", "humidity"),
        "wind_speed": RawField(wind, "m s-1", "windspeed"),
        "shortwave_down": RawField(shortwave, "W m-2", "shortwave"),
        "longwave_down": RawField(longwave, "W m-2", "longwave"),
        "precipitation": RawField(precipitation, "kg m-2 s-1", "precipitation"),
    }
    return RawRecords(times, fields, source, sampled=True)


def _time(line: str, place: str) -> np.datetime64:
    """The date in the first sixteen columns."""
    try:
        year, month, day, hour, minute = (int(line[columns]) for columns in DATE_FIELDS)
        return np.datetime64(f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}", "s")
    except ValueError as error:
        raise ForcingError(f"{place}: {line[:DATE_WIDTH]!r} is not a date. {LAYOUT}") from error


def _numbers(line: str, place: str) -> list[float]:
    """The eight numbers of a line, by column position."""
    values = []
    for position, name in enumerate(NUMBERS):
        start = DATE_WIDTH + position * NUMBER_WIDTH
        values.append(_number(line[start : start + NUMBER_WIDTH], f"{place}: {name}"))
    return values


def _number(text: str, place: str) -> float:
    """One F17.10 field. Fortran would divide a number without a decimal point by 1e10, so none is accepted."""
    try:
        value = float(text.replace("D", "E").replace("d", "e"))
    except ValueError as error:
        raise ForcingError(f"{place}: {text!r} is not a number. {LAYOUT}") from error
    if "." not in text:
        raise ForcingError(f"{place}: {text.strip()!r} has no decimal point. {LAYOUT}")
    return value
