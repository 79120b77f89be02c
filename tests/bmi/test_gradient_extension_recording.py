"""What a recording keeps: states that are set, checkpoints within a budget, nothing of a step that failed."""

from __future__ import annotations

import tracemalloc

import bmi_cases as cases
import gradient_cases as gradients
import numpy as np
import pytest
import torch

from bmi_noahpy.gradient.checkpoints import FEWEST, Checkpoints
from bmi_noahpy.gradient.extension import WindowError
from noahpy_core import NoahModel
from noahpy_core.compiled import CompiledStep


@pytest.fixture
def model(tmp_path):
    model = gradients.started(tmp_path)
    for _ in range(6):
        model.update()
    return model


def sweep(model, steps, between=lambda step: None, **budget):
    """Record steps with a seed in each, reverse them; adjoints of the state, of porosity and of the air."""
    extension = model.get_extension("gradient")
    extension.start_recording(**budget)
    for step in range(steps):
        between(step)
        model.update()
        extension.add_adjoint_seed(gradients.TEMPERATURE, np.linspace(1.0, 2.0, cases.LAYERS))
        extension.add_adjoint_seed(gradients.RUNOFF, np.array([1.0e4]))
    extension.stop_recording()
    by_air = []
    while extension.recorded_steps():
        extension.update_adjoint()
        by_air.append(gradients.adjoint(model, gradients.AIR))
    return [gradients.adjoint(model, gradients.STATE), gradients.adjoint(model, gradients.POROSITY), *by_air]


def objective(model, steps, between=lambda step: None):
    total = 0.0
    for step in range(steps):
        between(step)
        model.update()
        total += np.linspace(1.0, 2.0, cases.LAYERS) @ cases.read(model, gradients.TEMPERATURE)
        total += 1.0e4 * cases.read(model, gradients.RUNOFF)[0]
    return total


@pytest.mark.parametrize("budget", [{"spacing": 1}, {"spacing": 3}, {"spacing": 100}, {"memory": 1}, {"memory": 1800}])
def test_the_adjoint_does_not_depend_on_which_states_are_kept(model, budget):
    extension = model.get_extension("gradient")
    kept, time = gradients.state(extension), model.get_current_time()
    plain = sweep(model, 7)
    extension.set_state(kept)
    extension.set_time(time)
    assert all(np.array_equal(a, b) for a, b in zip(plain, sweep(model, 7, **budget), strict=True))


@pytest.mark.parametrize("spacing", [0, -2])
def test_a_spacing_below_one_is_refused(model, spacing):
    with pytest.raises(ValueError, match=rf"start_recording: a spacing of {spacing} steps. Give at least 1"):
        model.get_extension("gradient").start_recording(spacing=spacing)


@pytest.mark.parametrize("slots", [4, 5, 9, 64])
@pytest.mark.parametrize("steps", [1, 7, 100, 1000])
def test_kept_states_never_exceed_the_budget_and_any_number_of_steps_comes_back(slots, steps):
    checkpoints = Checkpoints(memory=slots * 8)
    for number in range(steps):
        checkpoints.offer(number, torch.tensor([number], dtype=torch.float64))
        assert len(checkpoints) <= slots
    computed = 0

    def advance(state, number):
        nonlocal computed
        computed += 1
        assert int(state) == number
        return state + 1

    for number in reversed(range(steps)):
        assert int(checkpoints.state_before(number, advance)) == number
        assert len(checkpoints) <= slots
    if slots * slots / 4 >= steps:
        assert computed <= 2 * steps
    assert slots >= FEWEST


# --- states that are set


def set_temperature(model, change=0.0):
    profile = np.array([273.4, 272.0, 271.8, 271.7, 272.1]) + change
    return lambda step: model.set_value(gradients.TEMPERATURE, profile) if step == 2 else None


def set_total(model, change=0.0):
    """In two layers less water than there is ice."""
    total = np.array([0.21, 0.02, 0.24, 0.03, 0.11]) + change
    return lambda step: model.set_value(gradients.TOTAL, total) if step == 2 else None


def set_some_through_pointers(model, change=0.0):
    pointers = model.get_value_ptr(gradients.TEMPERATURE), model.get_value_ptr(gradients.SNOW)
    change = np.zeros(cases.LAYERS) + change

    def between(step):
        if step == 2:
            pointers[0][1:3] = np.array([271.2, 271.3]) + change[1:3]
            pointers[1][0] = 0.011 + change[0]

    return between


