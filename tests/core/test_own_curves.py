"""Freezing curves of one's own in the coupled column: as exact as built-in ones, and with what they say themselves."""

from __future__ import annotations

import pytest
import torch
from random_columns import layered
from test_single_precision import near_freezing
from torch import Tensor

from noahpy_core import NoahModel, preset
from noahpy_core.constants import FREEZING_POINT
from noahpy_core.parameters import SoilParameters
from noahpy_core.physics.freezing import FreezingCurve
from noahpy_core.state import Fluxes, State

CONSERVATIVE = preset("conservative")
INTERVAL = 0.5
"""[K]"""


class WithoutIceFactor(FreezingCurve):
    """The curve that is built in as niu_yang2006."""

    def exponent(self, soil: SoilParameters) -> Tensor:
        return soil.clapp_hornberger_b

    def ice_term(self, ice: Tensor) -> Tensor:
        return torch.zeros_like(ice)

    def ice_term_slope(self, ice: Tensor) -> Tensor:
        return torch.zeros_like(ice)


class InProportion(WithoutIceFactor):
    """All water freezes in proportion to temperature, from the melting point down."""

    def freezing_point(self, total: Tensor, soil: SoilParameters) -> Tensor:
        return torch.full_like(total, FREEZING_POINT)

    def equilibrium(self, temperature: Tensor, total: Tensor, soil: SoilParameters) -> tuple[Tensor, Tensor]:
        share = (temperature - FREEZING_POINT) / INTERVAL + 1.0
        freezing = (share > 0) & (temperature < FREEZING_POINT)
        return total * share.clamp(0.0, 1.0), torch.where(freezing, total / INTERVAL, 0.0)


def stepped(dtype: torch.dtype, curve: FreezingCurve | None = None) -> tuple[State, Fluxes]:
    """Columns half of which are near the melting point after a step; without a curve with that of the preset."""
    case = near_freezing(45, 4, seed=5).to(dtype)
    model = NoahModel(case.column, CONSERVATIVE, None if curve is None else {"supercooled_water": curve})
    with torch.no_grad():
        state, fluxes = model(layered(case.state), case.forcing, case.parameters, case.dt)
    return state, fluxes


@pytest.mark.parametrize(("dtype", "digits"), [(torch.float64, 1.0e-12), (torch.float32, 1.0e-4)])
def test_the_same_curve_as_one_of_ones_own_gives_the_same(dtype, digits):
    assert CONSERVATIVE.supercooled_water == "niu_yang2006"
    (found, _), (expected, _) = stepped(dtype, WithoutIceFactor()), stepped(dtype)
    assert (found.soil.temperature - expected.soil.temperature).abs().max() < digits
    assert (found.soil.ice - expected.soil.ice).abs().max() < digits


@pytest.mark.parametrize(("dtype", "closed"), [(torch.float64, 1.0e-9), (torch.float32, 1.0)])
def test_a_curve_that_says_its_freezing_point_itself_is_solved_with_it(dtype, closed):
    state, fluxes = stepped(dtype, InProportion())
    assert fluxes.enthalpy_residual.abs().max() < closed
    # That of the curve without it would be lower by more.
    just_below = state.soil.temperature < FREEZING_POINT - 1.0e-3
    assert bool(just_below.any())
    assert bool((state.soil.ice[just_below] > 0.0).all())
