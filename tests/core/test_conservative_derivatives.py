"""Second derivatives of the conservative column, in every regime."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from random_columns import layered, random_case
from torch import Tensor

from noahpy_core import NoahModel, preset

CASE = random_case(72, seed=11)


def value(change: Tensor) -> Tensor:
    """One number per column at the end of a step: temperatures, skin, snow and liquid water.

    Parameters
    ----------
    change : Of the temperature of soil and of air [K], of radiation and of the liquid water that snow holds [share],
        ``[4, column]``.
    """
    state, parameters = layered(CASE.state), CASE.parameters
    soil = dataclasses.replace(state.soil, temperature=state.soil.temperature + change[0])
    snow = parameters.snow.resolved()
    snow = dataclasses.replace(snow, liquid_holding=snow.liquid_holding * (1.0 + change[3]))
    forcing = dataclasses.replace(
        CASE.forcing,
        air_temperature=CASE.forcing.air_temperature + change[1],
        shortwave_down=CASE.forcing.shortwave_down * (1.0 + change[2]),
    )
    model = NoahModel(CASE.column, preset("conservative"))
    after, fluxes = model(
        dataclasses.replace(state, soil=soil), forcing, dataclasses.replace(parameters, snow=snow), CASE.dt
    )
    found = after.soil.temperature.sum(0) + 30.0 * after.soil.liquid_water.sum(0) + 0.1 * after.skin_temperature
    return found + 0.1 * after.snow.water_equivalent + 0.01 * fluxes.latent_heat_flux


def slope(change: Tensor, direction: Tensor, *, again: bool = False) -> Tensor:
    """Derivative along a direction, ``[column]``."""
    moved = change if again else change.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(value(moved).sum(), moved, create_graph=again)
    return (gradient * direction).sum(0)


@pytest.mark.slow
def test_second_derivatives_are_those_of_differences_away_from_kinks():
    generator = torch.Generator().manual_seed(2)
    direction = 0.3 * torch.randn(4, CASE.columns, generator=generator, dtype=torch.float64)
    direction[2:] *= 0.1
    start = torch.zeros_like(direction).requires_grad_()
    (second,) = torch.autograd.grad(slope(start, direction, again=True).sum(), start)
    found = (second * direction).sum(0)

    expected, other = (
        (slope(h * direction, direction) - slope(-h * direction, direction)) / (2.0 * h) for h in (1e-5, 1e-4)
    )
    scale = expected.abs() + expected.abs().median()
    # Where differences of two lengths agree there is no kink between.
    smooth = (expected - other).abs() < 1.0e-4 * scale
    assert int(smooth.sum()) > 0.9 * CASE.columns
    assert ((found - expected).abs() / scale)[smooth].max() < 1.0e-5
