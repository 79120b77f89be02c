"""Parameters with round numbers, for results that can be worked by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.parameters import (
    GeneralParameters,
    Parameters,
    SnowParameters,
    SoilParameters,
    VegetationParameters,
)
from noahpy_core.physics.atmosphere import Air, diagnose_air
from noahpy_core.physics.snow import Precipitation
from noahpy_core.state import Forcing, SoilState

THICKNESS = (0.1, 0.3, 0.6, 1.0)
COLUMN = SoilColumn(torch.tensor(THICKNESS, dtype=torch.float64))


def values(*numbers: float) -> Tensor:
    """A float64 tensor, one number per column."""
    return torch.tensor(numbers, dtype=torch.float64)


def layers(*numbers: float) -> Tensor:
    """A float64 tensor of one column, one number per layer."""
    return values(*numbers)[:, None]


def soil(count: int = 4, **changes: Any) -> SoilParameters:
    """Soil with b = 4, 1e-6 m s-1, suction 0.2 m, porosity 0.4, wilting at 0.1, field capacity 0.3."""
    numbers = {
        "clapp_hornberger_b": 4.0,
        "saturated_hydraulic_conductivity": 1.0e-6,
        "saturated_suction": 0.2,
        "porosity": 0.4,
        "quartz_fraction": 0.5,
        "two_pass_saturation": 0.8,
        "material": 0.0,
        "field_capacity": 0.3,
        "wilting_point": 0.1,
        "dry_limit": 0.1,
        "saturated_diffusivity": 2.0e-6,
    }
    full = {name: torch.full((count, 1), number, dtype=torch.float64) for name, number in numbers.items()}
    return dataclasses.replace(SoilParameters(**full), **changes)


def vegetation(**changes: Any) -> VegetationParameters:
    """Three rooted layers, leaf area 1 to 5, albedo 0.3 to 0.1, between fractions 0.2 and 0.8."""
    numbers = {
        "root_layers": 3.0,
        "bare": 0.0,
        "minimum_stomatal_resistance": 100.0,
        "maximum_stomatal_resistance": 5000.0,
        "radiation_stress_scale": 100.0,
        "humidity_stress_coefficient": 50.0,
        "optimum_air_temperature": 298.0,
        "canopy_capacity": 0.5,
        "canopy_wetness_exponent": 0.5,
        "minimum_fraction": 0.2,
        "maximum_fraction": 0.8,
        "minimum_leaf_area_index": 1.0,
        "maximum_leaf_area_index": 5.0,
        "minimum_emissivity": 0.9,
        "maximum_emissivity": 0.98,
        "minimum_albedo": 0.1,
        "maximum_albedo": 0.3,
        "minimum_roughness_length": 0.02,
        "maximum_roughness_length": 0.1,
    }
    return dataclasses.replace(
        VegetationParameters(**{name: values(number) for name, number in numbers.items()}), **changes
    )


def snow(**changes: Any) -> SnowParameters:
    """Full cover at 40 kg m-2, shape 2.6, deep snow albedo 0.7."""
    numbers = {
        "full_cover_snow": 40.0,
        "snow_cover_shape": 2.6,
        "deep_snow_albedo": 0.7,
        "snow_albedo_weight": 0.5,
    }
    return dataclasses.replace(SnowParameters(**{name: values(number) for name, number in numbers.items()}), **changes)


def general(**changes: Any) -> GeneralParameters:
    """Free drainage, deep temperature 280 K at 8 m, instruments at 2 m and 10 m."""
    numbers = {
        "drainage_factor": 1.0,
        "canopy_shading_coefficient": -2.0,
        "soil_evaporation_exponent": 2.0,
        "mineral_heat_capacity": 2.0e6,
        "reference_hydraulic_conductivity": 2.0e-6,
        "reference_infiltration_decay": 3.0,
        "impermeable_ice_depth": 0.15,
        "zilitinkevich_coefficient": 0.1,
        "deep_temperature": 280.0,
        "deep_temperature_depth": 8.0,
        "air_temperature_height": 2.0,
        "wind_height": 10.0,
    }
    return dataclasses.replace(
        GeneralParameters(**{name: values(number) for name, number in numbers.items()}), **changes
    )


def parameters(
    *,
    soil_parameters: SoilParameters | None = None,
    vegetation_parameters: VegetationParameters | None = None,
    general_parameters: GeneralParameters | None = None,
) -> Parameters:
    """All of the above for one column."""
    return Parameters(
        soil_parameters or soil(), vegetation_parameters or vegetation(), snow(), general_parameters or general()
    )


def forcing(**changes: Any) -> Forcing:
    """Air of 280 K and 1e5 Pa with 4 g kg-1 of vapour, 5 m s-1 of wind, no rain."""
    numbers = {
        "air_temperature": 280.0,
        "air_pressure": 1.0e5,
        "specific_humidity": 0.004,
        "wind_speed": 5.0,
        "shortwave_down": 300.0,
        "longwave_down": 300.0,
        "precipitation": 0.0,
        "vegetation_fraction": 0.5,
    }
    return dataclasses.replace(Forcing(**{name: values(number) for name, number in numbers.items()}), **changes)


def air(**changes: Any) -> Air:
    """The air of `forcing` above the instruments of `general`."""
    return diagnose_air(forcing(**changes), general())


def precipitation(snow: float = 0.0, freezing_rain: float = 0.0, liquid: float = 0.0) -> Precipitation:
    """One column. [kg m-2 s-1]"""
    return Precipitation(values(snow), values(freezing_rain), values(liquid))


def soil_state(
    temperature: float | Tensor = 285.0, liquid: float | Tensor = 0.2, ice: float | Tensor = 0.0
) -> SoilState:
    """Four layers, each value a number for all or a ``[layer, column]`` tensor."""
    filled = [
        x if isinstance(x, Tensor) else torch.full((4, 1), x, dtype=torch.float64) for x in (temperature, liquid, ice)
    ]
    return SoilState(*filled)
