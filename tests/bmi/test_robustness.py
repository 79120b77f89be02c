"""What frameworks and batch systems do to a component: errors inside a step, copies, workers, many cycles."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import bmi_cases as cases
import gradient_cases as gradients
import numpy as np
import pytest
import torch

from bmi_noahpy import BmiNoahPy
from noahpy_core.errors import ConvergenceError

TINY = {
    "soil": {"thickness": [0.1, 0.3], "classes": 7},
    "vegetation": {"parameters": {"root_layers": 1}},
    "initial": {"soil_temperature": 272.0, "soil_moisture": 0.2, "soil_liquid": 0.1},
    "forcing": None,
}


# --- an error inside a step


def broken_step(model, monkeypatch, error=None):
    """The model of a component made to fail, or to give a soil temperature that is not a number."""
    original = model._run._quick_step

    def breaks(*arguments):
        if error is not None:
            raise error
        state, fluxes = original(*arguments)
        state.soil.temperature[2, 4] = np.nan
        return state, fluxes

    monkeypatch.setattr(model._run, "_quick_step", breaks)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ConvergenceError("soil heat not solved in column 4"), "^step 3: soil heat not solved in column 4"),
        (None, r"step 3 makes soil\.temperature not finite in column 4\. The state is left as it was"),
    ],
    ids=["not solved", "not finite"],
)
def test_an_error_inside_a_step_names_step_and_column_and_leaves_everything_as_it_was(
    tmp_path, monkeypatch, error, message
):
    model = cases.started(tmp_path, cases.grid_configuration())
    extension = model.get_extension("gradient")
    model.update()
    model.update()
    before = [gradients.state(extension), *(cases.read(model, name) for name in model.get_output_var_names())]
    with monkeypatch.context() as patch:
        broken_step(model, patch, error)
        with pytest.raises((ConvergenceError, ArithmeticError), match=message):
            model.update()
    after = [gradients.state(extension), *(cases.read(model, name) for name in model.get_output_var_names())]
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(before, after, strict=True))
    assert model.get_current_time() == 2 * cases.STEP
    model.update()
    untouched = cases.started(tmp_path / "untouched", cases.grid_configuration())
    untouched.update_until(3 * cases.STEP)
    assert np.array_equal(gradients.state(extension), gradients.state(untouched.get_extension("gradient")))


def test_an_error_in_the_first_step_leaves_the_surface_humidity_as_it_was(tmp_path, monkeypatch):
    """Without a file the first step takes its surface humidity from its own inputs, also at the second attempt."""
    model, other = (cases.started(tmp_path / k, cases.configuration(forcing=None)) for k in ("a", "b"))
    cases.supply(model, 20)
    before = gradients.state(model.get_extension("gradient"))
    with monkeypatch.context() as patch:
        broken_step(model, patch, ArithmeticError("broken"))
        with pytest.raises(ArithmeticError, match="broken"):
            model.update()
    assert np.array_equal(gradients.state(model.get_extension("gradient")), before)
    for component in (model, other):
        cases.supply(component, 0)
        component.update()
    states = [gradients.state(component.get_extension("gradient")) for component in (model, other)]
    assert np.array_equal(*states)


# --- copies and workers


def test_a_pickled_component_goes_on_as_the_original(tmp_path):
    model = gradients.started(tmp_path)
    for _ in range(3):
        model.update()
    model.set_value(gradients.AIR, np.array([275.0]))
    pointer = model.get_value_ptr(gradients.TEMPERATURE)
    copy = pickle.loads(pickle.dumps(model))
    copied = copy.get_value_ptr(gradients.TEMPERATURE)
    for component in (model, copy):
        component.update()
    assert np.array_equal(pointer, copied)
    assert not np.shares_memory(pointer, copied)
    states = [gradients.state(component.get_extension("gradient")) for component in (model, copy)]
    assert np.array_equal(*states)


def test_a_recording_can_be_pickled_and_reversed_elsewhere(tmp_path):
    model = gradients.started(tmp_path)
    extension = model.get_extension("gradient")
    extension.start_recording()
    for _ in range(3):
        model.update()
    extension.add_adjoint_seed(gradients.TEMPERATURE, np.ones(cases.LAYERS))
    extension.stop_recording()
    copy = pickle.loads(pickle.dumps(model))
    found = []
    for component in (model, copy):
        while component.get_extension("gradient").recorded_steps():
            component.get_extension("gradient").update_adjoint()
        found.append(gradients.adjoint(component, gradients.STATE))
    assert np.array_equal(*found)
    assert found[0].any()


def advanced(component):
    """In a worker: two steps and a derivative."""
    torch.set_num_threads(1)
    component.update()
    component.update()
    by_air = gradients.pulled(component, [gradients.LATENT], [gradients.AIR], np.ones(1))
    return gradients.state(component.get_extension("gradient")), by_air


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_take_components_and_give_the_same_results(tmp_path, method, monkeypatch):
    """Also after derivatives were computed in the parent, whose threads a forked worker does not have."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system cannot {method}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
    model = gradients.started(tmp_path)
    model.update()
    gradients.pulled(model, [gradients.LATENT], [gradients.AIR], np.ones(1))
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(max_workers=2, mp_context=context) as pool:
        results = [future.result(timeout=240) for future in [pool.submit(advanced, model) for _ in range(2)]]
    here = advanced(model)
    for result in results:
        assert np.array_equal(result[0], here[0])
        assert np.array_equal(result[1], here[1])


# --- many cycles


def resident_bytes():
    """Memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def cycle(path, record=False):
    model = BmiNoahPy()
    model.initialize(str(path))
    cases.supply(model, 3)
    model.get_value_ptr(gradients.TEMPERATURE)
    if record:
        model.get_extension("gradient").start_recording()
    model.update()
    model.finalize()


@pytest.mark.slow
def test_initialize_update_finalize_again_and_again_takes_no_more_memory(tmp_path):
    path = cases.write_case(tmp_path, cases.configuration(**TINY))
    tracemalloc.start()
    try:
        grown, counted = [], 40
        for _ in range(4):
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(counted):
                cycle(path, record=True)
            gc.collect()
            grown.append(tracemalloc.get_traced_memory()[0] - before)
    finally:
        tracemalloc.stop()
    # What Python keeps for reuse grows now and then; what a cycle leaves behind grows every time.
    assert min(grown) / counted < 500


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the memory of the process from /proc")
def test_the_process_does_not_grow_with_cycles(tmp_path):
    path = cases.write_case(tmp_path, cases.configuration(**TINY))
    for _ in range(30):
        cycle(path)
    gc.collect()
    before, counted = resident_bytes(), 150
    for _ in range(counted):
        cycle(path)
    gc.collect()
    assert (resident_bytes() - before) / counted < 8192


def test_one_component_initialised_again_and_again_keeps_one_run(tmp_path):
    path = cases.write_case(tmp_path, cases.configuration(**TINY))
    model = BmiNoahPy()
    for _ in range(5):
        model.initialize(str(path))
    runs = [thing for thing in gc.get_objects() if type(thing).__name__ == "SteppedRun"]
    assert sum(run is model._run for run in runs) == 1
    gc.collect()
    del runs
    alive = [thing for thing in gc.get_objects() if type(thing).__name__ == "SteppedRun"]
    assert len([run for run in alive if run.run.configuration is model._run.run.configuration]) == 1
