"""A compiled step gives the numbers of the eager one, in every regime, with every scheme, in every layout."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from compiled_cases import (
    COVER,
    COVER_IN_TURN,
    EVERYTHING,
    STATES,
    Setup,
    assert_agreement,
    pairs_of_schemes,
    series,
    taken,
)
from random_columns import Case, standard_schemes
from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.execution import step_function
from noahpy_core.quantities import get_quantity
from noahpy_core.simulation import Trajectory, run
from noahpy_core.trees import map_tensors, tree_leaves, tree_map

COLUMNS = 450
SHORT = COVER[1]
"""Four layers, quick to compile."""


def assert_equal(one: Trajectory, other: Trajectory) -> None:
    for name, series_of_one in one.outputs.items():
        assert torch.equal(series_of_one, other.outputs[name]), name
    for path in STATES:
        assert torch.equal(get_quantity(one.final_state, path), get_quantity(other.final_state, path)), path


def assert_step_agrees(setup: Setup, case: Case) -> None:
    assert_agreement(case, *(lambda case, way=way: taken(setup, case, way).outputs for way in ("compiled", "eager")))


def test_the_setups_cover_every_scheme_of_every_slot():
    for slot, schemes in standard_schemes().items():
        assert {getattr(setup.options, slot) for setup in COVER} >= set(schemes), slot
    assert {setup.layers for setup in COVER} == {2, 3, 4, 20}
    assert {setup.hydraulics for setup in COVER} == {"table", "derived"}


@pytest.mark.parametrize("setup", COVER_IN_TURN, ids=str)
def test_every_output_of_a_step_agrees_with_eager_in_every_regime(setup):
    case = setup.case(COLUMNS, seed=101)
    assert_step_agrees(setup, case)
    compiled = taken(setup, case, "compiled")
    for path in STATES:
        assert torch.equal(get_quantity(compiled.final_state, path), compiled.outputs[path][0]), path


@pytest.mark.slow
@pytest.mark.parametrize("layers", [2, 3, 4, 20])
@pytest.mark.parametrize("options", pairs_of_schemes(), ids=lambda options: "-".join(vars(options).values()))
def test_every_two_schemes_together_agree_with_eager(options, layers):
    for hydraulics, prescribed in (("table", False), ("derived", True)):
        setup = Setup(options, layers, hydraulics, prescribed)
        case = setup.case(4 * COLUMNS, seed=102)
        assert_step_agrees(setup, case)


@pytest.mark.parametrize("setup", [COVER[0], COVER[2]], ids=str)
def test_single_columns_agree_with_eager(setup):
    """A column alone has a kernel of its own, whose vectors run over layers."""
    case = setup.case(18, seed=103)

    def one_by_one(case: Case) -> dict[str, Tensor]:
        alone = [taken(setup, case.select(slice(k, k + 1)), "compiled").outputs for k in range(case.columns)]
        return {name: torch.cat([one[name] for one in alone], -1) for name in EVERYTHING}

    assert_agreement(case, one_by_one, lambda case: taken(setup, case, "eager").outputs)


@pytest.mark.parametrize("setup", [COVER[0], COVER[3]], ids=str)
def test_columns_of_different_layer_thickness_agree_with_eager(setup):
    case = setup.case(COLUMNS, seed=104)
    stretch = torch.linspace(0.5, 2.0, case.columns, dtype=torch.float64)
    case = dataclasses.replace(case, column=SoilColumn(case.column.thickness * stretch))
    assert_step_agrees(setup, case)


def test_one_value_for_all_columns_equals_the_same_value_for_each():
    """Of parameters, forcing, state, step length and layer thickness alike."""
    case = SHORT.case(21, seed=105)

    def first_for_all(x: Tensor) -> Tensor:
        return x[..., :1]

    def repeated(x: Tensor) -> Tensor:
        return first_for_all(x).expand(*x.shape[:-1], case.columns).clone()

    def both(name: str) -> tuple[Any, Any]:
        return tuple(map_tensors(function, getattr(case, name)) for function in (first_for_all, repeated))

    dt, thickness = float(case.dt[0]), case.column.thickness
    every = dataclasses.replace(case, column=SoilColumn(thickness.expand(-1, case.columns).clone()))
    every = dataclasses.replace(every, dt=torch.full_like(case.dt, dt))
    for name in ("state", "forcing", "parameters"):
        shared, each = both(name)
        one = taken(SHORT, dataclasses.replace(case, dt=torch.tensor(dt), **{name: shared}), "compiled")
        assert_equal(one, taken(SHORT, dataclasses.replace(every, **{name: each}), "compiled"))


def test_memory_layout_does_not_matter():
    """Columns first in memory, every other number of a larger tensor, one number repeated without memory."""
    case = SHORT.case(19, seed=106)
    weather = series(case, 3)
    layouts = [
        lambda x: x.movedim(-1, 0).contiguous().movedim(0, -1),
        lambda x: torch.stack([x, -x], -1).flatten(-2)[..., ::2],
        lambda x: x[..., :1].expand(x.shape),
    ]
    for layout in layouts:
        trees = [map_tensors(layout, tree) for tree in (case.state, weather, case.parameters)]
        plain = [map_tensors(lambda x: x.clone(memory_format=torch.contiguous_format), tree) for tree in trees]
        model = SHORT.model(case)
        one, other = (run(model, *each, case.dt, outputs=EVERYTHING, execution="compiled") for each in (trees, plain))
        assert_equal(one, other)


def chained(setup: Setup, case: Case, steps: int) -> list[Any]:
    """State and fluxes of each of several compiled steps, taken one by one."""
    step, weather = step_function(setup.model(case), "compiled"), series(case, steps)
    state, found = case.state, []
    for number in range(steps):
        state, fluxes = step(state, weather.at(number), case.parameters, case.dt)
        found.append((state, fluxes))
    return found


@pytest.mark.parametrize("setup", [COVER[0], SHORT], ids=str)
@pytest.mark.parametrize("columns", [1, 37])
def test_a_run_of_several_steps_equals_its_steps_one_by_one_bit_for_bit(setup, columns):
    if setup is SHORT and columns == 1:
        setup = COVER[2]
    case = setup.case(columns, seed=107)
    path = taken(setup, case, "compiled", forcing=series(case, 6))
    for number, (state, fluxes) in enumerate(chained(setup, case, 6)):
        for name in EVERYTHING:
            value = get_quantity(state if name in STATES else fluxes, name)
            assert torch.equal(path.outputs[name][number], value), (name, number)


def test_a_compiled_step_notices_new_parameters_step_lengths_and_numbers_of_columns():
    """It keeps what it knows of its arguments from call to call."""
    case = SHORT.case(40, seed=108)
    step = step_function(SHORT.model(case), "compiled")
    variants = [
        case,
        dataclasses.replace(case, dt=0.5 * case.dt),
        case.select(slice(5, 22)),
        dataclasses.replace(case, parameters=map_tensors(lambda x: x.flip(-1), case.parameters)),
        case,
    ]
    for variant in variants:
        found = step(variant.state, variant.forcing, variant.parameters, variant.dt)
        fresh = step_function(SHORT.model(case), "compiled")(
            variant.state, variant.forcing, variant.parameters, variant.dt
        )
        for one, other in zip(tree_leaves(found), tree_leaves(fresh), strict=True):
            assert torch.equal(one, other)


def test_a_step_leaves_its_arguments_alone():
    case = SHORT.case(21, seed=109)
    weather = series(case, 2)
    before = tree_map(lambda x: x.clone(), (case.state, weather, case.parameters, case.dt))
    taken(SHORT, case, "compiled", forcing=weather)
    for one, other in zip(
        tree_leaves((case.state, weather, case.parameters, case.dt)), tree_leaves(before), strict=True
    ):
        assert torch.equal(one, other)


def test_results_of_a_step_have_memory_of_their_own():
    """A coupler may write into one without changing another."""
    case = SHORT.case(21, seed=110)
    results = step_function(SHORT.model(case), "compiled")(case.state, case.forcing, case.parameters, case.dt)
    leaves = tree_leaves(results)
    for number, leaf in enumerate(leaves):
        leaf.fill_(float(number))
    for number, leaf in enumerate(leaves):
        assert bool((leaf == number).all())


@pytest.mark.parametrize("setup", [COVER[0], COVER[3]], ids=str)
def test_three_steps_agree_with_eager(setup):
    """Round-off of a step grows in the next ones; where it decides on which side of a threshold a layer lies, two
    columns of a hundred may part."""
    case = setup.case(COLUMNS, seed=111)
    weather = series(case, 3)
    compiled, eager = (taken(setup, case, execution, forcing=weather) for execution in ("compiled", "eager"))
    for path in ("soil.temperature", "soil.liquid_water", "skin_temperature", "snow.water_equivalent"):
        one, other = compiled.outputs[path][-1], eager.outputs[path][-1]
        difference = (one - other).abs() / (other.abs() + other.abs().amax())
        by_column = difference.reshape(-1, COLUMNS).amax(0)
        assert by_column.quantile(0.98).item() < 1.0e-11, path
