from __future__ import annotations

import math

import pytest
import torch
from round_numbers import layers, soil

from noahpy_core.parameters import BEDROCK, GRAVEL
from noahpy_core.physics.soil_thermal import (
    ContinuousCoteKonrad2005,
    CoteKonrad2005,
    PetersLidard1998,
    dry_conductivity,
    frozen_weight,
    heat_capacity,
    saturated_conductivity,
    unfrozen_kersten_number,
)

MINERAL_SOLIDS = math.sqrt(7.7 * 2.0)
"""Half quartz: geometric mean of 7.7 and 2."""


def one_layer(**changes):
    return soil(1, **{name: layers(number) for name, number in changes.items()})


def test_heat_capacity_sums_the_constituents_by_volume():
    capacity = heat_capacity(layers(0.2), layers(0.1), layers(0.4), layers(2.0e6))
    # 0.2 x 4.2e6 + 0.6 x 2e6 + 0.1 x 1004 + 0.1 x 2.106e6
    assert capacity.item() == pytest.approx(840000.0 + 1200000.0 + 100.4 + 210600.0, rel=1e-15)


def test_freezing_lowers_heat_capacity_and_raises_saturated_conductivity():
    capacity = [heat_capacity(layers(0.4 - i), layers(i), layers(0.4), layers(2e6)).item() for i in (0.0, 0.2, 0.4)]
    conductivity = [saturated_conductivity(layers(0.4 - i), layers(0.4), soil(1)).item() for i in (0.0, 0.2, 0.4)]
    assert capacity == sorted(capacity, reverse=True)
    assert conductivity == sorted(conductivity)


def test_saturated_conductivity_is_the_geometric_mean_of_solids_and_pores():
    thawed = saturated_conductivity(layers(0.4), layers(0.4), soil(1)).item()
    frozen = saturated_conductivity(layers(0.0), layers(0.4), soil(1)).item()
    assert thawed == pytest.approx(MINERAL_SOLIDS**0.6 * 0.57**0.4, rel=1e-13)
    assert frozen == pytest.approx(MINERAL_SOLIDS**0.6 * 2.2**0.4, rel=1e-13)


def test_dry_conductivity_of_johansen_is_worked_by_hand():
    # bulk density 0.6 x 2700 = 1620: (218.7 + 64.7)/(2700 - 1534.14)
    assert dry_conductivity(layers(0.4)).item() == pytest.approx(283.4 / 1165.86, rel=1e-13)


def test_kersten_number_of_unfrozen_soil_is_logarithmic_down_to_a_tenth_of_saturation():
    kersten = unfrozen_kersten_number(layers(1.0, 0.5, 0.1, 0.05, 0.0))
    torch.testing.assert_close(kersten, layers(1.0, 0.6989700043360187, 0.0, 0.0, 0.0), rtol=0.0, atol=1e-15)


def test_kersten_number_is_continuous_where_the_logarithm_begins():
    assert unfrozen_kersten_number(layers(0.1 + 1e-12)).item() == pytest.approx(0.0, abs=1e-10)


