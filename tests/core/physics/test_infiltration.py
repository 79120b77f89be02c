from __future__ import annotations

import math

import pytest
import torch
from round_numbers import COLUMN, parameters, soil, values

from noahpy_core.physics.infiltration import Koren1999Infiltration, Schaake1996

DAY = 86400.0


def capacity(moisture, supply, *, ice=0.0, scheme=Schaake1996, dt=DAY, **changes):
    liquid = torch.full((4, 1), moisture - ice, dtype=torch.float64)
    one = parameters(soil_parameters=soil(**changes))
    frozen = torch.full_like(liquid, ice)
    return scheme(COLUMN)(liquid, frozen, values(supply), one.soil.wilting_point, one, dt).item()


def test_the_capacity_of_moist_soil_is_worked_by_hand():
    # deficit 2 m x (0.4 - 0.1) x (1 - (0.3 - 0.1)/0.3) = 0.2 m = 200 kg m-2; decay 3 x 1e-6/2e-6 = 1.5 per day
    usable = 200.0 * (1.0 - math.exp(-1.5))
    # 50 kg m-2 of rain in a day: P D/(P + D)
    expected = 50.0 * usable / (50.0 + usable) / DAY
    assert capacity(0.3, 50.0 / DAY) == pytest.approx(expected, rel=1e-12)


def test_saturated_soil_has_no_capacity_and_a_trickle_all_infiltrates():
    assert capacity(0.4, 1.0e-4) == pytest.approx(0.0, abs=1e-18)
    assert capacity(0.2, 1.0e-12) == pytest.approx(1.0e-12, rel=1e-8)


def test_no_supply_needs_no_capacity():
    assert capacity(0.2, 0.0) == 0.0
    assert capacity(0.4, 0.0) == 0.0


def test_the_capacity_never_exceeds_the_supply_and_levels_off_at_the_deficit():
    supplies = [1.0e-5, 1.0e-4, 1.0e-3, 1.0e-1]
    capacities = [capacity(0.3, supply) for supply in supplies]
    assert capacities == sorted(capacities)
    assert all(one <= supply for one, supply in zip(capacities, supplies, strict=True))
    assert capacities[-1] < 200.0 * (1.0 - math.exp(-1.5)) / DAY


def test_drier_and_more_conductive_soil_takes_more_water():
    reference = capacity(0.3, 1.0e-3)
    assert capacity(0.2, 1.0e-3) > reference
    assert capacity(0.3, 1.0e-3, saturated_hydraulic_conductivity=torch.full((4, 1), 1e-5).double()) > reference


def test_the_surface_soils_storage_measures_the_deficit_of_every_layer():
    """An oddity of the original: a porous layer below does not change the capacity."""
    porous = torch.tensor([[0.4], [0.6], [0.6], [0.6]], dtype=torch.float64)
    assert capacity(0.3, 1.0e-3, porosity=porous) == capacity(0.3, 1.0e-3)


def test_ice_does_not_hinder_infiltration_in_schaakes_scheme_but_does_in_korens():
    unhindered = capacity(0.3, 1.0e-3)
    assert capacity(0.3, 1.0e-3, ice=0.1) == unhindered
    assert capacity(0.3, 1.0e-3, ice=0.1, scheme=Koren1999Infiltration) < unhindered


def test_korens_permeable_share_is_worked_by_hand():
    # 2 m x 0.1 = 0.2 m of ice; critical 0.15 m x (0.4/0.3) x (0.412/0.468) = 0.17607 m
    a = 3.0 * 0.15 * (0.4 / 0.3) * (0.412 / 0.468) / 0.2
    share = 1.0 - math.exp(-a) * (1.0 + a + 0.5 * a * a)
    frozen = capacity(0.3, 1.0e-3, ice=0.1, scheme=Koren1999Infiltration)
    assert frozen == pytest.approx(share * capacity(0.3, 1.0e-3), rel=1e-12)
    assert share == pytest.approx(0.4918, abs=1e-4)


def test_a_centimetre_of_ice_is_ignored():
    assert capacity(0.3, 1.0e-3, ice=0.005, scheme=Koren1999Infiltration) == capacity(0.3, 1.0e-3)


def test_permeable_ground_shrinks_with_ice():
    shares = [capacity(0.35, 1.0e-3, ice=ice, scheme=Koren1999Infiltration) for ice in (0.01, 0.05, 0.1, 0.2, 0.3)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] > 0.0
