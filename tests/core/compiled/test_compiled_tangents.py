"""Forward mode in a kernel: the changes that torch finds, in every regime, whatever the direction."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from compiled_cases import (
    COVER,
    COVER_IN_TURN,
    DIFFERENTIATED,
    ROUND_OFF,
    Setup,
    Values,
    differences,
    leaves_of,
    results_of,
    series,
    shaken,
)
from random_columns import Case, random_case
from torch import Tensor
from torch.autograd import forward_ad

from noahpy_core.column import SoilColumn
from noahpy_core.compiled.execute.program import Program
from noahpy_core.model import NoahModel
from noahpy_core.options import Options
from noahpy_core.quantities import quantities, replace_quantity
from noahpy_core.simulation import run
from noahpy_core.state import Fluxes
from noahpy_core.trees import map_tensors

OUTPUTS = [name for name in DIFFERENTIATED if not dict(quantities(Fluxes)).get(name, {}).get("optional")]
SWITCHES = ("two_pass_saturation", "material", "root_layers")


def directions(trees: dict[str, Any], seed: int) -> dict[str, Tensor]:
    """A random relative change of every leaf that has a derivative."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: leaf * torch.randn(leaf.shape, generator=generator, dtype=leaf.dtype).to(leaf.device)
        for name, leaf in leaves_of(trees)
        if not name.endswith(SWITCHES)
    }


def changes(setup: Setup, case: Case, execution: str, steps: int = 1, seed: int = 5) -> Values:
    """The change of all results in one direction of everything that enters, step length and layers too."""
    trees = {"state": case.state, "forcing": series(case, steps), "parameters": case.parameters}
    given = directions(trees, seed)
    with forward_ad.dual_level():
        for name, direction in given.items():
            container, _, path = name.partition(".")
            leaf = dict(leaves_of(trees))[name]
            trees[container] = replace_quantity(trees[container], path, forward_ad.make_dual(leaf, direction))
        thickness = forward_ad.make_dual(case.column.thickness, 0.01 * case.column.thickness)
        model = setup.model(dataclasses.replace(case, column=dataclasses.replace(case.column, thickness=thickness)))
        dt = forward_ad.make_dual(case.dt, 0.1 * case.dt)
        path = run(model, *trees.values(), dt, outputs=OUTPUTS, execution=execution)
        found = {name: forward_ad.unpack_dual(value).tangent for name, value in results_of(path).items()}
    return {name: torch.zeros_like(case.dt) if value is None else value for name, value in found.items()}


@pytest.mark.parametrize("setup", COVER_IN_TURN, ids=str)
def test_changes_in_a_kernel_are_those_of_torch_in_every_regime(setup):
    case = setup.case(90, seed=31)
    reference = changes(setup, case, "eager")
    found = differences(case, changes(setup, case, "compiled"), reference)
    beyond = torch.stack([shares > ROUND_OFF for shares in found.values()]).any(0)
    assert beyond.double().mean().item() <= 0.03
    spreads = [differences(case, changes(setup, shaken(case, k), "eager"), reference) for k in range(3)]
    for name, shares in found.items():
        # Torch takes one step more at the root of an implicit function than the kernel.
        allowed = torch.stack([torch.full_like(shares, 1.0e-11), *(10.0 * spread[name] for spread in spreads)]).amax(0)
        assert bool((shares <= allowed).all()), name


@pytest.mark.slow
def test_a_single_column_and_several_steps_have_the_changes_of_torch():
    for setup in (COVER[0], COVER[3]):
        case = setup.case(9, seed=32).select(slice(4, 5))
        for name, value in changes(setup, case, "eager", steps=3).items():
            found = changes(setup, case, "compiled", steps=3)[name]
            torch.testing.assert_close(found, value, rtol=1e-9, atol=1e-9 * value.abs().max().item())


def column_value(case: Case, options: Options, execution: str) -> Any:
    setup = Setup(options, case.column.layers)

    def value(temperature: Tensor) -> Tensor:
        state = replace_quantity(case.state, "soil.temperature", temperature)
        path = run(
            setup.model(case), state, series(case, 2), case.parameters, case.dt, outputs=["soil.moisture"],
            execution=execution,
        )  # fmt: skip
        return path.outputs["soil.moisture"].sum((0, 1)) + path.final_state.soil.temperature.sum(0)

    return value


