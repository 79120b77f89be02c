"""What a network in a slot costs: a training step over four days beside the run and gradient of the built-in scheme.

``pytest tests/benchmarks/test_network_cost.py`` prints a table at the end. All is compiled, in one process.
"""

from __future__ import annotations

import dataclasses

import pytest
import torch
from columns import STEP, make_site, with_network
from report import Report, Row
from timing import side_by_side

from noahpy_core import NoahModel, Parameters, run
from noahpy_core.trees import map_tensors

STEPS = 4 * 48
LARGEST_RATIO = 2.0
MILLISECOND = 1.0e-3


@pytest.mark.parametrize("scheme", ["heat_limited", "enthalpy"])
@pytest.mark.parametrize(("slot", "columns"), [("soil_thermal", 24), ("evaporation", 48)])
def test_training_a_network_costs_at_most_two_runs_with_gradients(
    report: Report, slot: str, columns: int, scheme: str
) -> None:
    site = make_site(columns, STEPS, schemes={"phase_change": scheme})
    model = with_network(site.model, slot)

    def score(stepped: NoahModel, parameters: Parameters) -> torch.Tensor:
        path = run(
            stepped, site.state, site.forcing, parameters, STEP, outputs=["soil.temperature"], execution="compiled"
        )
        return path.outputs["soil.temperature"].sum()

    def built_in() -> None:
        soil = map_tensors(lambda value: value.clone().requires_grad_(), site.parameters.soil)
        score(site.model, dataclasses.replace(site.parameters, soil=soil)).backward()

    def trained() -> None:
        model.zero_grad()
        score(model, site.parameters).backward()

    usual, learned = side_by_side(built_in, trained, rounds=5)
    what = f"4 days and their gradient, {slot}, {scheme}, {columns} columns"
    report.add(Row(f"{what}, built in", usual / MILLISECOND, "ms"))
    report.add(Row(f"{what}, network", learned / MILLISECOND, "ms"))
    report.add(Row("    of the built-in one", learned / usual, "times", f"{LARGEST_RATIO:g} times"))
    assert learned / usual <= LARGEST_RATIO
