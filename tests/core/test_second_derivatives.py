"""Second derivatives, derivatives by step length and layers, and what cannot be differentiated."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable

import pytest
import torch
from random_columns import Case, random_case
from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.model import NoahModel
from noahpy_core.options import Options
from noahpy_core.quantities import replace_quantity
from noahpy_core.simulation import iterate, run
from noahpy_core.trees import map_tensors

ENTHALPY = Options(phase_change="enthalpy")
Functional = Callable[[Tensor, Tensor], Tensor]


def frozen_columns(columns: int, seed: int) -> Case:
    """Columns around the freezing point, most of them with ice."""
    return random_case(columns, 4, seed=seed, regime="freeze_up")


def column_values(case: Case, options: Options, steps: int = 1, execution: str = "eager") -> Functional:
    """One number per column after some steps, as a function of soil temperature and the exponent of the curve."""
    model = NoahModel(case.column, options)
    forcing = map_tensors(lambda x: torch.stack([x] * steps), case.forcing)

    def value(temperature: Tensor, exponent: Tensor) -> Tensor:
        state = replace_quantity(case.state, "soil.temperature", temperature)
        parameters = replace_quantity(case.parameters, "soil.clapp_hornberger_b", exponent)
        path = run(model, state, forcing, parameters, case.dt, outputs=["skin_temperature"], execution=execution)
        soil = path.final_state.soil
        return (soil.temperature + 30.0 * soil.liquid_water).sum(0) + 0.1 * path.outputs["skin_temperature"].sum(0)

    return value


def point(case: Case) -> tuple[Tensor, Tensor]:
    return case.state.soil.temperature, case.parameters.soil.clapp_hornberger_b


def directions(case: Case, seed: int) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(0.3 * torch.randn(x.shape, generator=generator, dtype=x.dtype) for x in point(case))


def along(vectors: tuple[Tensor, ...], others: tuple[Tensor, ...]) -> Tensor:
    """Products per column."""
    return sum((a * b).sum(0) for a, b in zip(vectors, others, strict=True))  # type: ignore[return-value]


def curvature(value: Functional, at: tuple[Tensor, ...], direction: tuple[Tensor, ...]) -> Tensor:
    """Second derivative along a direction in each column, by forward over reverse mode."""
    gradient = torch.func.grad(lambda *x: value(*x).sum(), argnums=(0, 1))
    return along(direction, torch.func.jvp(gradient, at, direction)[1])


def curvature_by_differences(value: Functional, at: tuple[Tensor, ...], direction: tuple[Tensor, ...]) -> Tensor:
    def slope(step: float) -> Tensor:
        moved = tuple((x + step * d).requires_grad_() for x, d in zip(at, direction, strict=True))
        return along(direction, torch.autograd.grad(value(*moved).sum(), moved))

    size = 1.0e-5
    return (slope(size) - slope(-size)) / (2.0 * size)


@pytest.mark.parametrize("curve", ["koren1999", "niu_yang2006"])
def test_the_second_derivative_of_a_freezing_step_is_that_of_differences(curve):
    case = frozen_columns(300, seed=3)
    value = column_values(case, Options(phase_change="enthalpy", supercooled_water=curve))
    found, expected = (
        method(value, point(case), directions(case, 4)) for method in (curvature, curvature_by_differences)
    )
    share = (found - expected).abs() / (expected.abs() + expected.abs().median())
    # A few columns have a layer whose end lies at the freezing point, where the slope jumps.
    assert share.quantile(0.95).item() < 1.0e-5
    assert expected.abs().median().item() > 1.0e-4


def test_reverse_over_reverse_equals_forward_over_reverse_through_a_freezing_step():
    case = frozen_columns(100, seed=5)
    model, direction = NoahModel(case.column, ENTHALPY), directions(case, 6)
    leaves = tuple(x.clone().requires_grad_() for x in point(case))
    state = replace_quantity(case.state, "soil.temperature", leaves[0])
    parameters = replace_quantity(case.parameters, "soil.clapp_hornberger_b", leaves[1])
    soil = model(state, case.forcing, parameters, case.dt)[0].soil
    slopes = torch.autograd.grad((soil.temperature + 30.0 * soil.liquid_water).sum(), leaves, create_graph=True)
    twice = torch.autograd.grad(along(direction, slopes).sum(), leaves)

    def value(*given: Tensor) -> Tensor:
        state = replace_quantity(case.state, "soil.temperature", given[0])
        parameters = replace_quantity(case.parameters, "soil.clapp_hornberger_b", given[1])
        soil = model(state, case.forcing, parameters, case.dt)[0].soil
        return (soil.temperature + 30.0 * soil.liquid_water).sum()

    mixed = torch.func.jvp(torch.func.grad(value, argnums=(0, 1)), tuple(x.detach() for x in leaves), direction)[1]
    for one, other in zip(twice, mixed, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9 * other.abs().max().item())


@pytest.mark.parametrize("execution", ["eager", pytest.param("compiled", marks=pytest.mark.slow)])
def test_transformations_of_torch_func_go_through_a_run(execution):
    case = random_case(1, 2, seed=7, regime="freeze_up")
    value, at = column_values(case, ENTHALPY, steps=2, execution=execution), point(case)
    total = lambda t: value(t, at[1]).sum()  # noqa: E731
    leaf = at[0].clone().requires_grad_()
    (expected,) = torch.autograd.grad(total(leaf), leaf)
    torch.testing.assert_close(torch.func.grad(total)(at[0]), expected, rtol=1e-9, atol=1e-12)
    shifts = torch.stack([at[0], at[0] + 0.5])
    mapped = torch.func.vmap(torch.func.grad(total))(shifts)
    torch.testing.assert_close(mapped[0], expected, rtol=1e-7, atol=1e-9)
    hessian = torch.func.hessian(total)(at[0])[:, 0, :, 0]
    torch.testing.assert_close(hessian, hessian.T, rtol=1e-7, atol=1e-9)
    (direction, _) = directions(case, 8)
    product = torch.func.jvp(torch.func.grad(total), (at[0],), (direction,))[1]
    torch.testing.assert_close(hessian @ direction, product, rtol=1e-9, atol=1e-12)


def test_a_second_backward_pass_through_an_eager_run_is_refused():
    case = frozen_columns(3, seed=9)
    leaves = tuple(x.clone().requires_grad_() for x in point(case))
    total = column_values(case, Options(), 2, "eager")(*leaves).sum()
    (slope,) = torch.autograd.grad(total, leaves[0], create_graph=True)
    with pytest.raises(RuntimeError, match=r"no derivative of its own.*'compiled', or torch\.func"):
        torch.autograd.grad(slope.sum(), leaves[1])


# --- step length and layers -------------------------------------------------------------------------------------------


def by_step_and_layers(case: Case, options: Options, execution: str) -> tuple[Tensor, ...]:
    """Derivative by step length and layer thickness, of two steps."""
    dt, thickness = case.dt.clone().requires_grad_(), case.column.thickness.clone().requires_grad_()
    model = NoahModel(SoilColumn(thickness), options)
    forcing = map_tensors(lambda x: torch.stack([x, x.roll(1, -1)]), case.forcing)
    if execution == "stepwise":
        *_, (state, _) = iterate(model, case.state, (forcing.at(0), forcing.at(1)), case.parameters, dt)
    else:
        state = run(model, case.state, forcing, case.parameters, dt, outputs=[], execution=execution).final_state
    total = (state.soil.temperature + 50.0 * state.soil.liquid_water).sum() + state.snow.water_equivalent.sum()
    return torch.autograd.grad(total, (dt, thickness))


@pytest.mark.parametrize("phase_change", ["heat_limited", "enthalpy"])
@pytest.mark.parametrize("execution", ["eager", "compiled"])
def test_a_run_is_differentiated_by_step_length_and_layer_thickness(execution, phase_change):
    case, options = random_case(30, 4, seed=11), Options(phase_change=phase_change)
    found = by_step_and_layers(case, options, execution)
    expected = by_step_and_layers(case, options, "stepwise")
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert bool((other != 0).any())
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11 * other.abs().max().item())


@pytest.mark.parametrize("length", [0.0, -1800.0, float("nan"), float("inf"), torch.tensor([1800.0, -1.0])])
def test_a_step_length_that_is_not_positive_is_refused(length):
    case = random_case(2, 4, seed=12)
    model, series = NoahModel(case.column), map_tensors(lambda x: x[None], case.forcing)
    with pytest.raises(ValueError, match=r"dt: a step of .* s\. Give a positive number of seconds"):
        run(model, case.state, series, case.parameters, length, outputs=[])
    with pytest.raises(ValueError, match="dt: a step of"):
        next(iterate(model, case.state, [case.forcing], case.parameters, length))
    if not isinstance(length, Tensor):
        with pytest.raises(ValueError, match="dt: a step of"):
            model(case.state, case.forcing, case.parameters, length)


@pytest.mark.parametrize("name", ["checkpoint_every", "truncate_every"])
@pytest.mark.parametrize("steps", [0, -3])
def test_an_interval_below_one_step_is_refused(name, steps):
    case = random_case(2, 4, seed=13)
    series = map_tensors(lambda x: x[None], case.forcing)
    with pytest.raises(ValueError, match=rf"{name}: {steps} steps\. Give at least 1"):
        run(NoahModel(case.column), case.state, series, case.parameters, 1800.0, outputs=[], **{name: steps})


# --- derivatives that are of no use -----------------------------------------------------------------------------------


def weather_around_freezing(case: Case, steps: int) -> Case:
    """Air that swings about the freezing point every few steps."""
    swing = 6.0 * torch.sin(torch.arange(steps, dtype=torch.float64) * 0.7)[:, None]
    series = map_tensors(lambda x: torch.stack([x] * steps), case.forcing)
    return dataclasses.replace(
        case, forcing=dataclasses.replace(series, air_temperature=273.15 + swing.expand_as(series.air_temperature))
    )


@pytest.mark.parametrize("execution", ["eager", pytest.param("compiled", marks=pytest.mark.slow)])
def test_a_derivative_that_freezing_and_thawing_make_useless_is_warned_of(execution, monkeypatch):
    steps = 4 if execution == "eager" else 2000
    if execution == "eager":
        monkeypatch.setattr("noahpy_core.run_checks.LARGEST_GROWTH", 1.0e-3)
    case = weather_around_freezing(frozen_columns(16, seed=14), steps)

    def gradient(options: Options) -> list[str]:
        temperature = case.state.soil.temperature.clone().requires_grad_()
        state = replace_quantity(case.state, "soil.temperature", temperature)
        path = run(
            NoahModel(case.column, options), state, case.forcing, case.parameters, 10800.0,
            outputs=["skin_temperature"], execution=execution,
        )  # fmt: skip
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.autograd.grad(path.final_state.soil.temperature.sum(), temperature)
        return [str(warning.message) for warning in caught]

    assert execution == "eager" or gradient(ENTHALPY) == []
    found = gradient(Options())
    assert found
    assert all("phase_change 'heat_limited'" in text and "Use phase_change 'enthalpy'" in text for text in found)
