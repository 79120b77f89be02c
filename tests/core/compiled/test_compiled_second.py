"""Second derivatives in a kernel: those of torch, in every regime, however they are asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from compiled_cases import COVER, DIFFERENTIATED, FLUXES, Setup, Values, differences, leaves_of, series, shape_of
from network_cases import Conductivity, with_schemes
from random_columns import Case, layered, random_case
from threshold_columns import at_thresholds
from torch import Tensor

from noahpy_core.compiled.execute.program import Program
from noahpy_core.compiled.graph.evaluate import evaluate
from noahpy_core.compiled.graph.graph import causes, needed
from noahpy_core.compiled.record.second_order import ORDER, second_step
from noahpy_core.compiled.record.step_graph import CHANGE, Wanted, record_step
from noahpy_core.compiled.shape import STEP_LENGTH, THICKNESS
from noahpy_core.model import NoahModel
from noahpy_core.options import Options
from noahpy_core.presets import preset
from noahpy_core.quantities import replace_quantity
from noahpy_core.simulation import run

CLOSE = 1.0e-10
OUTPUTS = ["skin_temperature", "soil.temperature", "latent_heat_flux"]
PATHS = ("state.soil.temperature", "forcing.air_temperature", "parameters.soil.clapp_hornberger_b")
ENTHALPY = Options(phase_change="enthalpy")
Function = Callable[..., Tensor]


def functional(model: NoahModel, case: Case, execution: str, steps: int = 2, **how: Any) -> Function:
    """A number of results to more than the first power, as a function of something in state, weather and parameters."""
    trees = {"state": case.state, "forcing": series(case, steps), "parameters": case.parameters}

    def value(*given: Tensor) -> Tensor:
        moved = dict(trees)
        for name, tensor in zip(PATHS, given, strict=True):
            container, _, path = name.partition(".")
            moved[container] = replace_quantity(moved[container], path, tensor)
        found = run(model, *moved.values(), case.dt, outputs=OUTPUTS, execution=execution, **how)
        soil, outputs = found.final_state.soil, found.outputs
        sums = (soil.temperature + 30.0 * soil.liquid_water).sum() + 0.1 * outputs["skin_temperature"].sum()
        return sums + 1.0e-3 * (outputs["latent_heat_flux"] ** 2).sum() + outputs["soil.temperature"].mean()

    return value


def point(case: Case, steps: int = 2) -> tuple[Tensor, ...]:
    trees = {"state": case.state, "forcing": series(case, steps), "parameters": case.parameters}
    found = dict(leaves_of(trees))
    return tuple(found[name] for name in PATHS)


def direction(at: Sequence[Tensor], seed: int = 4) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(0.3 * torch.randn(x.shape, generator=generator, dtype=x.dtype) for x in at)


def forward_over_reverse(value: Function, at: tuple[Tensor, ...], along: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    gradient = torch.func.grad(value, argnums=tuple(range(len(at))))
    found: tuple[Tensor, ...] = torch.func.jvp(gradient, at, along)[1]
    return found


def reverse_over_reverse(value: Function, at: tuple[Tensor, ...], along: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    leaves = tuple(x.clone().requires_grad_() for x in at)
    slopes = torch.autograd.grad(value(*leaves), leaves, create_graph=True)
    return torch.autograd.grad(slopes, leaves, along)


def named(found: Sequence[Tensor]) -> Values:
    return dict(zip(PATHS, found, strict=True))


def assert_close(
    case: Case, found: Sequence[Tensor], expected: Sequence[Tensor], few: float = 0.0, close: float = CLOSE
) -> None:
    shares = differences(case, named(found), named(expected))
    beyond = torch.stack([share > close for share in shares.values()]).any(0)
    assert beyond.double().mean().item() <= few, {name: share.max().item() for name, share in shares.items()}


@pytest.mark.parametrize("setup", [pytest.param(COVER[2], marks=pytest.mark.slow), Setup(ENTHALPY, 2)], ids=str)
def test_the_graph_of_second_derivatives_is_that_of_first_ones_differentiated_by_torch(setup: Setup):
    columns, case = 12, setup.case(12, seed=700)
    step = record_step(shape_of(setup), ORDER)
    fluxes = tuple(name for name in DIFFERENTIATED if name in FLUXES)
    second = second_step(step, Wanted(fluxes, True, ("general", "snow", "soil", "vegetation", "step", "column")))
    back = [*second.back.state.values(), *second.back.forcing.values(), *(d for _, d in second.back.carried)]
    changes = [*second.state.values(), *second.forcing.values(), *second.carried]
    inputs = {node.attribute: node.length for node in needed([*back, *changes], causes) if node.op == "input"}

    # What is no quantity of the step is a derivative that comes in, or a change: any number will do.
    trees = {"state": case.state, "forcing": case.forcing, "parameters": case.parameters}
    known: dict[Any, Tensor] = {tuple(name.split(".", 1)): leaf for name, leaf in leaves_of(trees)}
    known |= {STEP_LENGTH: case.dt, THICKNESS: case.column.thickness.expand(-1, columns)}
    known |= {("constant", k): constant for k, constant in enumerate(step.constants)}
    generator = torch.Generator().manual_seed(7)
    for source in {source for source, _ in inputs} - known.keys():
        of = known.get((source[0].removesuffix(CHANGE), source[1]))
        rows = max([setup.layers, *(length for (one, _), length in inputs.items() if one == source)])
        drawn = torch.randn((rows, columns), generator=generator, dtype=torch.float64)
        known[source] = drawn if of is None else 0.1 * of * drawn[: of.shape[0] if of.ndim > 1 else 1].reshape(of.shape)

    def value(source: Any, part: int | None, length: int) -> Tensor:
        whole = known[source]
        if part is not None:
            return whole[part] if whole.ndim > 1 else whole
        return whole[:length] if length else whole.reshape(-1, columns)[0]

    given = {attribute: value(*attribute, length) for attribute, length in inputs.items()}
    moving = [
        (attribute, length)
        for attribute, length in inputs.items()
        if not attribute[0][0].endswith(CHANGE) and attribute[0][0] != "constant"
    ]

    def derivatives(*moved: Tensor) -> tuple[Tensor, ...]:
        of = given | dict(zip((attribute for attribute, _ in moving), moved, strict=True))
        found = evaluate(back, of, step.constants, columns)
        return tuple(found[node.number] for node in back)

    directions = [
        given.get(((source[0] + CHANGE, source[1]), part), torch.zeros_like(given[source, part]))
        for (source, part), _ in moving
    ]
    _, expected = torch.func.jvp(derivatives, tuple(given[one].clone() for one, _ in moving), tuple(directions))
    found = evaluate(changes, given, step.constants, columns)
    for node, by_torch in zip(changes, expected, strict=True):
        one = found[node.number].expand_as(by_torch)
        torch.testing.assert_close(one, by_torch, rtol=1e-9, atol=1e-10 * by_torch.abs().max().item())
    assert sum(bool((one != 0).any()) for one in expected) > 0.5 * len(expected)


@pytest.mark.slow
@pytest.mark.parametrize("setup", COVER[:4], ids=str)
def test_products_with_the_hessian_are_those_of_torch_in_every_regime(setup: Setup):
    case = setup.case(60, seed=701)
    at, model = point(case), setup.model(case)
    expected = forward_over_reverse(functional(model, case, "eager"), at, direction(at))
    assert all(bool((one != 0).any()) for one in expected)
    compiled = functional(model, case, "compiled")
    # In a column in a hundred round-off decides.
    assert_close(case, forward_over_reverse(compiled, at, direction(at)), expected, few=0.02)
    assert_close(case, reverse_over_reverse(compiled, at, direction(at)), expected, few=0.02)


@pytest.mark.slow
def test_products_of_the_coupled_column_are_those_of_torch():
    case = random_case(5, 3, seed=41, regime="freeze_up")
    case = dataclasses.replace(case, state=layered(case.state))
    at, model = point(case), NoahModel(case.column, preset("conservative"))
    expected = forward_over_reverse(functional(model, case, "eager"), at, direction(at))
    assert all(bool((one != 0).any()) for one in expected)
    for method in (forward_over_reverse, reverse_over_reverse):
        assert_close(case, method(functional(model, case, "compiled"), at, direction(at)), expected)


@pytest.mark.slow
@pytest.mark.parametrize("columns", [1, 9])
def test_products_are_the_same_however_many_states_are_kept(columns):
    case = random_case(columns, 3, seed=702, regime="freeze_up")
    at, model = point(case, 7), NoahModel(case.column, ENTHALPY)
    whole = functional(model, case, "compiled", 7)
    stretches = functional(model, case, "compiled", 7, checkpoint_every=3)
    for method in (forward_over_reverse, reverse_over_reverse):
        for one, other in zip(method(whole, at, direction(at)), method(stretches, at, direction(at)), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12 * other.abs().max().item())


@pytest.mark.slow
def test_a_product_is_the_difference_of_gradients():
    case = random_case(200, 3, seed=703, regime="freeze_up")
    at, value = point(case), functional(NoahModel(case.column, ENTHALPY), case, "compiled")
    along, size = direction(at), 1.0e-5

    def slopes(step: float) -> tuple[Tensor, ...]:
        leaves = tuple((x + step * d).requires_grad_() for x, d in zip(at, along, strict=True))
        return torch.autograd.grad(value(*leaves), leaves)

    pairs = zip(slopes(size), slopes(-size), strict=True)
    expected = [(above - below) / (2.0 * size) for above, below in pairs]
    shares = differences(case, named(forward_over_reverse(value, at, along)), named(expected))
    # A few columns have a layer whose end lies at the freezing point, where the slope jumps.
    assert all(share.quantile(0.95).item() < 1.0e-6 for share in shares.values())


@pytest.mark.slow
def test_hessian_goes_through_kernels_and_is_symmetric():
    case = random_case(2, 3, seed=704, regime="freeze_up")
    at = point(case)
    value = functional(NoahModel(case.column, ENTHALPY), case, "compiled")
    total = lambda temperature: value(temperature, *at[1:])  # noqa: E731
    hessian = torch.func.hessian(total)(at[0]).reshape(6, 6)
    assert bool((hessian != 0).any())
    torch.testing.assert_close(hessian, hessian.T, rtol=1e-9, atol=1e-10 * hessian.abs().max().item())
    (along, *_) = direction(at)
    still = tuple(map(torch.zeros_like, at[1:]))
    (product, *_) = forward_over_reverse(value, at, (along, *still))
    torch.testing.assert_close(hessian @ along.reshape(-1), product.reshape(-1), rtol=1e-9, atol=1e-12)
    _, again = torch.autograd.functional.hvp(total, at[0], along)
    torch.testing.assert_close(again, product, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_gradients_of_a_batch_are_those_of_its_members():
    case = random_case(3, 3, seed=705)
    at = point(case)
    value = functional(NoahModel(case.column, ENTHALPY), case, "compiled")
    gradient = torch.func.grad(lambda temperature: value(temperature, *at[1:]))
    points = torch.stack([at[0], at[0] + 0.5])
    together = torch.func.vmap(gradient)(points)
    for number in range(2):
        leaf = points[number].clone().requires_grad_()
        (expected,) = torch.autograd.grad(value(leaf, *at[1:]), leaf)
        assert torch.equal(together[number], expected)
        assert torch.equal(gradient(points[number]), expected)


@pytest.mark.slow
def test_step_length_layers_and_what_columns_share_have_second_derivatives():
    case = random_case(5, 3, seed=706, regime="freeze_up")
    case = dataclasses.replace(case, column=dataclasses.replace(case.column, thickness=case.column.thickness[:, :1]))
    weather = series(case, 2)

    def value(execution: str) -> Function:
        def total(dt: Tensor, thickness: Tensor, porosity: Tensor) -> Tensor:
            parameters = replace_quantity(case.parameters, "soil.porosity", porosity)
            column = dataclasses.replace(case.column, thickness=thickness)
            model = NoahModel(column, ENTHALPY)
            found = run(model, case.state, weather, parameters, dt, outputs=[], execution=execution)
            return (found.final_state.soil.temperature**2).sum()

        return total

    at = (case.dt[:1], case.column.thickness, case.parameters.soil.porosity[:, :1])
    along = tuple(0.01 * x for x in at)
    expected = forward_over_reverse(value("eager"), at, along)
    for method in (forward_over_reverse, reverse_over_reverse):
        for one, other in zip(method(value("compiled"), at, along), expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10 * other.abs().max().item())


@pytest.mark.slow
def test_networks_have_second_derivatives_by_their_weights():
    case = random_case(40, 2, seed=707, regime="freeze_up")
    model = with_schemes(case, "enthalpy", {"soil_thermal": Conductivity()})
    weights = [*model.parameters()]
    along = direction(weights)

    def product(execution: str) -> tuple[Tensor, ...]:
        total = functional(model, case, execution)(*point(case))
        slopes = torch.autograd.grad(total, weights, create_graph=True)
        return torch.autograd.grad(slopes, weights, along)

    def by_differences(size: float = 1.0e-4) -> list[Tensor]:
        sides = []
        for sign in (1.0, -1.0):
            with torch.no_grad():
                for weight, change in zip(weights, along, strict=True):
                    weight += sign * size * change
            sides.append(torch.autograd.grad(functional(model, case, "compiled")(*point(case)), weights))
            with torch.no_grad():
                for weight, change in zip(weights, along, strict=True):
                    weight -= sign * size * change
        return [(above - below) / (2.0 * size) for above, below in zip(*sides, strict=True)]

    for one, other in zip(product("compiled"), by_differences(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5 * other.abs().max().item())


@pytest.mark.slow
def test_a_batch_of_directions_takes_the_kernel_of_second_derivatives(monkeypatch):
    case = random_case(3, 3, seed=704, regime="freeze_up")
    at, calls, second = point(case), [], Program.second
    monkeypatch.setattr(Program, "second", lambda *given, **how: calls.append(1) or second(*given, **how))
    value = functional(NoahModel(case.column, ENTHALPY), case, "auto")
    forward_over_reverse(value, at, direction(at))
    assert len(calls) == 1


# --- what there is not ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_gradient_that_is_cut_in_time_has_no_second_derivative():
    case = random_case(3, 3, seed=708)
    at, model = point(case, 4), NoahModel(case.column, ENTHALPY)
    value = functional(model, case, "compiled", 4, truncate_every=2)
    with pytest.raises(RuntimeError, match=r"truncate_every the derivative is cut.*Leave truncate_every out"):
        reverse_over_reverse(value, at, direction(at))


@pytest.mark.slow
def test_a_third_derivative_in_kernels_is_refused_and_torch_func_steps_eagerly():
    case = random_case(2, 2, seed=709)
    at, model = point(case), NoahModel(case.column, Options())
    value = functional(model, case, "compiled")
    leaves = tuple(x.clone().requires_grad_() for x in at)
    slopes = torch.autograd.grad(value(*leaves), leaves, create_graph=True)
    twice = torch.autograd.grad(slopes, leaves, direction(at), create_graph=True)
    with pytest.raises(RuntimeError, match="derivatives in kernels go to the second"):
        torch.autograd.grad(twice[0].sum(), leaves)
    total = lambda temperature: value(temperature, *at[1:])  # noqa: E731
    third = torch.func.grad(lambda t: torch.func.grad(lambda s: torch.func.grad(total)(s).sum())(t).sum())
    with pytest.raises(ValueError, match="beyond a second derivative"):
        third(at[0])


@pytest.mark.slow
@pytest.mark.parametrize("threshold", [False, True], ids=["random", "threshold"])
def test_products_through_the_equation_of_soil_water_are_those_of_torch(threshold: bool):
    case = COVER[4].case(60, seed=711)
    case = at_thresholds(case) if threshold else case
    at, model = point(case, 1), COVER[4].model(case)
    expected = forward_over_reverse(functional(model, case, "eager", 1), at, direction(at))
    for method in (forward_over_reverse, reverse_over_reverse):
        found = method(functional(model, case, "compiled", 1), at, direction(at))
        assert_close(case, found, expected, close=1.0e-12)


@pytest.mark.slow
def test_batches_of_derivatives_are_refused_with_what_to_use_instead():
    case = random_case(2, 2, seed=709)
    at, value = point(case), functional(NoahModel(case.column, Options()), case, "auto")
    total = lambda temperature: value(temperature, *at[1:])[None]  # noqa: E731
    jacobian = torch.autograd.functional.jacobian
    with pytest.raises(RuntimeError, match=r"do not take a batch.*use torch\.func"):
        jacobian(total, at[0], vectorize=True)
    with pytest.raises(RuntimeError, match=r"do not take a batch.*use torch\.func"):
        jacobian(total, at[0], vectorize=True, strategy="forward-mode")
    with pytest.raises(RuntimeError, match=r"do not take a batch.*use torch\.func"):
        torch.autograd.functional.hessian(lambda temperature: total(temperature)[0], at[0], vectorize=True)
