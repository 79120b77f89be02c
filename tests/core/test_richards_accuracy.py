"""The Richards step against what is known from elsewhere: Green and Ampt, finer steps and layers, frozen ground."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from water_columns import FLOOR, WaterCase, hard_columns

from noahpy_core.physics.ice_impedance import NiuYang2006Impedance
from noahpy_core.physics.retention import frozen_pore_space
from noahpy_core.physics.soil_water import SoilDemand
from noahpy_core.tables import soil_parameters

HOUR, DAY = 3600.0, 86400.0


def columns_of(
    numbers: Sequence[int], layers: Sequence[float], saturation: Tensor | float, drainage: float
) -> WaterCase:
    """Columns of one class of soil each, with nothing asked or given."""
    case = hard_columns(len(numbers), layers=tuple(layers))
    soil = soil_parameters(torch.tensor(numbers).expand(len(layers), -1)).resolved()
    none = torch.zeros(len(numbers), dtype=torch.float64)
    general = dataclasses.replace(case.parameters.general, drainage_factor=none + drainage)
    return dataclasses.replace(
        case,
        liquid=saturation * soil.porosity,
        ice=torch.zeros_like(soil.porosity),
        supply=none,
        demand=SoilDemand(none, torch.zeros_like(soil.porosity)),
        parameters=dataclasses.replace(case.parameters, soil=soil, general=general),
    )


def run(case: WaterCase, dt: float, steps: int, supply: float) -> tuple[WaterCase, Tensor]:
    """The column after some steps, and the water that has entered. [m]"""
    step, rain = torch.full_like(case.supply, dt), torch.full_like(case.supply, supply)
    entered = torch.zeros_like(case.supply)
    for _ in range(steps):
        water = dataclasses.replace(case, dt=step, supply=rain).step()
        entered = entered + water.infiltration * (dt / 1000.0)
        case = dataclasses.replace(case, liquid=water.liquid)
    return case, entered


def test_ponded_infiltration_follows_green_and_ampt():
    """I - S ln(1 + I/S) = K t with S the suction at the front times the pores to be filled.

    The suction at the front of a Campbell soil is int K dh/K_s from the initial head up, psi_s (2b+3)/(b+3) with the
    capillary fringe.
    """
    case, hours = columns_of((4, 7, 9), (0.01,) * 50, 0.4, 0.0), 3
    b, suction, _, conductivity = (part[0] for part in case.primary())
    _, entered = run(case, 360.0, 10 * hours, 10.0)
    front = suction * (2.0 * b + 3.0) / (b + 3.0) * (0.6 * case.parameters.soil.porosity[0])
    expected = conductivity * hours * HOUR
    for _ in range(200):
        expected = conductivity * hours * HOUR + front * torch.log(1.0 + expected / front)
    assert torch.allclose(entered, expected, rtol=0.08)


def front(refinement: int, dt: float) -> Tensor:
    """Water of six coarse layers after a day of rain and a day of drainage. [m3 m-3]"""
    layers = (0.1,) * 6
    case = columns_of((7,), [thick / refinement for thick in layers for _ in range(refinement)], 0.5, 1.0)
    case, _ = run(case, dt, round(DAY / dt), 1.5e-4)
    case, _ = run(case, dt, round(DAY / dt), 0.0)
    return case.liquid.reshape(len(layers), refinement).mean(1)


@pytest.mark.slow
def test_halving_the_step_halves_the_error():
    values = [front(1, DAY / 2**power) for power in range(2, 7)]
    changes = [(one - other).abs().max().item() for one, other in itertools.pairwise(values)]
    orders = [math.log2(one / other) for one, other in itertools.pairwise(changes)]
    assert orders[-1] == pytest.approx(1.0, abs=0.2), (changes, orders)


@pytest.mark.slow
def test_thinner_layers_lessen_the_error_by_at_least_first_order():
    values = [front(refinement, DAY / 32) for refinement in (1, 2, 4, 8)]
    changes = [(one - other).abs().max().item() for one, other in itertools.pairwise(values)]
    assert math.log2(changes[-2] / changes[-1]) > 0.8, changes


def test_frozen_ground_conducts_through_the_share_of_its_area_that_ice_leaves_open():
    """Niu and Yang 2006: all of it without ice, none where all is ice that can be."""
    case = columns_of((8,) * 5, (0.1, 0.3), 1.0, 1.0)
    soil = case.parameters.soil
    filled = torch.tensor([0.0, 0.3, 0.6, 0.9, 1.0], dtype=torch.float64)
    ice = filled * (soil.porosity - 1.0e-9 - FLOOR)
    share = NiuYang2006Impedance()(soil.porosity - ice, ice, soil)
    conductivity = frozen_pore_space(soil, soil.porosity - ice, ice, share)[3] / soil.saturated_hydraulic_conductivity
    expected = 1.0 - (torch.exp(-3.0 * (1.0 - filled)) - math.exp(-3.0)) / (1.0 - math.exp(-3.0))
    assert torch.allclose(conductivity[:, :-1], expected[:-1].expand(2, 4), atol=2.0e-3)
    assert torch.allclose(conductivity[:, -1], 10.0 ** (-17.25 * ice[:, -1]), rtol=1.0e-3)


@pytest.mark.slow
def test_gravel_after_a_cloudburst_keeps_the_water_it_has_at_any_step():
    """Noah's floor creates hundreds of millimetres here with daily steps."""
    results = []
    for dt in (900.0, HOUR, 3.0 * HOUR, DAY):
        case = columns_of((13,), (0.1, 0.3, 0.6, 1.0), 0.3, 0.6)
        case, _ = run(case, dt, round(2.0 * DAY / dt), 480.0 / (2.0 * DAY))
        case, _ = run(case, dt, round(DAY / dt), 0.0)
        assert (case.liquid >= FLOOR).all()
        results.append(case.liquid[:3])
        assert (results[-1] - results[0]).abs().max() < (0.015 if dt < DAY else 0.03)
