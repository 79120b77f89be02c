"""The coupled adjoint example: three components, one sweep back."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bmi_noahpy.gradient.conformance.report import check_gradient_extension

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
STEPS = 8


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("coupled_adjoint", EXAMPLES / "coupled_adjoint.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["coupled_adjoint"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_gradient_of_discharge_in_one_sweep_equals_differences_of_the_coupled_run(example, tmp_path):
    catchment = example.open_catchment(tmp_path, STEPS)
    found = example.compare(catchment)
    assert set(found) == {example.CAPACITY, *example.SOIL_PARAMETERS, example.QUICK_TIME, example.SLOW_TIME}
    for name, (adjoint, difference) in found.items():
        assert difference != 0.0
        assert adjoint == pytest.approx(difference, rel=1e-5), name


@pytest.mark.slow
def test_the_gradient_reaches_the_precipitation_above_the_canopy(example, tmp_path):
    catchment = example.open_catchment(tmp_path, STEPS)
    gradient = catchment.gradient()[example.SNOWFALL]
    step = int(np.flatnonzero(catchment.precipitation[:, 0])[0])
    rain = catchment.precipitation.copy()
    ends = []
    for sign in (1.0, -1.0):
        catchment.precipitation = rain.copy()
        catchment.precipitation[step] *= 1.0 + sign * 1e-5
        ends.append(catchment.forward()[0])
    assert gradient[step] @ rain[step] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5)


def test_the_small_components_pass_the_conformance_test(example):
    canopy = example.Interception(example.COLUMNS, example.STEP)
    canopy.set_value(example.SNOWFALL, np.array([1e-4, 3e-4, 2e-4, 5e-4]))
    river = example.NashCascade(example.COLUMNS, example.STEP, example.CELL_AREA)
    river.set_value(example.QUICK, np.full(example.COLUMNS, 1e-7))
    river.set_value(example.SLOW, np.full(example.COLUMNS, 2e-7))
    for component in (canopy, river):
        assert check_gradient_extension(component).passed


def test_the_small_components_keep_their_water(example):
    canopy = example.Interception(2, example.STEP)
    canopy.set_value(example.SNOWFALL, np.array([4e-4, 0.0]))
    before = canopy.state
    canopy.update()
    throughfall = canopy.get_value(example.THROUGHFALL, np.empty(2))
    np.testing.assert_allclose(before + np.array([4e-4, 0.0]) * example.STEP, canopy.state + throughfall * example.STEP)
    river = example.NashCascade(2, example.STEP, 1.0e6)
    river.set_value(example.QUICK, np.array([1e-7, 2e-7]))
    stored = river.state.sum()
    river.update()
    out = river.get_value(example.DISCHARGE, np.empty(1))[0] * example.STEP
    assert river.state.sum() + out == pytest.approx(stored + 3e-7 * 1.0e6 * example.STEP)


def test_the_example_runs_as_a_program():
    program = [sys.executable, str(EXAMPLES / "coupled_adjoint.py"), "4"]
    done = subprocess.run(program, capture_output=True, text=True, check=True, timeout=300)
    assert "one sweep back" in done.stdout
    assert "soil__porosity" in done.stdout
