"""The conservative column in limits that can be worked out: radiative equilibrium, and its order in time and depth."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor

from noahpy_core import NoahModel, SoilColumn, initial_state, preset, run
from noahpy_core.parameters import Parameters
from noahpy_core.state import Forcing, State
from noahpy_core.tables import general_parameters, snow_parameters, soil_parameters, vegetation_parameters

SAND, DESERT = 1, 19
DAY = 86400.0
PRESSURE = 9.0e4
HEIGHT = 2.0
LAPSE = 0.0098 * HEIGHT
STEFAN = 5.67e-8


def dry_ground(thickness: list[float], temperature: float) -> tuple[NoahModel, State, Parameters]:
    """Sand as dry as it gets, at one temperature down to the deep boundary: no water, so nothing evaporates."""
    column = SoilColumn(torch.tensor(thickness, dtype=torch.float64))
    one, layers = torch.ones(1, dtype=torch.float64), torch.ones(len(thickness), 1, dtype=torch.float64)
    classes, desert = torch.full((len(thickness), 1), SAND), torch.tensor([DESERT])
    parameters = Parameters(
        soil=soil_parameters(classes),
        vegetation=dataclasses.replace(
            vegetation_parameters(desert, minimum_fraction=0.0 * one, maximum_fraction=0.0 * one), root_layers=one
        ),
        snow=snow_parameters(desert),
        general=general_parameters(
            1, deep_temperature=temperature * one, air_temperature_height=HEIGHT, wind_height=10.0
        ),
    )
    state = initial_state(
        column, soil_temperature=temperature * layers, soil_moisture=0.02 * layers, soil_liquid=0.02 * layers,
        skin_temperature=temperature * one, snow_water_equivalent=0.0 * one, snow_depth=0.0 * one,
        canopy_water=0.0 * one, albedo=0.3 * one, roughness_length=0.01 * one, specific_humidity=1.0e-4 * one,
        snow_layers=1,
    )  # fmt: skip
    return NoahModel(column, preset("conservative")), state, parameters


def dry_weather(air: Tensor, shortwave: Tensor, longwave: float) -> Forcing:
    """Air too dry to condense, a steady wind, radiation as given, ``[step]``."""
    one = torch.ones_like(air)[:, None]
    return Forcing(
        air_temperature=air[:, None], air_pressure=PRESSURE * one, specific_humidity=1.0e-5 * one, wind_speed=3.0 * one,
        shortwave_down=shortwave[:, None], longwave_down=longwave * one, precipitation=0.0 * one,
        vegetation_fraction=0.0 * one,
    )  # fmt: skip


def test_bare_dry_ground_ends_at_the_temperature_at_which_it_emits_what_it_absorbs():
    model, state, parameters = dry_ground([0.05, 0.15, 0.4], 290.0)
    with torch.no_grad():
        _, fluxes = model(
            state, dry_weather(*torch.full((2, 1), 280.0, dtype=torch.float64), 300.0).at(0), parameters, 1.0
        )
    absorbed = (1.0 - fluxes.albedo) * 250.0 + fluxes.emissivity * 300.0
    equilibrium = float((absorbed / (fluxes.emissivity * STEFAN)) ** 0.25)

    # Air that is as warm, brought down to the ground, takes no heat, and neither does the ground below.
    model, state, parameters = dry_ground([0.05, 0.15, 0.4], equilibrium)
    soil = dataclasses.replace(state.soil, temperature=state.soil.temperature + 8.0)
    state, one = dataclasses.replace(state, soil=soil), torch.ones(1, dtype=torch.float64)
    weather = dry_weather((equilibrium - LAPSE) * one, 250.0 * one, 300.0).at(0)
    general = dataclasses.replace(parameters.general, deep_temperature_depth=one)
    parameters = dataclasses.replace(parameters, general=general)
    with torch.no_grad():
        for _ in range(40):
            state, fluxes = model(state, weather, parameters, 10.0 * DAY)
    assert float(state.skin_temperature) == pytest.approx(equilibrium, abs=1.0e-6)
    assert (state.soil.temperature - equilibrium).abs().max() < 1.0e-5
    assert abs(float(fluxes.sensible_heat_flux)) < 1.0e-4
    assert float(fluxes.longwave_up) == pytest.approx(float(absorbed), abs=1.0e-5)


def day(steps: int) -> Forcing:
    """A smooth course of twelve hours, the mean over each step."""
    edge = torch.linspace(0.0, math.pi, steps + 1, dtype=torch.float64)
    mean = (torch.cos(edge[:-1]) - torch.cos(edge[1:])) * steps / math.pi
    return dry_weather(285.0 + 6.0 * mean, 500.0 * mean, 300.0)


@pytest.mark.slow
def test_errors_of_temperature_halve_with_the_step():
    model, state, parameters = dry_ground([0.05, 0.15, 0.4, 0.8], 285.0)
    found = {}
    for steps in (12, 24, 48, 768):
        with torch.no_grad():
            end = run(model, state, day(steps), parameters, 43200.0 / steps, outputs=["soil.temperature"]).final_state
        found[steps] = end.soil.temperature[:2, 0]
    coarse, middle, fine = ((found[steps] - found[768]).abs() for steps in (12, 24, 48))
    assert (middle < 0.6 * coarse).all()
    assert (fine < 0.6 * middle).all()


@pytest.mark.slow
def test_errors_of_temperature_fall_at_least_in_half_with_the_thickness_of_the_layers():
    found = {}
    for layers in (8, 16, 32, 64):
        model, state, parameters = dry_ground([0.4 / layers] * layers, 285.0)
        with torch.no_grad():
            end = run(model, state, day(12), parameters, 3600.0, outputs=["snow.depth"], execution="eager").final_state
        # Means of quarters of the depth, which every grid has.
        found[layers] = end.soil.temperature[:, 0].reshape(4, -1).mean(1)
    coarse, middle, fine = ((found[layers] - found[64]).abs() for layers in (8, 16, 32))
    assert (middle < 0.6 * coarse).all()
    assert (fine < 0.6 * middle).all()
