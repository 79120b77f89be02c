"""The recorded step: the same numbers as the model, recorded again when it has to be."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from random_columns import random_case
from torch import nn
from torch.utils._pytree import tree_leaves

from noahpy_core import NoahModel, Options, fastest_step
from noahpy_core.physics.soil_thermal import PetersLidard1998
from noahpy_core.recorded import RecordedStep


def same(first, second) -> bool:
    return all(torch.equal(a, b) for a, b in zip(tree_leaves(first), tree_leaves(second), strict=True))


@pytest.mark.parametrize(("turbulence", "layers"), [("chen1997", 4), ("yang2008", 20)])
def test_recorded_steps_equal_the_model_bit_for_bit_in_every_regime(turbulence, layers):
    case = random_case(60, layers, seed=5)
    model = NoahModel(case.column, Options(turbulence=turbulence, infiltration="koren1999", soil_hydraulics="noah"))
    step, state = fastest_step(model), case.state
    assert isinstance(step, RecordedStep)
    with torch.no_grad():
        for _ in range(4):
            expected = model(state, case.forcing, case.parameters, 1800.0)
            result = step(state, case.forcing, case.parameters, 1800.0)
            assert same(result, expected)
            state = expected[0]


def test_recorded_step_notices_other_parameters_step_lengths_and_missing_fields():
    case = random_case(8, 4, seed=1)
    model = NoahModel(case.column)
    step = RecordedStep(model)
    warmer = dataclasses.replace(
        case.parameters,
        general=dataclasses.replace(
            case.parameters.general, deep_temperature=case.parameters.general.deep_temperature + 5.0
        ),
    )
    leafy = dataclasses.replace(case.forcing, leaf_area_index=torch.full((8,), 3.0, dtype=torch.float64))
    with torch.no_grad():
        for forcing, parameters, dt in (
            (case.forcing, case.parameters, 3600.0),
            (case.forcing, warmer, 3600.0),
            (leafy, warmer, 3600.0),
        ):
            expected = model(case.state, forcing, parameters, dt)
            assert same(step(case.state, forcing, parameters, dt), expected)


def test_a_step_whose_iterations_depend_on_the_state_is_not_recorded():
    model = NoahModel(random_case(2, 4, seed=1).column, Options(phase_change="enthalpy"))
    assert fastest_step(model) is model


def test_a_supplied_process_is_not_recorded():
    model = NoahModel(random_case(2, 4, seed=1).column, processes={"soil_thermal": PetersLidard1998()})
    assert isinstance(model.soil_thermal, nn.Module)
    assert fastest_step(model) is model
