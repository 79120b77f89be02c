from __future__ import annotations

import pytest
import torch
from round_numbers import COLUMN, general, layers, parameters, soil, values
from torch import nn

from noahpy_core.physics.infiltration import Schaake1996
from noahpy_core.physics.soil_hydraulics import Hydraulics, Zhang2007
from noahpy_core.physics.soil_water import SoilDemand, SoilWaterStep

DAY = 86400.0


class Constant(nn.Module):
    """The same diffusivity and conductivity in every layer."""

    def __init__(self, diffusivity: float = 0.0, conductivity: float = 0.0) -> None:
        super().__init__()
        self.values = diffusivity, conductivity

    def forward(self, liquid, ice, soil):
        return Hydraulics(*(torch.full_like(liquid, value) for value in self.values))


def step(liquid, *, ice=0.0, supply=0.0, uptake=None, hydraulics=None, drainage=1.0, dt=DAY, **changes):
    start = liquid if isinstance(liquid, torch.Tensor) else torch.full((4, 1), liquid, dtype=torch.float64)
    frozen = ice if isinstance(ice, torch.Tensor) else torch.full((4, 1), ice, dtype=torch.float64)
    one = parameters(soil_parameters=soil(**changes), general_parameters=general(drainage_factor=values(drainage)))
    scheme = SoilWaterStep(COLUMN, Schaake1996(COLUMN), hydraulics or Zhang2007())
    roots = torch.zeros((4, 1), dtype=torch.float64) if uptake is None else uptake
    return scheme(start, frozen, values(supply), SoilDemand(torch.zeros(1, dtype=torch.float64), roots), one, dt)


def test_runoff_plus_infiltration_equals_supply():
    for supply in (0.0, 1.0e-6, 1.0e-4, 1.0e-2):
        result = step(0.35, supply=supply)
        assert (result.surface_runoff + result.infiltration).item() == pytest.approx(supply, rel=1e-14, abs=0.0)


def test_soil_without_conductivity_keeps_its_water():
    result = step(layers(0.1, 0.2, 0.3, 0.35), hydraulics=Constant())
    assert result.liquid.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3, 0.35], abs=1e-16)
    assert result.drainage.item() == 0.0


def test_the_lowest_layer_drains_by_its_conductivity_times_the_drainage_factor():
    result = step(0.2, hydraulics=Constant(conductivity=1.0e-8), drainage=0.6)
    assert result.drainage.item() == pytest.approx(0.6e-5, rel=1e-14)
    # equal conductivities pass water through the upper layers; the top one gets no supply
    lost = DAY * 1.0e-8
    expected = layers(0.2 - lost / 0.1, 0.2, 0.2, 0.2 + 0.4 * lost / 1.0)
    torch.testing.assert_close(result.liquid, expected, rtol=0.0, atol=1e-15)


def test_diffusion_evens_out_moisture_and_keeps_water():
    start = layers(0.1, 0.35, 0.1, 0.35)
    result = step(start, hydraulics=Constant(diffusivity=1.0e-5), drainage=0.0, dt=3.0e6)
    assert (result.liquid.max() - result.liquid.min()).item() < 0.05 * 0.25
    storage = [(x * COLUMN.thickness).sum().item() for x in (start, result.liquid)]
    assert storage[0] == pytest.approx(storage[1], rel=1e-14)


def test_a_step_of_diffusion_between_two_layers_is_worked_by_hand():
    # only layer 1 and 2 differ: implicit Euler of dz1 dw1 = -dz2 dw2 = -D/0.2 (w1 - w2) dt
    exchange = 1.0e-8 / 0.2 * 3600.0
    matrix = torch.tensor([[0.1 + exchange, -exchange], [-exchange, 0.3 + exchange]], dtype=torch.float64)

    class TopOnly(Constant):
        def forward(self, liquid, ice, soil):
            diffusivity = torch.zeros_like(liquid)
            diffusivity[0] = 1.0e-8
            return Hydraulics(diffusivity, torch.zeros_like(liquid))

    result = step(layers(0.3, 0.1, 0.1, 0.1), hydraulics=TopOnly(), dt=3600.0)
    expected = torch.linalg.solve(matrix, values(0.1 * 0.3, 0.3 * 0.1))
    torch.testing.assert_close(result.liquid[:2, 0], expected, rtol=0.0, atol=1e-15)


