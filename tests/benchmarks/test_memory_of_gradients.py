"""Memory that a differentiated run needs for each step and column, with all states kept and with checkpoints.

``pytest tests/benchmarks/test_memory_of_gradients.py`` prints a table at the end. It is the growth of a process at its
peak over what it was before the run, when forcing was there already.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from report import Report, Row

PROGRAM = Path(__file__).with_name("memory_of_a_gradient.py")
STEPS = {1: 40_000, 1000: 100}
"""Number of columns -> steps of the long run."""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak of memory as Linux tells it")
@pytest.mark.parametrize("columns", STEPS)
@pytest.mark.parametrize("spaced", [False, True], ids=["all-states", "checkpoints"])
def test_a_differentiated_run_keeps_little_more_than_states(report: Report, columns: int, spaced: bool) -> None:
    steps = STEPS[columns]
    spacing = math.isqrt(steps) if spaced else 1
    # Memory that is given up goes back to the system, so that it does not hide what is taken later.
    settings = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    environment = {**os.environ, **settings, "PYTHONPATH": str(PROGRAM.parents[2])}
    command = [sys.executable, str(PROGRAM), *map(str, (columns, steps, spacing))]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    found = json.loads(done.stdout)
    kept = f"1 of {spacing} states kept" if spaced else "all states kept"
    what = f"memory of a differentiated run, {columns:,} columns, {kept}"
    report.add(Row(what, found["grown"] / (steps * columns), "byte/step/column", "2 kB"))
    assert found["finite"]
