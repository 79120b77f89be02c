"""State, forcing and parameters are shown, moved, cut into columns, joined, and put into batches."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from random_columns import random_case
from torch.utils.data import DataLoader, Dataset

from noahpy_core import NoahModel, join_columns, map_tensors

CASE = random_case(6, seed=3)
TREES = {"state": CASE.state, "forcing": CASE.forcing, "parameters": CASE.parameters}


def leaves(tree):
    return torch.utils._pytree.tree_leaves(tree)


def equal(one, other) -> bool:
    return all(torch.equal(a, b) for a, b in zip(leaves(one), leaves(other), strict=True))


@pytest.mark.parametrize("name", TREES)
def test_all_columns_selected_one_by_one_and_joined_are_the_same(name):
    tree = TREES[name]
    assert len(tree) == 6
    assert equal(join_columns([tree.select(k) for k in range(6)]), tree)
    assert equal(join_columns([tree.select(slice(0, 2)), tree.select([2, 3]), tree.select(torch.tensor([4, 5]))]), tree)
    assert equal(tree.select(torch.arange(6) > 3), tree.select([-2, -1]))


def test_numbers_of_one_byte_are_numbers_not_truth_values():
    assert equal(CASE.state.select(torch.tensor([3, 0, 1], dtype=torch.uint8)), CASE.state.select([3, 0, 1]))


def test_a_column_that_is_not_there_is_refused():
    with pytest.raises(IndexError, match="6"):
        CASE.state.select(6)


def test_what_is_the_same_in_all_columns_stays_so_and_is_written_out_when_joined():
    age = CASE.state.snow.age[:1]
    state = dataclasses.replace(CASE.state, snow=dataclasses.replace(CASE.state.snow, age=age))
    assert torch.equal(state.select([1, 2]).snow.age, age)
    joined = join_columns([state, state.select([3, 4])])
    assert len(joined) == 8
    assert torch.equal(joined.snow.age, age.expand(8))


def test_a_quantity_that_some_have_not_is_named():
    other = dataclasses.replace(CASE.forcing, leaf_area_index=torch.ones(6, dtype=torch.float64))
    without = dataclasses.replace(CASE.forcing, leaf_area_index=None)
    with pytest.raises(ValueError, match="leaf_area_index of Forcing is absent in some"):
        join_columns([without, other])


@pytest.mark.parametrize("name", TREES)
def test_another_number_type_or_device_reaches_every_tensor(name):
    single = TREES[name].to(torch.float32)
    assert {leaf.dtype for leaf in leaves(single)} == {torch.float32}
    assert equal(single.to(dtype=torch.float64).to(torch.float32), single)
    assert {leaf.device.type for leaf in leaves(TREES[name].to(device="meta"))} == {"meta"}
    assert {leaf.dtype for leaf in leaves(TREES[name].to(device="cpu"))} == {torch.float64}


def test_a_series_of_weather_is_shown_in_a_few_lines_with_shapes_ranges_and_units():
    series = map_tensors(lambda x: x.expand(240, -1), CASE.forcing)
    air = series.air_temperature
    lines = repr(series).splitlines()
    assert lines[0] == "Forcing of 6 columns"
    assert len(lines) == 1 + len(leaves(series))
    assert lines[1].split() == ["air_temperature", "(240,", "6)", f"{air.min():.5g}", "to", f"{air.max():.5g}", "K"]
    assert max(map(len, lines)) < 100


def test_nested_quantities_are_shown_by_their_path():
    text = repr(CASE.state)
    assert "soil.temperature " in text
    assert "m3 m-3" in text
    assert "empty" in repr(CASE.state.select(slice(0, 0)))
    assert "not a tensor" in repr(dataclasses.replace(CASE.state, skin_temperature=[280.0]))


class Columns(Dataset):
    def __len__(self) -> int:
        return len(CASE.state)

    def __getitem__(self, column: int):
        return *(tree.select(column) for tree in TREES.values()), float(CASE.dt[column])


def test_a_data_loader_makes_batches_that_a_model_steps():
    model, found = NoahModel(CASE.column), []
    for state, forcing, parameters, dt in DataLoader(Columns(), batch_size=4):
        found.append(model(state, forcing, parameters, dt)[0])
    assert [len(state) for state in found] == [4, 2]
    expected, _ = model(*TREES.values(), CASE.dt)
    torch.testing.assert_close(join_columns(found).soil.temperature, expected.soil.temperature, rtol=1e-12, atol=0.0)


@pytest.mark.parametrize("nothing", [None, True, False, "1", 1.5, torch.tensor([0.0]), {"a": 1}, torch.tensor([True])])
def test_what_chooses_no_columns_is_refused(nothing):
    with pytest.raises(ValueError, match=r"^select: .*Give a number, a slice, whole numbers, or a truth"):
        CASE.state.select(nothing)


def test_columns_may_be_chosen_by_arrays_of_any_whole_type():
    expected = CASE.state.select([1, 0, 1]).skin_temperature
    for kind in (np.uint8, np.int16, np.int64):
        assert CASE.state.select(np.array([1, 0, 1], dtype=kind)).skin_temperature.equal(expected)
    some = np.arange(len(CASE.state)) % 2 == 1
    assert CASE.state.select(some).skin_temperature.equal(CASE.state.skin_temperature[1::2])
    assert len(CASE.state.select(range(2))) == 2


def test_containers_of_several_classes_are_not_joined():
    with pytest.raises(ValueError, match=r"^join_columns: of Forcing, State\. Give containers of one class"):
        join_columns([CASE.state, CASE.forcing])
    with pytest.raises(ValueError, match=r"^join_columns: of Tensor\."):
        join_columns([torch.zeros(1), torch.zeros(1)])


@pytest.mark.slow
def test_a_container_from_another_process_is_a_tree_there(tmp_path):
    file = tmp_path / "state.pickle"
    file.write_bytes(pickle.dumps(CASE.state))
    program = "import pickle, sys; from torch.utils._pytree import tree_leaves; "
    program += "print(len(tree_leaves(pickle.load(open(sys.argv[1], 'rb')))))"
    done = subprocess.run([sys.executable, "-c", program, str(file)], check=True, capture_output=True, text=True)
    assert int(done.stdout) == len(leaves(CASE.state)) > 1
