from __future__ import annotations

import math

import pytest
import torch
from round_numbers import air, general, values

from noahpy_core.physics.turbulence import (
    Chen1997,
    ChenZhang2009,
    Paulson1970,
    Yang2008,
    Zilitinkevich1995,
    convective_velocity_squared,
)
from noahpy_core.slots.turbulence import SLOT
from noahpy_core.state import SurfaceMemory

ROUGHNESS = 0.05
WIND = 5.0
SCHEMES = [name for name in SLOT.schemes if name != "louis1979"]  # which has tests of its own
NEUTRAL_SKIN = {  # where the scheme sees no contrast of (virtual) potential temperature
    "paulson1970": 280.0 + 0.0098 * 2.0,
    "chen1997": 280.0,
}


def memory(heat: float = 0.02, momentum: float = 0.03, humidity: float = 0.004, columns: int = 1) -> SurfaceMemory:
    def one(number: float) -> torch.Tensor:
        return torch.full((columns,), number, dtype=torch.float64)

    return SurfaceMemory(one(0.2), one(0.95), one(ROUGHNESS), one(ROUGHNESS), one(humidity), one(heat), one(momentum))


def scheme(name: str):
    return SLOT.schemes[name](Zilitinkevich1995())


def neutral_law(z_wind: float, z_air: float) -> tuple[float, float]:
    """Log-law conductances: friction velocity k U/ln(z/z0), thermal roughness by Zilitinkevich with 0.1."""
    friction_velocity = 0.4 * WIND / math.log(z_wind / ROUGHNESS)
    z0_heat = ROUGHNESS * math.exp(-0.1 * 0.4 * 258.2 * math.sqrt(friction_velocity * ROUGHNESS))
    heat = 0.4 * friction_velocity / math.log((z_air + z0_heat) / z0_heat)
    return heat, 0.4 * friction_velocity / math.log(z_wind / ROUGHNESS)


def test_chen_without_contrast_stays_at_the_logarithmic_law():
    friction_velocity = 0.4 * WIND / math.log(10.05 / ROUGHNESS)
    z0_heat = ROUGHNESS * math.exp(-0.1 * 0.4 * 258.2 * math.sqrt(friction_velocity * ROUGHNESS))
    heat = 0.4 * friction_velocity / math.log(2.05 / z0_heat)
    momentum = 0.4 * friction_velocity / math.log(10.05 / ROUGHNESS)
    result = Chen1997(Zilitinkevich1995())(memory(heat, momentum), values(280.0), air(), general())
    # the tabulated stability functions miss zero at zeta = 0 by their interpolation, hence 1e-6
    assert result.heat.item() == pytest.approx(heat, rel=1e-6)
    assert result.momentum.item() == pytest.approx(momentum, rel=1e-6)
    assert result.richardson.item() == pytest.approx(0.0, abs=1e-15)


def test_paulson_without_contrast_stays_at_the_logarithmic_law():
    heat, momentum = neutral_law(10.05, 2.0)
    result = Paulson1970(Zilitinkevich1995())(
        memory(heat, momentum), values(NEUTRAL_SKIN["paulson1970"]), air(), general()
    )
    assert result.heat.item() == pytest.approx(heat, rel=1e-12)
    assert result.momentum.item() == pytest.approx(momentum, rel=1e-12)


def test_yang_without_contrast_has_the_thermal_roughness_of_smooth_viscous_flow():
    one_air = air()
    # neutral: skin at the potential temperature at 2 m, T (p/(p - rho g z))^(R/cp)
    density = 1.0e5 / (287.0 * 280.0 * 1.00244)
    theta = 280.0 * (1.0e5 / (1.0e5 - density * 9.81 * 2.0)) ** (287.0 / 1004.0)
    viscosity = 1.328e-5 * (theta / 273.15) ** 1.754
    friction_velocity = 0.4 * WIND / math.log(10.0 / ROUGHNESS)
    z0_heat = 70.0 * viscosity / friction_velocity
    expected = 0.4 * friction_velocity / math.log(2.0 / z0_heat)
    result = Yang2008(Zilitinkevich1995())(memory(), values(theta), one_air, general())
    assert result.heat.item() == pytest.approx(expected, rel=1e-4)


def test_yang_leaves_the_momentum_conductance_as_it_was():
    given = memory()
    result = scheme("yang2008")(given, values(290.0), air(), general())
    assert result.momentum is given.momentum_conductance


