"""State as bytes: NextGen's four names as its protocol orders them, and the extension for everybody else."""

from __future__ import annotations

import subprocess
import sys

import bmi_cases as cases
import gradient_cases as gradients
import numpy as np
import pytest

NAMES = {word: f"ngen::serialization_{word}" for word in ("create", "size", "state", "free")}
TRIGGER = np.zeros(1, np.int32)


def save(model):
    """As NextGen does."""
    model.set_value(NAMES["create"], TRIGGER)
    size = model.get_value(NAMES["size"], np.zeros(1, np.int64))[0]
    assert model.get_var_nbytes(NAMES["state"]) == size
    state = model.get_value(NAMES["state"], np.zeros(size, np.int8))
    model.set_value(NAMES["free"], TRIGGER)
    return state


def restore(model, state):
    model.set_value(NAMES["size"], np.array([state.size], np.int64))
    assert model.get_var_nbytes(NAMES["state"]) == state.size
    model.set_value(NAMES["state"], state)


def shown(model):
    names = (*model.get_output_var_names(), *model.get_input_var_names(), gradients.POROSITY)
    balance = [f"ngen::mass_{term}" for term in ("in", "out", "stored", "leaked")]
    return {name: cases.read(model, name) for name in (*names, *balance)} | {"time": model.get_current_time()}


def same(one, other):
    assert all(np.array_equal(one[name], other[name], equal_nan=True) for name in one), [
        name for name in one if not np.array_equal(one[name], other[name], equal_nan=True)
    ]


def busy(folder, **changes):
    """A run in which everything was set that can be: inputs in force, a parameter, a state."""
    model = cases.started(folder, cases.grid_configuration(**changes))
    for _ in range(3):
        model.update()
    model.set_value_at_indices(gradients.AIR, np.array([1, 4]), np.array([275.0, 274.0]))
    model.set_value(gradients.WIND_Y, np.full(6, 2.0))
    model.set_value(gradients.POROSITY, 0.95 * cases.read(model, gradients.POROSITY))
    model.update_until(5 * cases.STEP)
    model.set_value(gradients.SNOW, 1.01 * cases.read(model, gradients.SNOW))
    return model


def test_a_run_goes_on_bit_for_bit_from_a_saved_state(tmp_path):
    model, other = busy(tmp_path / "a"), cases.started(tmp_path / "b", cases.grid_configuration())
    state = save(model)
    restore(other, state)
    same(shown(model), shown(other))
    for _ in range(3):
        model.update()
        other.update()
    same(shown(model), shown(other))
    assert abs(cases.read(other, "ngen::mass_in").item()) > 0


