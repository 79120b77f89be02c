"""Derivatives of the Richards step in each regime of soil water, and exactly at the edge of saturation."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from test_richards_accuracy import columns_of
from test_richards_gradients import Inputs, along, inputs_of, weighted_results, with_inputs
from torch import Tensor
from water_columns import FLOOR, SoilDemand, WaterCase

CLASSES = (1, 4, 7, 9, 12, 13)
"""Clay, clay loam, loam, sandy loam, sand and gravel."""
LAYERS = (0.1, 0.3, 0.6, 1.0)
NAMES = ["porosity", "suction", "b", "conductivity", "liquid"]


def dry_limit(case: WaterCase) -> Tensor:
    """Water between the floor and what plants leave, which evaporation takes to the end. [m3 m-3]"""
    return FLOOR + 0.006 * torch.ones_like(case.liquid)


def regime(name: str) -> WaterCase:
    """A column of each class, 4 layers, an hour."""
    case = columns_of(CLASSES, LAYERS, 0.6, 0.6)
    porosity, one = case.parameters.soil.porosity, torch.ones_like(case.supply)
    depth = torch.linspace(0.0, 1.0, len(LAYERS), dtype=torch.float64)[:, None]
    heavy, evaporation = 0.1 * one, 1.0e-4 * one
    ice = (0.6 * porosity - FLOOR) * (0.9 - 0.5 * depth)
    changes = {
        # Pores are all but full, and the rain fills them: the column is full at the end, with a pond on it.
        "saturated": {"liquid": (0.985 + 0.01 * depth) * porosity, "supply": 3.0 * one, "drainage": 0.0},
        "ponding": {"liquid": (0.5 + 0.1 * depth) * porosity, "supply": 3.0 * one},
        "draining": {"liquid": (0.99 - 0.1 * depth) * porosity},
        "drying": {"liquid": (0.35 + 0.1 * depth) * porosity, "soil": evaporation},
        "dry": {"liquid": dry_limit(case), "soil": evaporation},
        "frozen": {"liquid": (FLOOR + 0.02) * torch.ones_like(ice), "ice": 0.7 * porosity - FLOOR, "supply": heavy},
        "partly frozen": {"liquid": 0.65 * porosity - ice, "ice": ice, "supply": heavy},
        "ponding on frost": {"liquid": 0.95 * porosity - ice, "ice": ice, "supply": 3.0 * one},
    }[name]
    drainage = changes.pop("drainage", 0.6) * one
    soil = changes.pop("soil", 0.0 * one)
    general = dataclasses.replace(case.parameters.general, drainage_factor=drainage)
    return dataclasses.replace(
        case, dt=3600.0 * one, demand=SoilDemand(soil, 0.0 * porosity),
        parameters=dataclasses.replace(case.parameters, general=general), **changes,
    )  # fmt: skip


REGIMES = ["saturated", "ponding", "draining", "drying", "dry", "frozen", "partly frozen", "ponding on frost"]


def slope(case: WaterCase, start: Inputs, name: str) -> tuple[Tensor, Tensor]:
    """The derivative along a relative change of one input, ``[column]``, and the change."""
    change = start[name] * (0.01 if name == "liquid" else 1.0)
    x = start[name].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(weighted_results(case, {**start, name: x}).sum(), x)
    return along(gradient, change), change


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", REGIMES)
def test_the_derivative_is_that_of_differences_in_every_regime_and_class(kind, name):
    case = regime(kind)
    start = inputs_of(case)
    first, change = slope(case, start, name)

    def value(shift: float) -> Tensor:
        with torch.no_grad():
            return weighted_results(case, {**start, name: start[name] + shift * change})

    step = 1.0e-5
    differences = (value(step) - value(-step)) / (2.0 * step)
    assert ((differences - first).abs() / (first.abs() + 1.0e-6)).max() < 1.0e-5


def test_the_regimes_are_what_they_are_called():
    saturated = regime("saturated")
    water = saturated.step()
    assert torch.allclose(water.liquid, saturated.parameters.soil.porosity, rtol=1.0e-12)
    assert (water.surface_runoff > 0.0).all()
    assert (regime("ponding").step().surface_runoff > 0.0).sum() >= 4
    assert (regime("dry").step().soil_evaporation < 0.99 * regime("dry").demand.soil).all()
    assert (regime("ponding on frost").step().surface_runoff > 0.0).sum() >= 4


def at_rest(ice: float) -> WaterCase:
    """Exactly full columns with a closed bottom, to which nothing is given and of which nothing is asked."""
    case = columns_of(CLASSES, LAYERS, 1.0, 0.0)
    porosity = case.parameters.soil.porosity
    frozen = ice * (porosity - FLOOR)
    return dataclasses.replace(case, liquid=porosity - frozen, ice=frozen, dt=torch.full_like(case.supply, 3600.0))


@pytest.mark.parametrize("ice", [0.0, 0.5])
@pytest.mark.parametrize("name", ["porosity", "suction", "b", "conductivity"])
def test_full_soil_at_rest_has_the_derivative_of_pores_that_grow_and_keeps_its_water(name, ice):
    """Full pores are a kink, and nothing fixes the pressure in them: the equations have no other derivative there."""
    case = at_rest(ice)
    start = inputs_of(case)
    first, change = slope(case, start, name)
    step = 1.0e-6
    with torch.no_grad():
        raised = weighted_results(case, {**start, name: start[name] + step * change})
        differences = (raised - weighted_results(case, start)) / step
    assert ((differences - first).abs() / (first.abs() + 1.0e-3)).max() < 2.0e-3

    given = {**start, name: start[name].clone().requires_grad_()}
    water = with_inputs(case, given).step()
    (gained,) = torch.autograd.grad((case.column.thickness * water.liquid).sum(), given[name])
    assert gained.abs().max() < 1.0e-12
