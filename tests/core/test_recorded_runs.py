"""The way back through an eager run: what it cannot differentiate rightly is refused."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from random_columns import random_case
from torch import nn

from noahpy_core import NoahModel, iterate, map_tensors, run
from noahpy_core.column import SoilColumn
from noahpy_core.options import Options
from noahpy_core.physics.soil_thermal import CoteKonrad2005

CASE = random_case(6, seed=5)
DT = 1800.0
STEPS = 5
SERIES = map_tensors(lambda x: x.expand(STEPS, *x.shape), CASE.forcing)
BUILT_IN = CoteKonrad2005()


def parameters():
    """Parameters of which one is to be differentiated."""
    soil = dataclasses.replace(CASE.parameters.soil, porosity=CASE.parameters.soil.porosity.clone().requires_grad_())
    return dataclasses.replace(CASE.parameters, soil=soil)


def recorded(model, given=None, dt=DT, **options):
    given = given or parameters()
    outputs = ["soil.temperature"]
    return run(model, CASE.state, SERIES, given, dt, outputs=outputs, execution="eager", **options).outputs[outputs[0]]


def hybrid(scheme):
    return NoahModel(CASE.column, Options(phase_change="enthalpy"), {"soil_thermal": scheme})


class Scaled(nn.Module):
    """A conductivity with a factor that is a weight, a buffer, or is drawn."""

    def __init__(self, kind: str):
        super().__init__()
        value = torch.tensor(0.9, dtype=torch.float64)
        self.kind = kind
        if kind == "weight":
            self.factor = nn.Parameter(value)
        else:
            self.register_buffer("factor", value)

    def forward(self, liquid, ice, soil):
        conductivity = BUILT_IN(liquid, ice, soil)
        if self.kind == "count":
            self.factor = self.factor * 0.999
        if self.kind == "dropout":
            return nn.functional.dropout(conductivity, 0.2, self.training)
        return conductivity * self.factor


@pytest.mark.parametrize("checkpoint_every", [1, 2, 3, 9])
@pytest.mark.parametrize("kind", ["dropout", "count"])
def test_a_scheme_that_does_not_repeat_itself_is_refused_on_the_way_back(kind, checkpoint_every):
    result = recorded(hybrid(Scaled(kind)), checkpoint_every=checkpoint_every)
    with pytest.raises(RuntimeError, match=r"^run: step 4, taken again for the gradient, differs by .* model.eval\(\)"):
        result.sum().backward()


def test_dropout_that_is_off_is_differentiated():
    model = hybrid(Scaled("dropout")).eval()
    given, plain = parameters(), parameters()
    recorded(model, given).sum().backward()
    recorded(hybrid(BUILT_IN), plain).sum().backward()
    assert torch.equal(given.soil.porosity.grad, plain.soil.porosity.grad)


@pytest.mark.parametrize("checkpoint_every", [1, 2, 3, 9])
def test_a_buffer_changed_between_run_and_gradient_is_refused(checkpoint_every):
    scheme = Scaled("buffer")
    result = recorded(hybrid(scheme), checkpoint_every=checkpoint_every)
    scheme.factor.mul_(0.5)
    with pytest.raises(RuntimeError, match=r"changed in place since the run: change it after backward\(\)"):
        result.sum().backward()


def test_a_step_length_or_a_thickness_changed_between_run_and_gradient_is_refused():
    dt, column = torch.tensor(DT, dtype=torch.float64), SoilColumn(CASE.column.thickness.clone())
    model = NoahModel(column, Options(phase_change="enthalpy"))
    for changed in (dt, column.thickness):
        result = recorded(model, dt=dt)
        changed.mul_(1.1)
        with pytest.raises(RuntimeError, match="changed in place since the run"):
            result.sum().backward()


def test_the_state_that_is_returned_may_be_changed_before_the_gradient():
    given, plain = parameters(), parameters()
    model = hybrid(BUILT_IN)
    trajectory = run(model, CASE.state, SERIES, given, DT, outputs=["soil.temperature"], execution="eager")
    with torch.no_grad():
        trajectory.final_state.soil.temperature.mul_(0.5)
    trajectory.outputs["soil.temperature"].sum().backward()
    recorded(model, plain).sum().backward()
    assert torch.equal(given.soil.porosity.grad, plain.soil.porosity.grad)


def of_a_closure(weight):
    return lambda liquid, ice, soil: weight * BUILT_IN(liquid, ice, soil)


def of_a_network_outside(weight):
    factor = torch.sigmoid(weight * 2.0)
    return lambda liquid, ice, soil: factor * BUILT_IN(liquid, ice, soil)


@pytest.mark.parametrize("made", [of_a_closure, of_a_network_outside])
def test_a_weight_that_is_no_parameter_of_the_model_is_refused_before_the_run(made):
    weight = torch.tensor(0.9, dtype=torch.float64, requires_grad=True)
    with pytest.raises(ValueError, match=r"^run: a scheme uses a tensor of shape \(\).*torch.nn.Parameter"):
        recorded(hybrid(made(weight)))


def test_a_parameter_is_the_remedy_and_has_the_gradient_of_steps_by_hand():
    scheme = Scaled("weight")
    recorded(hybrid(scheme)).sum().backward()

    weight = torch.tensor(0.9, dtype=torch.float64, requires_grad=True)
    records = [CASE.forcing] * STEPS
    by_hand = [state for state, _ in iterate(hybrid(of_a_closure(weight)), CASE.state, records, parameters(), DT)]
    torch.stack([state.soil.temperature for state in by_hand]).sum().backward()
    assert weight.grad != 0.0
    torch.testing.assert_close(scheme.factor.grad, weight.grad, rtol=1e-10, atol=0.0)