@pytest.mark.slow
def test_jacfwd_goes_through_kernels_and_equals_jacrev(monkeypatch):
    case = random_case(3, 4, seed=33, regime="freeze_up")
    calls = []
    tangent = Program.tangent
    monkeypatch.setattr(Program, "tangent", lambda *a, **k: calls.append(1) or tangent(*a, **k))
    value, point = column_value(case, Options(phase_change="enthalpy"), "compiled"), case.state.soil.temperature
    forward = torch.func.jacfwd(value)(point)
    assert len(calls) == 1, "directions are columns of one call"
    for number in range(point.numel()):
        direction = torch.zeros_like(point).reshape(-1)
        direction[number] = 1.0
        _, alone = torch.func.jvp(value, (point,), (direction.reshape(point.shape),))
        assert torch.equal(alone, forward.reshape(3, -1)[:, number])
    rows = []
    for column in range(3):
        leaf = point.clone().requires_grad_()
        rows.append(torch.autograd.grad(value(leaf)[column], leaf)[0])
    torch.testing.assert_close(forward, torch.stack(rows), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("columns", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_directions_beside_each_other_may_be_of_what_all_columns_share_and_of_layers_of_each(columns):
    case = random_case(columns, 4, seed=36)
    first = map_tensors(lambda x: x[..., :1], case.parameters)
    for thickness in (case.column.thickness[:, :1], case.column.thickness.expand(-1, columns)):
        model = NoahModel(SoilColumn(thickness), Options())

        def value(porosity: Tensor) -> Tensor:
            parameters = replace_quantity(first, "soil.porosity", porosity)
            path = run(
                model, case.state, series(case, 2), parameters, case.dt,  # noqa: B023 - called at once
                outputs=["soil.moisture"], execution="compiled",
            )  # fmt: skip
            return path.outputs["soil.moisture"].sum((0, 1))

        point = first.soil.porosity
        together = torch.func.jacfwd(value)(point)
        for layer in range(4):
            direction = torch.zeros_like(point)
            direction[layer] = 1.0
            assert torch.equal(torch.func.jvp(value, (point,), (direction,))[1], together[:, layer, 0])


def test_as_many_directions_are_taken_at_once_as_fit_in_memory(monkeypatch):
    case = random_case(3, 4, seed=37)
    value, point = column_value(case, Options(), "compiled"), case.state.soil.temperature
    whole, tangent, calls = torch.func.jacfwd(value)(point), Program.tangent, []
    monkeypatch.setattr("noahpy_core.compiled.execute.tangent.MEMORY", 30_000)
    monkeypatch.setattr(Program, "tangent", lambda *given, **how: calls.append(1) or tangent(*given, **how))
    assert torch.equal(torch.func.jacfwd(value)(point), whole)
    assert 1 < len(calls) < point.numel()


def test_a_single_direction_takes_the_steps_once_and_has_the_values_of_the_run(monkeypatch):
    case = random_case(3, 4, seed=38)
    value, point = column_value(case, Options(), "compiled"), case.state.soil.temperature
    alone = value(point)

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("steps without changes")

    monkeypatch.setattr(Program, "forward", refused)
    values, change = torch.func.jvp(value, (point,), (torch.ones_like(point),))
    assert torch.equal(values, alone)
    monkeypatch.undo()
    still, none = torch.func.jvp(lambda x: value(point) + 0.0 * x.sum(0), (point,), (torch.ones_like(point),))
    assert torch.equal(still, alone)
    assert bool((change != 0).any())
    assert not bool(none.any())


def test_vmap_of_jvp_over_points_is_that_of_each_point():
    case = random_case(3, 4, seed=34)
    value, point = column_value(case, Options(), "compiled"), case.state.soil.temperature
    points, direction = torch.stack([point, point + 0.5]), torch.ones_like(point)
    change = lambda at: torch.func.jvp(value, (at,), (direction,))[1]  # noqa: E731
    together = torch.func.vmap(change)(points)
    for k in range(2):
        assert torch.equal(together[k], change(points[k]))


def test_forward_mode_beside_leaves_that_require_a_gradient_is_left_to_torch():
    case = random_case(3, 4, seed=35)
    dt = case.dt.clone().requires_grad_()
    forcing = map_tensors(lambda x: x[None], case.forcing)
    trees = {"state": case.state, "forcing": forcing, "parameters": case.parameters}
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(case.state.soil.temperature, torch.ones_like(case.state.soil.temperature))
        trees["state"] = replace_quantity(case.state, "soil.temperature", dual)
        path = run(COVER[0].model(case), *trees.values(), dt, outputs=[])
        change = forward_ad.unpack_dual(path.final_state.soil.temperature).tangent
        (mixed,) = torch.autograd.grad(change.sum(), dt)
    assert bool((mixed != 0).any())
