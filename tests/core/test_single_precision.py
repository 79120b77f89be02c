"""The conservative column in single precision: every column is solved, and is near that of double precision."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from random_columns import Case, layered, random_case
from test_richards_accuracy import columns_of
from torch import Tensor
from water_columns import LAYERS, WaterCase, hard_columns

from noahpy_core import NoahModel, preset, run
from noahpy_core.errors import remedy
from noahpy_core.physics import richards_solver
from noahpy_core.physics.freezing import Koren1999, NiuYang2006
from noahpy_core.physics.scalar_root import falling_root
from noahpy_core.tables import soil_parameters
from noahpy_core.trees import map_tensors

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
    """What each layer leaves over in a step adds up, and the first layer once had to bear it: it ran below nothing."""
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


def frozen_over_draining(dtype: torch.dtype) -> WaterCase:
    """Full layers with ice in nearly all of their pores, over wet ones that drain."""
    case = columns_of((7,), LAYERS, 0.5, 0.6)
    deep = [0.0066, 0.1562, 0.1181, 0.136, 0.3822, 0.1586, 0.4193, 0.0312, 0.2619, 0.434]
    room = [0.0038, 0.1105, 0.0038, 0.111, 0.0039, 0.0886, 0.0925, 0.1244, 0.0053, 0.1371, *deep]
    liquid = [*room[:17], 0.0304, 0.0856, 0.3589]

    def layers(values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64)[:, None]

    porosity = layers([0.262] + [0.45] * 19)
    case = case.with_soil(
        porosity=porosity,
        clapp_hornberger_b=layers([2.53] + [5.33] * 19),
        saturated_hydraulic_conductivity=layers([1.19e-4] + [3.0e-6] * 19),
        saturated_diffusivity=layers([5.0e-5] + [1.0e-5] * 19),
    )
    case = dataclasses.replace(case, liquid=layers(liquid), ice=porosity - layers(room))
    return dataclasses.replace(case, dt=torch.full_like(case.supply, 300.0)).to(dtype)


def test_what_the_solver_leaves_over_stays_in_its_layer_and_no_water_is_made_or_lost(monkeypatch):
    # As loose as it gets, so that much is left over.
    monkeypatch.setattr(richards_solver, "STRICT", (4096.0, 4096.0, 4096.0))
    out, ends = [], []
    for dtype in (torch.float64, torch.float32):
        case = frozen_over_draining(dtype)
        start, left = case.liquid, torch.zeros(1, dtype=torch.float64)
        for _ in range(6):
            with torch.no_grad():
                water = case.step()
            case = dataclasses.replace(case, liquid=water.liquid)
            left = left + 0.3 * (water.drainage + water.exfiltration).double()
        lost = ((start.double() - case.liquid.double()) * case.column.thickness.double()).sum(0)
        assert (lost - left).abs().max() < 1.0e-7
        assert case.liquid.min() >= 0.0
        out.append(left)
        ends.append(case.liquid.double())
    # Once what was left over below went into the drainage, and more than four times as much left.
    assert (out[1] - out[0]).abs().max() < 0.05 * out[0].abs().max()
    assert (ends[1] - ends[0]).abs().max() < 5.0e-3


def test_a_root_is_found_where_its_function_is_round_off():
    """A function with steps of 6e-5, which is 0 nowhere: Newton steps would go to and fro by 0.03."""

    def function(x: Tensor) -> tuple[Tensor, Tensor]:
        return ((3.0 - x) * 1.0e-3 + 1.0e3) - 1.0e3 + 3.0e-5, torch.full_like(x, -1.0e-3)

    start = torch.tensor([0.0, 2.0, 100.0])
    root, found = falling_root(function, start, torch.full_like(start, -50.0), torch.full_like(start, 1.0e5), 5.0e-4)
    assert bool(found.all())
    assert (root - 3.03).abs().max() < 0.07


def test_what_is_not_solved_in_single_precision_may_be_in_double_and_the_error_says_so():
    assert remedy(single=True).endswith("or take a shorter step, or float64.")
    assert remedy(single=False).endswith("or take a shorter step.")


@pytest.mark.slow
def test_a_column_in_which_round_off_goes_to_and_fro_is_solved_in_single_precision():
    """The one of 4000 hard ones that no strategy solves to a thousand units of round-off."""
    case = hard_columns(4000, seed=1).select(3833)
    with torch.no_grad():
        exact, single = case.step(), case.to(torch.float32).step()
    assert (exact.liquid - single.liquid.double()).abs().max() < 1.0e-4


def thin_warm_snow(columns: int) -> Case:
    """Grams to hundreds of grams of snow in 10 layers, melting over warm soil."""
    case = random_case(columns, 4, seed=31)
    generator = torch.Generator().manual_seed(31)

    def between(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand((*shape, columns), generator=generator, dtype=torch.float64)

    amount = 10.0 ** between(-3.0, 0.0)
    snow = dataclasses.replace(case.state.snow, water_equivalent=amount, depth=amount / 150.0)
    temperature = 275.0 + between(0.0, 10.0, 4)
    soil = dataclasses.replace(
        case.state.soil,
        temperature=temperature,
        liquid_water=case.state.soil.moisture,
        ice=0.0 * temperature,
    )
    state = dataclasses.replace(case.state, snow=snow, soil=soil, skin_temperature=torch.full_like(amount, 273.15))
    forcing = dataclasses.replace(case.forcing, air_temperature=275.0 + between(0.0, 10.0))
    return dataclasses.replace(case, state=layered(state, 10), forcing=forcing).to(torch.float32)


@pytest.mark.slow
def test_thin_snow_that_melts_is_not_colder_than_the_air_by_its_enthalpy_in_single_precision():
    """Layers of grams were once left with -364 MJ kg-1 by a root that was none, without a word."""
    case = thin_warm_snow(1800)
    series = map_tensors(lambda value: value.expand(8, *value.shape), case.forcing)
    with torch.no_grad():
        model = NoahModel(case.column, preset("conservative"))
        found = run(
            model, case.state, series, case.parameters, 10800.0, outputs=["snow.layer_enthalpy", "snow.layer_mass"]
        )
    enthalpy, mass = found.outputs["snow.layer_enthalpy"], found.outputs["snow.layer_mass"]
    assert bool((mass > 1.0e-6).any())
    per_mass = (enthalpy / mass)[mass > 1.0e-6]
    assert per_mass.min() > -2106.0 * 100.0
    assert per_mass.max() < 3.335e5 + 4200.0 * 50.0
