"""The closed surface balance: hand-worked numbers, slopes against differences, one state in calm air."""

from __future__ import annotations

import math

import pytest
import torch
from round_numbers import air
from torch import Tensor

from noahpy_core.physics.closed_balance import BareSkin, SnowSkin, bare_balance, snow_balance
from noahpy_core.physics.exchange_louis import SurfaceLayer, surface_layer, transfer

PRESSURE, HUMIDITY, AIR = 9.0e4, 4.0e-3, 278.0


def column(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def layer(neutral: float = 0.02, richardson_slope: float = 0.05) -> SurfaceLayer:
    return SurfaceLayer(column(neutral), column(richardson_slope), column(1.5), column(AIR), column(0.0))


def bare_skin(**changes: Tensor) -> BareSkin:
    given = {
        "air": layer(), "pressure": column(PRESSURE), "humidity": column(HUMIDITY), "density": column(1.1),
        "absorbed": column(500.0), "emissivity": column(0.96), "soil_share": column(0.3), "canopy_share": column(0.2),
        "plant_share": column(0.4), "plant_resistance": column(80.0), "soil_resistance": column(0.0),
        "largest_soil": column(1.0), "largest_canopy": column(1.0), "largest_plant": column(1.0),
        "top_roots": column(0.25),
    }  # fmt: skip
    return BareSkin(**{**given, **changes})


def snow_skin(largest: float = 1.0, melting: float = 0.0) -> SnowSkin:
    return SnowSkin(
        layer(), column(PRESSURE), column(HUMIDITY), column(200.0), column(0.98), column(2.0), column(largest),
        column(melting),
    )  # fmt: skip


def saturated(temperature: float, latent: float) -> float:
    vapour = 611.0 * math.exp(latent / 461.0 * (1.0 / 273.15 - 1.0 / temperature))
    return 0.622 * vapour / (PRESSURE - 0.378 * vapour)


def test_a_bare_skin_at_the_temperature_of_the_air_has_the_balance_worked_by_hand():
    balance = bare_balance(bare_skin(), column(AIR))
    potential = 0.02 * (saturated(AIR, 2.501e6) - HUMIDITY)
    plants = 0.4 * potential / (1.0 + 0.02 * 80.0 / 1.1)
    latent = 2.501e6 * (0.3 * potential + 0.2 * potential + plants)
    assert balance.sensible.item() == 0.0
    assert balance.latent.item() == pytest.approx(latent, rel=1e-12)
    assert balance.heat.item() == pytest.approx(500.0 - 0.96 * 5.67e-8 * AIR**4 - latent, rel=1e-12)


def test_a_resistance_of_the_soil_is_in_series_with_the_air():
    open_soil, held = (bare_balance(bare_skin(soil_resistance=column(value)), column(AIR)) for value in (0.0, 200.0))
    assert held.soil.item() == pytest.approx(open_soil.soil.item() / (1.0 + 0.02 * 200.0 / 1.1), rel=1e-12)
    assert held.plants.item() == open_soil.plants.item()


def test_snow_gives_and_takes_vapour_as_ice():
    balance = snow_balance(snow_skin(), column(270.0))
    exchange = 0.02 / (1.0 + 10.0 * 0.05 * (AIR - 270.0))
    vapour = exchange * (saturated(270.0, 2.8345e6) - HUMIDITY)
    assert balance.latent.item() == pytest.approx(2.8345e6 * vapour, rel=1e-12)
    # Heat is exchanged in calm air too, vapour is not.
    assert balance.sensible.item() == pytest.approx((1004.5 * exchange + 2.0) * (270.0 - AIR), rel=1e-12)
    assert balance.condensation.item() == pytest.approx(-vapour, rel=1e-12)


def test_a_pack_that_is_all_water_gives_as_ice_what_it_gives_while_it_melts_and_the_rest_as_water():
    while_melting = snow_balance(snow_skin(), column(273.15)).soil
    skin = snow_skin(melting=while_melting.item())
    warm = snow_balance(skin, column(275.15))
    assert warm.soil > while_melting > 0
    assert warm.from_ice.item() == while_melting.item()
    of_water = warm.soil.item() - while_melting.item()
    assert warm.latent.item() == pytest.approx(2.8345e6 * while_melting.item() + 2.501e6 * of_water, rel=1e-12)
    # Up to the melting point all of it is ice, which nothing interrupts there.
    cold, melting = (snow_balance(skin, column(t)) for t in (272.15, 273.15))
    assert cold.from_ice.item() == cold.soil.item()
    assert melting.from_ice.item() == melting.soil.item() == while_melting.item()


def test_the_top_soil_layer_gives_what_evaporates_from_it_and_its_share_of_the_transpiration():
    balance = bare_balance(bare_skin(), column(300.0))
    assert balance.from_soil.item() == pytest.approx(balance.soil.item() + 0.25 * balance.plants.item(), rel=1e-14)
    shift = 1.0e-4
    warmer, colder = (bare_balance(bare_skin(), column(300.0 + sign * shift)).from_soil for sign in (1.0, -1.0))
    slope = (warmer - colder).item() / (2.0 * shift)
    assert balance.from_soil_slope.item() == pytest.approx(slope, rel=1e-6)


def test_each_store_gives_at_most_what_it_has():
    limited = bare_skin(largest_soil=column(1.0e-6), largest_canopy=column(2.0e-6), largest_plant=column(3.0e-6))
    balance = bare_balance(limited, column(310.0))
    assert [balance.soil.item(), balance.canopy.item(), balance.plants.item()] == [1.0e-6, 2.0e-6, 3.0e-6]
    assert balance.latent.item() == pytest.approx(2.501e6 * 6.0e-6)
    assert snow_balance(snow_skin(1.0e-7), column(AIR + 20.0)).soil.item() == 1.0e-7


@pytest.mark.parametrize("temperature", [230.0, 265.0, 272.4, 273.0, 274.0, 277.9, 278.1, 285.0, 320.0])
@pytest.mark.parametrize("kind", ["bare", "covered", "limited", "snow"])
def test_the_slope_is_that_of_differences(temperature, kind):
    limited = bare_skin(largest_soil=column(1.0e-6))
    function = {
        "bare": lambda t: bare_balance(bare_skin(), t),
        "covered": lambda t: bare_balance(bare_skin(soil_resistance=column(300.0)), t),
        "limited": lambda t: bare_balance(limited, t),
        "snow": lambda t: snow_balance(snow_skin(), t),
    }[kind]
    shift = 1.0e-4
    difference = (function(column(temperature + shift)).heat - function(column(temperature - shift)).heat) / (2 * shift)
    assert function(column(temperature)).slope.item() == pytest.approx(difference.item(), rel=1e-5)


@pytest.mark.parametrize("calm", [0.05, 1.0, 50.0])
def test_the_heat_flux_grows_with_the_difference_to_the_air_so_that_there_is_one_state(calm):
    skin = torch.linspace(180.0, 340.0, 4001, dtype=torch.float64)
    exchange = transfer(layer(richardson_slope=calm), skin)
    flux = exchange.rate * (skin - AIR)
    assert bool((flux[1:] > flux[:-1]).all())


def test_the_calmest_air_exchanges_what_the_smallest_diffusivity_of_noah_does():
    still = air(wind_speed=column(0.0))
    skin = torch.linspace(180.0, 340.0, 4001, dtype=torch.float64)
    exchange = transfer(surface_layer(still, column(0.01)), skin)
    smallest = still.density.item() * 0.001 / 2.0
    assert exchange.rate[0].item() == pytest.approx(smallest, rel=1e-12)
    assert exchange.slope[0].item() == 0.0
    assert exchange.rate.min().item() == pytest.approx(smallest, rel=1e-12)
    # Warm ground stirs the air by itself, and between both the heat flux has no step back.
    assert exchange.rate[-1] > 4.0 * smallest
    flux = exchange.rate * (skin - still.potential_temperature)
    assert bool((flux[1:] > flux[:-1]).all())


def test_wind_exchanges_more_than_the_smallest_diffusivity():
    skin = torch.linspace(260.0, 300.0, 401, dtype=torch.float64)
    windy = surface_layer(air(wind_speed=column(8.0)), column(0.01))
    assert torch.equal(transfer(windy, skin).rate, transfer(windy._replace(smallest=0.0), skin).rate)


def test_frost_takes_the_place_of_dew_without_a_jump():
    below = torch.linspace(271.0, 274.0, 30001, dtype=torch.float64)
    wet = bare_skin(humidity=column(8.0e-3))
    balance = bare_balance(wet, below)
    assert bool((balance.condensation > 0).all())
    assert balance.frost_share[0] == 1.0
    assert balance.frost_share[-1] == 0.0
    steps = (balance.heat[1:] - balance.heat[:-1]).abs()
    assert steps.max() < 0.1
