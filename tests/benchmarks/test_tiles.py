"""Two workers beside one process, for a region of gridded forcing.

``pytest tests/benchmarks/test_tiles.py`` prints a table at the end: seconds of the wall clock, and of the processors in
brackets. Two workers need two cores that nobody else uses; the line below the table says how busy the machine was.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from report import Report, Row

PACKAGES = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("region_run.py")
ROUNDS = 2
STEPS_OF_A_DAY = 8
ALL_THREADS = -1
"""One process, which divides its columns among the threads of all cores."""


@pytest.mark.parametrize(("days", "target"), [(60, "one process + 5 s"), (730, "1.7 times as fast")])
def test_two_workers_and_one_process(report: Report, tmp_path: Path, days: int, target: str) -> None:
    columns = _printed(tmp_path, days)
    shortest: dict[int, tuple[float, float]] = {}
    for _ in range(ROUNDS):
        for workers in (0, 2, ALL_THREADS):
            wall, processor = _printed(tmp_path, days, workers)
            before = shortest.get(workers, (wall, processor))
            shortest[workers] = min(before[0], wall), min(before[1], processor)

    run = f"{columns:,} columns, {STEPS_OF_A_DAY * days:,} steps"
    for workers, who in ((0, "one process, one thread"), (ALL_THREADS, f"one process, {os.cpu_count()} threads")):
        report.add(Row(f"{run}: {who}", shortest[workers][0], f"s ({shortest[workers][1]:.3g})"))
    report.add(Row(f"{run}: two workers", shortest[2][0], f"s ({shortest[2][1]:.3g})", target))
    report.add(Row("  one process, one thread / two workers", shortest[0][0] / shortest[2][0], "times"))
    report.note(f"{days} days: load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def _printed(folder: Path, days: int, workers: int | None = None) -> Any:
    """What the program prints."""
    given = {**os.environ, "PYTHONPATH": str(PACKAGES), "OMP_NUM_THREADS": "1"}
    if workers == ALL_THREADS:
        del given["OMP_NUM_THREADS"]
    command = [sys.executable, str(PROGRAM), str(folder), str(days)]
    command += [] if workers is None else [str(max(workers, 0))]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=given)
    return json.loads(done.stdout.splitlines()[-1])
