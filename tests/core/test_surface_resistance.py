"""Resistances of soil and canopy: worked by hand, integrated by hand, and where they may stand."""

from __future__ import annotations

import dataclasses
import itertools
import math

import pytest
import torch
from random_columns import layered, random_case
from torch import Tensor

from noahpy_core import NoahModel, Options, SchemeError, preset
from noahpy_core.physics.atmosphere import diagnose_air
from noahpy_core.physics.evaporation import CanopyResistance
from noahpy_core.physics.surface import snow_free_ground
from noahpy_core.physics.surface_resistance import Leuning2008, Sellers1992

CASE = random_case(24, seed=5, regime="temperate")
SOIL = CASE.parameters.soil.resolved()
PARAMETERS = dataclasses.replace(CASE.parameters, soil=SOIL)


def canopy(shortwave: float, leaf_area: float | None = None) -> tuple[CanopyResistance, Tensor]:
    """Of the case at a sunlight [W m-2] and leaf area; the leaf area too."""
    ground = snow_free_ground(CASE.forcing, PARAMETERS.vegetation)
    if leaf_area is not None:
        ground = ground._replace(leaf_area_index=torch.full_like(ground.leaf_area_index, leaf_area))
    air = diagnose_air(CASE.forcing, PARAMETERS.general)
    like = torch.ones_like(air.temperature)
    found = Leuning2008(CASE.column)(
        CASE.state.soil, air, ground, shortwave * like, 0.02 * like, 0.97 * like, PARAMETERS
    )
    return found, ground.leaf_area_index


def test_soil_gives_its_water_more_slowly_the_drier_it_is():
    soil = CASE.state.soil
    resistance = Sellers1992()(soil, snow_free_ground(CASE.forcing, PARAMETERS.vegetation), PARAMETERS)
    for column in range(3):
        saturation = float(soil.liquid_water[0, column] / SOIL.porosity[0, column])
        assert float(resistance[column]) == pytest.approx(math.exp(8.206 - 4.255 * saturation), rel=1e-12)
    full = dataclasses.replace(soil, liquid_water=SOIL.porosity)
    assert float(Sellers1992()(full, None, PARAMETERS).max()) == pytest.approx(math.exp(3.951), rel=1e-12)


def test_light_is_the_mean_over_leaves_in_each_others_shade():
    found, area = canopy(600.0)
    depth = (torch.arange(20000, dtype=torch.float64)[:, None] + 0.5) / 20000.0
    reaching = 0.6 * 300.0 * torch.exp(-0.6 * depth * area)
    mean = (reaching / (reaching + 0.6 * 30.0)).mean(0)
    torch.testing.assert_close(found.light, mean, rtol=1e-6, atol=0.0)


def test_a_canopy_closes_at_night_and_more_leaves_never_close_it():
    night, _ = canopy(0.0)
    noon, _ = canopy(800.0)
    assert bool((night.light == 1.0e-4).all())
    assert bool((noon.resistance <= night.resistance).all())
    areas = [canopy(600.0, leaf_area)[0].resistance for leaf_area in (0.0, 0.5, 2.0, 6.0)]
    assert all(bool(torch.isfinite(resistance).all()) for resistance in areas)
    assert all(bool((more <= fewer).all()) for fewer, more in itertools.pairwise(areas))


def test_noahs_step_takes_no_resistance_of_the_soil():
    with pytest.raises(SchemeError, match=r"'sellers1992' as soil_resistance.*Built in are none"):
        NoahModel(CASE.column, Options(soil_resistance="sellers1992"))


def test_soil_without_plants_evaporates_less_on_the_whole_through_the_resistance():
    bare = dataclasses.replace(CASE.forcing, vegetation_fraction=torch.zeros_like(CASE.forcing.vegetation_fraction))
    state = layered(CASE.state)
    wet = dataclasses.replace(state, soil=dataclasses.replace(state.soil, liquid_water=0.95 * SOIL.porosity))

    def evaporated(scheme: str) -> Tensor:
        model = NoahModel(CASE.column, dataclasses.replace(preset("conservative"), soil_resistance=scheme))
        with torch.no_grad():
            return model(wet, bare, CASE.parameters, 1800.0)[1].soil_evaporation

    held, free = evaporated("sellers1992"), evaporated("none")
    assert float(free.sum()) > 1.0e-4
    assert float(held.sum()) < 0.8 * float(free.sum())
