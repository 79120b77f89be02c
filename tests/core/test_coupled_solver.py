"""The coupled heat system is solved in every column: random ones, near freezing, calm, with wet snow, at every step."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from random_columns import layered, random_case
from torch import Tensor
from water_columns import LAYERS

from noahpy_core import NoahModel, SoilColumn, preset
from noahpy_core.parameters import Parameters
from noahpy_core.physics import coupled_solver
from noahpy_core.physics.coupled_solver import first_guess, solve
from noahpy_core.physics.coupled_system import System, Unknowns
from noahpy_core.physics.freezing import FreezingCurve
from noahpy_core.state import Forcing, State
from noahpy_core.steps.conservative.heat import heat_system
from noahpy_core.steps.conservative.surroundings import surroundings
from noahpy_core.tables import general_parameters, snow_parameters, soil_parameters, vegetation_parameters

HEAT_OF_FUSION = 3.335e5
"""[J kg-1]"""
Systems = tuple[FreezingCurve, System, Unknowns]
Columns = tuple[SoilColumn, State, Forcing, Parameters, Tensor]


def random_columns(columns: int, layers: int, snow_layers: int, seed: int, *, exact: bool = False) -> Columns:
    """Random columns with steps of 60 s to a day, two fifths of them near or at freezing.

    Parameters
    ----------
    exact : Whether some layers of half of the columns are put exactly on thresholds.
    """
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    case = random_case(columns, layers, seed=seed)
    state, forcing = layered(case.state, snow_layers), case.forcing
    dt = torch.exp(math.log(60.0) + random(columns) * math.log(1440.0))

    assert state.snow.layer_mass is not None
    water = 1.1 * HEAT_OF_FUSION * random(snow_layers, columns) * state.snow.layer_mass
    snow = torch.where(random(columns) < 0.4, water, state.snow.layer_enthalpy)
    near = 273.15 + 4.0 * (random(layers, columns) - 0.5) * torch.where(random(columns) < 0.5, 1.0, 0.01)
    soil = torch.where(random(columns) < 0.4, near, state.soil.temperature)
    air = torch.where(random(columns) < 0.4, 271.15 + 4.0 * random(columns), forcing.air_temperature)
    wind = torch.where(random(columns) < 0.2, 0.01, forcing.wind_speed)
    if exact:
        hit = random(columns) < 0.5

        def some(*shape: int) -> Tensor:
            return hit & (random(*shape, columns) < 0.3)

        # Ice, and water, both just at the melting point; soil, air and skin there too.
        snow = torch.where(some(snow_layers), 0.0, snow)
        snow = torch.where(some(snow_layers), HEAT_OF_FUSION * state.snow.layer_mass, snow)
        soil, air = torch.where(some(layers), 273.15, soil), torch.where(some(), 273.15, air)
        state = dataclasses.replace(state, skin_temperature=torch.where(some(), 273.15, state.skin_temperature))
    state = dataclasses.replace(
        state,
        snow=dataclasses.replace(state.snow, layer_enthalpy=snow),
        soil=dataclasses.replace(state.soil, temperature=soil),
    )
    forcing = dataclasses.replace(forcing, air_temperature=air, wind_speed=wind)

    given = case.parameters
    parameters = dataclasses.replace(given, soil=given.soil.resolved(), snow=given.snow.resolved())
    return case.column, state, forcing, parameters, dt


def systems(column: SoilColumn, state: State, forcing: Forcing, parameters: Parameters, dt: Tensor) -> Systems:
    """The heat system of each column, and where its iteration starts."""
    schemes = NoahModel(column, preset("conservative")).step.schemes
    with torch.no_grad():
        around = surroundings(schemes, state, forcing, parameters, dt)
        system = heat_system(schemes, state, forcing, around, parameters, dt)
        return schemes.curve, system, first_guess(system, state.soil.temperature, state.skin_temperature)


def found(columns: int, layers: int, snow_layers: int, seed: int) -> Tensor:
    """Whether each random column was solved, ``[column]``."""
    with torch.no_grad():
        return solve(*systems(*random_columns(columns, layers, snow_layers, seed)))[1]


def solved(column: SoilColumn, state: State, forcing: Forcing, parameters: Parameters, dt: Tensor) -> Tensor:
    """Whether the heat system of each column was solved, ``[column]`` of bool."""
    with torch.no_grad():
        return solve(*systems(column, state, forcing, parameters, dt))[1]


def a_pack_that_melts_away(columns: int) -> Tensor:
    """Whether each was solved: a warm day on 13 kg m-2 of melting ice over soil full of ice."""
    generator = torch.Generator().manual_seed(0)

    def near(value: float, spread: float) -> Tensor:
        return value + spread * (torch.rand(columns, generator=generator, dtype=torch.float64) - 0.5)

    def layers(*values: float) -> Tensor:
        return torch.tensor(values, dtype=torch.float64)[:, None].expand(len(values), columns)

    number, none = torch.full((columns,), 23), torch.zeros(columns, dtype=torch.float64)
    parameters = Parameters(
        soil=soil_parameters(layers(*([9] * 2 + [13] * 9 + [14] * 9)).long()).resolved(),
        vegetation=vegetation_parameters(number, minimum_fraction=none + 0.02, maximum_fraction=none + 0.2),
        snow=snow_parameters(number).resolved(),
        general=general_parameters(columns, deep_temperature=268.0, air_temperature_height=2.0, wind_height=10.0),
    )
    state = layered(random_case(columns, 20, seed=1).state, 3)
    soil = dataclasses.replace(
        state.soil,
        temperature=layers(
            272.94,
            272.65,
            272.38,
            272.06,
            271.53,
            270.73,
            269.75,
            268.85,
            268.01,
            267.31,
            266.76,
            266.12,
            265.76,
            265.8,
            266.08,
            266.44,
            266.76,
            266.96,
            267.04,
            267.07,
        ),
        liquid_water=layers(
            0.144,
            0.12,
            0.0121,
            0.0105,
            0.009,
            0.00766,
            0.00669,
            0.00609,
            0.00567,
            0.00538,
            0.00519,
            0.0067,
            0.00658,
            0.00659,
            0.00669,
            0.00682,
            0.00694,
            0.00702,
            0.00706,
            0.00707,
        ),
        ice=layers(
            0.29,
            0.314,
            0.25,
            0.24,
            0.245,
            0.246,
            0.251,
            0.256,
            0.256,
            0.257,
            0.257,
            0.193,
            0.193,
            0.117,
            0.113,
            0.113,
            0.113,
            0.113,
            0.113,
            0.113,
        ),
    )
    ice = near(13.27, 0.1)
    snow = dataclasses.replace(
        state.snow,
        layer_mass=torch.stack([none, none, ice]),
        layer_enthalpy=layers(0.0, 0.0, 0.0),
        layer_thickness=torch.stack([none, none, ice / 917.0]),
        albedo=none + 0.507,
    )
    state = dataclasses.replace(state, soil=soil, snow=snow, skin_temperature=none + 273.23, canopy_water=none)
    forcing = Forcing(
        air_temperature=near(276.93, 0.04),
        air_pressure=none + 1.0e5,
        specific_humidity=none + 0.004428,
        wind_speed=none + 2.543,
        shortwave_down=near(147.5, 2.0),
        longwave_down=near(285.5, 0.5),
        precipitation=none + 2.8e-6,
        vegetation_fraction=none + 0.2,
    )
    column = SoilColumn(torch.tensor(LAYERS, dtype=torch.float64))
    return solved(column, state, forcing, parameters, none + 86400.0)


def test_a_pack_that_melts_away_within_a_day_over_soil_full_of_ice_is_solved():
    assert a_pack_that_melts_away(300).all()


def test_every_random_column_is_solved():
    assert found(300, 4, 3, seed=1).all()


@pytest.mark.slow
@pytest.mark.parametrize(("layers", "snow_layers"), [(4, 1), (20, 2), (20, 3)])
def test_every_one_of_many_random_columns_is_solved(layers, snow_layers):
    for seed in range(2):
        assert found(4500, layers, snow_layers, seed=30 + seed).all(), seed


@pytest.mark.parametrize("restart", [4.0, 5.0, 6.0, 8.0])
def test_a_column_that_is_solved_in_the_sweep_that_would_restart_it_keeps_what_it_found(monkeypatch, restart):
    curve, system, guess = systems(*random_columns(300, 4, 3, seed=1))
    with torch.no_grad():
        wanted, _ = solve(curve, system, guess)
        monkeypatch.setattr(coupled_solver, "RESTART", restart)
        root, found = solve(curve, system, guess)
    assert found.all()
    assert (root.warmth - wanted.warmth).abs().max() < 1.0e-6
