from __future__ import annotations

import math

import pytest
import torch
from round_numbers import air, precipitation, values

from noahpy_core.physics.energy_balance import (
    GroundConduction,
    SurfaceInput,
    bare_balance,
    bare_coupling,
    emitted_radiation,
    ground_conduction,
    linearised_emission,
    shaded_conductivity,
    snow_balance,
    snow_coupling,
)
from noahpy_core.physics.evaporation import potential_evaporation
from noahpy_core.physics.snow import Snowpack

EMISSIVITY = 0.95
HALF_LAYER = values(0.05)


def potential(one_air, radiation=500.0, falling=None):
    return potential_evaporation(
        one_air, values(0.02), values(radiation), values(0.0), values(EMISSIVITY), values(0.0),
        falling or precipitation(),
    )  # fmt: skip


def given(one_air, terms, radiation, latent_heat, falling=None):
    return SurfaceInput(
        one_air,
        terms,
        values(EMISSIVITY),
        values(radiation),
        values(latent_heat),
        falling or precipitation(),
        HALF_LAYER,
    )


def pack(depth, conductivity=0.3):
    one = values(depth)
    return Snowpack(one > 0, 200.0 * one, one, values(200.0), values(conductivity), values(0.0))


def test_a_black_body_at_the_freezing_point_emits_315_watts():
    # 5.67e-8 x 273.15^4 = 5.67e-8 x 5.566789e9
    assert emitted_radiation(values(1.0), values(273.15)).item() == pytest.approx(315.637, abs=1e-3)


def test_linearised_emission_touches_the_fourth_power_at_air_temperature():
    one = air()
    linear = [linearised_emission(one, potential(one), values(EMISSIVITY), values(t)).item() for t in (280.0, 281.0)]
    assert linear[0] == pytest.approx(EMISSIVITY * 5.67e-8 * 280.0**4, rel=1e-14)
    # 4 sigma R_d/c_p is rounded to 6.48e-8, and the air density in it refers to the virtual temperature
    slope = 4.0 * EMISSIVITY * 5.67e-8 * 280.0**3 / 1.00244
    assert linear[1] - linear[0] == pytest.approx(slope, rel=2e-4)


def test_vegetation_shades_the_ground_exponentially():
    conductivity = shaded_conductivity(values(1.5), values(-2.0), values(0.0, 0.5, 1.0))
    torch.testing.assert_close(conductivity, 1.5 * values(1.0, math.exp(-1.0), math.exp(-2.0)), rtol=1e-14, atol=0.0)


def test_without_snow_the_ground_conducts_alone():
    conduction = ground_conduction(values(1.2), HALF_LAYER, pack(0.0), values(0.0))
    assert (conduction.conductivity.item(), conduction.distance.item()) == (1.2, 0.05)


def test_snow_and_soil_conduct_by_their_thickness_and_the_cover():
    conduction = ground_conduction(values(1.2), HALF_LAYER, pack(0.15), values(0.5))
    # 0.75 x 0.3 + 0.25 x 1.2 = 0.525 under snow; half of it and half of 1.2
    assert conduction.conductivity.item() == pytest.approx(0.8625, rel=1e-13)
    assert conduction.distance.item() == pytest.approx(0.2, rel=1e-14)


def test_nearly_complete_cover_lets_snow_stand_for_the_soil():
    conduction = ground_conduction(values(1.2), HALF_LAYER, pack(0.15), values(0.98))
    assert conduction.conductivity.item() == pytest.approx(0.3, rel=1e-13)


def over_snow(radiation, soil_temperature=272.0, air_temperature=270.0, cover=0.5, falling=None, old_skin=272.0):
    one = air(air_temperature=values(air_temperature), specific_humidity=values(0.002))
    terms = potential(one, radiation, falling)
    balance = snow_balance(
        given(one, terms, radiation, 10.0, falling), GroundConduction(values(0.3), values(0.2)),
        values(soil_temperature), values(old_skin), values(cover),
    )  # fmt: skip
    return one, terms, balance


def test_the_skin_over_cold_snow_closes_the_linearised_balance():
    one, terms, balance = over_snow(250.0)
    skin = balance.skin_temperature
    assert skin.item() < 273.15
    spent = (
        linearised_emission(one, terms, values(EMISSIVITY), skin)
        + terms.heat_transfer * (skin - one.potential_temperature)
        + 10.0
        + balance.ground_heat
    )
    assert spent.item() == pytest.approx(250.0, abs=1e-9)
    assert balance.ground_heat.item() == pytest.approx(0.3 / 0.2 * (skin.item() - 272.0), rel=1e-12)
    assert balance.melt_demand.item() == 0.0


