"""The conservative column in single precision: every column is solved, and is near that of double precision."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from random_columns import Case, layered, random_case
from test_richards_accuracy import columns_of
from torch import Tensor
from water_columns import LAYERS, WaterCase

from noahpy_core import NoahModel, preset
from noahpy_core.physics.freezing import Koren1999, NiuYang2006
from noahpy_core.tables import soil_parameters

LOAMS = (4, 7, 8, 9)


@pytest.mark.parametrize("curve", [NiuYang2006(), Koren1999()], ids=["niu_yang2006", "koren1999"])
def test_just_below_the_freezing_point_liquid_water_has_the_digits_of_single_precision(curve):
    soil = soil_parameters(torch.tensor([LOAMS])).resolved()
    total = 0.8 * soil.porosity
    point = curve.freezing_warmth(total, soil)
    for colder in (1.0001, 1.01, 1.5, 10.0):
        warmth, same = colder * point, (colder * point).float()
        exact, slope = curve.equilibrium_at(same.double(), total, soil)
        single = soil.to(dtype=torch.float32)
        found, found_slope = curve.equilibrium_at(same, total.float(), single)
        assert torch.allclose(found.double(), exact, rtol=3.0e-6)
        assert torch.allclose(found_slope.double(), slope, rtol=3.0e-5)
        # In double precision it is what a temperature in kelvin gives.
        assert torch.allclose(
            curve.equilibrium(273.15 + warmth, total, soil)[0], curve.equilibrium_at(warmth, total, soil)[0], rtol=1e-9
        )


def near_freezing(columns: int, layers: int, seed: int) -> Case:
    """Random columns, half of them with all soil within 0.02 K of the melting point."""
    case = random_case(columns, layers, seed=seed)
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    near = 273.15 + 0.04 * (random(layers, columns) - 0.5)
    soil = torch.where(random(columns) < 0.5, near, case.state.soil.temperature)
    state = dataclasses.replace(case.state, soil=dataclasses.replace(case.state.soil, temperature=soil))
    return dataclasses.replace(case, state=state)


DEEP = pytest.param(20, 720, marks=pytest.mark.slow)
MORE = pytest.param(4, 2160, marks=pytest.mark.slow)


@pytest.mark.parametrize(("layers", "columns"), [(4, 45), MORE, DEEP])
def test_every_column_near_freezing_is_solved_and_near_the_double(layers, columns):
    case = near_freezing(columns, layers, seed=5)
    single = case.to(torch.float32)
    with torch.no_grad():
        exact, _ = NoahModel(case.column, preset("conservative"))(
            layered(case.state), case.forcing, case.parameters, case.dt
        )
        found, fluxes = NoahModel(single.column, preset("conservative"))(
            layered(single.state), single.forcing, single.parameters, single.dt
        )
    error = (found.soil.temperature.double() - exact.soil.temperature).abs().amax(0)
    assert error.quantile(0.97) < 3.0e-3
    assert error.max() < 0.02
    assert fluxes.energy_residual.abs().max() < 1.0e-2


def test_peat_that_drains_below_ice_does_not_take_the_water_from_its_first_layer():
    """What each layer leaves over in a step adds up, and the first layer bears it: it once ran below nothing."""
    case = columns_of((7,), LAYERS, 0.5, 0.6)
    changes = {"porosity": 0.9, "clapp_hornberger_b": 4.0, "saturated_hydraulic_conductivity": 1.0e-4}
    changes["saturated_diffusivity"] = 4.0e-6
    case = case.with_soil(**{name: torch.full_like(case.liquid, value) for name, value in changes.items()})
    wet = [0.239, 0.371, 0.398, 0.417, 0.432, 0.445, 0.457, 0.491]
    liquid, ice = [0.021] + [0.05] * 11 + wet, [0.0] + [0.48] * 11 + [0.3] + [0.0] * 7
    profile = [torch.tensor(values, dtype=torch.float64)[:, None] for values in (liquid, ice)]
    exact, single = (
        drained(dataclasses.replace(case, liquid=profile[0], ice=profile[1]).to(dtype), 24)
        for dtype in (torch.float64, torch.float32)
    )
    assert (exact - single.double()).abs().max() < 5.0e-4


def drained(case: WaterCase, steps: int) -> Tensor:
    """Liquid water after steps of 5 minutes without anything given or asked. [m3 m-3]"""
    with torch.no_grad():
        for _ in range(steps):
            case = dataclasses.replace(case, liquid=case.step().liquid, dt=torch.full_like(case.supply, 300.0))
    return case.liquid
