"""Columns that sit exactly on the thresholds of the model."""

from __future__ import annotations

import dataclasses

import torch
from random_columns import Case
from torch import Tensor


def at_thresholds(case: Case, seed: int = 0) -> Case:
    """Columns moved exactly onto the thresholds of the model, a random few of them in each."""
    generator = torch.Generator().manual_seed(seed)

    def some(*shape: int) -> Tensor:
        return torch.rand(*shape, case.columns, generator=generator) < 0.25

    layers = case.column.layers
    porosity = case.parameters.soil.porosity
    soil, forcing, plants = case.state.soil, case.forcing, case.parameters.vegetation
    temperature = torch.where(some(layers), 273.15, soil.temperature)
    ice = torch.where(some(layers), 0.0, soil.ice)
    liquid = torch.where(some(layers), porosity - ice, soil.liquid_water)
    liquid = torch.where(some(layers), (0.02 - ice).clamp(min=0.0), liquid)
    liquid = torch.where(some(layers), torch.minimum(case.parameters.soil.resolved().wilting_point, porosity), liquid)
    dry_canopy, full_canopy = some(), some()
    canopy = torch.where(full_canopy, plants.canopy_capacity, case.state.canopy_water)
    bare = some()
    air = torch.where(some(), 273.15, forcing.air_temperature)
    skin = torch.where(some(), 273.15, case.state.skin_temperature)
    skin = torch.where(some(), air, skin)
    skin = torch.where(some(), air + 0.0098 * case.parameters.general.air_temperature_height, skin)
    skin = torch.where(some(), temperature[0], skin)
    fraction = torch.where(some(), 0.0, forcing.vegetation_fraction)
    fraction = torch.where(some(), 1.0, fraction)
    fraction = torch.where(some(), plants.maximum_fraction, fraction)
    same_humidity = some()
    state = dataclasses.replace(
        case.state,
        soil=dataclasses.replace(soil, temperature=temperature, liquid_water=liquid, ice=ice),
        snow=dataclasses.replace(
            case.state.snow,
            water_equivalent=torch.where(bare, 0.0, case.state.snow.water_equivalent),
            depth=torch.where(bare, 0.0, case.state.snow.depth),
            age=torch.where(some(), 0.0, case.state.snow.age),
        ),
        surface=dataclasses.replace(
            case.state.surface,
            specific_humidity=torch.where(
                same_humidity, forcing.specific_humidity, case.state.surface.specific_humidity
            ),
        ),
        canopy_water=torch.where(dry_canopy, 0.0, canopy),
        skin_temperature=skin,
    )
    forcing = dataclasses.replace(
        forcing,
        air_temperature=air,
        wind_speed=torch.where(some(), 0.0, forcing.wind_speed),
        precipitation=torch.where(some(), 0.0, forcing.precipitation),
        shortwave_down=torch.where(some(), 0.0, forcing.shortwave_down),
        vegetation_fraction=fraction,
    )
    return dataclasses.replace(case, state=state, forcing=forcing)
