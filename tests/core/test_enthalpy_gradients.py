"""Derivatives of the enthalpy heat step, of a model step with it, and of runs through a freeze-up.

Columns do not see each other: one direction for each column tests all columns with two evaluations.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from heat_columns import FREEZING, HeatCase, heat_case
from random_columns import REGIMES, Case, Draw, random_case
from torch import Tensor, nn
from torch.autograd import forward_ad

from noahpy_core.model import NoahModel
from noahpy_core.options import Options
from noahpy_core.parameters import SoilParameters
from noahpy_core.physics.freezing import FreezingCurve, Koren1999, NiuYang2006
from noahpy_core.physics.soil_heat import Coupling
from noahpy_core.physics.soil_thermal import CoteKonrad2005
from noahpy_core.quantities import get_quantity
from noahpy_core.simulation import iterate, run
from noahpy_core.state import Forcing, SoilState
from noahpy_core.tables import soil_parameters
from noahpy_core.trees import tree_flatten, tree_unflatten

DAY = 86400.0
Function = Callable[..., tuple[Tensor, ...]]
ENTHALPY = Options(phase_change="enthalpy")
NOT_DIFFERENTIABLE = ("two_pass_saturation", "material", "root_layers")


@pytest.fixture(params=[Koren1999, NiuYang2006], ids=lambda scheme: scheme.__name__)
def curve(request) -> FreezingCurve:
    return request.param()


# --- the heat step as a function of tensors --------------------------------------------------------------------------

SOIL = ("clapp_hornberger_b", "saturated_suction", "porosity")
GENERAL = ("deep_temperature", "mineral_heat_capacity", "deep_temperature_depth")
INPUTS = ("temperature", "liquid", "ice", *(f"coupling {x}" for x in Coupling._fields), "conductivity", *SOIL, *GENERAL)


def heat_inputs(case: HeatCase) -> tuple[Tensor, ...]:
    soil, general = case.parameters.soil, case.parameters.general
    return (
        case.temperature, case.liquid, case.ice, *case.coupling, case.conductivity,
        *(getattr(soil, name) for name in SOIL), *(getattr(general, name) for name in GENERAL),
    )  # fmt: skip


def heat_function(case: HeatCase, curve: FreezingCurve, dt: float) -> Function:
    """The step as a function of `heat_inputs`."""

    def step(*values: Tensor) -> tuple[Tensor, ...]:
        soil = dataclasses.replace(case.parameters.soil, **dict(zip(SOIL, values[7:10], strict=True)))
        general = dataclasses.replace(case.parameters.general, **dict(zip(GENERAL, values[10:], strict=True)))
        given = dataclasses.replace(
            case,
            temperature=values[0],
            liquid=values[1],
            ice=values[2],
            coupling=Coupling(*values[3:6]),
            conductivity=values[6],
            parameters=dataclasses.replace(case.parameters, soil=soil, general=general),
        )
        return tuple(part for part in given.step(curve, dt) if part is not None)

    return step


def select_columns(case: HeatCase, kept: Tensor) -> HeatCase:
    pick = lambda x: x[..., kept]  # noqa: E731
    values = {name: pick(getattr(case, name)) for name in ("temperature", "liquid", "ice", "conductivity")}
    parameters = torch.utils._pytree.tree_map(pick, case.parameters)
    return dataclasses.replace(case, **values, coupling=Coupling(*map(pick, case.coupling)), parameters=parameters)


def smooth_case(curve: FreezingCurve, dt: float, columns: int, seed: int) -> HeatCase:
    """Columns with freezing and thawed layers whose step ends away from the freezing point and from the floor."""
    case = heat_case(400, 4, seed=seed, regime="freeze_up").on_curve(curve)
    heat = case.step(curve, dt)
    far = (heat.temperature - curve.freezing_point(case.total, case.parameters.soil)).abs() > 0.02
    off_floor = (heat.liquid - curve.smallest).abs() > 1e-3
    mixed = (heat.ice > 0.01).any(0) & (heat.ice == 0.0).any(0)
    kept = ((far & off_floor).all(0) & mixed).nonzero().flatten()[:columns]
    assert kept.numel() == columns
    return select_columns(case, kept)


def test_the_heat_step_passes_gradcheck(curve):
    case = smooth_case(curve, 10800.0, 1, seed=1)
    inputs, step = heat_inputs(case), heat_function(case, curve, 10800.0)

    def relative(*factors: Tensor) -> tuple[Tensor, ...]:
        # Fluxes and temperatures of unequal size, as functions of relative changes of inputs of unequal size.
        heat = step(*(x * (1.0 + f) for x, f in zip(inputs, factors, strict=True)))
        return tuple(value / scale for value, scale in zip(heat, (273.0, 0.3, 0.3, 100.0, 10.0, 100.0), strict=True))

    factors = tuple(torch.zeros_like(x, requires_grad=True) for x in inputs)
    assert torch.autograd.gradcheck(relative, factors, eps=1e-6, atol=1e-4, rtol=1e-4)


def random_like(tensors: Sequence[Tensor], seed: int) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(x.shape, generator=generator, dtype=x.dtype) for x in tensors)


def times(ones: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
    return torch.stack([(a * b).sum() for a, b in zip(ones, others, strict=True)]).sum()


@pytest.mark.parametrize("dt", [60.0, DAY, 30.0 * DAY])
def test_reverse_mode_is_the_transpose_of_forward_mode(dt, curve):
    case = heat_case(300, seed=2)
    inputs, step = heat_inputs(case), heat_function(case, curve, dt)
    directions = [x * d for x, d in zip(inputs, random_like(inputs, 3), strict=True)]
    outputs, forward = torch.func.jvp(step, inputs, tuple(directions))
    cotangents = random_like(outputs, 4)
    leaves = [x.clone().requires_grad_() for x in inputs]
    reverse = torch.autograd.grad(step(*leaves), leaves, cotangents)
    size = sum((a * b).abs().sum() for a, b in zip(forward, cotangents, strict=True))
    assert abs(times(forward, cotangents) - times(directions, reverse)) < 1e-12 * size

    with forward_ad.dual_level():
        dual = step(*(forward_ad.make_dual(x, d) for x, d in zip(inputs, directions, strict=True)))
        for value, expected in zip(dual, forward, strict=True):
            torch.testing.assert_close(forward_ad.unpack_dual(value).tangent, expected, rtol=1e-12, atol=0.0)


def test_vmap_equals_the_batch(curve):
    case = heat_case(6, seed=5)
    inputs, step = heat_inputs(case), heat_function(case, curve, DAY)
    moved = [torch.stack([x * (1.0 + 1e-3 * k) for k in range(3)]) for x in inputs]
    mapped = torch.func.vmap(step)(*moved)
    for k in range(3):
        for together, alone in zip(mapped, step(*(x[k] for x in moved)), strict=True):
            torch.testing.assert_close(together[k], alone, rtol=1e-12, atol=1e-7)
    mapped_fixed = torch.func.vmap(lambda t: step(t, *inputs[1:]))(moved[0])
    torch.testing.assert_close(mapped_fixed[0][0], step(*inputs)[0], rtol=1e-12, atol=0.0)


def test_vmap_over_directions_gives_the_jacobian(curve):
    case = smooth_case(curve, DAY, 1, seed=6)
    inputs, step = heat_inputs(case), heat_function(case, curve, DAY)
    of_temperature = lambda t: step(t, *inputs[1:])[0]  # noqa: E731
    forward, reverse = torch.func.jacfwd(of_temperature)(inputs[0]), torch.func.jacrev(of_temperature)(inputs[0])
    torch.testing.assert_close(forward, reverse, rtol=1e-11, atol=1e-13)
    assert (torch.diagonal(forward[:, 0, :, 0]) > 0).all()


# --- the curve -------------------------------------------------------------------------------------------------------


def test_the_equilibrium_passes_gradcheck(curve):
    draw = Draw(7, 40)
    b, suction, porosity = draw.uniform(2.8, 5.3), draw.uniform(0.03, 0.6), draw.uniform(0.35, 0.5)
    total, temperature = draw.uniform(0.15, 0.34), draw.uniform(264.0, 272.0)

    def liquid(t: Tensor, total: Tensor, b: Tensor, suction: Tensor, porosity: Tensor) -> tuple[Tensor, Tensor]:
        return curve.equilibrium(t, total, SoilParameters(b, b, suction, porosity, b, b, b))

    given = (temperature, total, b, suction, porosity)
    value, slope = liquid(*given)
    freezing = (value > curve.smallest + 1e-3) & (value < total - 1e-3)
    assert freezing.sum() >= 20
    given = tuple(x[freezing].clone().requires_grad_() for x in given)
    assert torch.autograd.gradcheck(
        lambda *x: liquid(*x)[0], given, eps=1e-7, atol=1e-6, rtol=1e-5, check_forward_ad=True
    )
    of_temperature = torch.autograd.grad(liquid(*given)[0].sum(), given[0])[0]
    torch.testing.assert_close(of_temperature, slope[freezing], rtol=1e-9, atol=0.0)


# --- thresholds ------------------------------------------------------------------------------------------------------


def threshold_case(curve: FreezingCurve, seed: int) -> HeatCase:
    """10,000 columns of which many stand exactly on a threshold."""
    case, draw = heat_case(10000, 4, seed=seed, span=30.0), Draw(seed + 5, 10000)
    porosity, one = case.parameters.soil.porosity, torch.ones_like(case.liquid)
    kind = draw.uniform(0.0, 1.0, 4)
    total = torch.where(kind < 0.2, 0.02 * one, torch.where(kind < 0.4, porosity, case.total))
    ice_free = draw.chance(0.5, 4)
    ice = torch.where(ice_free, 0.0, (total - 0.02).clamp(min=0.0) * draw.uniform(0.0, 1.0, 4))
    freezing_point = curve.freezing_point(total, case.parameters.soil)
    place = draw.uniform(0.0, 1.0, 4)
    temperature = torch.where(place < 0.2, freezing_point, torch.where(place < 0.4, FREEZING * one, case.temperature))
    # The explicit curve puts the freezing point of almost dry soil far below any temperature on earth.
    temperature = temperature.clamp(min=220.0)
    surface = torch.where(draw.chance(0.3), temperature[0], case.coupling.temperature)
    case = case.with_temperature_of_surface(torch.where(draw.chance(0.2), FREEZING, surface))
    return dataclasses.replace(case, temperature=temperature, liquid=total - ice, ice=ice)


@pytest.mark.parametrize("dt", [1800.0, DAY])
def test_derivatives_are_finite_on_ten_thousand_columns_and_at_thresholds(dt, curve):
    case = threshold_case(curve, seed=8)
    inputs, step = heat_inputs(case), heat_function(case, curve, dt)
    outputs, forward = torch.func.jvp(step, inputs, random_like(inputs, 9))
    leaves = [x.clone().requires_grad_() for x in inputs]
    reverse = torch.autograd.grad(step(*leaves), leaves, random_like(outputs, 10))
    for value in (*outputs, *forward, *reverse):
        assert torch.isfinite(value).all()


# --- a step of the whole model ---------------------------------------------------------------------------------------


def moved(tree: Any, seed: int) -> Any:
    """Random directions for all leaves, relative to their values."""
    leaves, spec = tree_flatten(tree)
    directions = [None if x is None else x * d for x, d in zip(leaves, random_like(leaves, seed), strict=True)]
    return tree_unflatten(directions, spec)


def shifted(tree: Any, direction: Any, step: float) -> Any:
    return torch.utils._pytree.tree_map(lambda x, d: x + step * d, tree, direction)


def without_switches(parameters: Any) -> Any:
    """Directions of parameters with zeros for switches."""
    soil = dataclasses.replace(
        parameters.soil, **{name: torch.zeros_like(getattr(parameters.soil, name)) for name in NOT_DIFFERENTIABLE[:2]}
    )
    vegetation = dataclasses.replace(
        parameters.vegetation, root_layers=torch.zeros_like(parameters.vegetation.root_layers)
    )
    return dataclasses.replace(parameters, soil=soil, vegetation=vegetation)


def column_sums(state: Any) -> Tensor:
    """A number for each column in which all of the soil and the surface have a part."""
    soil = state.soil
    weight = torch.linspace(1.0, 2.0, soil.temperature.shape[0], dtype=torch.float64)[:, None]
    total = (weight * (soil.temperature + 50.0 * soil.liquid_water + 30.0 * soil.ice)).sum(0)
    return total + 0.1 * state.snow.water_equivalent + 0.2 * state.skin_temperature + 5.0 * state.surface.albedo


GROUPS = {"all": (1.0, 1.0, 1.0), "state": (1.0, 0.0, 0.0), "forcing": (0.0, 1.0, 0.0), "parameters": (0.0, 0.0, 1.0)}
"""Whether the direction moves the state, the forcing and the parameters."""
ALL_OR_SLOW = [name if name == "all" else pytest.param(name, marks=pytest.mark.slow) for name in GROUPS]


def directions_of(trees: Sequence[Any], group: str, seed: int) -> list[Any]:
    """Random relative directions of state, forcing and parameters, zero for the others than `group`."""
    given = [moved(tree, seed + k) for k, tree in enumerate(trees)]
    given[2] = without_switches(given[2])
    return [
        torch.utils._pytree.tree_map(lambda x, share=share: share * x, tree)
        for tree, share in zip(given, GROUPS[group], strict=True)
    ]


def shifted_trees(trees: Sequence[Any], directions: Sequence[Any], step: Any) -> list[Any]:
    return [shifted(tree, direction, step) for tree, direction in zip(trees, directions, strict=True)]


@pytest.mark.parametrize("group", ALL_OR_SLOW)
@pytest.mark.parametrize("regime", list(REGIMES))
def test_reverse_mode_of_a_model_step_equals_central_differences(regime, group):
    case = random_case(120, seed=11, regime=regime)
    model, trees = NoahModel(case.column, ENTHALPY), [case.state, case.forcing, case.parameters]
    directions = directions_of(trees, group, 12)

    def value(step: Tensor | float) -> Tensor:
        after, _ = model(*shifted_trees(trees, directions, step), case.dt)
        return column_sums(after)

    # One step variable for each column: its gradient is the derivative in the column's direction.
    along = torch.zeros(120, dtype=torch.float64, requires_grad=True)
    exact = torch.autograd.grad(value(along).sum(), along)[0]
    with torch.no_grad():
        here, quotients = value(0.0), []
        for step in (4e-7, 2e-7):
            up, down = value(step), value(-step)
            quotients.append((up - down) / (2.0 * step))
            one_sided = (up - 2.0 * here + down).abs() / step
    estimate = quotients[0]
    scale = exact.abs() + estimate.abs() + 10.0
    # Beside a kink (dry and saturated soil start on one) there is no derivative to compare with.
    smooth = ((quotients[0] - quotients[1]).abs() < 1e-5 * scale) & (one_sided < 2e-5 * scale)
    assert smooth.sum() >= 25, f"{int(smooth.sum())} of 120 columns are smooth"
    assert ((estimate - exact).abs() / scale)[smooth].max() < 2e-5


# --- runs ------------------------------------------------------------------------------------------------------------

STEPS = 60
FEW = 20
"""Steps of a run that need not be long."""
OUTPUTS = ("soil.temperature", "soil.liquid_water", "skin_temperature", "evapotranspiration")


def freeze_up(dt: float, steps: int = STEPS, seed: int = 13) -> tuple[Case, Forcing]:
    """Three wet columns, and weather that goes from +4 to -14 degC with some rain and snow.

    Each column is of one soil: between gravel and clay Noah's water oscillates at daily steps, and derivatives grow
    with it beyond what a quotient can follow.
    """
    case, draw = random_case(3, seed=seed, regime="temperate"), Draw(seed + 1, 3)
    soil = soil_parameters(torch.tensor([[3, 6, 8]]).expand(4, 3))
    moisture = soil.porosity * draw.uniform(0.55, 0.75)
    case = dataclasses.replace(case, parameters=dataclasses.replace(case.parameters, soil=soil))
    temperature = torch.tensor([[276.5], [276.0], [275.5], [275.8]], dtype=torch.float64).expand(4, 3)
    state = dataclasses.replace(
        case.state,
        soil=SoilState(temperature + draw.uniform(-0.3, 0.3, 4), moisture, torch.zeros_like(moisture)),
        skin_temperature=draw.uniform(275.0, 277.0),
    )
    progress = torch.linspace(0.0, 1.0, steps, dtype=torch.float64)[:, None]
    hour = torch.arange(steps, dtype=torch.float64)[:, None] * dt / 3600.0
    sun = torch.clamp(torch.sin(2.0 * math.pi * (hour - 6.0) / 24.0), min=0.0) if dt < DAY else 0.3
    air = FREEZING + 4.0 - 18.0 * progress + draw.uniform(-1.5, 1.5, steps)
    pressure = 6.0e4 + draw.uniform(-300.0, 300.0, steps)
    saturated = 0.622 * 611.2 * torch.exp(17.67 * (air - FREEZING) / (air - 29.65)) / pressure
    forcing = Forcing(
        air_temperature=air,
        air_pressure=pressure,
        specific_humidity=saturated * draw.uniform(0.5, 0.9, steps),
        wind_speed=draw.uniform(1.0, 6.0, steps),
        shortwave_down=20.0 + 300.0 * sun * draw.uniform(0.5, 1.0, steps),
        longwave_down=280.0 - 70.0 * progress + draw.uniform(-10.0, 10.0, steps),
        precipitation=torch.where(draw.chance(0.2, steps), draw.uniform(2e-6, 3e-5, steps), 0.0),
        vegetation_fraction=draw.uniform(0.2, 0.6).expand(steps, 3).clone(),
    )
    return dataclasses.replace(case, state=state), forcing


def loss_of(outputs: Sequence[Tensor], final: Any) -> Tensor:
    """A smooth number made of all outputs at all times and of the last state."""
    weights = (1.0, 40.0, 0.3, 1.0e5)
    terms = [w * (x * torch.linspace(0.5, 1.5, x.shape[0], dtype=x.dtype).reshape(-1, *[1] * (x.ndim - 1))).mean()
             for w, x in zip(weights, outputs, strict=True)]  # fmt: skip
    return sum(terms) + column_sums(final).mean()


def loss_by_run(model: NoahModel, trees: Sequence[Any], dt: float, **how: Any) -> Tensor:
    state, forcing, parameters = trees
    result = run(model, state, forcing, parameters, dt, outputs=OUTPUTS, **how)
    return loss_of([result.outputs[name] for name in OUTPUTS], result.final_state)


def loss_by_iterate(model: NoahModel, trees: Sequence[Any], dt: float) -> Tensor:
    state, forcing, parameters = trees
    rows: list[list[Tensor]] = [[], [], [], []]
    for after, fluxes in iterate(
        model, state, (forcing.at(k) for k in range(forcing.air_temperature.shape[0])), parameters, dt
    ):
        for row, name in zip(rows, OUTPUTS, strict=True):
            row.append(get_quantity(fluxes if name == "evapotranspiration" else after, name))
    return loss_of([torch.stack(row) for row in rows], after)


def gradients(
    loss: Callable[..., Tensor], model: NoahModel, trees: Sequence[Any], dt: float, **how: Any
) -> list[Tensor]:
    """Of all leaves of state, forcing and parameters, zero where there is none."""
    leaves, spec = tree_flatten(list(trees))
    given = [None if x is None else x.clone().requires_grad_() for x in leaves]
    tensors = [x for x in given if x is not None]
    value = loss(model, tree_unflatten(given, spec), dt, **how)
    return list(torch.autograd.grad(value, tensors, allow_unused=True, materialize_grads=True))


def trees_of(dt: float, steps: int = STEPS) -> tuple[NoahModel, list[Any]]:
    case, forcing = freeze_up(dt, steps)
    return NoahModel(case.column, ENTHALPY), [case.state, forcing, case.parameters]


@pytest.mark.parametrize("dt", [10800.0, DAY], ids=["3-hourly", "daily"])
def test_the_made_up_weather_freezes_the_soil(dt):
    model, trees = trees_of(dt)
    final = run(model, *trees, dt, outputs=["soil.ice"])
    assert (final.outputs["soil.ice"][0] == 0.0).all()
    assert (final.outputs["soil.ice"][-1, 0] > 0.05).all()


@pytest.mark.parametrize("group", ALL_OR_SLOW)
@pytest.mark.parametrize("dt", [10800.0, DAY], ids=["3-hourly", "daily"])
def test_the_gradient_of_a_run_through_a_freeze_up_equals_central_differences(dt, group):
    model, trees = trees_of(dt)
    directions = directions_of(trees, group, 15)
    along = [x for x in tree_flatten(directions)[0] if x is not None]
    parts = torch.stack([(g * d).sum() for g, d in zip(gradients(loss_by_run, model, trees, dt), along, strict=True)])

    def value(step: float) -> float:
        return loss_by_run(model, shifted_trees(trees, directions, step), dt).item()

    with torch.no_grad():
        wide, narrow = ((value(h) - value(-h)) / (2.0 * h) for h in (1e-7, 5e-8))
    # What the inputs contribute may nearly cancel: the round-off of the quotients does not.
    size = parts.abs().sum().item()
    assert wide == pytest.approx(narrow, abs=1e-5 * size)
    assert parts.sum().item() == pytest.approx(wide, abs=1e-5 * size)


@pytest.fixture(scope="module")
def whole_gradient() -> list[Tensor]:
    """Of a short run, by the recorded adjoint of eager steps; compiled ones have tests of their own."""
    return gradients(loss_by_run, *trees_of(DAY, FEW), DAY, execution="eager")


def test_the_recorded_adjoint_equals_plain_automatic_differentiation(whole_gradient):
    recorded, plain = whole_gradient, gradients(loss_by_iterate, *trees_of(DAY, FEW), DAY)
    assert any((x != 0).any() for x in plain)
    for a, b in zip(recorded, plain, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12 * b.abs().max().item())


@pytest.mark.parametrize("spacing", [7, 50])
def test_the_spacing_of_checkpoints_does_not_change_the_gradient(spacing, whole_gradient):
    other = gradients(loss_by_run, *trees_of(DAY, FEW), DAY, checkpoint_every=spacing, execution="eager")
    for a, b in zip(whole_gradient, other, strict=True):
        torch.testing.assert_close(a, b, rtol=0.0, atol=0.0)


def loss_by_cut_iterate(model: NoahModel, trees: Sequence[Any], dt: float, cut: int) -> Tensor:
    """As `loss_by_iterate`, with the state taken as given before steps `cut`, 2 `cut`, ..."""
    state, forcing, parameters = trees
    rows: list[list[Tensor]] = [[], [], [], []]
    for k in range(forcing.air_temperature.shape[0]):
        if k and k % cut == 0:
            state = torch.utils._pytree.tree_map(lambda x: x.detach(), state)
        state, fluxes = model(state, forcing.at(k), parameters, dt)
        for row, name in zip(rows, OUTPUTS, strict=True):
            row.append(get_quantity(fluxes if name == "evapotranspiration" else state, name))
    return loss_of([torch.stack(row) for row in rows], state)


def test_truncation_cuts_the_gradient_before_every_so_many_steps(whole_gradient):
    (model, trees), cut = trees_of(DAY, FEW), 6
    truncated = gradients(loss_by_run, model, trees, DAY, truncate_every=cut, checkpoint_every=4, execution="eager")
    detached = gradients(loss_by_cut_iterate, model, trees, DAY, cut=cut)
    for a, b in zip(truncated, detached, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12 * b.abs().max().item())
    assert any(not torch.allclose(a, b, rtol=1e-6) for a, b in zip(truncated, whole_gradient, strict=True))


def test_truncation_after_the_last_step_cuts_nothing(whole_gradient):
    truncated = gradients(loss_by_run, *trees_of(DAY, FEW), DAY, truncate_every=FEW, execution="eager")
    for a, b in zip(truncated, whole_gradient, strict=True):
        torch.testing.assert_close(a, b, rtol=0.0, atol=0.0)


class ConductivityNetwork(nn.Module):
    """The built-in conductivity times a learned factor of liquid water and ice."""

    def __init__(self) -> None:
        super().__init__()
        self.scheme = CoteKonrad2005()
        self.layers = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 1)).double()

    def forward(self, liquid: Tensor, ice: Tensor, soil: SoilParameters) -> Tensor:
        factor = self.layers(torch.stack([liquid, ice], -1))[..., 0]
        return self.scheme(liquid, ice, soil) * torch.exp(0.3 * factor)


def test_the_gradient_reaches_a_network_in_a_slot():
    torch.manual_seed(0)
    network = ConductivityNetwork()
    case, forcing = freeze_up(DAY, FEW)
    model = NoahModel(case.column, ENTHALPY, processes={"soil_thermal": network})
    trees = [case.state, forcing, case.parameters]
    weights = list(network.layers.parameters())
    recorded = torch.autograd.grad(loss_by_run(model, trees, DAY), weights)
    assert all((gradient != 0).all() for gradient in recorded)
    directions = random_like(weights, 18)

    def value(step: float) -> float:
        with torch.no_grad():
            for weight, direction in zip(weights, directions, strict=True):
                weight += step * direction
            result = loss_by_run(model, trees, DAY).item()
            for weight, direction in zip(weights, directions, strict=True):
                weight -= step * direction
        return result

    wide, narrow = ((value(h) - value(-h)) / (2.0 * h) for h in (2e-6, 1e-6))
    assert wide == pytest.approx(narrow, rel=1e-5)
    assert times(recorded, directions).item() == pytest.approx(wide, rel=1e-5)