def test_a_run_goes_on_bit_for_bit_in_another_process(tmp_path):
    model = busy(tmp_path)
    save(model).tofile(tmp_path / "state.bin")
    program = f"""
import numpy as np
from bmi_noahpy import BmiNoahPy
model = BmiNoahPy()
model.initialize({str(tmp_path / "run.yaml")!r})
model.get_extension("serialization").set_serialized_state(np.fromfile({str(tmp_path / "state.bin")!r}, np.uint8))
for _ in range(3):
    model.update()
extension = model.get_extension("gradient")
np.save({str(tmp_path / "end.npy")!r}, extension.get_state(np.empty(extension.get_state_size())))
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    for _ in range(3):
        model.update()
    assert np.array_equal(np.load(tmp_path / "end.npy"), gradients.state(model.get_extension("gradient")))


def test_saving_does_not_alter_the_run_and_what_is_created_does_not_change(tmp_path):
    model, plain = busy(tmp_path / "a"), busy(tmp_path / "b")
    first = save(model)
    model.set_value(NAMES["create"], TRIGGER)
    model.update()
    plain.update()
    assert np.array_equal(model.get_value(NAMES["state"], np.zeros(first.size, np.int8)), first)
    model.set_value(NAMES["free"], TRIGGER)
    model.update()
    plain.update()
    same(shown(model), shown(plain))
    assert model.get_var_nbytes(NAMES["state"]) == 0


def test_a_state_is_a_hot_start_of_a_run_with_another_period(tmp_path):
    model = busy(tmp_path / "a")
    period = {"start": "2007-04-10T05:00", "end": "2007-04-11T05:00", "step": 3600}
    other = cases.started(tmp_path / "b", cases.grid_configuration(period=period))
    restore(other, save(model))
    assert other.get_current_time() == 0.0
    for _ in range(2):
        model.update()
        other.update()
    ends = [gradients.state(each.get_extension("gradient")) for each in (model, other)]
    assert np.array_equal(*ends)


def test_a_first_surface_humidity_that_follows_the_air_is_part_of_the_state(tmp_path):
    one, other = (cases.started(tmp_path / k, cases.configuration(forcing=None)) for k in ("a", "b"))
    restore(other, save(one))
    for model in (one, other):
        cases.supply(model, 0)
        model.update()
    same(shown(one), shown(other))


def test_the_four_names_answer_probing_and_are_in_no_list(tmp_path):
    model = cases.started(tmp_path)
    facts = {name: (model.get_var_type(name), model.get_var_units(name), model.get_var_itemsize(name))
             for name in NAMES.values()}  # fmt: skip
    assert facts == {
        NAMES["create"]: ("int", "ngen::trigger", 4),
        NAMES["free"]: ("int", "ngen::trigger", 4),
        NAMES["size"]: ("int64", "bytes", 8),
        NAMES["state"]: ("char", "ngen::opaque", 1),
    }
    assert [model.get_var_nbytes(NAMES[word]) for word in ("create", "size", "free")] == [4, 8, 4]
    assert {model.get_var_grid(name) for name in NAMES.values()} == {2}
    assert not {*model.get_input_var_names(), *model.get_output_var_names()} & set(NAMES.values())
    assert np.array_equal(model.get_value_ptr(NAMES["size"]), [0])
    with pytest.raises(RuntimeError, match="ngen::serialization_state: nothing is created"):
        model.get_value_ptr(NAMES["state"])


# --- what does not fit


def damaged(state):
    state[-100] ^= 1
    return state


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state[20:], "these bytes are no state of NoahPy"),
        (lambda state: state[:-1], r"\d+ bytes of \d+ are here. Give all of them"),
        (damaged, "its checksum is wrong"),
        (lambda state: np.concatenate([state[:13], [9, 0], state[15:]]).astype(np.uint8), "it has version 9"),
    ],
)
def test_bytes_that_are_not_what_was_saved_are_refused(tmp_path, change, message):
    model = busy(tmp_path)
    before, extension = shown(model), model.get_extension("serialization")
    state = extension.get_serialized_state(np.empty(extension.get_serialized_size(), np.uint8))
    with pytest.raises(ValueError, match=f"serialized state: {message}"):
        extension.set_serialized_state(change(state.copy()))
    same(before, shown(model))


COLUMN = {"domain": {"latitude": 33.0, "longitude": 91.0}, "initial": {"skin_temperature": 270.0}}
THICKNESS = [0.05, 0.1, 0.25, 0.6, 1.4]


def period(start, step):
    return {"start": start, "end": "2007-04-11T05:00", "step": step}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schemes": {"phase_change": "enthalpy"}}, "it is of another run: schemes.phase_change: "),
        (COLUMN, "columns: 6 there, 1 here"),
        ({"soil": {"thickness": THICKNESS, "classes": [7, 7, 6, 6, 13]}}, "the thickness of layers differ"),
        ({"period": period("2007-04-10T06:00", 3600)}, "when no step of this run begins"),
        ({"forcing": None, "period": period("2007-04-10T00:00", 1800)}, r"step \[s\]: 3600.0 there, 1800.0 here"),
    ],
)
def test_a_state_of_another_run_is_refused_with_what_differs(tmp_path, changes, message):
    state = save(busy(tmp_path / "a"))
    other = cases.started(tmp_path / "b", cases.grid_configuration(**changes))
    with pytest.raises(ValueError, match=message):
        restore(other, state)


def test_restoring_while_steps_are_recorded_is_refused(tmp_path):
    model = cases.started(tmp_path)
    state = save(model)
    model.get_extension("gradient").start_recording()
    with pytest.raises(RuntimeError, match="serialized state: steps are being recorded"):
        restore(model, state)


def test_a_destination_of_another_size_and_fewer_bytes_than_announced_are_refused(tmp_path):
    model = cases.started(tmp_path)
    with pytest.raises(ValueError, match=r"get_serialized_state: the array given holds 3 bytes, \d+ are needed"):
        model.get_extension("serialization").get_serialized_state(np.empty(3, np.uint8))
    state = save(model)
    model.set_value(NAMES["size"], np.array([state.size], np.int64))
    with pytest.raises(ValueError, match="ngen::serialization_state: 5 bytes given, "):
        model.set_value(NAMES["state"], state[:5])
