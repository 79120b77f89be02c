"""The derivative of compiled steps is that of eager ones, whatever is differentiated and however it is computed."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from compiled_cases import (
    COVER,
    COVER_IN_TURN,
    DIFFERENTIATED,
    Setup,
    Values,
    assert_agreement,
    gradients,
    leaves_of,
    pairs_of_schemes,
    results_of,
    series,
    shares_of_largest,
    weights_of,
)
from random_columns import Case
from threshold_columns import at_thresholds
from torch import Tensor

from noahpy_core.quantities import get_quantity, replace_quantity
from noahpy_core.simulation import Trajectory, run
from noahpy_core.trees import map_tensors

COLUMNS = 450
SHORT, TWO_LAYERS = COVER[1], COVER[2]
STEPS = 7


def assert_gradients_agree(setup: Setup, case: Case, few: float = 0.01) -> None:
    assert_agreement(
        case, *(lambda case, way=way: gradients(setup, case, way) for way in ("compiled", "eager")), few=few
    )


@pytest.mark.parametrize("setup", COVER_IN_TURN, ids=str)
def test_the_gradient_by_every_leaf_agrees_with_eager_in_every_regime(setup):
    assert_gradients_agree(setup, setup.case(COLUMNS, seed=201))


@pytest.mark.slow
@pytest.mark.parametrize("layers", [2, 3, 4, 20])
@pytest.mark.parametrize("options", pairs_of_schemes(), ids=lambda options: "-".join(vars(options).values()))
def test_gradients_agree_with_eager_with_every_two_schemes(options, layers):
    for hydraulics, prescribed in (("table", False), ("derived", True)):
        setup = Setup(options, layers, hydraulics, prescribed)
        assert_gradients_agree(setup, setup.case(4 * COLUMNS, seed=202))


@pytest.mark.slow
@pytest.mark.parametrize("setup", [SHORT, COVER[0]], ids=str)
def test_gradients_of_single_columns_agree_with_eager(setup):
    case = setup.case(9, seed=203)

    def one_by_one(case: Case, execution: str) -> Values:
        alone = [gradients(setup, case.select(slice(k, k + 1)), execution) for k in range(case.columns)]
        return {name: torch.cat([one[name] for one in alone], -1) for name in alone[0]}

    assert_agreement(case, *(lambda case, way=way: one_by_one(case, way) for way in ("compiled", "eager")), few=0.12)


@pytest.mark.parametrize("setup", COVER_IN_TURN, ids=str)
def test_gradients_are_finite_at_the_thresholds(setup):
    case = at_thresholds(setup.case(1800, seed=204), seed=1)
    for name, value in gradients(setup, case, "compiled").items():
        assert bool(torch.isfinite(value).all()), name


@pytest.mark.slow
@pytest.mark.parametrize("setup", COVER, ids=str)
def test_gradients_at_the_thresholds_agree_with_eager(setup):
    """Ties included: where two values are equal, both take the same side. With the enthalpy scheme round-off decides
    about the side in a few columns, whose layers end at their freezing point."""
    case = at_thresholds(setup.case(1800, seed=204), seed=1)
    assert_gradients_agree(setup, case, few=0.06 if setup.options.phase_change == "enthalpy" else 0.005)


# --- several steps ----------------------------------------------------------------------------------------------------


def by_single_steps(setup: Setup, case: Case, steps: int) -> Values:
    """As `gradients` of a run, with torch's chain rule from one compiled step to the next."""
    weather = series(case, steps)
    trees = {"state": case.state, "forcing": weather, "parameters": case.parameters}
    trees = {name: map_tensors(lambda x: x.clone().requires_grad_(), tree) for name, tree in trees.items()}
    model, state, rows = setup.model(case), trees["state"], []
    for number in range(steps):
        record = map_tensors(lambda x, number=number: x[number : number + 1], trees["forcing"])
        path = run(model, state, record, trees["parameters"], case.dt, outputs=DIFFERENTIATED, execution="compiled")
        state = path.final_state
        rows.append(path.outputs)
    results = results_of(Trajectory({name: torch.cat([row[name] for row in rows]) for name in DIFFERENTIATED}, state))
    names, leaves = zip(*leaves_of(trees), strict=True)
    found = torch.autograd.grad(
        list(results.values()), leaves, weights_of(results), allow_unused=True, materialize_grads=True
    )
    return dict(zip(names, found, strict=True))