def set_twice(model, change=0.0):
    """The value in force is the last one, element by element."""
    change = np.zeros(cases.LAYERS) + change

    def between(step):
        if step == 2:
            model.set_value(gradients.TEMPERATURE, np.full(cases.LAYERS, 271.0) + change)
            index = np.array([0, 3])
            model.set_value_at_indices(gradients.TEMPERATURE, index, np.array([272.0, 271.5]) + change[index])

    return between


SETTERS = {
    gradients.TEMPERATURE: set_temperature,
    gradients.TOTAL: set_total,
    "pointers": set_some_through_pointers,
    "twice": set_twice,
}


@pytest.mark.parametrize("case", SETTERS)
def test_a_state_set_while_recording_has_the_derivative_of_the_run(tmp_path, case):
    """By the values that were set, and by the initial state: what was overwritten has no part in it."""
    name = case if case in (gradients.TEMPERATURE, gradients.TOTAL) else gradients.TEMPERATURE
    model = gradients.started(tmp_path / "adjoint", schemes={"phase_change": "enthalpy", "transitions": "smooth"})
    extension, found = model.get_extension("gradient"), None
    start = gradients.state(extension)
    extension.start_recording(spacing=2)
    setter = SETTERS[case](model)
    for step in range(5):
        setter(step)
        model.update()
        extension.add_adjoint_seed(gradients.TEMPERATURE, np.linspace(1.0, 2.0, cases.LAYERS))
        extension.add_adjoint_seed(gradients.RUNOFF, np.array([1.0e4]))
    extension.stop_recording()
    while extension.recorded_steps():
        extension.update_adjoint()
        if extension.recorded_steps() == 2:
            found = gradients.adjoint(model, name)
    initial = gradients.adjoint(model, gradients.STATE)

    def difference(size, **changes):
        ends = []
        for sign in (size, -size):
            extension.set_state(start + sign * changes.get("state", np.zeros_like(start)))
            extension.set_time(0.0)
            change = sign * changes.get("setting", np.zeros(cases.LAYERS))
            ends.append(objective(model, 5, SETTERS[case](model, change)))
        return (ends[0] - ends[1]) / (2.0 * size)

    for layer in range(cases.LAYERS):
        setting = np.zeros(cases.LAYERS)
        setting[layer] = 1.0
        if case == "pointers" and layer == 0:
            continue
        expected = difference(1e-4 if name == gradients.TEMPERATURE else 1e-6, setting=setting)
        assert found[layer] == pytest.approx(expected, rel=1e-5, abs=1e-6), layer
    vector = np.zeros_like(start)
    vector[: 3 * cases.LAYERS] = np.linspace(-1.0, 1.0, 3 * cases.LAYERS) * 0.01
    vector[: cases.LAYERS] *= 100.0
    assert initial @ vector == pytest.approx(difference(1e-4, state=vector), rel=1e-5)


def test_values_set_by_index_have_a_derivative_at_these_indices_only(model):
    index = np.array([1, 4])
    between = lambda step: (  # noqa: E731
        model.set_value_at_indices(gradients.TEMPERATURE, index, np.array([272.0, 272.1])) if step == 0 else None
    )
    sweep(model, 2, between)
    found = gradients.adjoint(model, gradients.TEMPERATURE)
    assert (found != 0).tolist() == [False, True, False, False, True]
    by_state = gradients.adjoint(model, gradients.STATE)[: cases.LAYERS]
    assert (by_state != 0).tolist() == [True, False, True, True, False]


def test_reading_and_writing_back_takes_the_derivative_to_the_caller(model):
    """A coupler that writes back what it read owns that value: its adjoint is not in the state any more."""
    plain = sweep(model, 1)[0][: cases.LAYERS]
    model.get_extension("gradient").set_time(6 * cases.STEP)

    def between(step):
        model.set_value(gradients.TEMPERATURE, cases.read(model, gradients.TEMPERATURE))

    by_state = sweep(model, 1, between)[0][: cases.LAYERS]
    assert plain.all()
    assert not by_state.any()
    assert gradients.adjoint(model, gradients.TEMPERATURE).all()


