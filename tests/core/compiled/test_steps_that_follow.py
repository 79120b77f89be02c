"""Steps that go on from the last one without asking where its tensors are."""

from __future__ import annotations

import dataclasses
import pickle

import pytest
import torch
from compiled_cases import COVER
from random_columns import Case

from noahpy_core import State
from noahpy_core.compiled import CompiledStep
from noahpy_core.quantities import quantities
from noahpy_core.state import Forcing
from noahpy_core.trees import map_tensors
from noahpy_core.weather_rows import WeatherRow, WeatherRows

SETUP = COVER[1]
CASE = SETUP.case(6, seed=611)
STEPS = 6


def weather(case: Case) -> list[Forcing]:
    """That of the case, a little warmer in every step."""
    return [
        dataclasses.replace(case.forcing, air_temperature=case.forcing.air_temperature + 0.3 * step)
        for step in range(STEPS)
    ]


def rows_of(records: list[Forcing]) -> WeatherRows:
    fields = [path for path, _ in quantities(Forcing) if getattr(records[0], path) is not None]
    series = {name: torch.stack([getattr(record, name) for record in records]) for name in fields}
    return WeatherRows(Forcing(**series))


def bits(state: State) -> list[torch.Tensor]:
    return [leaf.clone() for leaf in torch.utils._pytree.tree_leaves(dataclasses.astuple(state)) if leaf is not None]


def same(found: State, expected: list[torch.Tensor]) -> bool:
    return all(torch.equal(*pair) for pair in zip(bits(found), expected, strict=True))


def stepped(case: Case, records: list[Forcing]) -> list[list[torch.Tensor]]:
    """States after each step, every argument looked at."""
    step, state, states = CompiledStep(SETUP.model(case)), case.state, []
    for record in records:
        state, _ = step(state, record, case.parameters, case.dt)
        states.append(bits(state))
    return states


@pytest.mark.parametrize("columns", [1, 6])
@pytest.mark.parametrize("valid_for", [None, 3])
@pytest.mark.parametrize("given", ["rows", "tensors", "both"])
def test_they_have_the_bits_of_steps_that_look_at_everything(columns, valid_for, given):
    case = CASE.select(slice(0, columns))
    records = weather(case)
    rows = rows_of(records)
    expected = stepped(case, records)
    step = CompiledStep(SETUP.model(case), valid_for)
    state, _ = step(case.state, records[0], case.parameters, case.dt)
    for number in range(1, STEPS):
        by_row = given == "rows" or (given == "both" and number % 2 == 0)
        forcing = WeatherRow(rows, number) if by_row else records[number]
        found = step.again(state, forcing, case.parameters)
        assert found is not None
        state = found[0]
        assert same(state, expected[number])


def test_the_same_forcing_again_takes_another_step():
    records = [CASE.forcing] * 3
    expected = stepped(CASE, records)
    step = CompiledStep(SETUP.model(CASE), 3)
    state, _ = step(CASE.state, CASE.forcing, CASE.parameters, CASE.dt)
    for number in (1, 2):
        found = step.again(state, CASE.forcing, CASE.parameters)
        assert found is not None
        state = found[0]
        assert same(state, expected[number])


def test_they_are_not_taken_where_more_than_the_weather_is_new():
    step = CompiledStep(SETUP.model(CASE), 3)
    assert step.again(CASE.state, CASE.forcing, CASE.parameters) is None
    state, _ = step(CASE.state, CASE.forcing, CASE.parameters, CASE.dt)
    fewer = CASE.select(slice(0, 2))
    single = map_tensors(torch.Tensor.float, CASE.forcing)
    bare = dataclasses.replace(CASE.forcing, snowfall=None, leaf_area_index=None, snow_free_albedo=None)
    full = dataclasses.replace(CASE.forcing, snowfall=torch.zeros(6).double(), leaf_area_index=torch.ones(6).double())
    other = bare if CASE.forcing.snowfall is not None else full
    assert step.again(CASE.state, CASE.forcing, CASE.parameters) is None
    assert step.again(state, CASE.forcing, dataclasses.replace(CASE.parameters)) is None
    for forcing in (fewer.forcing, single, other):
        assert step.again(state, forcing, CASE.parameters) is None
        assert step.again(state, WeatherRow(rows_of([forcing]), 0), CASE.parameters) is None
    # What was refused half way is entered anew.
    found = step.again(state, CASE.forcing, CASE.parameters)
    assert found is not None
    assert same(found[0], stepped(CASE, [CASE.forcing] * 2)[1])


def test_rows_after_a_forcing_that_was_refused_half_way_are_read_with_their_own_distances():
    records = weather(CASE)[:3]
    expected, rows = stepped(CASE, records), rows_of(records)
    step = CompiledStep(SETUP.model(CASE))
    state, _ = step(CASE.state, records[0], CASE.parameters, CASE.dt)
    found = step.again(state, WeatherRow(rows, 1), CASE.parameters)
    assert found is not None
    # Every second number of a longer vector, but for the last field, which has too few.
    apart = {name: torch.zeros(12).double()[::2] for name in rows.fields[:-1]}
    refused = dataclasses.replace(CASE.forcing, **apart, **{rows.fields[-1]: torch.zeros(3).double()})
    assert step.again(found[0], refused, CASE.parameters) is None
    found = step.again(found[0], WeatherRow(rows, 2), CASE.parameters)
    assert found is not None
    assert same(found[0], expected[2])


def test_after_being_sent_to_another_process_everything_is_looked_at():
    step = CompiledStep(SETUP.model(CASE), 3)
    state, _ = step(CASE.state, CASE.forcing, CASE.parameters, CASE.dt)
    pickle.dumps(step)
    assert step.again(state, CASE.forcing, CASE.parameters) is None


def test_rows_sent_to_another_process_are_the_same_weather():
    rows = rows_of(weather(CASE))
    copy = pickle.loads(pickle.dumps(rows))
    assert copy.place != rows.place
    assert copy.fields == rows.fields
    assert torch.equal(copy.at(2).air_temperature, rows.at(2).air_temperature)
    assert WeatherRow(copy, 2).mean("air_temperature") == rows.at(2).air_temperature.mean().item()


def test_a_state_given_after_results_is_read_with_its_own_distances():
    case = CASE.select(slice(0, 6))
    temperature = case.state.soil.temperature.T.contiguous().T
    turned = dataclasses.replace(case.state, soil=dataclasses.replace(case.state.soil, temperature=temperature))
    step = CompiledStep(SETUP.model(case))
    first, _ = step(turned, case.forcing, case.parameters, case.dt)
    expected = bits(first)
    step(first, case.forcing, case.parameters, case.dt)
    again, _ = step(turned, case.forcing, case.parameters, case.dt)
    assert same(again, expected)


def test_other_memory_in_an_old_result_is_not_what_later_results_show():
    records = [CASE.forcing] * 6
    expected = stepped(CASE, records)
    step = CompiledStep(SETUP.model(CASE), 2)
    state, fluxes = step(CASE.state, CASE.forcing, CASE.parameters, CASE.dt)
    kept = state.skin_temperature.clone()
    state.skin_temperature.data = kept
    fluxes.drainage.data = torch.full_like(kept, 7.0)
    for number in range(1, 6):
        state, fluxes = step(state, CASE.forcing, CASE.parameters, CASE.dt)
        assert same(state, expected[number])
        assert not bool((fluxes.drainage == 7.0).any())