@pytest.mark.parametrize("setup", [COVER[0], SHORT], ids=str)
def test_the_gradient_of_a_run_is_that_of_its_steps_chained(setup):
    case = setup.case(90, seed=205)
    chained = by_single_steps(setup, case, STEPS)
    whole = gradients(setup, case, "compiled", forcing=series(case, STEPS))
    for name, value in whole.items():
        assert shares_of_largest(value, chained[name]).max().item() < 1.0e-12, name


@pytest.mark.parametrize("setup", [COVER[0], SHORT], ids=str)
def test_the_gradient_of_three_steps_agrees_with_eager(setup):
    """In all but a few columns, where round-off is on its way to deciding about a threshold."""
    case = setup.case(COLUMNS, seed=206)
    compiled, eager = (gradients(setup, case, way, forcing=series(case, 3)) for way in ("compiled", "eager"))
    worst = torch.stack([shares_of_largest(compiled[name], value) for name, value in eager.items()]).amax(0)
    assert worst.quantile(0.97).item() < 1.0e-11


@pytest.mark.parametrize("how", [{"checkpoint_every": k} for k in (2, 3, 5, 7, 50)] + [{"memory": 1}], ids=str)
@pytest.mark.parametrize("truncate_every", [None, 3])
def test_the_spacing_of_kept_states_does_not_change_the_gradient(how, truncate_every):
    case = SHORT.case(21, seed=207)
    weather = series(case, STEPS)
    every = gradients(SHORT, case, "compiled", forcing=weather, checkpoint_every=1, truncate_every=truncate_every)
    spaced = gradients(SHORT, case, "compiled", forcing=weather, truncate_every=truncate_every, **how)
    for name, value in every.items():
        if name.startswith("parameters"):
            # Sums over the steps of a stretch are added to those of the others.
            assert shares_of_largest(spaced[name], value).max().item() < 1.0e-13, name
        else:
            assert torch.equal(spaced[name], value), name


@pytest.mark.parametrize("every", [1, 2, 3, STEPS, 2 * STEPS])
def test_a_gradient_cut_in_time_agrees_with_eager(every):
    case = SHORT.case(90, seed=208)
    weather = series(case, STEPS)
    compiled, eager = (
        gradients(SHORT, case, way, forcing=weather, truncate_every=every) for way in ("compiled", "eager")
    )
    worst = torch.stack([shares_of_largest(compiled[name], value) for name, value in eager.items()]).amax(0)
    assert worst.quantile(0.95).item() < 1.0e-11
    if every < STEPS:
        whole = gradients(SHORT, case, "compiled", forcing=weather)
        assert not torch.equal(whole["state.soil.temperature"], compiled["state.soil.temperature"])


# --- what is asked for ------------------------------------------------------------------------------------------------


def test_the_gradient_of_a_leaf_that_all_columns_share_is_the_sum_over_them():
    case = SHORT.case(90, seed=209)
    first = map_tensors(lambda x: x[..., :1], case.parameters)
    weather = map_tensors(lambda x: x[..., :1], series(case, 3))
    each = map_tensors(lambda x: x.expand(*x.shape[:-1], case.columns).clone(), first)
    shared = gradients(SHORT, dataclasses.replace(case, parameters=first), "compiled", forcing=weather)
    wide = map_tensors(lambda x: x.expand(*x.shape[:-1], case.columns).clone(), weather)
    apart = gradients(SHORT, dataclasses.replace(case, parameters=each), "compiled", forcing=wide)
    for name, value in shared.items():
        total = apart[name]
        if not name.startswith("state"):
            assert value.shape[-1] == 1, name
            total = total.sum(-1, keepdim=True)
        torch.testing.assert_close(value, total, rtol=1e-12, atol=1e-12 * apart[name].abs().sum().item(), msg=name)


