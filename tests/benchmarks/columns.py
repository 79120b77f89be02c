"""Columns for benchmarks: grassland on all kinds of soil from cold to mild, in the freezing season."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import torch
from torch import Tensor

from noahpy_core import NoahModel, Options, Parameters, SoilColumn, State, initial_state
from noahpy_core.learning import LearnedEvaporation, LearnedThermalConductivity
from noahpy_core.state import Forcing
from noahpy_core.tables import general_parameters, snow_parameters, soil_parameters, vegetation_parameters
from noahpy_core.trees import map_tensors

STEP, DAY, YEAR = 1800.0, 86400.0, 365.0 * 86400.0
GRASSLAND, SANDS_AND_LOAMS = 7, (2, 3, 4, 6, 8, 9)
DIFFERENT = 1000
"""So many columns differ from each other; more are repetitions."""


@dataclasses.dataclass(frozen=True)
class Site:
    """All that a run needs."""

    model: NoahModel
    state: State
    forcing: Forcing
    parameters: Parameters

    @property
    def trees(self) -> tuple[State, Forcing, Parameters]:
        """Arguments of a run."""
        return self.state, self.forcing, self.parameters

    def record(self, step: int) -> Forcing:
        """Forcing of one step."""
        return map_tensors(lambda series: series[step], self.forcing)


def make_site(
    columns: int,
    steps: int,
    *,
    layers: int = 20,
    dtype: torch.dtype = torch.float64,
    schemes: dict[str, str] | None = None,
    options: Options | None = None,
    snow_layers: int = 0,
) -> Site:
    """Columns that differ in soil, temperature and weather.

    Parameters
    ----------
    schemes : Options that are not the default.
    options : All of them, in place of these.
    snow_layers : Of the pack, where the options want some.
    """
    column = SoilColumn(_thickness(layers))
    generator = torch.Generator().manual_seed(20)
    number = min(columns, DIFFERENT)
    warmth = 6.0 * (2.0 * torch.rand(number, generator=generator, dtype=torch.float64) - 1.0)
    kinds = torch.tensor(SANDS_AND_LOAMS)[torch.randint(len(SANDS_AND_LOAMS), (layers, number), generator=generator)]
    parameters, state = _parameters(kinds), _state(column, warmth, snow_layers)
    trees: list[Any] = [state, _weather(steps, warmth), parameters]
    if columns > number:
        place = torch.arange(columns) % number
        trees = [map_tensors(lambda value: value[..., place].contiguous(), tree) for tree in trees]
    state, forcing, parameters = (map_tensors(lambda value: value.to(dtype), tree) for tree in trees)
    model = NoahModel(column.to(dtype=dtype), options or Options(**(schemes or {})))
    return Site(model, state, forcing, parameters)


def with_network(model: NoahModel, slot: str) -> NoahModel:
    """A model like another with a network of the package in a slot, "soil_thermal" or "evaporation"."""
    network = LearnedThermalConductivity() if slot == "soil_thermal" else LearnedEvaporation(model.column)
    return NoahModel(model.column, model.options, {slot: network})


def _thickness(layers: int) -> Tensor:
    """From 5 cm at the top, 15 m together at least."""
    growth = torch.linspace(0.0, 1.0, layers, dtype=torch.float64)
    rising = 0.05 * torch.exp(growth * math.log(40.0))
    return rising * max(15.0 / float(rising.sum()), 1.0)


def _parameters(kinds: Tensor) -> Parameters:
    number = kinds.shape[1]
    plants = torch.full((number,), GRASSLAND)
    return Parameters(
        soil=soil_parameters(kinds),
        vegetation=vegetation_parameters(plants, minimum_fraction=0.1, maximum_fraction=0.7),
        snow=snow_parameters(plants),
        general=general_parameters(number, deep_temperature=272.0, air_temperature_height=2.0, wind_height=10.0),
    )


def _state(column: SoilColumn, warmth: Tensor, snow_layers: int) -> State:
    """Moist soil that has begun to freeze in the colder columns, below some snow."""
    layers, none = column.layers, torch.zeros_like(warmth)
    temperature = 273.5 + 0.3 * warmth + torch.zeros(layers, 1, dtype=torch.float64)
    moisture = torch.full_like(temperature, 0.25)
    liquid = torch.where(temperature < 273.0, 0.12, 0.25).to(moisture.dtype)
    snow = torch.clamp(-10.0 * warmth, min=0.0)
    return initial_state(
        column,
        soil_temperature=temperature,
        soil_moisture=moisture,
        soil_liquid=liquid,
        skin_temperature=272.0 + warmth,
        snow_water_equivalent=snow,
        snow_depth=snow / 200.0,
        canopy_water=none,
        albedo=none + 0.2,
        roughness_length=none + 0.05,
        specific_humidity=none + 0.003,
        snow_layers=snow_layers,
    )


def _weather(steps: int, warmth: Tensor) -> Forcing:
    """Spring and what follows, hour by hour, a little different in every column."""
    seconds = torch.arange(steps, dtype=torch.float64)[:, None] * STEP
    season, hour = torch.sin(2.0 * math.pi * seconds / YEAR), -torch.cos(2.0 * math.pi * seconds / DAY)
    temperature = 272.0 + 14.0 * season + 5.0 * hour + warmth
    like = torch.zeros_like(temperature)
    wet = torch.where(torch.sin(seconds / DAY + warmth) > 0.5, 8.0e-5, 0.0)
    return Forcing(
        air_temperature=temperature,
        air_pressure=like + 9.0e4,
        specific_humidity=0.003 * torch.exp(0.07 * (temperature - 273.15)) + 0.0002,
        wind_speed=like + 3.0 + hour,
        shortwave_down=like + (150.0 + 100.0 * season) * torch.clamp(1.0 + 1.5 * hour, min=0.0),
        longwave_down=like + 260.0 + 50.0 * season,
        precipitation=wet.to(temperature.dtype),
        vegetation_fraction=like + 0.4 + 0.3 * season,
    )
