"""Layers of snow and the enthalpy of soil: conserved by what divides, drains, and moves them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from noahpy_core.physics.snow_layers import (
    Snowfall,
    SnowLayers,
    drained,
    target_thickness,
    with_rain,
    with_snowfall,
)
from noahpy_core.physics.soil_enthalpy import SoilStore, carry_heat
from noahpy_core.state import SoilState

LATENT = 3.335e5
GENERATOR = torch.Generator().manual_seed(5)


def random(*shape: int) -> Tensor:
    return torch.rand(shape, generator=GENERATOR, dtype=torch.float64)


def pack(layers: int, columns: int = 40) -> SnowLayers:
    mass = 80.0 * random(layers, columns) * (random(layers, columns) > 0.2)
    enthalpy = mass * (LATENT * 1.2 * random(layers, columns) - 2.0e4)
    return SnowLayers(mass, enthalpy, mass / (100.0 + 300.0 * random(layers, columns)))


@pytest.mark.parametrize("layers", [1, 2, 3, 5])
def test_dividing_anew_conserves_water_heat_and_depth(layers):
    before, one = pack(layers), torch.ones(40, dtype=torch.float64)
    fallen = Snowfall(20.0 * random(40), 273.15 - 10.0 * random(40), 100.0 * one)
    after = with_snowfall(before, fallen, one)
    depth = before.thickness.sum(0) + fallen.mass / fallen.density
    assert torch.allclose(after.mass.sum(0), before.mass.sum(0) + fallen.mass, rtol=1e-13, atol=1e-12)
    assert torch.allclose(after.enthalpy.sum(0), before.enthalpy.sum(0) + fallen.enthalpy, rtol=1e-12, atol=1e-6)
    assert torch.allclose(after.thickness.sum(0), depth, rtol=1e-13, atol=1e-13)
    assert after.mass.min() > -1e-12


def test_snow_that_falls_at_once_leaves_nearly_the_layers_of_the_same_snow_in_many_small_falls():
    one = torch.ones(1, dtype=torch.float64)
    mass = torch.tensor([[8.0], [25.0], [40.0]], dtype=torch.float64)
    before = SnowLayers(mass, 0.0 * mass, mass / torch.tensor([[120.0], [200.0], [300.0]], dtype=torch.float64))

    def density(falls: int) -> Tensor:
        layers = before
        for _ in range(falls):
            layers = with_snowfall(layers, Snowfall(2.0 * one / falls, 268.0 * one, 80.0 * one), one)
        return layers.density[0]

    # Unmixed, as if all fell in one part, the error would be twice as large.
    often = density(64)
    assert (density(1) - often).abs().item() < 0.55 * (unmixed(before, 2.0, 80.0) - often).abs().item()


def unmixed(pack: SnowLayers, fallen: float, fresh_density: float) -> Tensor:
    """Density of the top layer when all snow of a step falls before the pack is divided anew, worked out here."""
    thickness = torch.cat([torch.full((1, 1), fallen / fresh_density, dtype=torch.float64), pack.thickness])
    densities = torch.cat([torch.full((1, 1), fresh_density, dtype=torch.float64), pack.mass / pack.thickness])
    wanted = target_thickness(thickness.sum(0), 3)[0]
    old = wanted - thickness[0]
    assert 0.0 < old.item() < thickness[1].item()
    return (thickness[0] * densities[0] + old * densities[1]) / wanted


def test_layers_are_even_in_a_thin_pack_and_have_their_targets_in_a_deep_one():
    thin, deep = target_thickness(torch.tensor([1.0e-3, 40.0], dtype=torch.float64), 3).unbind(1)
    assert torch.allclose(thin, torch.full_like(thin, 1.0e-3 / 3), rtol=5e-3)
    assert deep[0].item() == pytest.approx(0.1, rel=1e-2)
    assert deep[1].item() == pytest.approx(0.3, rel=2e-2)
    assert deep.sum().item() == pytest.approx(40.0)


def test_water_that_runs_down_is_neither_lost_nor_created_and_stays_where_pores_hold_it():
    before = pack(3)
    after, water, warm = drained(before, before.ice, lambda thickness, ice: 30.0 * torch.relu(thickness - ice / 917.0))
    assert torch.allclose(after.mass.sum(0) + water, before.mass.sum(0), rtol=1e-13, atol=1e-12)
    left = after.enthalpy.sum(0) + LATENT * water + warm
    assert torch.allclose(left, before.enthalpy.sum(0), rtol=1e-12, atol=1e-5)
    room = 30.0 * torch.relu(after.thickness - after.ice / 917.0)
    assert bool((after.liquid <= room + 1e-9).all())
    assert after.mass.min() >= 0.0


def test_snow_that_warm_rain_has_melted_becomes_thinner_and_without_ice_holds_no_water():
    one = torch.ones(3, dtype=torch.float64)
    mass = torch.stack([2.0 * one, 4.0 * one])
    dry = SnowLayers(mass, 0.0 * mass, mass / 200.0)
    # Of 2 kg m-2 rain of 0, 20 and 60 degrees melts nothing, half and all.
    rain = torch.tensor([10.0, 4.0, 10.0], dtype=torch.float64)
    melted = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64)
    wet = with_rain(dry, rain, LATENT * (rain + melted))
    assert torch.allclose(wet.mass[0], 2.0 + rain)
    assert torch.allclose(wet.ice[0], 2.0 - melted)
    # Until it runs off, water keeps its own thickness.
    assert torch.allclose(wet.thickness[0], torch.tensor([0.01, 0.005, 0.01], dtype=torch.float64))
    assert (wet.thickness[1] == dry.thickness[1]).all()

    left, water, _ = drained(wet, wet.ice, lambda thickness, ice: 0.3 * 1000.0 * (thickness - ice / 917.0))
    assert left.mass[0, 2] == 0.0
    assert left.thickness[0, 2] == 0.0
    assert torch.allclose(water, 6.0 + rain - left.mass.sum(0))


def store(layers: int = 6, columns: int = 30) -> tuple[SoilStore, Tensor]:
    total = 0.1 + 0.3 * random(layers, columns)
    ice = total * random(layers, columns)
    thickness = (0.05 + random(layers, 1)).expand(layers, columns)
    return SoilStore(thickness, total, 1.2e6 + 6.0e5 * random(layers, columns)), ice


def test_soil_that_has_gained_heat_has_exactly_so_much_more_enthalpy():
    soil, ice = store()
    temperature = 253.0 + 30.0 * random(6, 30)
    before = SoilState(temperature, soil.total - ice, ice)
    gained = 1.0e6 * (random(6, 30) - 0.5)
    guess = before.warmth + 0.5 * random(6, 30) - 0.25
    thawed = random(6, 30) > 0.7
    new_ice = soil.frozen(before, gained, guess, thawed)
    warmth = before.warmth + soil.warmed(before, soil.total - new_ice, new_ice, gained)
    change = soil.enthalpy_at(warmth, new_ice) - soil.enthalpy_at(before.warmth, ice)
    assert torch.allclose(change, gained, rtol=1e-12, atol=1e-4)
    # Where it is a share of the water, ice fits the temperature of the heat equation.
    between = (new_ice > 0.0) & (new_ice < soil.total)
    assert int(between.sum()) > 20
    assert torch.allclose(warmth[between], guess[between], rtol=0.0, atol=1e-9)
    assert new_ice.min() >= 0.0
    assert (new_ice - soil.total).max() <= 0.0
    assert not bool(new_ice[thawed].any())


def test_moving_water_keeps_a_uniform_temperature_and_conserves_heat():
    soil, ice = store()
    flux = 2.0e-4 * (random(7, 30) - 0.4)
    flux = torch.cat([flux[:-1], torch.relu(flux[-1:])])  # Nothing rises through the bottom.
    dt, warmth = 3600.0, 8.0
    # Before the move each layer held what it holds now, less what came in.
    gained = dt * (flux[:-1] - flux[1:]) / (1000.0 * soil.thickness)
    before = SoilStore(soil.thickness, soil.total - gained, soil.dry_capacity)
    heat = before.thickness * before.capacity(ice) * warmth
    entering = 4200.0 * torch.relu(flux[0])
    moved = carry_heat(soil, ice, heat, flux, entering * warmth, dt)
    assert torch.allclose(moved.warmth, torch.full_like(ice, warmth), rtol=0.0, atol=1e-10)

    cold = carry_heat(soil, ice, heat, flux, entering * 0.0, dt)
    change = (soil.thickness * soil.capacity(ice) * cold.warmth - heat).sum(0)
    assert torch.allclose(change, dt * (cold.through[0] - cold.through[-1]), rtol=1e-10, atol=1e-3)
    assert cold.warmth.max() <= warmth + 1e-9
    assert cold.warmth.min() >= -1e-9
