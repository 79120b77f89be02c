from __future__ import annotations

import pytest
import torch
from round_numbers import COLUMN, THICKNESS, general, layers, parameters, soil, values
from torch import nn

from noahpy_core.physics.freezing import Koren1999
from noahpy_core.physics.soil_heat import (
    FUSION,
    Coupling,
    HeatLimitedSoilHeat,
    heat_conduction,
    interface_temperatures,
    layer_mean_temperature,
)

FREEZING = 273.15


class KeepLiquid(nn.Module):
    """A freezing curve that freezes nothing."""

    def forward(self, temperature, liquid, ice, soil):
        return liquid + ice


class FreezeAll(nn.Module):
    """A freezing curve that keeps no liquid water below the freezing point."""

    def forward(self, temperature, liquid, ice, soil):
        return torch.where(temperature < FREEZING, 0.0, liquid + ice)


def coupling(surface: float, conductivity: float = 1.0, factor: float = 1.0) -> Coupling:
    return Coupling(values(surface), values(factor), values(conductivity))


def step(temperature, *, surface, liquid=0.2, ice=0.0, curve=None, dt=3600.0, conductivity=1.0, deep=280.0):
    start = temperature if isinstance(temperature, torch.Tensor) else layers(*([temperature] * 4))
    water = torch.full_like(start, liquid)
    frozen = torch.full_like(start, ice)
    one = parameters(general_parameters=general(deep_temperature=values(deep)))
    scheme = HeatLimitedSoilHeat(COLUMN, curve or Koren1999())
    return scheme(start, water, frozen, coupling(surface, conductivity), torch.full_like(start, conductivity), one, dt)


@pytest.mark.parametrize(
    ("temperatures", "mean"),
    [
        ((280.0, 276.0, 274.0), (280.0 + 2.0 * 276.0 + 274.0) / 4.0),
        ((268.15, 271.15, 272.15), (268.15 + 2.0 * 271.15 + 272.15) / 4.0),
        # one corner 2 K below, the middle 2 K above: triangle of a quarter layer, mean deficit 0.25
        ((271.15, 275.15, 277.15), FREEZING - 0.25),
        ((277.15, 275.15, 271.15), FREEZING - 0.25),
        # the middle 2 K below between two 2 K above: two such triangles
        ((275.15, 271.15, 275.15), FREEZING - 0.5),
    ],
)
def test_the_mean_temperature_of_a_layer_counts_its_thawed_part_at_freezing(temperatures, mean):
    assert layer_mean_temperature(*(values(t) for t in temperatures)).item() == pytest.approx(mean, abs=1e-12)


def test_the_mean_temperature_equals_the_integral_over_two_straight_lines():
    generator = torch.Generator().manual_seed(5)
    top, middle, bottom = FREEZING - 5.0 + 10.0 * torch.rand(3, 400, generator=generator, dtype=torch.float64)
    along = (torch.arange(4000, dtype=torch.float64) + 0.5)[:, None] / 4000.0
    upper = (top + (middle - top) * along).clamp(max=FREEZING)
    lower = (middle + (bottom - middle) * along).clamp(max=FREEZING)
    integral = 0.5 * (upper.mean(0) + lower.mean(0))
    warm = (top >= FREEZING) & (middle >= FREEZING) & (bottom >= FREEZING)
    mean = layer_mean_temperature(top, middle, bottom)
    torch.testing.assert_close(mean[~warm], integral[~warm], rtol=0.0, atol=1e-5)
    assert bool((mean[warm] >= FREEZING).all())


def test_the_mean_temperature_is_the_freezing_point_where_all_three_are():
    assert layer_mean_temperature(*(values(FREEZING) for _ in range(3))).item() == FREEZING


def test_interfaces_are_interpolated_by_the_thickness_of_the_upper_layer():
    top, bottom = interface_temperatures(
        layers(270.0, 274.0, 277.0, 277.0), values(268.0), values(280.0), values(8.0), COLUMN
    )
    # 0.1/0.4, 0.3/0.9 and 0.6/1.6 of the way; below: 1/(16 - 2 - 1) of the way to the deep boundary
    torch.testing.assert_close(top, layers(268.0, 271.0, 275.0, 277.0), rtol=1e-14, atol=0.0)
    torch.testing.assert_close(bottom, layers(271.0, 275.0, 277.0, 277.0 + 3.0 / 13.0), rtol=1e-14, atol=0.0)


def test_conductances_are_worked_by_hand():
    one = parameters()
    conduction = heat_conduction(
        layers(0.2, 0.2, 0.2, 0.2), layers(0.0, 0.0, 0.0, 0.0), coupling(280.0, 1.0, 2.0), layers(9.0, 1.5, 2.0, 3.0),
        COLUMN, one,
    )  # fmt: skip
    assert conduction.top.item() == pytest.approx(1.0 / (0.05 * 2.0), rel=1e-14)
    # the upper layer's conductivity counts, the coupling's in the first: over 0.2, 0.45 and 0.8 m
    expected = layers(1.0 / 0.2, 1.5 / 0.45, 2.0 / 0.8)
    torch.testing.assert_close(conduction.between, expected, rtol=1e-14, atol=0.0)
    # the last node is at 1.5 m, the deep boundary at 8 m
    assert conduction.bottom.item() == pytest.approx(3.0 / 6.5, rel=1e-14)


