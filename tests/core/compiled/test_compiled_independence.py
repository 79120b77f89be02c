"""A column's numbers are its own: neither its company, nor threads, nor the blocks of a run change a bit of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
import torch
from compiled_cases import COVER, DIFFERENTIATED, EVERYTHING, SIZES, UNITS, Setup, Values, gradients, series, taken
from random_columns import Case

from noahpy_core.simulation import run
from noahpy_core.state import Forcing
from noahpy_core.trees import map_tensors

COMPANY = (1, 3, 8, 17)
COLUMNS = 200
SETUPS = [COVER[0], COVER[1]]


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def assert_identical(one: Values, other: Values) -> None:
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def some_columns(case: Case, weather: Forcing, index: slice) -> tuple[Case, Forcing]:
    return case.select(index), map_tensors(lambda x: x[..., index], weather)


def start_of(count: int) -> int:
    """Such that groups begin anywhere in a block of columns."""
    return 9 * count + 5


@pytest.mark.parametrize("setup", SETUPS, ids=str)
def test_results_of_a_column_do_not_depend_on_the_number_of_columns(setup):
    case = setup.case(COLUMNS, seed=301)
    weather = series(case, 3)
    together = taken(setup, case, "compiled", forcing=weather).outputs
    for count in COMPANY:
        index = slice(start_of(count), start_of(count) + count)
        few, its_weather = some_columns(case, weather, index)
        alone = taken(setup, few, "compiled", forcing=its_weather).outputs
        assert_identical(alone, {name: value[..., index] for name, value in together.items()})


def own_weights(setup: Setup, case: Case, weather: Forcing) -> Values:
    """Gradient of results with weights that are the same whatever the number of columns."""
    trees = {"state": case.state, "forcing": weather, "parameters": case.parameters}
    trees = {name: map_tensors(lambda x: x.clone().requires_grad_(), tree) for name, tree in trees.items()}
    path = run(setup.model(case), *trees.values(), case.dt, outputs=DIFFERENTIATED, execution="compiled")
    weights = [(1.0 + 0.37 * k) / SIZES[UNITS.get(name, "m3 m-3")] for k, name in enumerate(DIFFERENTIATED)]
    sum(weight * value.sum() for weight, value in zip(weights, path.outputs.values(), strict=True)).backward()
    leaves = {"temperature": trees["state"].soil.temperature, "wind": trees["forcing"].wind_speed}
    leaves |= {"porosity": trees["parameters"].soil.porosity, "snow": trees["state"].snow.depth}
    return {name: leaf.grad for name, leaf in leaves.items()}


@pytest.mark.parametrize("setup", [COVER[1], pytest.param(COVER[0], marks=pytest.mark.slow)], ids=str)
def test_the_gradient_of_a_column_does_not_depend_on_the_number_of_columns(setup):
    case = setup.case(COLUMNS, seed=302)
    weather = series(case, 3)
    together = own_weights(setup, case, weather)
    for count in COMPANY:
        index = slice(start_of(count), start_of(count) + count)
        alone = own_weights(setup, *some_columns(case, weather, index))
        assert_identical(alone, {name: value[..., index] for name, value in together.items()})


@pytest.mark.parametrize("columns", [64, 130, 333])
def test_threads_do_not_change_a_bit(columns, two_threads):
    setup = COVER[1]
    case = setup.case(columns, seed=303)
    weather = series(case, 3)
    results, derivatives = [], []
    for threads in (2, 1):
        torch.set_num_threads(threads)
        results.append(taken(setup, case, "compiled", forcing=weather).outputs)
        derivatives.append(gradients(setup, case, "compiled", forcing=weather))
    assert_identical(*results)
    assert_identical(*derivatives)


def test_a_column_that_is_not_a_number_leaves_its_neighbours_alone():
    setup = COVER[0]
    case = setup.case(21, seed=304)
    skin = case.state.skin_temperature.clone()
    skin[9] = torch.nan
    broken = dataclasses.replace(case, state=dataclasses.replace(case.state, skin_temperature=skin))
    sound, found = (taken(setup, one, "compiled").outputs for one in (case, broken))
    others = [k for k in range(case.columns) if k != 9]
    assert torch.isnan(found["skin_temperature"][0, 9])
    assert_identical(*({name: value[..., others] for name, value in one.items()} for one in (found, sound)))


@pytest.mark.parametrize("setup", SETUPS, ids=str)
def test_a_run_in_blocks_equals_the_whole_run(setup):
    case = setup.case(21, seed=305)
    weather = series(case, 10)
    whole = taken(setup, case, "compiled", forcing=weather)
    first = taken(setup, case, "compiled", forcing=map_tensors(lambda x: x[:4], weather))
    rest_of_case = dataclasses.replace(case, state=first.final_state)
    rest = taken(setup, rest_of_case, "compiled", forcing=map_tensors(lambda x: x[4:], weather))
    joined = {name: torch.cat([first.outputs[name], rest.outputs[name]]) for name in EVERYTHING}
    assert_identical(joined, whole.outputs)


def test_a_run_repeated_is_the_same():
    setup = COVER[1]
    case = setup.case(130, seed=306)
    weather = series(case, 4)
    one, other = (gradients(setup, case, "compiled", forcing=weather) for _ in range(2))
    assert_identical(one, other)
