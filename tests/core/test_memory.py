"""Memory of a differentiated run: bounded, and small for each step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("memory_of_a_run.py")
PACKAGES = PROGRAM.parents[2]
MEBIBYTE, GIBIBYTE = 2**20, 2**30
DEFAULT_MEMORY = 512 * MEBIBYTE


def peaks(layers: int, columns: int, time_step: int, lengths: list[int], memory: int = DEFAULT_MEMORY) -> list[int]:
    """Peak memory of one process before and after differentiated runs of growing length. [byte]"""
    numbers = (layers, columns, time_step, memory, *lengths)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PACKAGES)}
    command = [sys.executable, str(PROGRAM), *map(str, numbers)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return [int(number) for number in json.loads(done.stdout)]


def growth(lengths: list[int], after: list[int]) -> float:
    """Memory for each further step between the first and the last of the runs. [byte]"""
    return (after[-1] - after[0]) / (lengths[-1] - lengths[0])


@pytest.mark.slow
def test_a_half_hourly_year_of_four_layers_is_reversed_within_a_gibibyte() -> None:
    """17,520 steps of one column take minutes without compilation: the growth by step says what they need."""
    year, lengths = 17520, [20, 80, 140]
    _, *after = peaks(4, 1, 1800, lengths)
    assert after[-1] + (year - lengths[-1]) * max(growth(lengths, after), 0.0) < GIBIBYTE


@pytest.mark.slow
def test_a_step_of_twenty_layers_and_a_thousand_columns_keeps_its_state_and_outputs_only() -> None:
    """State 0.6 MB and output 0.16 MB a step; the graph of a step would be 100 MB."""
    lengths = [5, 25, 45]
    _, *after = peaks(20, 1000, 86400, lengths)
    assert growth(lengths, after) < 2.0 * MEBIBYTE


@pytest.mark.slow
def test_checkpoints_stay_within_the_memory_given_for_them() -> None:
    """Twenty layers, a thousand columns, 1,371 days within 2 GiB, from shorter runs with as much less memory."""
    days, lengths = 1371, [20, 60]
    _, *after = peaks(20, 1000, 86400, lengths, memory=DEFAULT_MEMORY * lengths[-1] // days)
    assert after[0] + days * growth(lengths, after) < 2 * GIBIBYTE


@pytest.mark.slow
def test_the_scarcer_the_memory_for_checkpoints_the_smaller_the_peak() -> None:
    """Growth from a short run on, so that a kernel made in one of the processes does not count."""
    lengths = [5, 160]
    _, *plenty = peaks(20, 1000, 86400, lengths)
    _, *scarce = peaks(20, 1000, 86400, lengths, memory=10 * MEBIBYTE)
    assert scarce[1] - scarce[0] < plenty[1] - plenty[0] - 20 * MEBIBYTE