def test_soil_in_equilibrium_with_surface_and_depth_stays_as_it_is():
    result = step(280.0, surface=280.0)
    torch.testing.assert_close(result.temperature, layers(*([280.0] * 4)), rtol=0.0, atol=1e-12)
    assert (result.top_flux.item(), result.bottom_flux.item()) == (0.0, 0.0)


def test_a_step_of_conduction_equals_the_dense_implicit_solution():
    start = layers(285.0, 281.0, 280.0, 279.0)
    result = step(start, surface=290.0, dt=7200.0)
    dz = torch.tensor(THICKNESS, dtype=torch.float64)
    capacity = (0.2 * 4.2e6 + 0.6 * 2.0e6 + 0.2 * 1004.0) * dz
    between = 1.0 / torch.tensor([0.2, 0.45, 0.8], dtype=torch.float64)
    matrix = torch.diag(capacity / 7200.0)
    matrix[0, 0] += 20.0
    for k in range(3):
        matrix[k, k] += between[k]
        matrix[k + 1, k + 1] += between[k]
        matrix[k, k + 1] -= between[k]
        matrix[k + 1, k] -= between[k]
    right = capacity / 7200.0 * start[:, 0]
    right[0] += 20.0 * 290.0
    right[3] -= 1.0 / 6.5 * (279.0 - 280.0)
    expected = torch.linalg.solve(matrix, right)
    torch.testing.assert_close(result.temperature[:, 0], expected, rtol=0.0, atol=1e-10)


def test_heat_that_enters_and_does_not_leave_is_stored():
    for ice in (0.0, 0.15):
        result = step(layers(270.0, 272.9, 273.5, 274.0), surface=285.0, liquid=0.1, ice=ice)
        assert result.storage_change.item() == pytest.approx((result.top_flux - result.bottom_flux).item(), rel=1e-10)


def test_warm_soil_above_a_warm_surface_does_not_change_phase():
    result = step(276.0, surface=280.0, curve=FreezeAll())
    assert result.ice.abs().max().item() == 0.0
    torch.testing.assert_close(result.liquid, layers(*([0.2] * 4)), rtol=0.0, atol=0.0)


def test_freezing_is_limited_by_the_heat_that_leaves():
    start = layers(273.0, 273.0, 273.0, 273.0)
    result = step(start, surface=263.0, curve=FreezeAll(), dt=600.0, deep=273.0)
    # only the top layer loses heat: 20 W m-2 K-1 x 10 K x 600 s
    frozen = 20.0 * 10.0 * 600.0 / (FUSION * 0.1)
    assert result.ice[0].item() == pytest.approx(frozen, rel=1e-10)
    assert result.ice[1:].abs().max().item() < 1e-12
    # all of it went into freezing, so the temperature hardly moves
    assert result.temperature[0].item() == pytest.approx(273.0, abs=1e-9)


def test_freezing_stops_at_the_water_there_is_and_cooling_goes_on():
    result = step(272.0, surface=243.0, liquid=0.03, curve=FreezeAll(), dt=86400.0)
    assert result.ice[0].item() == pytest.approx(0.03, rel=1e-12)
    assert result.liquid[0].item() == 0.0
    assert result.temperature[0].item() < 265.0


def test_thawing_is_limited_by_the_heat_that_arrives():
    result = step(
        FREEZING - 0.01, surface=283.15, liquid=0.0, ice=0.3, curve=KeepLiquid(), dt=600.0, deep=FREEZING - 0.01
    )
    thawed = 20.0 * 10.01 * 600.0 / (FUSION * 0.1)
    assert result.liquid[0].item() == pytest.approx(thawed, rel=1e-10)
    assert result.temperature[0].item() == pytest.approx(FREEZING - 0.01, abs=1e-9)


def test_phase_change_keeps_the_total_water():
    result = step(layers(265.0, 272.0, 273.1, 275.0), surface=283.0, liquid=0.1, ice=0.1)
    torch.testing.assert_close(result.liquid + result.ice, layers(*([0.2] * 4)), rtol=0.0, atol=1e-15)
    assert bool((result.ice >= 0).all())


def test_freezing_releases_heat_and_delays_the_cooling():
    wet = step(273.1, surface=263.0, liquid=0.3, dt=10800.0)
    inert = step(273.1, surface=263.0, liquid=0.3, dt=10800.0, curve=KeepLiquid())
    assert wet.temperature[0].item() > inert.temperature[0].item() + 0.5
    assert soil().porosity[0].item() > 0.3