def test_soil_counts_as_frozen_from_half_a_per_mille_of_ice_on():
    ice = layers(0.0, 0.0004, 0.0006, 0.1)
    assert frozen_weight(0.3 - ice, layers(0.3, 0.3, 0.3, 0.3)).flatten().tolist() == [0.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize("scheme", [PetersLidard1998, CoteKonrad2005])
def test_conductivity_of_fine_soil_runs_from_dry_to_saturated(scheme):
    moisture = torch.linspace(0.0, 0.4, 41, dtype=torch.float64)[None]
    conductivity = scheme()(moisture, torch.zeros_like(moisture), soil(1))[0]
    assert conductivity[0].item() == pytest.approx(283.4 / 1165.86, rel=1e-13)
    assert conductivity[-1].item() == pytest.approx(MINERAL_SOLIDS**0.6 * 0.57**0.4, rel=1e-13)
    assert bool((conductivity.diff() >= 0).all())


def test_moist_frozen_soil_conducts_by_its_saturation():
    conductivity = PetersLidard1998()(layers(0.1), layers(0.1), soil(1)).item()
    dry = 283.4 / 1165.86
    # half of the water is ice, so half of the pores count as ice: 2.2^0.2 x 0.57^0.2
    saturated = MINERAL_SOLIDS**0.6 * (2.2 * 0.57) ** 0.2
    assert conductivity == pytest.approx(0.5 * (saturated - dry) + dry, rel=1e-13)


def test_a_trace_of_ice_does_not_count_as_frozen():
    thawed = PetersLidard1998()(layers(0.1), layers(0.0), soil(1)).item()
    trace = PetersLidard1998()(layers(0.0996), layers(0.0004), soil(1)).item()
    frozen = PetersLidard1998()(layers(0.0994), layers(0.0006), soil(1)).item()
    assert trace == pytest.approx(thawed, rel=0.01)
    assert frozen < 0.8 * thawed


def test_the_continuous_scheme_has_no_jump_as_ice_sets_in_and_is_the_other_beyond():
    ice = torch.linspace(0.0, 2.0e-3, 2001, dtype=torch.float64)[None]
    smooth = ContinuousCoteKonrad2005()(0.03 - ice, ice, soil(1))[0]
    sharp = CoteKonrad2005()(0.03 - ice, ice, soil(1))[0]
    jump, whole = sharp.diff().abs().max(), (sharp[-1] - sharp[0]).abs()
    assert jump > 0.9 * whole
    assert smooth.diff().abs().max() < 2.0e-3 * whole
    assert smooth[0] == sharp[0]
    assert torch.equal(smooth[ice[0] > 1.0e-3], sharp[ice[0] > 1.0e-3])


def test_gravel_follows_cote_and_konrad():
    gravel = one_layer(material=float(GRAVEL), porosity=0.25)
    dry = 1.70 * 10.0**-0.45
    # thawed Kersten number at half saturation: 4.6 x 0.5/(1 + 3.6 x 0.5) = 2.3/2.8
    saturated = MINERAL_SOLIDS**0.75 * 0.57**0.25
    conductivity = CoteKonrad2005()(layers(0.125), layers(0.0), gravel).item()
    assert conductivity == pytest.approx(2.3 / 2.8 * (saturated - dry) + dry, rel=1e-13)


def test_frozen_gravel_has_the_smaller_shape_factor():
    gravel = one_layer(material=float(GRAVEL), porosity=0.25)
    dry = 1.70 * 10.0**-0.45
    saturated = MINERAL_SOLIDS**0.75 * 2.2**0.25
    conductivity = CoteKonrad2005()(layers(0.0), layers(0.125), gravel).item()
    assert conductivity == pytest.approx(0.85 / 1.35 * (saturated - dry) + dry, rel=1e-13)


def test_dry_bedrock_conducts_by_a_power_of_its_porosity():
    rock = one_layer(material=float(BEDROCK), porosity=0.1)
    # 0.039 x 0.1^-2.2 = 0.039 x 158.4893
    assert CoteKonrad2005()(layers(0.0), layers(0.0), rock).item() == pytest.approx(0.039 * 158.489319, rel=1e-8)


def test_the_older_scheme_treats_gravel_as_any_soil():
    gravel = one_layer(material=float(GRAVEL))
    assert PetersLidard1998()(layers(0.2), layers(0.0), gravel) == PetersLidard1998()(layers(0.2), layers(0.0), soil(1))


@pytest.mark.parametrize("scheme", [PetersLidard1998, CoteKonrad2005])
def test_completely_dry_soil_has_a_finite_conductivity_and_derivative(scheme):
    liquid = layers(0.0).requires_grad_()
    conductivity = scheme()(liquid, layers(0.0), soil(1))
    (slope,) = torch.autograd.grad(conductivity.sum(), liquid)
    assert bool(torch.isfinite(conductivity).all())
    assert bool(torch.isfinite(slope).all())
