"""Derivatives of the Richards step: those of its equations, in first and second order, whatever the iteration did."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from random_columns import Draw
from torch import Tensor
from water_columns import FLOOR, SoilDemand, WaterCase, hard_columns

Inputs = dict[str, Tensor]


def moist_columns(columns: int, seed: int) -> WaterCase:
    """Columns away from saturation and dryness, some frozen: few of their kinks are near."""
    case = hard_columns(columns, seed=seed, layers=(0.1, 0.3, 0.6, 1.0))
    draw = Draw(seed, columns)
    total = case.parameters.soil.porosity * draw.uniform(0.25, 0.95, 4)
    ice = torch.where(draw.chance(0.3), (total - FLOOR) * draw.uniform(0.0, 0.6, 4), 0.0)
    return dataclasses.replace(case, ice=ice, liquid=total - ice)


def inputs_of(case: WaterCase) -> Inputs:
    soil = case.parameters.soil
    return {
        "b": soil.clapp_hornberger_b, "suction": soil.saturated_suction, "porosity": soil.porosity,
        "conductivity": soil.saturated_hydraulic_conductivity, "liquid": case.liquid, "supply": case.supply,
        "soil": case.demand.soil, "roots": case.demand.roots,
    }  # fmt: skip


def with_inputs(case: WaterCase, given: Inputs) -> WaterCase:
    """The same columns with these inputs."""
    diffusivity = given["b"] * given["conductivity"] * given["suction"] / given["porosity"]
    case = case.with_soil(
        clapp_hornberger_b=given["b"], saturated_suction=given["suction"], porosity=given["porosity"],
        saturated_hydraulic_conductivity=given["conductivity"], saturated_diffusivity=diffusivity,
    )  # fmt: skip
    demand = SoilDemand(given["soil"], given["roots"])
    return dataclasses.replace(case, liquid=given["liquid"], supply=given["supply"], demand=demand)


def weighted_results(case: WaterCase, given: Inputs) -> Tensor:
    """A sum of all results with fixed weights, ``[column]``."""
    water = with_inputs(case, given).step()
    layers = torch.tensor([1.0, -0.7, 0.4, 1.3], dtype=torch.float64)[:, None]
    fluxes = water.infiltration + 0.7 * water.drainage + 1.3 * water.soil_evaporation
    fluxes = fluxes + (layers * water.root_uptake).sum(0) + 0.3 * water.exchange.sum(0)
    return (layers * case.column.thickness * water.liquid).sum(0) + case.dt / 1000.0 * fluxes


def along(gradient: Tensor, direction: Tensor) -> Tensor:
    product = gradient * direction
    return product.sum(0) if product.ndim > 1 else product


@pytest.mark.parametrize("name", ["b", "suction", "porosity", "conductivity", "liquid", "supply", "soil", "roots"])
def test_first_and_second_derivatives_are_those_of_differences(name):
    case = moist_columns(60, seed=3)
    start = inputs_of(case)
    direction = start[name] * (0.03 if name == "liquid" else 0.3)

    def derivative(shift: float, second: bool = False) -> tuple[Tensor, Tensor]:
        x = (start[name] + shift * direction).requires_grad_()
        (gradient,) = torch.autograd.grad(weighted_results(case, {**start, name: x}).sum(), x, create_graph=second)
        first = along(gradient, direction)
        if not second:
            return first.detach(), first
        (curvature,) = torch.autograd.grad(first.sum(), x)
        return first.detach(), along(curvature, direction)

    def value(shift: float) -> Tensor:
        with torch.no_grad():
            return weighted_results(case, {**start, name: start[name] + shift * direction})

    first, second = derivative(0.0, second=True)
    step = 1.0e-4
    by_values = (value(step) - value(-step)) / (2.0 * step)
    by_slopes = (derivative(step)[0] - derivative(-step)[0]) / (2.0 * step)
    scale = first.abs() + 0.1 * first.abs().median() + 1.0e-7
    assert ((by_values - first).abs() / scale < 1.0e-3).all()
    scale = second.abs() + 0.1 * second.abs().median() + 1.0e-7
    assert ((by_slopes - second).abs() / scale < 1.0e-4).double().mean() > 0.96