def test_weights_that_take_no_memory_count_like_others():
    """The derivative of a sum is one number, expanded."""
    case = SHORT.case(21, seed=210)
    weather = series(case, 3)

    def derivative(weight: str) -> Tensor:
        start = case.state.soil.temperature.clone().requires_grad_()
        state = replace_quantity(case.state, "soil.temperature", start)
        path = run(
            SHORT.model(case), state, weather, case.parameters, case.dt, outputs=DIFFERENTIATED, execution="compiled"
        )
        ends = list(path.outputs.values())
        if weight == "expanded":
            torch.stack([end.sum() for end in ends]).sum().backward()
        elif weight == "transposed":
            turned = [torch.ones_like(end.movedim(-1, 0)).contiguous().movedim(0, -1) for end in ends]
            torch.autograd.backward(ends, turned)
        else:
            torch.autograd.backward(ends, [torch.ones_like(end) for end in ends])
        return start.grad

    full = derivative("full")
    assert torch.equal(derivative("expanded"), full)
    assert torch.equal(derivative("transposed"), full)
    assert bool((full != 0).any())


def test_only_what_wants_a_gradient_gets_one_and_it_is_the_same():
    case = TWO_LAYERS.case(21, seed=211)
    everything = gradients(TWO_LAYERS, case, "compiled")
    for container, quantity in (("parameters", "soil.porosity"), ("forcing", "wind_speed")):
        trees = {"state": case.state, "forcing": series(case, 1), "parameters": case.parameters}
        leaf = get_quantity(trees[container], quantity).clone().requires_grad_()
        trees[container] = replace_quantity(trees[container], quantity, leaf)
        path = run(TWO_LAYERS.model(case), *trees.values(), case.dt, outputs=DIFFERENTIATED, execution="compiled")
        results = results_of(path)
        assert all(value.requires_grad for value in results.values())
        torch.autograd.backward(list(results.values()), weights_of(results))
        assert torch.equal(leaf.grad, everything[f"{container}.{quantity}"]), quantity


def test_a_run_without_leaves_that_want_gradients_has_no_graph():
    case = SHORT.case(9, seed=212)
    arguments = (SHORT.model(case), case.state, series(case, 2), case.parameters, case.dt)
    path = run(*arguments, outputs=["skin_temperature"], execution="compiled")
    assert not path.outputs["skin_temperature"].requires_grad
    forcing = map_tensors(lambda x: x.clone().requires_grad_(), arguments[2])
    with torch.no_grad():
        path = run(*arguments[:2], forcing, *arguments[3:], outputs=["skin_temperature"], execution="compiled")
    assert not path.outputs["skin_temperature"].requires_grad


def test_a_second_way_back_gives_the_same():
    case = SHORT.case(9, seed=213)
    start = case.state.soil.temperature.clone().requires_grad_()
    state = replace_quantity(case.state, "soil.temperature", start)
    path = run(
        SHORT.model(case), state, series(case, 2), case.parameters, case.dt, outputs=DIFFERENTIATED,
        execution="compiled", checkpoint_every=1,
    )  # fmt: skip
    total = sum(path.outputs[name].square().sum() for name in DIFFERENTIATED)
    (first,) = torch.autograd.grad(total, [start], retain_graph=True)
    (second,) = torch.autograd.grad(total, [start], retain_graph=True)
    assert torch.equal(first, second)


def test_a_derivative_that_comes_in_as_a_view_of_negated_numbers_has_their_sign():
    case = SHORT.case(9, seed=213)
    start = case.state.soil.temperature.clone().requires_grad_()
    state = replace_quantity(case.state, "soil.temperature", start)
    model, weather = SHORT.model(case), series(case, 2)
    path = run(model, state, weather, case.parameters, case.dt, outputs=["skin_temperature"], execution="compiled")
    skin = path.outputs["skin_temperature"]
    one = torch.ones_like(skin)
    (expected,) = torch.autograd.grad(skin, start, one, retain_graph=True)
    (found,) = torch.autograd.grad(skin, start, torch._neg_view(-one))
    assert bool((expected != 0).any())
    assert torch.equal(found, expected)
