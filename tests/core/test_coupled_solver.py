"""The coupled heat system is solved in every column: random ones, near freezing, calm, with wet snow, at every step."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from random_columns import layered, random_case
from torch import Tensor

from noahpy_core import NoahModel, preset
from noahpy_core.physics.coupled_solver import first_guess, solve
from noahpy_core.steps.conservative.heat import heat_system
from noahpy_core.steps.conservative.surroundings import surroundings


def found(columns: int, layers: int, snow_layers: int, seed: int) -> Tensor:
    """Whether each column was solved, ``[column]``: steps of 60 s to a day, two fifths near or at freezing."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    case = random_case(columns, layers, seed=seed)
    state, forcing = layered(case.state, snow_layers), case.forcing
    dt = torch.exp(math.log(60.0) + random(columns) * math.log(1440.0))

    assert state.snow.layer_mass is not None
    water = 1.1 * 3.335e5 * random(snow_layers, columns) * state.snow.layer_mass
    snow = torch.where(random(columns) < 0.4, water, state.snow.layer_enthalpy)
    near = 273.15 + 4.0 * (random(layers, columns) - 0.5) * torch.where(random(columns) < 0.5, 1.0, 0.01)
    soil = torch.where(random(columns) < 0.4, near, state.soil.temperature)
    state = dataclasses.replace(
        state,
        snow=dataclasses.replace(state.snow, layer_enthalpy=snow),
        soil=dataclasses.replace(state.soil, temperature=soil),
    )
    air = torch.where(random(columns) < 0.4, 271.15 + 4.0 * random(columns), forcing.air_temperature)
    wind = torch.where(random(columns) < 0.2, 0.01, forcing.wind_speed)
    forcing = dataclasses.replace(forcing, air_temperature=air, wind_speed=wind)

    given = case.parameters
    parameters = dataclasses.replace(given, soil=given.soil.resolved(), snow=given.snow.resolved())
    schemes = NoahModel(case.column, preset("conservative")).step.schemes
    with torch.no_grad():
        around = surroundings(schemes, state, forcing, parameters, dt)
        system = heat_system(schemes, state, forcing, around, parameters, dt)
        _, solved = solve(schemes.curve, system, first_guess(system, state.soil.temperature, state.skin_temperature))
    return solved


def test_every_random_column_is_solved():
    assert found(300, 4, 3, seed=1).all()


@pytest.mark.slow
@pytest.mark.parametrize(("layers", "snow_layers"), [(4, 1), (20, 2), (20, 3)])
def test_every_one_of_many_random_columns_is_solved(layers, snow_layers):
    for seed in range(2):
        assert found(4500, layers, snow_layers, seed=30 + seed).all(), seed