def test_roots_dry_their_own_layer():
    uptake = layers(0.0, 0.0, 1.0e-5, 0.0)
    result = step(0.2, uptake=uptake, hydraulics=Constant())
    # 1e-5 x 86400 = 0.864 kg m-2 from 0.6 m
    assert result.liquid.flatten().tolist() == pytest.approx([0.2, 0.2, 0.2 - 0.864e-3 / 0.6, 0.2], abs=1e-15)


def test_water_above_porosity_cascades_down_and_leaves_at_the_bottom():
    result = step(layers(0.4, 0.4, 0.4, 0.4), supply=1.0e-5, hydraulics=Constant(conductivity=1.0e-7), drainage=0.0)
    # everything full: what infiltrates must leave; conductivity 1e-4 kg m-2 s-1 admits the whole supply
    assert result.infiltration.item() == pytest.approx(1.0e-5, rel=1e-12)
    assert result.liquid.max().item() <= 0.4
    stored = ((result.liquid - 0.4) * COLUMN.thickness).sum().item() * 1000.0
    assert (result.infiltration - result.saturation_excess).item() * DAY == pytest.approx(stored, abs=1e-10)


def test_surplus_fills_the_next_layer_before_it_leaves():
    scheme = SoilWaterStep(COLUMN, Schaake1996(COLUMN), Constant())
    kept, surplus = scheme._cascade(layers(0.5, 0.39, 0.2, 0.2), torch.full((4, 1), 0.4, dtype=torch.float64))
    # 0.1 x 0.1 m = 0.01 m over; layer 2 takes 0.01 x 0.3 m = 0.003 m; 0.007 m go to layer 3 of 0.6 m
    torch.testing.assert_close(kept, layers(0.4, 0.4, 0.2 + 0.007 / 0.6, 0.2), rtol=0.0, atol=1e-15)
    assert surplus.item() == 0.0


def test_surplus_that_finds_no_room_leaves_the_column():
    scheme = SoilWaterStep(COLUMN, Schaake1996(COLUMN), Constant())
    kept, surplus = scheme._cascade(layers(0.5, 0.4, 0.4, 0.4), torch.full((4, 1), 0.4, dtype=torch.float64))
    assert kept.flatten().tolist() == pytest.approx([0.4] * 4, abs=1e-15)
    assert surplus.item() == pytest.approx(0.01, abs=1e-16)


def test_moisture_does_not_fall_below_two_per_cent_and_the_difference_is_booked():
    result = step(0.02, uptake=layers(1.0e-5, 0.0, 0.0, 0.0), hydraulics=Constant())
    assert result.liquid.flatten().tolist() == pytest.approx([0.02] * 4, abs=1e-16)
    assert result.created.item() == pytest.approx(1.0e-5, rel=1e-10)


def test_ice_does_not_move():
    ice = layers(0.1, 0.0, 0.05, 0.1)
    result = step(0.2, ice=ice, supply=1.0e-5)
    torch.testing.assert_close(result.ice, ice, rtol=0.0, atol=1e-16)


def test_ice_is_taken_only_when_the_liquid_is_exhausted():
    result = step(0.0, ice=0.1, uptake=layers(1.0e-4, 0.0, 0.0, 0.0), hydraulics=Constant(), dt=100.0)
    # 0.01 kg m-2 from 0.1 m: 1e-4 of ice
    assert result.liquid[0].item() == 0.0
    assert result.ice[0].item() == pytest.approx(0.1 - 1.0e-4, abs=1e-15)


def test_heavy_rain_and_wet_soil_take_a_second_pass_with_mean_properties():
    """The second pass is seen by the drainage: its conductivity is that of the mean water, not of the start."""
    dry = step(0.3, supply=0.0)
    start = 1.0e-6 * 0.75**11 * 1000.0
    assert dry.drainage.item() == pytest.approx(start, rel=1e-12)
    wet = step(0.36, supply=0.0)  # 0.9 of saturation, above 0.8
    assert wet.drainage.item() != pytest.approx(1.0e-6 * 0.9**11 * 1000.0, rel=1e-6)
    # a tenth of the pores of the top layer are 4 kg m-2
    gentle, heavy = step(0.2, supply=3.9 / DAY), step(0.2, supply=4.1 / DAY)
    assert gentle.drainage.item() == pytest.approx(1.0e-6 * 0.5**11 * 1000.0, rel=1e-12)
    assert heavy.drainage.item() > gentle.drainage.item() * (1.0 + 1e-7)


def test_frozen_soil_drains_less():
    assert step(0.2, ice=0.1).drainage.item() < 0.1 * step(0.3).drainage.item()
