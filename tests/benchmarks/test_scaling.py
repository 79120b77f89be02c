"""Cost of a step with the number of columns, layers and steps.

``pytest tests/benchmarks/test_scaling.py`` prints a table and draws a figure (``--benchmark-figure PATH``). A million
columns are left out unless asked for with ``-k million``: they take 6 GB of memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from columns import STEP, Site, make_site
from gradients import requiring
from report import MICROSECOND, Report, Row
from timing import Action, side_by_side

from noahpy_core import run
from noahpy_core.compiled import CompiledStep

COLUMN_STEPS = 10_000
"""At least so many in a timed run."""
COLUMNS = (1, 2, 8, 32, 100, 1000, 10_000, 100_000)
LAYERS = (4, 10, 20, 40)
STEPS = (1, 10, 100, 1000, 10_000)


class Point(NamedTuple):
    """Seconds of a column-step at one size."""

    size: int
    cost: float


Curves = dict[tuple[str, str], list[Point]]
"""Panel and line of the figure -> its points."""
Enter = Callable[[str, str, Point], None]


@pytest.fixture(scope="module")
def curves(report: Report, figure_path: Path) -> Iterator[Curves]:
    found: Curves = {}
    yield found
    if found:
        draw(found, figure_path)
        report.note(f"Figure of costs: {figure_path}")


@pytest.fixture
def enter(curves: Curves, report: Report) -> Enter:
    """Notes a cost in the table and in the figure."""

    def entered(panel: str, line: str, point: Point) -> None:
        curves.setdefault((panel, line), []).append(point)
        report.add(Row(f"{line}, {point.size:,} {panel}", point.cost / MICROSECOND, "us/column-step"))

    return entered


def forward(site: Site) -> Action:
    """A run."""
    return lambda: run(site.model, *site.trees, STEP, outputs=["skin_temperature"], execution="compiled")


def there_and_back(site: Site, spacing: int) -> Action:
    """A run and its gradient."""
    trees = (site.state, site.forcing, requiring(site.parameters, "soil"))

    def work() -> None:
        outputs = ["skin_temperature"]
        path = run(site.model, *trees, STEP, outputs=outputs, checkpoint_every=spacing, execution="compiled")
        path.outputs["skin_temperature"].mean().backward()

    return work


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("number_type", ["float64", "float32"])
def test_what_a_step_costs_with_the_number_of_columns(enter: Enter, columns: int, number_type: str) -> None:
    steps = max(COLUMN_STEPS // columns, 2)
    work = forward(make_site(columns, steps, dtype=getattr(torch, number_type)))
    (cost,) = side_by_side(work)
    enter("columns", f"run, {number_type}", Point(columns, cost / (steps * columns)))


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("columns", [1, 1000])
def test_what_a_step_costs_with_the_number_of_layers(enter: Enter, columns: int, layers: int) -> None:
    steps = COLUMN_STEPS // columns
    (cost,) = side_by_side(forward(make_site(columns, steps, layers=layers)))
    enter("layers", f"run, {columns:,} columns", Point(layers, cost / (steps * columns)))


@pytest.mark.parametrize("steps", STEPS)
def test_what_a_step_costs_with_the_length_of_the_run(enter: Enter, steps: int) -> None:
    site = make_site(1, steps, schemes={"phase_change": "enthalpy"})
    works = (forward(site), there_and_back(site, 1), there_and_back(site, max(math.isqrt(steps), 2)))
    lines = ("run, 1 column", "run and gradient, 1 column", "run and gradient with checkpoints, 1 column")
    repeated = max(100 // steps, 1)
    for line, cost in zip(lines, side_by_side(*(_again(work, repeated) for work in works)), strict=True):
        enter("steps", line, Point(steps, cost / (steps * repeated)))


def test_a_million_columns_take_a_step(enter: Enter) -> None:
    columns = 1_000_000
    site = make_site(columns, 1)
    step, record = CompiledStep(site.model, valid_for=2), site.record(0)

    def work() -> None:
        state, _ = step(site.state, record, site.parameters, STEP)
        assert bool(torch.isfinite(state.soil.temperature).all())

    (cost,) = side_by_side(work, rounds=2)
    enter("columns", "step, float64", Point(columns, cost / columns))


def draw(found: Curves, path: Path) -> None:
    """Cost of a column-step, a panel each for columns, layers and steps."""
    from matplotlib.figure import Figure

    panels = list(dict.fromkeys(panel for panel, _ in found))
    figure = Figure(figsize=(5.0 * len(panels), 4.0), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for (of, line), points in found.items():
            if of == panel:
                sizes, costs = zip(*sorted(points), strict=True)
                axes.loglog(sizes, [cost / MICROSECOND for cost in costs], marker="o", label=line)
                axes.set_xticks(sizes, [f"{size:,}" for size in sizes], minor=False)
        axes.set(xlabel=panel, ylabel="µs per column and step", ylim=(1.0, None))
        axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
        axes.tick_params(axis="x", labelrotation=45)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    figure.savefig(path, dpi=150)


def _again(work: Action, times: int) -> Action:
    def repeated() -> None:
        for _ in range(times):
            work()

    return repeated