@pytest.mark.parametrize("name", ["paulson1970", "chen1997"])
def test_exchange_weakens_from_warm_over_neutral_to_cold_surfaces(name):
    heat = [scheme(name)(memory(), values(skin), air(), general()).heat.item() for skin in (295.0, 280.02, 265.0)]
    assert heat[0] > heat[1] > heat[2] > 0.0


@pytest.mark.parametrize("contrast", [1.0, 2.0, 5.0])
def test_yang_exchanges_more_above_a_warm_surface_than_above_an_equally_cold_one(contrast):
    warm, cold = (
        scheme("yang2008")(memory(), values(280.02 + sign * contrast), air(), general()).heat.item() for sign in (1, -1)
    )
    assert warm > 1.1 * cold


@pytest.mark.parametrize("name", SCHEMES)
def test_exchange_grows_with_wind_in_nearly_neutral_air(name):
    heat = [
        scheme(name)(memory(), values(280.0), air(wind_speed=values(wind)), general()).heat.item()
        for wind in (2.0, 4.0, 8.0, 16.0)
    ]
    assert heat == sorted(heat)
    assert heat[-1] > 2.0 * heat[0]


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("skin", [240.0, 273.15, 280.0, 280.0196, 330.0])
def test_exchange_stays_positive_and_finite_without_wind(name, skin):
    result = scheme(name)(memory(1.0e-4, 1.0e-4), values(skin), air(wind_speed=values(0.0)), general())
    for part in result:
        assert bool(torch.isfinite(part).all())
    assert result.heat.item() > 0.0


def test_strong_stability_leaves_the_smallest_exchange_of_each_scheme():
    calm = air(wind_speed=values(0.1))
    floors = {"chen1997": 1.0e-4 / 2.0, "paulson1970": 0.001 / 10.0, "yang2008": 0.001 / 10.0}
    for name, floor in floors.items():
        given = memory(floor, floor)
        result = scheme(name)(given, values(240.0), calm, general())
        assert floor <= result.heat.item() < 100.0 * floor


def test_the_richardson_number_of_chen_is_worked_by_hand_in_dry_air():
    one_air = air(specific_humidity=values(0.0))
    result = scheme("chen1997")(memory(humidity=0.0), values(270.0), one_air, general())
    # g/theta x contrast x z_wind^2/(U^2 z_air) at 1e5 Pa: 9.81/280 x 10 x 100/(25 x 2)
    assert result.richardson.item() == pytest.approx(9.81 / 280.0 * 10.0 * 100.0 / 50.0, rel=1e-12)


def test_the_roughness_coefficient_of_chen_and_zhang_falls_tenfold_per_175_millimetres():
    coefficient = ChenZhang2009()(values(0.0, 0.07, 0.175), general())
    torch.testing.assert_close(coefficient, values(1.0, 0.3981071705534972, 0.1), rtol=1e-12, atol=0.0)


def test_a_smaller_thermal_roughness_weakens_the_exchange():
    # z0 = 5 cm: 10^(-0.4 x 0.05/0.07) = 0.52 instead of 0.1
    strong = Chen1997(Zilitinkevich1995())(memory(), values(285.0), air(), general()).heat
    weak = Chen1997(ChenZhang2009())(memory(), values(285.0), air(), general()).heat
    assert weak.item() < strong.item()


def test_gustiness_is_1_44_times_the_two_thirds_power_of_the_buoyancy_flux():
    gusts = convective_velocity_squared(values(0.0, 8.0, -8.0))
    torch.testing.assert_close(gusts, values(0.0, 5.76, 5.76), rtol=1e-12, atol=0.0)


def test_yang_matches_its_own_profile_equations_in_stable_air():
    """The inverse length it uses must satisfy the definition Ri = z/L x phi-profile ratio (Yang et al. 2001)."""
    yang = Yang2008(Zilitinkevich1995())
    z_wind, z_air, z0, z0_heat = values(10.0), values(2.0), values(ROUGHNESS), values(1.0e-3)
    contrast, theta, wind = values(2.0), values(281.0), values(5.0)
    inverse, bulk = yang._inverse_length(z_wind, z_air, z0, z0_heat, contrast, theta, wind)
    drag, heat = yang._factors(inverse, z_wind, z_air, z0, z0_heat)
    # 1/L = k g theta_*/(theta u_*^2)
    from_profiles = 0.4 * 9.8 / theta * (heat * contrast) / (drag * wind) ** 2
    assert inverse.item() == pytest.approx(from_profiles.item(), rel=1e-9)
    assert bulk.item() == pytest.approx(9.8 / 281.0 * 2.0 * 9.95 / 25.0, rel=1e-12)
