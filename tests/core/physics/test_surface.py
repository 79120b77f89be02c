from __future__ import annotations

import math

import pytest
import torch
from round_numbers import forcing, parameters, snow, values, vegetation

from noahpy_core.physics.surface import (
    NoahSnowCover,
    NoahSurface,
    aged_snow_albedo,
    limited_fraction,
    roughness_over_snow,
    snow_age,
    snow_cover_fraction,
    snow_free_ground,
)

DAY = 86400.0


def test_snow_cover_at_half_the_full_amount_is_worked_by_hand():
    cover = snow_cover_fraction(values(20.0), values(40.0), values(2.6))
    # 1 - (exp(-1.3) - 0.5 exp(-2.6)) = 1 - (0.27253179 - 0.5 x 0.07427358)
    assert cover.item() == pytest.approx(0.76460500, abs=1e-8)


def test_snow_cover_is_none_without_snow_and_complete_from_the_full_amount_on():
    cover = snow_cover_fraction(values(0.0, 40.0, 400.0), values(40.0), values(2.6))
    assert cover.tolist() == [0.0, 1.0, 1.0]


def test_snow_cover_rises_with_snow_without_a_jump_at_full_cover():
    cover = snow_cover_fraction(torch.linspace(0.0, 40.0, 4001, dtype=torch.float64), values(40.0), values(2.6))
    assert bool((cover.diff() > 0).all())
    assert cover.diff().max().item() < 1e-3


def test_some_ground_always_shows_through_deep_snow():
    cover = NoahSnowCover()(values(0.0, 39.9, 1000.0), snow())
    assert cover.tolist() == [0.0, 0.98, 0.98]


def test_fresh_snow_is_half_way_between_deep_snow_and_085():
    assert aged_snow_albedo(values(0.0), values(0.7), values(0.5)).item() == pytest.approx(0.775, abs=1e-15)


def test_snow_albedo_after_one_and_ten_days_follows_livneh():
    albedo = aged_snow_albedo(values(DAY, 10 * DAY), values(0.7), values(0.5))
    # 0.775 x 0.94 and 0.775 x 0.94^(10^0.58), 10^0.58 = 3.801894
    assert albedo[0].item() == pytest.approx(0.7285, abs=1e-12)
    assert albedo[1].item() == pytest.approx(0.775 * math.exp(-0.0618754037 * 3.801894), rel=1e-7)


def test_old_snow_is_never_darker_than_the_ground_below():
    ground = snow_free_ground(forcing(), vegetation())
    albedo, _ = NoahSurface()(ground, values(0.98), values(1.0e9), parameters())
    torch.testing.assert_close(albedo, ground.albedo, rtol=0.0, atol=1e-15)


def test_albedo_and_emissivity_over_snow_are_weighted_with_the_cover():
    ground = snow_free_ground(forcing(), vegetation())
    albedo, emissivity = NoahSurface()(ground, values(0.5), values(0.0), parameters())
    # half vegetation: albedo (0.3 + 0.1)/2 = 0.2, emissivity 0.94; fresh snow 0.775 and 0.95
    assert albedo.item() == pytest.approx(0.5 * (0.2 + 0.775), abs=1e-15)
    assert emissivity.item() == pytest.approx(0.5 * (0.94 + 0.95), abs=1e-15)


@pytest.mark.parametrize(
    ("fraction", "greenness"), [(0.0, 0.0), (0.2, 0.0), (0.35, 0.25), (0.5, 0.5), (0.8, 1.0), (1.0, 1.0)]
)
def test_ground_properties_interpolate_between_the_years_extreme_vegetation_fractions(fraction, greenness):
    ground = snow_free_ground(forcing(vegetation_fraction=values(fraction)), vegetation())
    assert ground.vegetation_fraction.item() == fraction
    assert ground.leaf_area_index.item() == pytest.approx(1.0 + 4.0 * greenness, abs=1e-12)
    assert ground.albedo.item() == pytest.approx(0.3 - 0.2 * greenness, abs=1e-12)
    assert ground.emissivity.item() == pytest.approx(0.9 + 0.08 * greenness, abs=1e-12)
    assert ground.roughness_length.item() == pytest.approx(0.02 + 0.08 * greenness, abs=1e-12)


def test_prescribed_leaf_area_and_albedo_replace_the_interpolated_ones():
    given = forcing(leaf_area_index=values(2.5), snow_free_albedo=values(0.19))
    ground = snow_free_ground(given, vegetation())
    assert (ground.leaf_area_index.item(), ground.albedo.item()) == (2.5, 0.19)


def test_a_bare_class_ignores_the_vegetation_fraction():
    ground = snow_free_ground(forcing(vegetation_fraction=values(0.7)), vegetation(bare=values(1.0)))
    assert ground.vegetation_fraction.item() == 0.0
    assert ground.albedo.item() == pytest.approx(0.3, abs=1e-15)


def test_equal_extreme_fractions_count_as_fully_grown_from_that_fraction_on():
    constant = vegetation(minimum_fraction=values(0.5), maximum_fraction=values(0.5))
    grown = snow_free_ground(forcing(vegetation_fraction=values(0.5)), constant)
    sparse = snow_free_ground(forcing(vegetation_fraction=values(0.4)), constant)
    assert (grown.leaf_area_index.item(), sparse.leaf_area_index.item()) == (5.0, 1.0)


def test_obstacles_seven_roughness_lengths_high_stick_out_of_the_snow():
    roughness = roughness_over_snow(values(0.5, 1.0, 0.5, 0.0), values(0.14, 0.14, 1.0, 1.0), values(0.05))
    # 0.35 m obstacles: 0.21 m exposed -> 0.03 m; buried -> 1 mm
    torch.testing.assert_close(roughness, values(0.04, 0.03, 0.0255, 0.05), rtol=0.0, atol=1e-15)


def test_snow_ages_only_while_it_lies_and_rejuvenates_when_it_snows():
    age = snow_age(values(100.0, 100.0, 100.0), values(0.0, 1.0, 0.0), values(1.0, 1.0, 0.0), 3600.0)
    assert age.tolist() == [3700.0, 0.0, 100.0]


def test_a_proposed_fraction_is_limited_to_between_none_and_all():
    assert limited_fraction(values(-0.5, 0.0, 0.3, 1.0, 7.0)).tolist() == [0.0, 0.0, 0.3, 1.0, 1.0]
