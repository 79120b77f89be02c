"""Steps of an hour to a day over layers of millimetres to centimetres: no ground leaves the range of what is around it.

Snow ends, rain falls on little snow, and wet ground freezes while water leaves it: whatever a step does to such a layer
after heat has been exchanged would show in its temperature.
"""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from test_coupled_solver import solved
from torch import Tensor

from noahpy_core import Forcing, NoahModel, SoilColumn, State, equilibrium_liquid, initial_state, preset, run
from noahpy_core.parameters import Parameters
from noahpy_core.state import SoilState
from noahpy_core.tables import general_parameters, snow_parameters, soil_parameters, vegetation_parameters
from noahpy_core.trees import map_tensors

DAY = 86400.0
PRESSURE = 9.0e4
CLAY_LOAM, GRASS = 6, 10
SETS = {
    "5 mm": (0.005, 0.01, 0.02, 0.06, 0.2, 0.5, 1.0),
    "1 cm": (0.01, 0.02, 0.05, 0.1, 0.3, 1.0),
    "2 cm": (0.02, 0.05, 0.1, 0.3, 1.0),
    "5 cm": (0.05, 0.1, 0.3, 1.0),
}
Columns = tuple[NoahModel, State, Forcing, Parameters]


def saturated(temperature: Tensor) -> Tensor:
    """Specific humidity at saturation. [kg kg-1]"""
    return 0.622 * 611.2 / PRESSURE * torch.exp(17.67 * (temperature - 273.15) / (temperature - 29.65))


