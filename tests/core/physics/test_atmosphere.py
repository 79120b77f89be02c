from __future__ import annotations

import math

import pytest
import torch
from round_numbers import air, forcing, general, values

from noahpy_core.physics.atmosphere import diagnose_air, saturation_slope, saturation_specific_humidity


def test_saturation_humidity_at_the_freezing_point_follows_from_611_pascal():
    humidity = saturation_specific_humidity(values(273.15), values(1.0e5))
    # 0.622 x 611 / (100000 - 0.378 x 611) = 380.042 / 99769.042
    assert humidity.item() == pytest.approx(0.003809217, rel=1e-6)


def test_saturation_humidity_at_20_celsius_is_that_of_the_published_tables():
    # 2339 Pa over water at 20 degC (Smithsonian tables); constant latent heat overestimates it by 1 to 2 %.
    table = 0.622 * 2339.0 / (101325.0 - 0.378 * 2339.0)
    assert saturation_specific_humidity(values(293.15), values(101325.0)).item() == pytest.approx(table, rel=0.02)


def test_saturation_humidity_rises_with_temperature_and_falls_with_pressure():
    warming = saturation_specific_humidity(torch.linspace(230.0, 320.0, 50, dtype=torch.float64), values(8.0e4))
    thinner = saturation_specific_humidity(values(280.0), torch.linspace(4.0e4, 1.05e5, 50, dtype=torch.float64))
    assert bool((warming.diff() > 0).all())
    assert bool((thinner.diff() < 0).all())


def test_saturation_slope_departs_from_the_derivative_of_the_saturation_curve_by_a_few_per_cent_only():
    temperature = torch.linspace(253.15, 308.15, 56, dtype=torch.float64, requires_grad=True)
    humidity = saturation_specific_humidity(temperature, values(1.0e5))
    (derivative,) = torch.autograd.grad(humidity.sum(), temperature)
    slope = saturation_slope(temperature, values(1.0e5)).detach()
    torch.testing.assert_close(slope, derivative, rtol=0.08, atol=0.0)


def test_saturation_slope_at_the_freezing_point_is_worked_from_the_magnus_form():
    # 0.003809217 x 17.67 x 243.5 / 243.5^2 = 0.003809217 x 0.07256674
    assert saturation_slope(values(273.15), values(1.0e5)).item() == pytest.approx(2.764225e-4, rel=1e-6)


def test_potential_temperature_adds_one_centikelvin_per_metre_of_instrument_height():
    diagnosed = diagnose_air(forcing(), general(air_temperature_height=values(10.0)))
    assert diagnosed.potential_temperature.item() == pytest.approx(280.0 + 0.098, abs=1e-12)


def test_density_is_that_of_an_ideal_gas_at_the_virtual_temperature():
    diagnosed = air()
    assert diagnosed.virtual_temperature.item() == pytest.approx(280.0 * 1.00244, rel=1e-14)
    # 100000 / (287.04 x 280.6832) = 100000 / 80567.3057
    assert diagnosed.density.item() == pytest.approx(1.2411983, rel=1e-7)


def test_dry_air_has_no_virtual_increment():
    assert air(specific_humidity=values(0.0)).virtual_temperature.item() == 280.0


def test_a_negative_wind_speed_is_taken_as_calm():
    assert air(wind_speed=values(-3.0)).wind_speed.item() == 0.0


def test_saturation_follows_clausius_and_clapeyron_between_two_temperatures():
    cold, warm = values(263.15), values(283.15)
    pressure = values(1.0e9)
    ratio = (saturation_specific_humidity(warm, pressure) / saturation_specific_humidity(cold, pressure)).item()
    assert ratio == pytest.approx(math.exp(2.501e6 / 461.0 * (1.0 / 263.15 - 1.0 / 283.15)), rel=1e-5)
