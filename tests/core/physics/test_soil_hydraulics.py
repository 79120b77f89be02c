from __future__ import annotations

import pytest
import torch
from round_numbers import layers, soil

from noahpy_core.physics.soil_hydraulics import NoahHydraulics, Zhang2007

SCHEMES = [NoahHydraulics, Zhang2007]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_saturated_unfrozen_soil_has_the_saturated_values(scheme):
    result = scheme()(layers(0.4), layers(0.0), soil(1))
    assert result.conductivity.item() == pytest.approx(1.0e-6, rel=1e-14)
    assert result.diffusivity.item() == pytest.approx(2.0e-6, rel=1e-14)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_half_saturation_lowers_both_by_the_powers_of_clapp_and_hornberger(scheme):
    result = scheme()(layers(0.2), layers(0.0), soil(1))
    # b = 4: conductivity 2^-(2b + 3) = 2^-11, diffusivity 2^-(b + 2) = 2^-6
    assert result.conductivity.item() == pytest.approx(1.0e-6 / 2048.0, rel=1e-13)
    assert result.diffusivity.item() == pytest.approx(2.0e-6 / 64.0, rel=1e-13)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_both_grow_with_water(scheme):
    liquid = torch.linspace(0.02, 0.4, 39, dtype=torch.float64)[None]
    result = scheme()(liquid, torch.zeros_like(liquid), soil(1))
    assert bool((result.conductivity.diff(dim=1) > 0).all())
    assert bool((result.diffusivity.diff(dim=1) > 0).all())


def test_zhang_lowers_the_conductivity_of_saturated_soil_with_ice_by_its_impedance():
    result = Zhang2007()(layers(0.3), layers(0.1), soil(1))
    # E = 1.25 (1e-6 - 3)^2 + 6 = 17.25: 10^(-17.25 x 0.1) = 0.01883649
    assert result.conductivity.item() == pytest.approx(1.0e-6 * 0.01883649, rel=1e-5)
    assert result.diffusivity.item() == pytest.approx(2.0e-6 * 0.01883649, rel=1e-5)


def test_zhang_counts_total_water_and_never_less_than_one_per_cent_saturation():
    moist = Zhang2007()(layers(0.1), layers(0.1), soil(1))
    assert moist.conductivity.item() == pytest.approx(1.0e-6 / 2048.0 * 0.01883649, rel=1e-5)
    dry = Zhang2007()(layers(0.0), layers(0.0), soil(1))
    assert dry.conductivity.item() == pytest.approx(1.0e-6 * 0.01**11, rel=1e-12)


def test_noah_mixes_in_the_diffusivity_of_dry_soil_by_the_cube_of_the_ice():
    result = NoahHydraulics()(layers(0.2), layers(0.002), soil(1))
    # weight 1/(1 + (500 x 0.002)^3) = 1/2; dry saturation 0.05/0.4 = 1/8
    expected = 2.0e-6 * 0.5 * (2.0**-6 + 8.0**-6)
    assert result.diffusivity.item() == pytest.approx(expected, rel=1e-13)
    assert result.conductivity.item() == pytest.approx(1.0e-6 / 2048.0, rel=1e-13)


def test_noah_takes_the_largest_ice_content_of_the_column_for_every_layer():
    result = NoahHydraulics()(layers(0.2, 0.2), layers(0.0, 0.002), soil(2))
    assert result.diffusivity[0].item() == result.diffusivity[1].item()
    assert result.diffusivity[0].item() < 2.0e-6 / 64.0


def test_noah_without_liquid_water_neither_conducts_nor_diffuses():
    result = NoahHydraulics()(layers(0.0), layers(0.3), soil(1))
    assert (result.conductivity.item(), result.diffusivity.item()) == (0.0, 0.0)