def thin_columns(columns: int, thickness: tuple[float, ...], snow_layers: int, seed: int) -> Columns:
    """Soils near freezing, half of them full, under little to much snow, in mild weather with and without rain."""
    generator = torch.Generator().manual_seed(seed)

    def between(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand((*shape, columns), generator=generator, dtype=torch.float64)

    number, none = len(thickness), torch.zeros(columns, dtype=torch.float64)
    column = SoilColumn(torch.tensor(thickness, dtype=torch.float64))
    classes = torch.randint(1, 13, (columns,), generator=generator)[None].expand(number, columns).contiguous()
    cover = torch.tensor([7, 10, 19, 20])[torch.randint(4, (columns,), generator=generator)]
    vegetation = vegetation_parameters(cover, minimum_fraction=none + 0.05, maximum_fraction=none + 0.8)
    general = general_parameters(
        columns, deep_temperature=between(268.0, 276.0), air_temperature_height=2.0, wind_height=10.0
    )
    parameters = Parameters(soil_parameters(classes), vegetation, snow_parameters(cover), general)
    model = NoahModel(column, preset("conservative"))

    ground = torch.where(between(0.0, 1.0) < 0.5, between(262.0, 273.1), between(272.9, 273.2))
    temperature = ground.expand(number, columns).contiguous()
    moisture = parameters.soil.porosity * torch.where(between(0.0, 1.0) < 0.5, 1.0, between(0.2, 1.0))
    snow = torch.exp(between(math.log(1.0e-3), math.log(20.0)))
    state = initial_state(
        column, soil_temperature=temperature, soil_moisture=moisture,
        soil_liquid=equilibrium_liquid(temperature, moisture, parameters, model.supercooled_water),
        skin_temperature=torch.minimum(ground, between(260.0, 273.15)), snow_water_equivalent=snow,
        snow_depth=snow / between(80.0, 400.0), canopy_water=none, albedo=between(0.2, 0.8),
        roughness_length=between(0.01, 0.1), specific_humidity=none + 4.0e-3, snow_layers=snow_layers,
    )  # fmt: skip
    air = between(264.0, 287.0)
    forcing = Forcing(
        air_temperature=air, air_pressure=none + PRESSURE, specific_humidity=saturated(air) * between(0.4, 1.0),
        wind_speed=between(1.0, 9.0), shortwave_down=between(20.0, 330.0), longwave_down=between(220.0, 345.0),
        precipitation=torch.where(between(0.0, 1.0) < 0.5, between(0.0, 50.0 / DAY), none),
        vegetation_fraction=between(0.0, 0.8),
    )  # fmt: skip
    return model, state, forcing, parameters


def stepped(columns: Columns, dt: float, execution: str) -> tuple[State, dict[str, Tensor]]:
    """State after a step, and the fluxes that the tests read, ``[column]``."""
    model, state, forcing, parameters = columns
    series = map_tensors(lambda value: value[None], forcing)
    names = ("snow_temperature", "enthalpy_residual", "water_residual", "evapotranspiration")
    with torch.no_grad():
        after = run(model, state, series, parameters, dt, outputs=names, execution=execution, check=False)
    return after.final_state, {name: values[0] for name, values in after.outputs.items()}


def beyond(before: State, after: State, forcing: Forcing, snow_temperature: Tensor) -> tuple[float, float]:
    """How much warmer, and colder, a top layer is than what was and is around it. [K]"""
    old, new = before.soil.temperature, after.soil.temperature
    skins = before.skin_temperature, after.skin_temperature
    around = torch.stack([old[0], old[1], new[1], *skins, forcing.air_temperature])
    coldest = torch.minimum(around.amin(0), snow_temperature.amin(0))
    return float((new[0] - around.amax(0)).max()), float((coldest - new[0]).max())


def test_no_top_layer_is_warmer_or_colder_after_a_day_than_what_is_around_it():
    between_its_surroundings(100, "5 mm", 1, DAY, "eager")


@pytest.mark.slow
@pytest.mark.parametrize("dt", [3600.0, 10800.0, DAY])
@pytest.mark.parametrize(
    ("layers", "snow_layers"), [("5 mm", 1), ("5 mm", 3), ("5 mm", 5), ("1 cm", 2), ("2 cm", 3), ("5 cm", 1)]
)
def test_no_top_layer_of_many_is_warmer_or_colder_than_what_is_around_it(layers, snow_layers, dt):
    between_its_surroundings(5000, layers, snow_layers, dt, "compiled")


def between_its_surroundings(columns: int, layers: str, snow_layers: int, dt: float, execution: str) -> None:
    """Check it in three steps of random columns, with their budgets."""
    model, state, forcing, parameters = thin_columns(columns, SETS[layers], snow_layers, seed=5)
    for _ in range(3):
        after, found = stepped((model, state, forcing, parameters), dt, execution)
        warmer, colder = beyond(state, after, forcing, found["snow_temperature"])
        # Bare ground may be a kelvin warmer than the mean skin of a column that is partly under snow.
        assert warmer < 2.0
        assert colder < 0.1
        assert found["enthalpy_residual"].abs().max() < 1.0e-9
        assert found["water_residual"].abs().max() * dt < 1.0e-11
        state = after


def one_column(**changes: float | Tensor) -> Columns:
    """Full clay loam of which the top layer has 5 mm, under grass, at the melting point."""
    thickness = SETS["5 mm"]
    column, one = SoilColumn(torch.tensor(thickness, dtype=torch.float64)), torch.ones(1, dtype=torch.float64)
    classes, grass = torch.full((len(thickness), 1), CLAY_LOAM), torch.tensor([GRASS])
    soil, layers = soil_parameters(classes), torch.ones(len(thickness), 1, dtype=torch.float64)
    vegetation = vegetation_parameters(grass, minimum_fraction=0.3 * one, maximum_fraction=0.8 * one)
    general = general_parameters(1, deep_temperature=272.0 * one, air_temperature_height=2.0, wind_height=10.0)
    parameters = Parameters(soil, vegetation, snow_parameters(grass), general)
    given = {
        "temperature": 273.0, "liquid": 0.15, "snow": 0.0, "air": 285.0, "humidity": 5.0e-3, "wind": 3.0,
        "shortwave": 200.0, "longwave": 310.0, "precipitation": 0.0, "vegetation": 0.3,
    } | changes  # fmt: skip
    state = initial_state(
        column, soil_temperature=given["temperature"] * layers, soil_moisture=soil.porosity,
        soil_liquid=given["liquid"] * layers, skin_temperature=273.15 * one, snow_water_equivalent=given["snow"] * one,
        snow_depth=0.003 * given["snow"] * one, canopy_water=0.0 * one, albedo=0.5 * one, roughness_length=0.01 * one,
        specific_humidity=4.0e-3 * one, snow_layers=int(given.get("snow_layers", 1)),
    )  # fmt: skip
    weather = Forcing(
        air_temperature=given["air"] * one, air_pressure=PRESSURE * one, specific_humidity=given["humidity"] * one,
        wind_speed=given["wind"] * one, shortwave_down=given["shortwave"] * one, longwave_down=given["longwave"] * one,
        precipitation=given["precipitation"] * one / DAY, vegetation_fraction=given["vegetation"] * one,
    )  # fmt: skip
    return NoahModel(column, preset("conservative")), state, weather, parameters


@pytest.mark.parametrize("snow_layers", [1, 2, 3])
@pytest.mark.parametrize("snow", [3.0, 4.0])
def test_the_last_snow_of_a_day_leaves_no_thin_layer_of_ground_hotter_than_the_air(snow_layers, snow):
    model, *given = one_column(snow=snow, snow_layers=snow_layers)
    with torch.no_grad():
        after, fluxes = model(*given, DAY)
    assert after.snow.water_equivalent.item() < 1.0e-6
    assert after.soil.temperature.max() < 285.0
    assert fluxes.enthalpy_residual.abs().max() < 1.0e-8


FREEZING = {"temperature": 273.2, "liquid": 0.4, "air": 270.0, "humidity": 1.5e-3, "wind": 6.0, "longwave": 230.0}


def test_what_evaporates_in_a_day_in_which_wet_ground_freezes_does_not_freeze_first():
    model, state, forcing, parameters = one_column(**FREEZING, shortwave=60.0, vegetation=0.05)
    with torch.no_grad():
        after, fluxes = model(state, forcing, parameters, DAY)
    # Most of the 2 mm of the layer: had it frozen, thawing it again would have cost 50 K.
    assert fluxes.soil_evaporation * DAY > 1.5
    coldest = torch.minimum(after.skin_temperature, after.soil.temperature[1])
    assert after.soil.temperature[0] > coldest
    assert fluxes.enthalpy_residual.abs().max() < 1.0e-9


@pytest.mark.parametrize(
    "regime",
    [
        pytest.param({**FREEZING, "shortwave": 60.0, "vegetation": 0.05}, id="water leaves freezing ground"),
        pytest.param({"snow": 3.0, "precipitation": 5.0}, id="snow ends", marks=pytest.mark.slow),
        pytest.param({"snow": 0.4, "precipitation": 40.0, "air": 279.0}, id="warm rain", marks=pytest.mark.slow),
        pytest.param({"snow": 4.0, "wind": 8.0, "humidity": 3.0e-3}, id="water evaporates from snow that ends"),
    ],
)
def test_the_derivatives_of_such_a_day_are_those_of_differences(regime):
    model, state, forcing, parameters = one_column(**regime)

    def end(shift: Tensor) -> Tensor:
        weather = dataclasses.replace(
            forcing,
            air_temperature=forcing.air_temperature + shift[0],
            shortwave_down=forcing.shortwave_down + shift[1],
            wind_speed=forcing.wind_speed + shift[2],
        )
        soil = dataclasses.replace(state.soil, temperature=state.soil.temperature + shift[3])
        after, fluxes = model(dataclasses.replace(state, soil=soil), weather, parameters, DAY)
        water = after.soil.liquid_water[:2].sum() + 3.0 * after.soil.ice[:2].sum()
        return after.soil.temperature[:3].sum() + 10.0 * water + 0.1 * fluxes.latent_heat_flux.sum()

    start = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(end(start), start)
    for place in range(4):
        step = torch.zeros(4, dtype=torch.float64)
        step[place] = 1.0e-3
        with torch.no_grad():
            expected = (end(step) - end(-step)) / 2.0e-3
        assert found[place].item() == pytest.approx(expected.item(), rel=1.0e-5, abs=1.0e-6)


def test_snow_that_sublimes_or_gets_frost_stays_between_the_temperatures_around_it():
    # A day in dry wind takes a third of the ice, a humid one brings as much.
    for humidity in (1.0e-4, 1.6e-3):
        cold = {"temperature": 258.0, "liquid": 0.05, "air": 258.0, "longwave": 215.0, "shortwave": 20.0, "wind": 8.0}
        model, state, forcing, parameters = one_column(**cold, snow=2.0, snow_layers=2, humidity=humidity)
        with torch.no_grad():
            after, fluxes = model(state, forcing, parameters, DAY)
        change = (after.snow.water_equivalent - 2.0).abs().item()
        assert change > 0.3
        stored = after.snow.layer_enthalpy / (2106.0 * after.snow.layer_mass)
        torch.testing.assert_close(fluxes.snow_temperature, 273.15 + stored, rtol=0, atol=1e-9)
        # The skin is the mean of that of the snow and that of bare ground.
        around = torch.stack([after.skin_temperature, after.soil.temperature[0], forcing.air_temperature])
        assert (fluxes.snow_temperature.amin(0) >= around.amin(0) - 0.6).all()
        assert (fluxes.snow_temperature.amax(0) <= around.amax(0) + 0.6).all()
        assert fluxes.enthalpy_residual.abs().max() < 1.0e-9


def test_melt_counts_what_warm_rain_melts_as_it_lands():
    model, state, forcing, parameters = one_column(snow=200.0, snow_layers=3, precipitation=60.0, air=281.0)
    hour = 3600.0
    forcing = dataclasses.replace(forcing, precipitation=forcing.precipitation * DAY / hour)
    with torch.no_grad():
        after, fluxes = model(state, forcing, parameters, hour)
    liquid = after.snow.layer_enthalpy.clamp(min=0.0) / 3.335e5
    lost = 200.0 - (after.snow.layer_mass - liquid).sum(0)
    # 60 mm of 7.85 K have the heat to melt 6 kg m-2.
    melted = lost + (fluxes.snowfall + fluxes.dew - fluxes.sublimation) * hour
    assert fluxes.snow_melt.item() * hour == pytest.approx(melted.item(), rel=1.0e-9)
    assert fluxes.snow_melt.item() * hour > 5.0
    assert fluxes.melt_heat.item() == pytest.approx(3.335e5 * fluxes.snow_melt.item(), rel=1e-12)


def test_a_rainy_day_of_calm_air_about_as_warm_as_the_ground_leads_the_solver_round_in_no_circle():
    """The exchange has a bend where the two are equally warm, and steps from either side lead to the other."""
    columns = 800
    generator = torch.Generator().manual_seed(0)

    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(columns, generator=generator, dtype=torch.float64)

    thickness = (0.005,) * 20
    _, state, forcing, parameters = thin_columns(columns, thickness, 1, seed=0)
    soil, air = state.soil, between(278.0, 284.0)
    warm = torch.zeros_like(soil.temperature) + between(276.0, 281.0)
    state = dataclasses.replace(state, soil=SoilState(warm, soil.moisture, torch.zeros_like(warm)))
    forcing = dataclasses.replace(
        forcing, air_temperature=air, wind_speed=between(0.3, 1.2), specific_humidity=saturated(air) * 0.3,
        shortwave_down=between(0.0, 30.0), longwave_down=between(330.0, 370.0),
        precipitation=between(20.0, 80.0) / DAY,
    )  # fmt: skip
    parameters = dataclasses.replace(parameters, soil=parameters.soil.resolved(), snow=parameters.snow.resolved())
    column, day = SoilColumn(torch.tensor(thickness, dtype=torch.float64)), torch.full((columns,), DAY).to(air)
    assert solved(column, state, forcing, parameters, day).all()
