from __future__ import annotations

import pytest
import torch
from round_numbers import COLUMN, air, forcing, layers, parameters, precipitation, soil_state, values, vegetation

from noahpy_core.physics.evaporation import Jarvis1976, NoahEvaporation, latent_heat, potential_evaporation
from noahpy_core.physics.surface import snow_free_ground

CONDUCTANCE = 0.02
EMISSIVITY = 0.95


def potential(radiation=500.0, ground_heat=50.0, snow=0.0, falling=None, **changes):
    return potential_evaporation(
        air(**changes), values(CONDUCTANCE), values(radiation), values(ground_heat), values(EMISSIVITY), values(snow),
        falling or precipitation(),
    )  # fmt: skip


def ground(fraction=0.5):
    return snow_free_ground(forcing(vegetation_fraction=values(fraction)), vegetation())


def test_penman_solves_the_linearised_surface_balance_of_a_wet_surface():
    """The unknown is the surface excess temperature x; the balance is closed here without Penman's elimination."""
    one = air()
    result = potential()
    transfer = one.density * 1004.6 * CONDUCTANCE
    emission = 4.0 * EMISSIVITY * 5.67e-8 * 280.0**3
    lapse = one.potential_temperature - one.temperature
    vapour = transfer * 2.4888e3
    deficit = one.saturation_humidity - one.humidity
    net = 500.0 - EMISSIVITY * 5.67e-8 * 280.0**4 - 50.0
    # net - emission x = transfer (x - lapse) + vapour (deficit + slope x)
    x = (net + transfer * lapse - vapour * deficit) / (emission + transfer + vapour * one.saturation_slope)
    latent = vapour * (deficit + one.saturation_slope * x)
    # Noah rounds 4 sigma R_d/c_p to 6.48e-8, hence 1e-4
    assert (result.rate * 2.501e6).item() == pytest.approx(latent.item(), rel=2e-4)


def test_humid_air_over_a_surface_that_radiates_more_than_it_receives_brings_dew():
    saturated = air().saturation_humidity
    assert potential(radiation=200.0, ground_heat=0.0, specific_humidity=saturated).rate.item() < 0.0
    assert potential(radiation=700.0, ground_heat=0.0, specific_humidity=saturated).rate.item() > 0.0


def test_potential_evaporation_grows_with_radiation_and_dryness():
    assert potential(radiation=600.0).rate.item() > potential(radiation=500.0).rate.item()
    assert potential(specific_humidity=values(0.002)).rate.item() > potential().rate.item()
    assert potential(ground_heat=100.0).rate.item() < potential().rate.item()


def test_without_precipitation_nothing_but_emission_and_air_cools_the_surface():
    result = potential()
    assert result.precipitation_factor.item() == 0.0
    assert result.radiation_factor.item() == result.emission_factor.item() + 1.0
    assert result.freezing_rain_heat.item() == 0.0


def test_freezing_rain_sets_its_latent_heat_free_and_snowfall_does_not():
    freezing = potential(falling=precipitation(freezing_rain=1e-4)).freezing_rain_heat
    assert freezing.item() == pytest.approx(-33.35, rel=1e-12)
    assert potential(falling=precipitation(snow=1e-4)).freezing_rain_heat.item() == 0.0
    assert potential(falling=precipitation(liquid=1e-4)).freezing_rain_heat.item() == 0.0


@pytest.mark.parametrize(("phase", "expected"), [("liquid", 0.4218), ("freezing_rain", 0.4218), ("snow", 0.2106)])
def test_precipitation_is_brought_to_surface_temperature_with_the_heat_capacity_of_its_phase(phase, expected):
    result = potential(falling=precipitation(**{phase: 1e-4}))
    assert (result.precipitation_factor * result.heat_transfer).item() == pytest.approx(expected, rel=1e-12)


def test_latent_heat_is_weighted_with_the_snow_cover():
    assert latent_heat(values(0.0, 0.5, 1.0)).tolist() == [2.501e6, 0.5 * (2.501e6 + 2.83e6), 2.83e6]


def resistance(*, shortwave=800.0, moisture=0.3, fraction=0.5, **changes):
    humid = {"specific_humidity": air(**changes).saturation_humidity} | changes
    return Jarvis1976(COLUMN)(
        soil_state(liquid=moisture), air(**humid), ground(fraction), values(shortwave), values(CONDUCTANCE),
        values(EMISSIVITY), parameters(),
    )  # fmt: skip


def test_unstressed_leaves_have_the_smallest_resistance_over_their_area():
    result = resistance(air_temperature=values(298.0))
    # light: f = 0.55 x 2 x 800/(100 x 3) = 2.9333, (f + 0.02)/(1 + f)
    light = (2.933333333333333 + 0.02) / 3.933333333333333
    assert result.light.item() == pytest.approx(light, rel=1e-13)
    assert (result.temperature.item(), result.humidity.item(), result.moisture.item()) == (1.0, 1.0, 1.0)
    assert result.resistance.item() == pytest.approx(100.0 / (3.0 * light), rel=1e-12)


def test_leaves_close_to_the_cuticular_resistance_in_the_dark():
    result = resistance(shortwave=0.0, air_temperature=values(298.0))
    assert result.light.item() == pytest.approx(100.0 / 5000.0, rel=1e-13)
    assert result.resistance.item() == pytest.approx(5000.0 / 3.0, rel=1e-12)


