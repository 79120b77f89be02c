"""Water and heat added to a column from outside: in the budgets and derivatives of every scheme, compiled as eager."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from random_columns import Case, Draw, layered, random_case
from torch import Tensor

from noahpy_core import Forcing, NoahModel, Options, preset, run
from noahpy_core.budget import water_storage
from noahpy_core.limited import Limited
from noahpy_core.physics.soil_heat import HeatLimitedSoilHeat
from noahpy_core.state import ADDED
from noahpy_core.trees import map_tensors

SCHEMES = {
    "noah": Options(),
    "enthalpy": Options(phase_change="enthalpy"),
    "richards": Options(phase_change="enthalpy", soil_water="richards"),
    "conservative": preset("conservative"),
}


def case_of(scheme: str, columns: int = 45) -> Case:
    case = random_case(columns, seed=2)
    return dataclasses.replace(case, state=layered(case.state)) if scheme == "conservative" else case


def with_sources(case: Case, strength: float = 1.0, seed: int = 3) -> Case:
    draw, layers = Draw(seed, case.columns), case.column.layers
    added = {
        "irrigation": strength * draw.uniform(0.0, 1e-3),
        "run_on": strength * draw.uniform(0.0, 5e-3),
        "soil_water_source": strength * draw.uniform(-2e-4, 2e-4, layers),
        "soil_heat_source": strength * draw.uniform(-20.0, 20.0, layers),
        "bottom_water_inflow": strength * draw.uniform(-1e-4, 1e-4),
        "bottom_heat_inflow": strength * draw.uniform(0.0, 1.0),
    }
    return dataclasses.replace(case, forcing=dataclasses.replace(case.forcing, **added))


def stepped(scheme: str, case: Case):
    with torch.no_grad():
        return NoahModel(case.column, SCHEMES[scheme])(case.state, case.forcing, case.parameters, case.dt)


def water_added(forcing: Forcing) -> Tensor:
    layered_water = forcing.soil_water_source.sum(0) + forcing.bottom_water_inflow
    return forcing.irrigation + forcing.run_on + layered_water


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_is_added_is_in_the_budgets_of_water_and_heat(scheme):
    case = with_sources(case_of(scheme))
    after, fluxes = stepped(scheme, case)
    stored = water_storage(after, case.column) - water_storage(case.state, case.column)
    lost = fluxes.evapotranspiration + fluxes.surface_runoff + fluxes.drainage + fluxes.saturation_excess
    gained = case.forcing.precipitation + fluxes.numerical_water_source + water_added(case.forcing)
    assert (stored - case.dt * (gained - lost)).abs().max() < 1e-9
    assert fluxes.water_residual.abs().max() < 1e-10
    assert fluxes.soil_heat_residual.abs().max() < (1e-7 if scheme != "noah" else 1e-9)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_nothing_added_is_as_if_there_were_no_such_inputs(scheme):
    case = case_of(scheme)
    plain, _ = stepped(scheme, case)
    zero, _ = stepped(scheme, with_sources(case, 0.0))
    assert torch.equal(plain.soil.temperature, zero.soil.temperature)
    assert torch.equal(plain.soil.liquid_water, zero.soil.liquid_water)


def test_a_sink_that_finds_no_water_takes_what_there_is_and_the_rest_is_booked():
    case = case_of("conservative")
    asked = torch.full_like(case.state.soil.temperature, -0.5)
    forcing = dataclasses.replace(case.forcing, soil_water_source=asked)
    for scheme in SCHEMES:
        given = dataclasses.replace(case_of(scheme), forcing=forcing)
        after, fluxes = stepped(scheme, given)
        assert (fluxes.numerical_water_source > 0).all()
        assert (after.soil.moisture > 0.0199).all()
        assert fluxes.water_residual.abs().max() < 1e-9


def test_more_water_than_a_layer_holds_leaves_the_column_and_is_in_its_runoff():
    for scheme in SCHEMES:
        case = case_of(scheme)
        much = torch.full_like(case.state.soil.temperature, 0.02)
        given = dataclasses.replace(case, forcing=dataclasses.replace(case.forcing, soil_water_source=much))
        after, fluxes = stepped(scheme, given)
        _, plain = stepped(scheme, case)
        assert (after.soil.moisture <= case.parameters.soil.porosity + 1e-6).all(), scheme
        left = fluxes.surface_runoff + fluxes.drainage + fluxes.saturation_excess
        assert (left >= plain.surface_runoff + plain.drainage + plain.saturation_excess - 1e-9).all(), scheme
        assert fluxes.water_residual.abs().max() < 1e-9


@pytest.mark.parametrize("scheme", ["noah", "enthalpy", "conservative"])
def test_heat_in_a_frozen_layer_melts_it(scheme):
    case = case_of(scheme)
    heat = torch.zeros_like(case.state.soil.temperature)
    heat[2] = 40.0
    warmed, _ = stepped(
        scheme, dataclasses.replace(case, forcing=dataclasses.replace(case.forcing, soil_heat_source=heat))
    )
    plain, _ = stepped(scheme, case)
    frozen = (case.state.soil.ice[2] > 0.05) & (case.state.soil.temperature[2] < 273.0)
    assert frozen.any()
    assert (warmed.soil.ice[2] <= plain.soil.ice[2] + 1e-9)[frozen].all()
    assert (warmed.soil.ice[2] < plain.soil.ice[2] - 1e-4)[frozen].any()
    assert (warmed.soil.temperature[2] >= plain.soil.temperature[2] - 1e-6).all()


def test_a_flux_at_the_lower_boundary_is_a_source_of_the_lowest_layer():
    case = case_of("enthalpy")
    rate = torch.full_like(case.dt, 2e-5)
    lowest = torch.cat([torch.zeros_like(case.state.soil.ice[:-1]), rate[None]])
    by_flux = dataclasses.replace(case.forcing, bottom_water_inflow=rate, bottom_heat_inflow=1e5 * rate)
    by_layer = dataclasses.replace(case.forcing, soil_water_source=lowest, soil_heat_source=1e5 * lowest)
    one, other = (stepped("enthalpy", dataclasses.replace(case, forcing=f))[0] for f in (by_flux, by_layer))
    assert torch.equal(one.soil.temperature, other.soil.temperature)
    assert torch.equal(one.soil.liquid_water, other.soil.liquid_water)


@pytest.mark.parametrize(
    "scheme", ["noah", *(pytest.param(name, marks=pytest.mark.slow) for name in ("richards", "conservative"))]
)
def test_compiled_steps_and_derivatives_agree_with_eager_ones(scheme):
    case = with_sources(case_of(scheme, 36), 0.3)
    model = NoahModel(case.column, SCHEMES[scheme])
    found = {}
    for execution in ("eager", "compiled"):
        added = {name: getattr(case.forcing, name)[None].clone().requires_grad_() for name in ADDED}
        forcing = map_tensors(lambda value: value[None], case.forcing)
        forcing = dataclasses.replace(forcing, **added)
        outputs = ["soil.temperature", "soil.moisture", "surface_runoff"]
        path = run(model, case.state, forcing, case.parameters, case.dt, outputs=outputs, execution=execution)
        total = sum((value * (1.0 + 0.1 * k)).sum() for k, value in enumerate(path.outputs.values()))
        found[execution] = [*path.outputs.values(), *torch.autograd.grad(total, list(added.values()))]
    for one, other in zip(found["eager"], found["compiled"], strict=True):
        scale = one.abs().max() + 1e-30
        assert ((one - other).abs() / scale).max() < 1e-9


def test_the_derivative_by_every_source_is_that_of_differences():
    case = with_sources(case_of("enthalpy", 9), 0.1)
    model = NoahModel(case.column, SCHEMES["enthalpy"])

    def objective(forcing: Forcing) -> Tensor:
        after, fluxes = model(case.state, forcing, case.parameters, case.dt)
        return after.soil.temperature.sum(0) + after.soil.moisture.sum(0) + 1e3 * fluxes.surface_runoff

    for name in ADDED:
        value = getattr(case.forcing, name).clone().requires_grad_()
        result = objective(dataclasses.replace(case.forcing, **{name: value}))
        (gradient,) = torch.autograd.grad(result.sum(), value)
        size = 1e-6 if "water" in name or name in ("irrigation", "run_on") else 1e-3
        with torch.no_grad():
            up, down = (objective(dataclasses.replace(case.forcing, **{name: value + s * size})) for s in (1, -1))
        expected = (up - down) / (2 * size)
        found = gradient.sum(0) if gradient.ndim > 1 else gradient
        error = (found - expected).abs() / (expected.abs() + 1e-3 * expected.abs().max() + 1e-12)
        assert error.median() < 1e-5, name


class Halving(HeatLimitedSoilHeat):
    """A heat step of one's own that knows of no source."""

    def forward(self, temperature, liquid, ice, coupling, conductivity, parameters, dt):  # type: ignore[override]
        return super().forward(temperature, liquid, ice, coupling, conductivity, parameters, dt)


def test_a_heat_step_of_ones_own_that_knows_of_no_source_is_named():
    case = with_sources(case_of("noah", 9))
    model = NoahModel(
        case.column, Options(), {"phase_change": Halving(case.column, NoahModel(case.column).supercooled_water)}
    )
    assert not isinstance(model.step.soil_heat, Limited)
    with pytest.raises(ValueError, match="soil_heat_source: the scheme Halving in the slot phase_change"):
        model(case.state, case.forcing, case.parameters, case.dt)
