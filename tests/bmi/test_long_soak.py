"""Long check: a component that lives long, and many that do not, take no more memory, descriptors or time.

In CI some hundred cycles and some ten thousand updates. ``NOAHPY_SOAK=50`` makes both fifty times as many.
"""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

import bmi_cases as cases
import numpy as np
import pytest
from test_robustness import TINY, resident_bytes

from bmi_noahpy import BmiNoahPy

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the process from /proc"),
]

TIMES = int(os.environ.get("NOAHPY_SOAK", "1"))
CYCLES = 100 * TIMES
UPDATES = 20_000 * TIMES
PARTS = 5
"""A soak is cut into so many; the first one warms up."""
NOISE = 2 * 2**20
"""What allocators take and give back. [byte]"""


class Watch:
    """Memory, descriptors and processor time after each part of a soak."""

    def __init__(self) -> None:
        self.memory: list[int] = []
        self.descriptors: list[int] = []
        self.seconds: list[float] = []
        self._begin = time.process_time()

    def part_ends(self) -> None:
        """Note where things stand."""
        self.seconds.append(time.process_time() - self._begin)
        gc.collect()
        self.memory.append(resident_bytes())
        self.descriptors.append(len(os.listdir("/proc/self/fd")))
        self._begin = time.process_time()

    def assert_flat(self) -> None:
        """Nothing has grown since the first part; time as a ratio of parts of one process."""
        megabytes = [round(bytes_ / 2**20, 2) for bytes_ in self.memory]
        print(f"memory {megabytes} MB, descriptors {self.descriptors}, {[round(s, 2) for s in self.seconds]} s")
        assert self.memory[-1] - self.memory[0] < NOISE, self.memory
        assert self.descriptors[-1] <= self.descriptors[0], self.descriptors
        assert min(self.seconds[-2:]) < 1.5 * max(self.seconds[1:3]), self.seconds


def test_components_that_come_and_go_leave_nothing_behind(tmp_path):
    path, watch = cases.write_case(tmp_path, cases.configuration(**TINY)), Watch()
    for _ in range(PARTS):
        for _ in range(CYCLES // PARTS):
            model = BmiNoahPy()
            model.initialize(str(path))
            cases.supply(model, 3)
            model.get_value_ptr("soil__temperature")
            model.update()
            model.finalize()
        watch.part_ends()
    watch.assert_flat()


def test_a_component_that_lives_long_stays_as_it_was(tmp_path):
    model, watch = cases.started(tmp_path, cases.configuration(forcing=None)), Watch()
    inputs = {name: cases.weather()[field] for name, field in cases.INPUT_OF.items()}
    pointer = model.get_value_ptr("land_surface__temperature")
    for _ in range(PARTS):
        for number in range(UPDATES // PARTS):
            if number % 10 == 0:
                hour = number % cases.RECORDS
                for name, series in inputs.items():
                    model.set_value(name, np.array([series[hour]]))
                model.set_value("land_surface_wind__y_component_of_velocity", np.zeros(1))
            model.update()
        watch.part_ends()
    watch.assert_flat()
    assert model.get_current_time() == UPDATES * cases.STEP
    assert 200.0 < pointer[0] < 330.0
