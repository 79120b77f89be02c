"""A derivative that the heat-limited scheme has made useless is told of, with the cause and the remedy."""

from __future__ import annotations

import warnings

import pytest
import torch
from random_columns import random_case

from noahpy_core import NoahModel, preset, run, run_checks
from noahpy_core.trees import map_tensors

CASE = random_case(6, 4, seed=8)


def went_back(name: str, execution: str) -> None:
    """A gradient of a few steps of a preset."""
    states = map_tensors(lambda value: value.clone().requires_grad_(), CASE.state)
    forcing = map_tensors(lambda value: value[None].expand(3, *value.shape), CASE.forcing)
    model = NoahModel(CASE.column, preset(name))
    outputs = run(model, states, forcing, CASE.parameters, 3600.0, outputs=["soil.temperature"], execution=execution)
    outputs.outputs["soil.temperature"].sum().backward()


@pytest.mark.parametrize("reached", [1.0e30, float("inf"), float("nan")])
def test_a_derivative_beyond_all_bounds_is_told_of_and_one_within_is_not(reached):
    model, seed = NoahModel(CASE.column, preset("noah-permafrost")), torch.ones(3)
    with pytest.warns(RuntimeWarning, match=r"grows without bound: phase_change 'heat_limited'.*'enthalpy'"):
        run_checks.warn_of_growth(model, [None, seed], [seed, torch.tensor([reached])])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run_checks.warn_of_growth(model, [seed], [1.0e3 * seed])


@pytest.mark.parametrize("execution", ["compiled", "eager"])
def test_the_way_back_through_a_run_looks_for_it(monkeypatch, execution):
    monkeypatch.setattr(run_checks, "LARGEST_GROWTH", 1.0e-30)
    with pytest.warns(RuntimeWarning, match=r"grows without bound"):
        went_back("noah-permafrost", execution)
