"""What a gradient costs: a run there and back over the run alone, in one process and compiled both.

``pytest tests/benchmarks/test_gradient_cost.py`` prints a table at the end.
"""

from __future__ import annotations

import math
import time

import pytest
import torch
from columns import STEP, make_site
from gradients import requiring
from report import MICROSECOND, Report, Row
from timing import seconds

from noahpy_core import Parameters, run

LARGEST_RATIO, ROUNDS = 4.0, 4
STEPS = {1: 400, 100: 100, 10_000: 4}
"""Number of columns -> steps of a timed run."""


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("columns", STEPS)
@pytest.mark.parametrize("wanted", ["all", "soil"])
@pytest.mark.parametrize("scheme", ["heat_limited", "enthalpy"])
def test_a_run_with_its_gradient_costs_at_most_four_times_the_run(
    benchmark, report: Report, scheme: str, wanted: str, columns: int
) -> None:
    ratio = _measure(benchmark, report, scheme, wanted, columns, None)
    assert ratio <= LARGEST_RATIO


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("columns", [1, 100])
def test_computing_states_again_costs_at_most_one_run_more(benchmark, report: Report, columns: int) -> None:
    spacing = math.isqrt(STEPS[columns])
    ratio = _measure(benchmark, report, "heat_limited", "soil", columns, spacing)
    assert ratio <= LARGEST_RATIO + 1.0


def _measure(benchmark, report: Report, scheme: str, wanted: str, columns: int, spacing: int | None) -> float:
    steps = STEPS[columns]
    site = make_site(columns, steps, schemes={"phase_change": scheme})
    alone: list[float] = []

    def forward(parameters: Parameters = site.parameters) -> torch.Tensor:
        path = run(
            site.model, site.state, site.forcing, parameters, STEP,
            outputs=["soil.temperature"], checkpoint_every=spacing, execution="compiled",
        )  # fmt: skip
        return path.outputs["soil.temperature"]

    def gradient() -> None:
        forward(requiring(site.parameters, wanted)).sum().backward()

    benchmark.pedantic(gradient, setup=lambda: alone.append(seconds(forward)), rounds=ROUNDS, warmup_rounds=1)
    size = steps * columns
    cost = benchmark.stats.stats.min
    ratio = cost / min(alone)
    what = f"run and gradient, {scheme}, {columns:,} columns, {wanted} parameters"
    if spacing:
        what += f", 1 of {spacing} states kept"
    report.add(Row(what, cost / size / MICROSECOND, "us"))
    report.add(Row("    of the run alone", ratio, "times", "5 times" if spacing else "4 times"))
    return ratio
