"""How long each kind of kernel takes to make, and which models are stepped eagerly, with the reason.

``pytest tests/benchmarks/test_kernels.py`` prints a table at the end.
"""

from __future__ import annotations

import pytest
import torch
from columns import STEP, make_site
from report import Report, Row
from timing import seconds
from torch import Tensor, nn

from noahpy_core import NoahModel, preset
from noahpy_core.compiled.execute.collect import collect, why_not_compiled
from noahpy_core.compiled.execute.program import Kind, Program, vector_target
from noahpy_core.compiled.record.step_graph import Wanted

KINDS: dict[str, Kind] = {
    "steps": None,
    "a direction": "tangent",
    "gradient": Wanted((), False, ("soil",)),
    "second derivatives": ("second", Wanted((), False, ("soil",))),
}
SCHEMES = {
    "heat-limited": {},
    "enthalpy": {"phase_change": "enthalpy"},
    "Richards": {"phase_change": "enthalpy", "soil_water": "richards"},
}
LAYERS = 20


class OfFeatures(nn.Module):
    """A conductivity from saturation, through an operation to try.

    Parameters
    ----------
    middle : The operation, on two features of every layer.
    """

    def __init__(self, middle: nn.Module) -> None:
        super().__init__()
        self.first, self.middle, self.last = nn.Linear(2, 2).double(), middle.double(), nn.Linear(2, 1).double()

    def forward(self, liquid: Tensor, ice: Tensor, soil: object) -> Tensor:
        hidden = self.first(torch.stack([liquid, ice], -1))
        return 0.5 + torch.sigmoid(self.last(self.middle(hidden)))[..., 0]


class OfNeighbours(nn.Module):
    """A convolution over two features of a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(1, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(x.reshape(-1, 1, 2)).reshape(x.shape)


OPERATIONS = {"GELU by erf": nn.GELU(), "a convolution": OfNeighbours(), "tanh": nn.Tanh()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("single", [True, False], ids=["one column", "many columns"])
def test_a_kernel_is_made(report: Report, scheme: str, kind: str, single: bool) -> None:
    site = make_site(2, 1, layers=LAYERS, schemes=SCHEMES[scheme])
    shape, _, _ = collect(site.model, site.trees, STEP)
    program = Program(shape, vector_target("float64", single=single))
    what = f"making the kernel of {kind}, {scheme}, {'1 column' if single else 'many columns'}"
    report.add(Row(what, seconds(lambda: program._build(KINDS[kind])), "s"))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_network_is_compiled_or_the_reason_is_said(report: Report, operation: str) -> None:
    site = make_site(2, 1)
    network = OfFeatures(OPERATIONS[operation])
    reason = why_not_compiled(NoahModel(site.model.column, site.model.options, {"soil_thermal": network}))
    report.note(f"network with {operation}: " + ("compiled" if reason is None else f"eager, {reason}"))


@pytest.mark.parametrize("name", ["noah-permafrost", "conservative"])
def test_a_preset_is_compiled_or_the_reason_is_said(report: Report, name: str) -> None:
    reason = why_not_compiled(NoahModel(make_site(2, 1).model.column, preset(name)))
    report.note(f"preset {name}: " + ("compiled" if reason is None else f"eager, {reason}"))
    assert reason is None