def test_temperature_stress_is_a_parabola_about_the_optimum():
    # 1 - 0.0016 x 18^2 = 0.4816; frozen air is beyond its reach
    assert resistance(air_temperature=values(280.0)).temperature.item() == pytest.approx(0.4816, rel=1e-12)
    assert resistance(air_temperature=values(268.0)).temperature.item() == 1.0e-4


def test_humidity_stress_is_a_hyperbola_of_the_deficit():
    saturated = air(air_temperature=values(298.0)).saturation_humidity
    result = resistance(air_temperature=values(298.0), specific_humidity=saturated - 0.01)
    # 1/(1 + 50 x 0.01)
    assert result.humidity.item() == pytest.approx(2.0 / 3.0, rel=1e-12)


@pytest.mark.parametrize(("moisture", "stress"), [(0.05, 1e-4), (0.1, 1e-4), (0.15, 0.25), (0.2, 0.5), (0.35, 1.0)])
def test_moisture_stress_is_linear_between_wilting_point_and_field_capacity(moisture, stress):
    assert resistance(moisture=moisture).moisture.item() == pytest.approx(stress, rel=1e-12)


def test_moisture_stress_weights_the_layers_with_their_thickness():
    # only the third layer (0.6 of 1 m of roots) has water; the fourth has no roots
    assert resistance(moisture=layers(0.1, 0.1, 0.3, 0.3)).moisture.item() == pytest.approx(0.6, rel=1e-12)


def test_transpiration_falls_with_resistance():
    moist, dry = resistance(moisture=0.3), resistance(moisture=0.12)
    assert dry.resistance.item() > moist.resistance.item()
    assert 0.0 < dry.plant_coefficient.item() < moist.plant_coefficient.item() < 1.0


def test_no_vegetation_has_no_canopy_resistance():
    assert resistance(fraction=0.0).resistance.item() == 0.0


def demand(*, liquid=0.2, ice=0.0, canopy=0.0, fraction=0.5, plant=0.6):
    return NoahEvaporation(COLUMN)(
        soil_state(liquid=liquid, ice=ice),
        values(canopy),
        ground(fraction),
        values(1.0e-4),
        values(plant),
        parameters(),
    )


def test_bare_soil_evaporates_by_the_square_of_its_relative_wetness():
    # (0.2 - 0.1)/(0.4 - 0.1) = 1/3, half of the ground is bare
    assert demand().soil.item() == pytest.approx(0.5 / 9.0 * 1.0e-4, rel=1e-12)
    assert demand(liquid=0.4).soil.item() == pytest.approx(0.5e-4, rel=1e-12)


@pytest.mark.parametrize("liquid", [0.02, 0.1])
def test_dry_soil_neither_evaporates_nor_transpires(liquid):
    result = demand(liquid=liquid)
    assert result.soil.item() == 0.0
    assert result.roots.flatten().tolist() == [0.0, 0.0, 0.0, 0.0]


def test_a_dry_canopy_transpires_and_a_full_one_evaporates():
    dry, full = demand(canopy=0.0), demand(canopy=0.5)
    assert dry.canopy.item() == 0.0
    assert dry.roots.sum().item() == pytest.approx(0.5 * 0.6 * 1.0e-4, rel=1e-12)
    assert full.canopy.item() == pytest.approx(0.5e-4, rel=1e-12)
    assert full.roots.sum().item() == 0.0


def test_a_quarter_full_canopy_is_half_wet():
    result = demand(canopy=0.125)
    assert result.canopy.item() == pytest.approx(0.25e-4, rel=1e-12)
    assert result.roots.sum().item() == pytest.approx(0.5 * 0.6 * 0.5 * 1.0e-4, rel=1e-12)


def test_roots_in_equally_wet_layers_share_by_thickness_down_to_the_root_depth():
    shares = demand(liquid=0.35).roots.flatten() / demand(liquid=0.35).roots.sum()
    torch.testing.assert_close(shares, values(0.1, 0.3, 0.6, 0.0), rtol=1e-12, atol=0.0)


def test_roots_prefer_the_wetter_layer():
    # availability 1, 0, 0.5 with mean 0.5: preferences 0.1 + 0.5, 0.3 - 0.5 -> 0, 0.6 + 0
    shares = demand(liquid=layers(0.3, 0.1, 0.2, 0.4)).roots.flatten() / (0.5 * 0.6 * 1.0e-4)
    # weights 1 x 0.6, 0, 0.5 x 0.6
    torch.testing.assert_close(shares, values(2.0 / 3.0, 0.0, 1.0 / 3.0, 0.0), rtol=1e-12, atol=1e-15)


def test_roots_do_not_take_up_ice():
    shares = demand(liquid=layers(0.1, 0.3, 0.3, 0.3), ice=layers(0.2, 0.0, 0.0, 0.0)).roots
    assert shares[0].item() == 0.0
    assert shares.sum().item() == pytest.approx(0.3e-4, rel=1e-12)


def test_bare_soil_evaporation_counts_ice_as_water():
    assert demand(liquid=0.1, ice=0.1).soil.item() == pytest.approx(demand(liquid=0.2).soil.item(), rel=1e-12)


def test_the_demands_never_exceed_the_potential_rate():
    for canopy in (0.0, 0.1, 0.5):
        for liquid in (0.05, 0.2, 0.4):
            result = demand(canopy=canopy, liquid=liquid, plant=1.0)
            total = result.soil + result.canopy + result.roots.sum(0)
            assert total.item() <= 1.0e-4 * (1.0 + 1e-12)
