"""Kernels for single precision."""

from __future__ import annotations

import pytest
import torch
from compiled_cases import COVER, EVERYTHING, gradients, series, shares_of_largest, taken

from noahpy_core.execution import step_function
from noahpy_core.trees import map_tensors

COLUMNS = 900
SETUPS = [COVER[0], pytest.param(COVER[1], marks=pytest.mark.slow)]
USUAL = 2.0e-4
"""Difference from eager single precision that 95 % of columns stay within, as a share of the largest value: single
precision has 6e-8, small differences of large temperatures (an evaporation, a turbulent flux) lose three digits of it,
and the rest of the columns sits beside a threshold that round-off decides about (see `test_batching`)."""
OF_STORES = 2.0e-6
"""The same for what a step only adds to: temperatures and stores."""
STORES = ("soil.temperature", "soil.liquid_water", "snow.depth", "skin_temperature", "surface.albedo")


def without_residuals(name: str) -> bool:
    return not name.endswith("_residual") and name != "numerical_heat_source"


@pytest.mark.parametrize("setup", SETUPS, ids=str)
def test_a_step_in_single_precision_agrees_with_eager_single_precision(setup):
    case = setup.case(COLUMNS, seed=401).to(torch.float32)
    compiled, eager = (taken(setup, case, way).outputs for way in ("compiled", "eager"))
    for name in filter(without_residuals, EVERYTHING):
        assert compiled[name].dtype == torch.float32
        assert torch.equal(torch.isfinite(compiled[name]), torch.isfinite(eager[name])), name
        shares = shares_of_largest(compiled[name].double(), eager[name].double())
        assert shares.quantile(0.95).item() < (OF_STORES if name in STORES else USUAL), name


@pytest.mark.parametrize("setup", SETUPS, ids=str)
def test_single_precision_is_as_near_to_double_precision_compiled_as_it_is_eager(setup):
    """Median over columns, which no threshold disturbs."""
    case = setup.case(COLUMNS, seed=402).to(torch.float32)
    exact = taken(setup, case.to(torch.float64), "eager").outputs
    compiled, eager = (taken(setup, case, way).outputs for way in ("compiled", "eager"))
    for name in filter(without_residuals, EVERYTHING):
        ours, theirs = (shares_of_largest(one[name].double(), exact[name]).median() for one in (compiled, eager))
        assert ours <= 2.0 * theirs + 2.0e-7, name


@pytest.mark.slow
def test_the_gradient_in_single_precision_is_finite_and_agrees_with_eager_single_precision():
    """Where that one is finite: in a few columns the eager way back overflows."""
    setup = COVER[0]
    case = setup.case(COLUMNS, seed=403).to(torch.float32)
    compiled, eager = (gradients(setup, case, way) for way in ("compiled", "eager"))
    finite = torch.stack([torch.isfinite(value).reshape(-1, COLUMNS).all(0) for value in eager.values()]).all(0)
    assert finite.double().mean().item() > 0.9
    for name, value in eager.items():
        assert compiled[name].dtype == torch.float32
        assert bool(torch.isfinite(compiled[name]).all()), name
        shares = shares_of_largest(compiled[name][..., finite].double(), value[..., finite].double())
        assert shares.quantile(0.9).item() < 1.0e-3, name


def test_single_columns_and_single_steps_in_single_precision_equal_those_of_a_batch_run():
    setup = COVER[0]
    case = setup.case(11, seed=404).to(torch.float32)
    together = taken(setup, case, "compiled", forcing=series(case, 2)).outputs
    alone = case.select(slice(4, 5))
    weather = map_tensors(lambda x: x[..., 4:5], series(case, 2))
    own = taken(setup, alone, "compiled", forcing=weather).outputs
    for name, value in own.items():
        assert torch.equal(value, together[name][..., 4:5]), name
    state, _ = step_function(setup.model(case), "compiled")(case.state, case.forcing, case.parameters, case.dt)
    assert torch.equal(state.soil.temperature, together["soil.temperature"][0])
