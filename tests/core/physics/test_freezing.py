from __future__ import annotations

import math

import pytest
import torch
from round_numbers import layers, soil

from noahpy_core.physics.freezing import Koren1999, NiuYang2006

FUSION_OVER_GRAVITY = 3.335e5 / 9.81


def koren_equation(ice: float, celsius: float, total: float, *, suction=0.2, porosity=0.4, b=4.0) -> float:
    """Difference of both sides of Koren et al. 1999, eq. 17, in potential form. [1]"""
    suction_head = suction * (1.0 + 8.0 * ice) ** 2 * (porosity / (total - ice)) ** b
    return math.log(suction_head / FUSION_OVER_GRAVITY) - math.log(-celsius / (273.15 + celsius))


def koren_root(celsius: float, total: float) -> float:
    """Ice content by bisection, 0 if none is in equilibrium."""
    if koren_equation(0.0, celsius, total) >= 0.0:
        return 0.0
    low, high = 0.0, total - 0.02
    if koren_equation(high, celsius, total) <= 0.0:
        return high
    for _ in range(100):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if koren_equation(middle, celsius, total) < 0.0 else (low, middle)
    return low


@pytest.mark.parametrize("celsius", [-0.05, -0.2, -0.5, -1.0, -3.0, -10.0, -30.0])
@pytest.mark.parametrize("total", [0.1, 0.25, 0.4])
def test_koren_comes_within_its_tolerance_of_the_equilibrium_of_equation_17(celsius, total):
    root = koren_root(celsius, total)
    start = layers(0.9 * root)
    liquid = Koren1999()(layers(273.15 + celsius), layers(total) - start, start, soil(1))
    assert total - liquid.item() == pytest.approx(root, abs=0.005)


@pytest.mark.parametrize("scheme", [Koren1999, NiuYang2006])
def test_nothing_freezes_at_or_above_the_freezing_point(scheme):
    liquid = scheme()(layers(273.15, 280.0), layers(0.3, 0.3), layers(0.05, 0.0), soil(2))
    assert liquid.flatten().tolist() == [0.3 + 0.05, 0.3]


def test_koren_freezes_nothing_within_a_millikelvin():
    liquid = Koren1999()(layers(273.1495), layers(0.4), layers(0.0), soil(1))
    assert liquid.item() == 0.4


def test_koren_never_goes_below_the_smallest_moisture():
    liquid = Koren1999()(layers(173.15), layers(0.1), layers(0.3), soil(1, clapp_hornberger_b=layers(2.0)))
    assert liquid.item() == pytest.approx(0.02, abs=1e-12)


def test_koren_limits_the_exponent_to_five_and_a_half():
    temperature, liquid, ice = layers(272.0), layers(0.2), layers(0.2)
    limited = Koren1999()(temperature, liquid, ice, soil(1, clapp_hornberger_b=layers(11.0)))
    same = Koren1999()(temperature, liquid, ice, soil(1, clapp_hornberger_b=layers(5.5)))
    assert limited.item() == same.item()


def test_soil_drier_than_the_floor_keeps_its_water_liquid():
    liquid = Koren1999()(layers(260.0), layers(0.02), layers(0.0), soil(1))
    assert liquid.item() == pytest.approx(0.02, abs=1e-15)


def test_niu_and_yang_is_worked_by_hand():
    # T = 273.15 x (1 - x) with L_f x/(1 - x)/(g psi) = 16 gives porosity x 16^(-1/4) = porosity/2
    ratio = 16.0 * 0.2 * 9.81 / 3.335e5
    temperature = 273.15 / (1.0 + ratio)
    liquid = NiuYang2006()(layers(temperature), layers(0.35), layers(0.0), soil(1))
    assert liquid.item() == pytest.approx(0.2, rel=1e-10)


def test_niu_and_yang_never_exceeds_the_water_there_is():
    liquid = NiuYang2006()(layers(273.149), layers(0.1), layers(0.05), soil(1))
    assert liquid.item() == pytest.approx(0.15, abs=1e-15)


@pytest.mark.parametrize(("scheme", "tolerance"), [(Koren1999, 0.005), (NiuYang2006, 0.0)])
def test_less_water_stays_liquid_the_colder_it_gets(scheme, tolerance):
    temperature = torch.linspace(250.0, 273.1, 200, dtype=torch.float64)[None]
    liquid = scheme()(temperature, torch.full_like(temperature, 0.4), torch.zeros_like(temperature), soil(1))[0]
    assert bool((liquid.diff() >= -tolerance).all())
    assert liquid[0].item() < 0.5 * liquid[-1].item()


def test_suction_by_ice_keeps_more_water_liquid_than_the_explicit_curve():
    temperature = layers(272.15)
    implicit = Koren1999()(temperature, layers(0.2), layers(0.2), soil(1)).item()
    explicit = NiuYang2006()(temperature, layers(0.2), layers(0.2), soil(1)).item()
    assert implicit > explicit
