"""How long the first results take: imports, the command line, and kernels that are made or found in the cache.

``pytest tests/benchmarks/test_start.py`` prints a table at the end. Every measurement is a process of its own; times
are of the clock on the wall, which other work on the machine lengthens, and of the processor in brackets. Python keeps
the byte code of modules, as it does for an installed package.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from report import Report, Row

from bmi_noahpy.example import example_configuration, example_table, write_example, write_table

PACKAGES = Path(__file__).resolve().parents[2]
FIRST_USE = Path(__file__).with_name("first_use.py")
COMMAND_LINE = "from bmi_noahpy.cli import main; main()"
TANGGULA = PACKAGES.parent / "shared" / "data" / "tgl" / "forcing.txt"
ROUNDS = 2


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """With a cache of kernels of its own, empty at first."""
    cache = tmp_path_factory.mktemp("kernels")
    given = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    byte_code = str(tmp_path_factory.mktemp("byte_code"))
    return given | {
        "NOAHPY_CACHE": str(cache), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PACKAGES),
        "PYTHONPYCACHEPREFIX": byte_code,
    }  # fmt: skip


@pytest.mark.parametrize("package", ["torch", "noahpy_core", "bmi_noahpy"])
def test_a_package_is_imported(report: Report, environment: dict[str, str], package: str) -> None:
    _enter(report, f"import {package}", _shortest(["-c", f"import {package}"], environment))


@pytest.mark.parametrize("command", ["--version", "--help", "info", "schema"])
def test_a_command_answers_without_torch(report: Report, environment: dict[str, str], command: str) -> None:
    _enter(report, f"noahpy {command}", _shortest(["-c", COMMAND_LINE, command], environment))


@pytest.mark.parametrize("preset", ["noah-permafrost", "conservative"])
def test_a_configuration_is_checked(report: Report, environment: dict[str, str], tmp_path: Path, preset: str) -> None:
    command = ["-c", COMMAND_LINE, "check", str(write_example(tmp_path, preset))]
    _enter(report, f"noahpy check, the example as {preset}", _shortest(command, environment))


@pytest.mark.skipif(not TANGGULA.is_file(), reason="needs the forcing file of Tanggula in ../shared")
def test_the_file_of_tanggula_is_run(report: Report, environment: dict[str, str], tmp_path: Path) -> None:
    command = ["-c", COMMAND_LINE, "run", str(TANGGULA), "--no-plot", "--overwrite", "--output", str(tmp_path / "o.nc")]
    _enter(report, "noahpy run, Tanggula, kernel in the cache", _shortest(command, environment), "1.2 s")


def test_kernels_are_made_at_first_and_found_later(report: Report, environment: dict[str, str]) -> None:
    first, later = (_first_use(environment) for _ in range(2))
    for what in ("step", "gradient"):
        report.add(Row(f"first {what}, kernel to be made", first[what], "s"))
        report.add(Row(f"first {what}, kernel in the cache", later[what], "s"))
    report.add(Row("first use of the compiler, both", first["step"] + first["gradient"], "s", "20 s"))
    report.add(Row("later use, both", later["step"] + later["gradient"], "s", "0.5 s"))


def test_the_command_line_runs_the_example(report: Report, environment: dict[str, str], tmp_path: Path) -> None:
    example = write_example(tmp_path)
    settings = yaml.safe_load(example.read_text(encoding="utf-8"))
    settings["period"]["end"] = "2019-09-02T00:00"
    short = tmp_path / "day.yaml"
    short.write_text(yaml.safe_dump(settings), encoding="utf-8")
    command = ["-c", COMMAND_LINE, "run", str(short), "--overwrite", "--no-plot"]
    _enter(report, "noahpy run, one day of the example, kernel in the cache", _shortest(command, environment), "4 s")
    command[3] = str(example)
    _enter(report, "noahpy run, two years of the example", _times(command, environment))


def test_the_command_line_runs_a_hundred_years(report: Report, environment: dict[str, str], tmp_path: Path) -> None:
    table = example_table(years=100)
    write_table(table, tmp_path / "weather.csv")
    settings = example_configuration("noah-permafrost")
    settings["forcing"]["file"] = "weather.csv"
    command = ["-c", COMMAND_LINE, "run", str(tmp_path / "century.yaml"), "--overwrite", "--no-plot"]
    # A few steps first, which make the kernel.
    for records, compression in ((9, 1), (len(table.times), 1), (len(table.times), 0)):
        settings["period"]["end"] = str(table.times[records - 1].astype("datetime64[m]"))
        settings["output"] = {"file": "out.nc", "every": 1, "compression": compression}
        (tmp_path / "century.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        times = _times(command, environment)
        if records > 9:
            how = "" if compression else ", not compressed"
            _enter(report, f"noahpy run, 100 years of 3-hourly steps, all written{how}", times, "6 s")


def _enter(report: Report, what: str, times: tuple[float, float], target: str = "") -> None:
    wall, processor = times
    report.add(Row(what, wall, f"s ({processor:.2g})", target))


def _shortest(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds of the wall clock and of the processor, after a first time that fills caches."""
    _times(command, environment)
    found = [_times(command, environment) for _ in range(ROUNDS)]
    wall, processor = (min(times) for times in zip(*found, strict=True))
    return wall, processor


def _times(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, capture_output=True, env=environment)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _first_use(environment: dict[str, str]) -> dict[str, float]:
    command = [sys.executable, str(FIRST_USE)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout)
    return found