def test_a_value_that_is_refused_leaves_no_trace_in_the_recording(model):
    extension = model.get_extension("gradient")
    pointers = [model.get_value_ptr(name) for name in (gradients.TEMPERATURE, gradients.ICE)]
    kept = gradients.state(extension)
    plain = sweep(model, 2)
    extension.set_state(kept)
    extension.set_time(6 * cases.STEP)
    pointers = [model.get_value_ptr(name) for name in (gradients.TEMPERATURE, gradients.ICE)]

    def between(step):
        pointers[0][0], pointers[1][0] = 271.0, np.nan
        with pytest.raises(ValueError, match="value nan at index 0"):
            model.update()

    assert all(np.array_equal(a, b) for a, b in zip(plain, sweep(model, 2, between), strict=True))


def test_a_step_that_fails_is_not_recorded(model, monkeypatch):
    extension = model.get_extension("gradient")
    kept = gradients.state(extension)
    plain = sweep(model, 3)
    extension.set_state(kept)
    extension.set_time(6 * cases.STEP)

    def between(step):
        def breaks(*arguments):
            raise ArithmeticError("no convergence")

        if step == 1:
            with monkeypatch.context() as patch:
                patch.setattr(CompiledStep, "__call__", breaks)
                with pytest.raises(ArithmeticError, match="no convergence"):
                    model.update()
            assert extension.recorded_steps() == 1

    assert all(np.array_equal(a, b) for a, b in zip(plain, sweep(model, 3, between), strict=True))


def test_inputs_of_a_framework_reach_the_humidity_of_the_first_surface(tmp_path):
    """Without a file the surface takes the humidity of the first air, which is part of the derivative."""
    humidity = cases.weather()["specific_humidity"][0]

    def started(folder, change):
        model = gradients.started(tmp_path / folder, forcing=None)
        model.get_extension("gradient").start_recording()
        cases.supply(model, 0)
        model.set_value(gradients.HUMIDITY, np.array([humidity * change]))
        model.update()
        return model

    model = started("middle", 1.0)
    extension = model.get_extension("gradient")
    extension.add_adjoint_seed(gradients.LATENT, np.ones(1))
    extension.stop_recording()
    extension.update_adjoint()
    ends = [cases.read(started(f"end{change}", change), gradients.LATENT)[0] for change in (1.00001, 0.99999)]
    expected = (ends[0] - ends[1]) / (2e-5 * humidity)
    assert gradients.adjoint(model, gradients.HUMIDITY)[0] == pytest.approx(expected, rel=1e-6)
    one_step = gradients.pulled(model, [gradients.LATENT], [gradients.HUMIDITY], np.ones(1))
    assert one_step[0] == pytest.approx(expected, rel=1e-4)


# --- after a window


@pytest.fixture
def nothing_eager():
    """Steps of torch fail. Past the refusal to replace a method, which the compiled step would not follow."""

    def eager(*arguments):
        raise AssertionError("the step was taken eagerly")

    own = NoahModel.forward
    type.__setattr__(NoahModel, "forward", eager)
    yield
    type.__setattr__(NoahModel, "forward", own)


def test_steps_in_a_window_and_after_it_are_compiled(model, nothing_eager):
    sweep(model, 2)
    model.update()
    sweep(model, 2)
    model.update()


# --- calls of several steps


