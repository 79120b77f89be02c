"""Derivatives of snow water by albedo and snowfall through a whole winter, onset and melt-out among it."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from random_columns import layered, random_case
from torch import Tensor

from noahpy_core import Forcing, NoahModel, preset, run

COLUMNS, DAYS, STEP = 16, 70, 10800.0
CASE = random_case(COLUMNS, seed=12, regime="temperate")


def winter() -> Forcing:
    """Autumn rain, snow every fourth day, and a spring that melts it all; each column warmer than the last."""
    days = torch.arange(DAYS * 8, dtype=torch.float64)[:, None] * STEP / 86400.0
    column = torch.linspace(0.0, 1.0, COLUMNS, dtype=torch.float64)
    hour = torch.cos(2.0 * math.pi * (days - 0.5))
    celsius = 10.0 * torch.cos(2.0 * math.pi * days / DAYS) + 2.0 * hour + 2.0 * column
    falls = torch.where(days % 4.0 < 1.0, 1.0e-4, 0.0) + 0.0 * column
    snow = torch.where(celsius < 1.0, falls, 0.0)
    pressure = torch.full_like(celsius, 8.7e4)
    vapour = 611.0 * torch.exp(17.6 * celsius / (celsius + 243.0))
    return Forcing(
        air_temperature=celsius + 273.15,
        air_pressure=pressure,
        specific_humidity=0.75 * 0.622 * vapour / pressure,
        wind_speed=2.0 + column + 0.0 * days,
        shortwave_down=(120.0 + 4.0 * days) * torch.relu(hour) + 0.0 * column,
        longwave_down=0.85 * 5.67e-8 * (celsius + 273.15) ** 4,
        precipitation=falls,
        vegetation_fraction=torch.full_like(celsius, 0.3),
        snowfall=snow,
    )


def water_equivalent(change: Tensor, layers: int) -> Tensor:
    """Snow water of every step, ``[step, column]``, with albedo and snowfall changed by shares ``[2, column]``."""
    weather = winter()
    assert weather.snowfall is not None
    more = weather.snowfall * (1.0 + change[1])
    weather = dataclasses.replace(weather, snowfall=more, precipitation=weather.precipitation - weather.snowfall + more)
    snow = CASE.parameters.snow.resolved()
    assert snow.fresh_albedo is not None
    snow = dataclasses.replace(snow, fresh_albedo=snow.fresh_albedo * (1.0 + change[0]))
    model = NoahModel(CASE.column, preset("conservative"))
    result = run(
        model, layered(CASE.state, layers), weather, dataclasses.replace(CASE.parameters, snow=snow), STEP,
        outputs=["snow.water_equivalent"], execution="compiled",
    )  # fmt: skip
    return result.outputs["snow.water_equivalent"]


@pytest.mark.slow
@pytest.mark.parametrize("layers", [1, 3])
def test_derivatives_of_snow_water_agree_with_differences_at_every_step_of_a_winter(layers):
    start = torch.zeros(2, COLUMNS, dtype=torch.float64)
    water = water_equivalent(start, layers)
    peak = water.max(0).values
    assert peak.min() > 5.0
    assert water[-1].max() < 1.0e-6

    for place in range(2):
        direction = torch.zeros_like(start)
        direction[place] = 1.0
        _, derivative = torch.func.jvp(lambda change: water_equivalent(change, layers), (start,), (direction,))
        # A larger shift crosses kinks of the column: the hour when a layer begins to melt.
        shift = 1.0e-6 * direction
        difference = (water_equivalent(start + shift, layers) - water_equivalent(start - shift, layers)) / 2.0e-6
        error = (derivative - difference).abs() / difference.abs().max(0).values
        assert error.max() < 1.0e-4, (place, error.max())
