"""What a gradient costs: a run there and back over the run alone, in one process and the same mode.

``pytest tests/benchmarks/test_gradient_cost.py`` prints a table at the end.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "core"))

from memory_of_a_run import THICKNESS, site, weather

from noahpy_core import NoahModel, Options, SoilColumn, run
from noahpy_core.state import map_tensors

DAILY, LAYERS, LARGEST_RATIO = 86400.0, 20, 4.0
COLUMNS = {1: 20, 100: 20, 10_000: 2}
"""Number of columns -> steps of the timed run."""


class Cost(NamedTuple):
    """Of one kind of run: seconds a step."""

    forward: float
    gradient: float

    @property
    def ratio(self) -> float:
        """Run there and back over the run alone."""
        return self.gradient / self.forward


@pytest.fixture(scope="module")
def costs(pytestconfig: pytest.Config) -> Iterator[dict[tuple[str, int], Cost]]:
    found: dict[tuple[str, int], Cost] = {}
    yield found
    lines = [f"{'scheme':14}{'columns':>8}{'run, ms/step':>14}{'with gradient':>15}{'ratio':>7}"]
    for (scheme, columns), cost in found.items():
        times = f"{1e3 * cost.forward:14.2f}{1e3 * cost.gradient:15.2f}"
        lines.append(f"{scheme:14}{columns:8}{times}{cost.ratio:7.2f}")
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("scheme", ["heat_limited", "enthalpy"])
def test_a_run_with_its_gradient_costs_at_most_four_times_the_run(benchmark, costs, scheme: str, columns: int) -> None:
    torch.set_num_threads(1)
    column, steps = SoilColumn(torch.tensor(THICKNESS[LAYERS], dtype=torch.float64)), COLUMNS[columns]
    state, parameters = site(column, columns)
    model = NoahModel(column, Options(phase_change=scheme))
    forcing = weather(steps, columns, DAILY)

    def forward() -> None:
        with torch.no_grad():
            run(model, state, forcing, parameters, DAILY, outputs=["soil.temperature"])

    def gradient() -> None:
        wanted = map_tensors(lambda value: value.clone().requires_grad_(), parameters)
        path = run(model, state, forcing, wanted, DAILY, outputs=["soil.temperature"])
        path.outputs["soil.temperature"].sum().backward()

    forward()
    alone = min(_seconds(forward) for _ in range(2))
    benchmark.pedantic(gradient, rounds=2, warmup_rounds=1)
    costs[scheme, columns] = Cost(alone / steps, benchmark.stats.stats.min / steps)
    assert costs[scheme, columns].ratio <= LARGEST_RATIO


def _seconds(function: Callable[[], None]) -> float:
    """Processor time of a call, which other work on the machine lengthens little."""
    begin = time.process_time()
    function()
    return time.process_time() - begin
