"""What other derivatives cost: forward mode over a run, recorded windows and one-step derivatives over the updates.

``pytest tests/benchmarks/test_derivative_cost.py`` prints a table at the end. All is compiled, in one process.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from columns import STEP, make_site
from report import MICROSECOND, Report, Row
from timing import seconds, side_by_side

from bmi_noahpy import BmiNoahPy
from bmi_noahpy.example import write_example
from noahpy_core import run

STEPS = {1: 400, 24: 200, 1000: 20}
WINDOW = 100
MOST_OF_A_PRODUCT = 8.0
LATENT = "land_surface__upward_component_of_latent_heat_energy_flux"


@pytest.mark.parametrize(("scheme", "columns", "most"), [
    ("heat_limited", 1, 5.0), ("heat_limited", 1000, 5.0), ("enthalpy", 1, 4.0), ("enthalpy", 1000, 3.0),
])  # fmt: skip
def test_a_direction_costs_a_few_runs(report: Report, scheme: str, columns: int, most: float) -> None:
    steps = STEPS[columns]
    site = make_site(columns, steps, schemes={"phase_change": scheme})
    porosity = site.parameters.soil.porosity

    def values(given: torch.Tensor = porosity) -> torch.Tensor:
        soil = dataclasses.replace(site.parameters.soil, porosity=given)
        parameters = dataclasses.replace(site.parameters, soil=soil)
        path = run(
            site.model, site.state, site.forcing, parameters, STEP, outputs=["soil.temperature"], execution="compiled"
        )
        return path.outputs["soil.temperature"]

    along = torch.ones_like(porosity)
    alone, both = side_by_side(values, lambda: torch.func.jvp(values, (porosity,), (along,)))
    report.add(Row(f"run and one direction, {scheme}, {columns:,} columns", both / steps / columns / MICROSECOND, "us"))
    report.add(Row("    of the run alone", both / alone, "times", f"{most:g} times"))
    assert both / alone <= most


@pytest.mark.parametrize("scheme", ["heat_limited", "enthalpy"])
@pytest.mark.parametrize("columns", [1, 24, 1000])
def test_a_hessian_times_a_vector_costs_some_runs(report: Report, scheme: str, columns: int) -> None:
    steps = STEPS[columns]
    site = make_site(columns, steps, schemes={"phase_change": scheme})
    porosity = site.parameters.soil.porosity
    along = torch.ones_like(porosity)

    def total(given: torch.Tensor = porosity) -> torch.Tensor:
        soil = dataclasses.replace(site.parameters.soil, porosity=given)
        parameters = dataclasses.replace(site.parameters, soil=soil)
        path = run(
            site.model, site.state, site.forcing, parameters, STEP, outputs=["soil.temperature"], execution="compiled"
        )
        return path.outputs["soil.temperature"].sum()

    def gradient(again: bool = False) -> torch.Tensor:
        leaf = porosity.clone().requires_grad_()
        (slope,) = torch.autograd.grad(total(leaf), leaf, create_graph=again)
        return torch.autograd.grad(slope, leaf, along)[0] if again else slope

    forward_over_reverse = lambda: torch.func.jvp(torch.func.grad(total), (porosity,), (along,))  # noqa: E731
    actions = (total, gradient, lambda: gradient(again=True), forward_over_reverse)
    alone, once, twice, mixed = side_by_side(*actions)
    report.add(Row(f"Hessian times vector beside the gradient, {scheme}, {columns:,} columns", (twice - once) / alone,
                   "runs", f"{MOST_OF_A_PRODUCT:g} runs"))  # fmt: skip
    report.add(Row("    with run and gradient, double backward", twice / alone, "runs"))
    report.add(Row("    with run and gradient, jvp of grad", mixed / alone, "runs", f"{MOST_OF_A_PRODUCT:g} runs"))
    assert (twice - once) / alone <= MOST_OF_A_PRODUCT
    assert mixed / alone <= MOST_OF_A_PRODUCT


@pytest.fixture
def component(tmp_path: Path) -> Any:
    model = BmiNoahPy()
    model.initialize(str(write_example(tmp_path, "noah-permafrost")))
    for _ in range(5):
        model.update()
    return model


def test_a_recorded_step_and_its_way_back_cost_a_few_updates(report: Report, component: Any) -> None:
    extension = component.get_extension("gradient")
    start = extension.get_state(np.empty(extension.get_state_size()))

    def back_to_start() -> None:
        extension.set_state(start)
        extension.set_time(0.0)

    def take() -> None:
        for _ in range(WINDOW):
            component.update()

    def reverse() -> None:
        for _ in range(WINDOW):
            extension.update_adjoint()

    plain, recorded, reversed_ = [], [], []
    for _ in range(4):
        back_to_start()
        plain.append(seconds(take))
        back_to_start()
        extension.start_recording()
        recorded.append(seconds(take))
        extension.add_adjoint_seed(LATENT, np.ones(1))
        extension.stop_recording()
        reversed_.append(seconds(reverse))
    update, record, back = (min(times) / WINDOW / MICROSECOND for times in (plain, recorded, reversed_))
    report.add(Row("BMI update(), 1 column", update, "us"))
    report.add(Row("recorded update(), 1 column", record, "us"))
    report.add(Row("update_adjoint(), 1 column", back, "us"))
    report.add(Row("    both of update()", (record + back) / update, "times", "8 times"))
    assert (record + back) / update <= 8.0


def test_one_step_derivatives_cost_a_few_updates(report: Report, component: Any) -> None:
    extension = component.get_extension("gradient")
    size = extension.get_state_size()
    state, one = np.ones(size), np.ones(1)
    adjoint, directional = side_by_side(
        lambda: [extension.get_adjoint_derivative([LATENT], ["@state"], one, state) for _ in range(20)],
        lambda: [extension.get_directional_derivative([LATENT], ["@state"], state, one) for _ in range(20)],
    )
    update = min(seconds(lambda: [component.update() for _ in range(20)]) for _ in range(3))
    for name, cost in (("adjoint", adjoint), ("directional", directional)):
        report.add(Row(f"one-step {name} derivative, 1 column", cost / 20 / MICROSECOND, "us"))
        report.add(Row("    of update()", cost / update, "times", "20 times"))
        assert cost / update <= 20.0


@pytest.mark.parametrize("scheme", ["heat_limited", "enthalpy"])
@pytest.mark.parametrize("columns", [1, 8, 1000])
def test_many_directions_cost_less_than_two_runs_each(report: Report, scheme: str, columns: int) -> None:
    steps, directions = 200 if columns < 1000 else 10, 20
    site = make_site(columns, steps, schemes={"phase_change": scheme})
    porosity = site.parameters.soil.porosity

    def values(change: torch.Tensor) -> torch.Tensor:
        soil = dataclasses.replace(site.parameters.soil, porosity=porosity * (1.0 + change[:, None]))
        parameters = dataclasses.replace(site.parameters, soil=soil)
        path = run(
            site.model, site.state, site.forcing, parameters, STEP, outputs=["soil.temperature"], execution="compiled"
        )
        return path.outputs["soil.temperature"]

    point = torch.zeros(directions, dtype=torch.float64)
    alone, single, all_of_them = side_by_side(
        lambda: values(point),
        lambda: [torch.func.jvp(values, (point,), (along,)) for along in torch.eye(directions, dtype=torch.float64)],
        lambda: torch.func.jacfwd(values)(point),
    )
    each = (all_of_them - alone) / directions / alone
    what = f"one of {directions} directions, {scheme}, {columns:,} columns"
    report.add(Row(f"{what}, of the run alone", each, "times", "2"))
    report.add(Row("    of as many calls of jvp", all_of_them / single, "times"))
    assert each <= 2.0
