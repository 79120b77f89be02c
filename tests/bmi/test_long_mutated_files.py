"""Long check of the error contract: 500 damaged files of weather, observations, maps and calibrations, of fixed seeds.

Each is read as far as a program goes before its first step, or refused in one sentence: no traceback, no error that
nobody foresaw, no hang.
"""

from __future__ import annotations

import copy
import random
import re
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import calibration_cases
import netCDF4
import pytest
import typer
import yaml
from configurations import changed, write, write_weather
from regions import region_changes, write_region
from test_long_mutations import JUNK, keys

from bmi_noahpy.calibration import Fit, load_calibration
from bmi_noahpy.cli.messages import REFUSED, reported
from bmi_noahpy.config import load_configuration
from bmi_noahpy.runs.prepare import prepare

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

CELLS = (
    *("", " ", "-", "abc", "nan", "NaN", "inf", "-inf", "1e999", "-1", "0", "1e-320", "9" * 400, "1,5", '"', "'", "\0"),
    *(
        "2020-02-30",
        "2020-01-01T25:00",
        "-9999",
        "6999",
        "#N/A",
        "0x1f",
        "1_000",
        "\u0663",
        "\ufeff",
        "true",
        "x" * 9999,
    ),
)
LONGEST = 60.0
"""A file is read, or refused, within this. [s]"""


def outcome(program: Callable[[], object], capsys: pytest.CaptureFixture[str]) -> str | None:
    """What a program says when it refuses its input; None when it takes it."""
    capsys.readouterr()
    begin = time.monotonic()
    try:
        with reported(debug=False), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program()
        status = 0
    except typer.Exit as stop:
        status = stop.exit_code
    text = capsys.readouterr().err
    assert time.monotonic() - begin < LONGEST
    assert status in (0, REFUSED), text
    assert max(map(len, text.splitlines()), default=0) <= 520
    return text if status else None


def check_all(
    mutate: Callable[[random.Random], None],
    program: Callable[[], object],
    numbers: range,
    capsys: pytest.CaptureFixture[str],
    names: str,
) -> None:
    """Damage files by numbered chance; refusals name one of the files, and both outcomes occur."""
    refused = 0
    for number in numbers:
        mutate(random.Random(number))
        said = outcome(program, capsys)
        refused += said is not None
        # A line of a list that is cut short names it in its first one.
        assert said is None or re.search(names, said), (number, said)
    assert 0 < refused < len(numbers)


# --- tables


def damaged_table(text: str, chance: random.Random) -> bytes:
    """A table with a cell, a line, its header, its separators or its bytes changed."""
    lines = text.splitlines()
    kind, row = chance.randrange(10), chance.randrange(1, len(lines))
    if kind < 4:
        cells = lines[row].split(",")
        cells[chance.randrange(len(cells))] = chance.choice(CELLS)
        lines[row] = ",".join(cells)
    elif kind == 4:
        del lines[row]
    elif kind == 5:
        lines.insert(row, lines[chance.randrange(len(lines))])
    elif kind == 6:
        header = lines[0].split(",")
        header[chance.randrange(len(header))] = chance.choice((*CELLS, *header))
        lines[0] = ",".join(header)
    elif kind == 7:
        lines[row] = lines[row].replace(",", chance.choice((";", "\t", "", ",,")))
    raw = ("\n".join(lines) + "\n").encode()
    if kind == 8:
        return raw[: chance.randrange(len(raw))]
    if kind == 9:
        place = chance.randrange(len(raw))
        return raw[:place] + chance.randbytes(chance.choice((1, 8, 300))) + raw[place:]
    return raw


def test_damaged_weather_in_a_table(tmp_path, capsys):
    table = write_weather(tmp_path / "weather.csv", 16)
    sound = table.read_text()
    site = write(tmp_path / "site.yaml", changed({"forcing": {"file": "weather.csv", "format": "csv"}}))

    def mutate(chance: random.Random) -> None:
        table.write_bytes(damaged_table(sound, chance))

    check_all(mutate, lambda: prepare(load_configuration(site)), range(125), capsys, r"weather\.csv|site\.yaml")


def test_damaged_observations(tmp_path, capsys):
    calibration_cases.write_site(tmp_path)
    table = calibration_cases.write_observations(tmp_path)
    sound = table.read_text()
    file = calibration_cases.write_calibration(tmp_path)

    def mutate(chance: random.Random) -> None:
        table.write_bytes(damaged_table(sound, chance))

    names = r"observed\.csv|calibration\.yaml|observations"
    check_all(mutate, lambda: Fit(load_calibration(file)), range(125), capsys, names)


# --- netCDF


def damaged_netcdf(path: Path, sound: bytes, chance: random.Random) -> None:
    """A file whose bytes, or what is said about a variable, are changed."""
    content = bytearray(sound)
    kind = chance.randrange(4)
    if kind == 0:
        for _ in range(chance.choice((1, 1, 8))):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    elif kind == 1:
        content = content[: chance.randrange(len(content))]
    # Anew: the one before may be open still.
    path.unlink()
    path.write_bytes(bytes(content))
    if kind < 2:
        return
    with netCDF4.Dataset(path, "a") as data:
        name = chance.choice(list(data.variables))
        variable = data[name]
        if kind == 2:
            numbers = (float("nan"), float("inf"), -1e30, 1e30, 0.0, -9999.0)
            variable[...] = chance.choice(numbers if variable.dtype.kind == "f" else (0, -9999))
        elif chance.random() < 0.3:
            data.renameVariable(name, f"{name}_")
        else:
            key = chance.choice(("units", "calendar", "scale_factor", "add_offset", "missing_value", "standard_name"))
            variable.setncattr(key, chance.choice(("abc", "", "K", "seconds since x", 0.0, float("nan"), 3, "%" * 400)))


@pytest.mark.parametrize(("file", "count"), [("weather.nc", 75), ("domain.nc", 75)])
def test_damaged_maps_and_weather_on_them(tmp_path, capsys, file, count):
    write_region(tmp_path)
    sound = (tmp_path / file).read_bytes()
    site = write(tmp_path / "site.yaml", changed(region_changes()))

    def mutate(chance: random.Random) -> None:
        damaged_netcdf(tmp_path / file, sound, chance)

    names = rf"{re.escape(file)}|site\.yaml"
    check_all(mutate, lambda: prepare(load_configuration(site)), range(count), capsys, names)


# --- calibrations


def damaged_calibration(chance: random.Random) -> str:
    """The text of a calibration in which a key has another value, another name, or is gone."""
    mapping = copy.deepcopy(calibration_cases.CALIBRATION)
    mapping |= {"starts": {"count": 2, "seed": 1}, "stop": {"patience": 3}, "validation": {"last": "3 days"}}
    *sections, key = chance.choice(keys(mapping))
    place = mapping
    for section in sections:
        place = place[section]
    kind = chance.randrange(6)
    if kind == 0:
        del place[key]
    elif kind == 1:
        place[f"{key}x"] = place.pop(key)
    else:
        place[key] = "MARK"
    return yaml.safe_dump(mapping, sort_keys=False).replace("MARK", chance.choice(JUNK))


def test_damaged_calibrations(tmp_path, capsys):
    calibration_cases.write_site(tmp_path)
    calibration_cases.write_observations(tmp_path)
    file = calibration_cases.write_calibration(tmp_path)

    def mutate(chance: random.Random) -> None:
        file.write_text(damaged_calibration(chance), encoding="utf-8")

    check_all(mutate, lambda: Fit(load_calibration(file)), range(100), capsys, r"calibration\.yaml|site\.yaml")