def test_a_seed_of_a_mean_over_several_steps_reaches_all_of_them(tmp_path):
    """Rates and depths of update_until() by parameters, inputs and the state against differences."""
    model = gradients.started(tmp_path, schemes={"phase_change": "enthalpy", "transitions": "smooth"})
    extension = model.get_extension("gradient")
    for _ in range(8):
        model.update()
    start, time = gradients.state(extension), model.get_current_time()
    porosity = gradients.parameter(extension, gradients.POROSITY)
    seeds = {gradients.RUNOFF: 1.0e4, gradients.LATENT: 0.1, "land_surface__temperature": 1.0}

    def run(air=0.0, pores=0.0, state=0.0):
        extension.set_state(start + state)
        extension.set_time(time)
        extension.set_parameter(gradients.POROSITY, porosity + pores)
        model.set_value(gradients.AIR, np.array([277.0 + air]))
        total = 0.0
        for steps in (3, 1):
            model.update_until(model.get_current_time() + steps * cases.STEP)
            total += sum(weight * cases.read(model, name)[0] for name, weight in seeds.items())
        return total

    run()
    extension.set_state(start)
    extension.set_time(time)
    extension.start_recording(spacing=2)
    for steps in (3, 1):
        model.update_until(model.get_current_time() + steps * cases.STEP)
        for name, weight in seeds.items():
            extension.add_adjoint_seed(name, np.array([weight]))
    extension.stop_recording()
    assert extension.recorded_steps() == 2
    by_air = 0.0
    while extension.recorded_steps():
        extension.update_adjoint()
        by_air += gradients.adjoint(model, gradients.AIR)[0]
    by_pores, by_state = gradients.adjoint(model, gradients.POROSITY), gradients.adjoint(model, gradients.STATE)

    def difference(name, size):
        return (run(**{name: size}) - run(**{name: -size})) / (2.0 * np.abs(size).max())

    assert by_air == pytest.approx(difference("air", 1e-4), rel=1e-5)
    assert by_pores.sum() == pytest.approx(difference("pores", 1e-6), rel=1e-5)
    one = np.zeros_like(start)
    one[1] = 1.0e-5
    assert by_state[1] == pytest.approx(difference("state", one), rel=1e-5)


def test_the_derivative_of_one_step_is_refused_after_a_call_of_several(model):
    model.update_until(model.get_current_time() + 3 * cases.STEP)
    with pytest.raises(
        WindowError, match=r"get_adjoint_derivative: the last update_until\(\) took several steps"
    ) as error:
        gradients.pulled(model, [gradients.LATENT], [gradients.AIR], np.ones(1))
    assert error.value.function == "get_adjoint_derivative"


# --- states and times that are replaced


def test_a_state_set_inside_a_window_cuts_off_what_came_before(model):
    """Its derivative is that of the next step's beginning; before it, only seeds of earlier outputs count."""
    extension = model.get_extension("gradient")
    kept, time = gradients.state(extension), model.get_current_time()
    plain = sweep(model, 2)
    extension.set_state(kept)
    extension.set_time(time)
    extension.start_recording()
    model.update()
    extension.set_state(kept)
    extension.set_time(time)
    for _ in range(2):
        model.update()
        extension.add_adjoint_seed(gradients.TEMPERATURE, np.linspace(1.0, 2.0, cases.LAYERS))
        extension.add_adjoint_seed(gradients.RUNOFF, np.array([1.0e4]))
    extension.stop_recording()
    extension.update_adjoint()
    extension.update_adjoint()
    assert np.array_equal(gradients.adjoint(model, gradients.STATE), plain[0])
    extension.update_adjoint()
    assert not gradients.adjoint(model, gradients.STATE).any()
    assert np.array_equal(gradients.adjoint(model, gradients.POROSITY), plain[1])


def test_a_seed_after_the_state_was_replaced_is_refused(model):
    extension = model.get_extension("gradient")
    extension.start_recording()
    model.update()
    extension.set_state(gradients.state(extension))
    with pytest.raises(WindowError, match=r"@state was set after the last update\(\)"):
        extension.add_adjoint_seed(gradients.LATENT, np.ones(1))


# --- memory


def test_recording_a_step_of_one_column_takes_less_than_four_kilobytes(tmp_path):
    """So 17,520 half-hourly steps take less than 70 MiB, whatever their states need besides within the budget."""
    model = gradients.started(tmp_path, schemes={"phase_change": "heat_limited"})
    extension = model.get_extension("gradient")
    cases.supply(model, 3)
    extension.start_recording()
    window, steps = model._run.recording.window, 2000
    for _ in range(3):
        model.update()
    step, state = model._run.last_call[0], model._run.values.state
    tracemalloc.start()
    for _ in range(steps):
        window.add(step, (), state)
    used = resident(window) + tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert used / steps < 4096
    assert extension.recorded_steps() == steps + 3


def resident(window):
    """Bytes of the tensors of a window, which Python's own accounting does not see."""
    tensors = [step.inputs for step in window._steps] + [state for _, state in window._checkpoints._kept]
    overhead = 512
    return sum(tensor.numel() * tensor.element_size() + overhead for tensor in tensors)