def test_surplus_heat_over_snow_melts_it_at_a_skin_between_freezing_and_the_snow_free_temperature():
    one, terms, balance = over_snow(500.0, air_temperature=278.0, cover=0.5)
    _, _, complete = over_snow(500.0, air_temperature=278.0, cover=1.0)
    assert complete.skin_temperature.item() == pytest.approx(273.15, abs=1e-12)
    skin = balance.skin_temperature
    assert skin.item() > 273.15
    left = 500.0 - emitted_radiation(values(EMISSIVITY), skin) - 1.5 * (skin - 272.0) - 10.0
    left = left - terms.heat_transfer * (skin - one.potential_temperature)
    assert balance.melt_demand.item() == pytest.approx(left.item(), rel=1e-12)


def test_a_bare_patch_weights_the_melting_skin_with_the_square_of_the_cover():
    skins = [over_snow(500.0, air_temperature=278.0, cover=c)[2].skin_temperature.item() for c in (0.0, 0.5, 1.0)]
    # 273.15 c^2 + T (1 - c^2)
    assert skins[1] == pytest.approx(0.25 * skins[2] + 0.75 * skins[0], rel=1e-14)


def test_snowfall_takes_its_heat_at_the_skin_temperature_of_the_step_before():
    _, _, balance = over_snow(250.0, falling=precipitation(snow=1.0e-3))
    # 1e-3 x 2106 x (272 - 270)
    assert balance.precipitation_heat.item() == pytest.approx(4.212, rel=1e-12)


def test_melt_holds_the_balance_of_the_fluxes_exactly():
    one, terms, balance = over_snow(500.0, air_temperature=278.0)
    spent = balance.emission + balance.ground_heat + balance.precipitation_heat + 10.0
    spent = spent + terms.heat_transfer * (balance.skin_temperature - one.potential_temperature)
    assert (spent + balance.discrepancy).item() == pytest.approx(500.0, abs=1e-9)
    assert balance.discrepancy.item() == pytest.approx(balance.melt_demand.item(), abs=1e-9)


def test_the_snow_coupling_hands_its_ground_heat_to_the_soil():
    coupling = snow_coupling(values(272.0), values(12.0), HALF_LAYER, values(0.3))
    flux = coupling.conductivity * (coupling.temperature - 272.0) / HALF_LAYER / coupling.factor
    assert flux.item() == pytest.approx(12.0, rel=1e-10)


def bare(soil_temperature, ratio=0.0, radiation=500.0):
    one = air()
    terms = potential(one, radiation)
    surface = given(one, terms, radiation, (ratio * terms.rate * 2.501e6).item())
    coupling = bare_coupling(surface, values(1.2))
    return one, terms, coupling, bare_balance(surface, coupling, values(soil_temperature))


@pytest.mark.parametrize("ratio", [0.0, 0.4, 1.0])
def test_the_skin_of_bare_ground_closes_the_linearised_balance(ratio):
    one, terms, _, balance = bare(275.0, ratio)
    skin = balance.skin_temperature
    spent = (
        linearised_emission(one, terms, values(EMISSIVITY), skin)
        + terms.heat_transfer * (skin - one.potential_temperature)
        + ratio * terms.rate * 2.501e6
        + balance.ground_heat
    )
    assert spent.item() == pytest.approx(500.0, abs=1e-9)


def test_the_ground_heat_of_the_coupling_is_that_of_the_surface_balance():
    _, _, coupling, balance = bare(275.0)
    flux = coupling.conductivity * (coupling.temperature - 275.0) / HALF_LAYER / coupling.factor
    assert flux.item() == pytest.approx(balance.ground_heat.item(), rel=1e-12)


def test_evaporation_cools_the_skin():
    assert bare(275.0, 1.0)[3].skin_temperature.item() < bare(275.0, 0.0)[3].skin_temperature.item()


def test_the_skin_takes_the_coupling_temperature_where_soil_has_it_too():
    _, _, coupling, _ = bare(275.0)
    _, _, _, balance = bare(coupling.temperature.item())
    assert balance.skin_temperature.item() == pytest.approx(coupling.temperature.item(), rel=1e-14)
    assert balance.ground_heat.item() == pytest.approx(0.0, abs=1e-9)
