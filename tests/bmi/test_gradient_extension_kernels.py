"""Recorded windows and one-step derivatives by compiled kernels: the same numbers as by torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bmi_cases as cases
import gradient_cases as gradients
import numpy as np
import pytest

from bmi_noahpy.gradient.kernel_engine import KernelEngine
from bmi_noahpy.gradient.torch_engine import TorchEngine

COLUMNS = 3
STEPS = 4


def started(folder: Path, execution: str, **changes: Any) -> Any:
    folder.mkdir()
    return gradients.row(folder, COLUMNS, execution=execution, **changes)


def values(model: Any, name: str, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=gradients.size(model, name))


def supply(model: Any, step: int) -> None:
    """The same weather in every column, but for the warmth of the air."""
    for name, source in cases.INPUT_OF.items():
        model.set_value(name, np.full(COLUMNS, cases.weather()[source][step]))
    model.set_value(gradients.AIR, cases.weather()["air_temperature"][step] + np.arange(COLUMNS))
    model.set_value(gradients.WIND_Y, np.full(COLUMNS, 0.5))


def window(model: Any, *, framework: bool = False) -> dict[str, np.ndarray]:
    """Adjoints of a window in which states are set and every output has a seed in every step."""
    extension, outputs = model.get_extension("gradient"), model.get_output_var_names()
    causes = [*extension.get_parameter_names(), *model.get_input_var_names(), gradients.TEMPERATURE, gradients.STATE]
    start = gradients.state(extension)
    extension.start_recording(spacing=2)
    for step in range(STEPS):
        if framework:
            supply(model, step)
        if step == 1:
            model.set_value(gradients.TEMPERATURE, cases.read(model, gradients.TEMPERATURE) + 0.3)
        if step == 2:
            model.set_value(gradients.TOTAL, 0.97 * cases.read(model, gradients.TOTAL))
        model.update()
        for number, name in enumerate(outputs):
            extension.add_adjoint_seed(name, values(model, name, 100 * step + number))
    extension.stop_recording()
    extension.add_adjoint_seed(gradients.STATE, values(model, gradients.STATE, 7))
    found = {}
    for step in reversed(range(STEPS)):
        extension.update_adjoint()
        found |= {f"{name} {step}": gradients.adjoint(model, name) for name in causes}
    assert start.size == found[f"{gradients.STATE} 0"].size
    return found


def typical_sizes(model: Any) -> dict[str, float]:
    """Largest value of every cause, with which its adjoint is a change of the objective."""
    extension = model.get_extension("gradient")
    sizes = {name: gradients.parameter(extension, name) for name in extension.get_parameter_names()}
    sizes |= {name: cases.read(model, name) for name in (*model.get_input_var_names(), gradients.TEMPERATURE)}
    return {name: float(np.nanmax(np.abs(value))) for name, value in sizes.items()} | {gradients.STATE: 1.0}


@pytest.mark.parametrize("framework", [False, True], ids=["file", "framework"])
@pytest.mark.parametrize("phase_change", [pytest.param("heat_limited", marks=pytest.mark.slow), "enthalpy"])
def test_a_window_in_kernels_has_the_adjoints_of_one_in_torch(tmp_path, phase_change, framework):
    changes: dict[str, Any] = {"schemes": {"phase_change": phase_change}}
    if framework:
        changes["forcing"] = None
    found, engines = {}, {}
    for execution in ("compiled", "eager"):
        model = started(tmp_path / execution, execution, **changes)
        found[execution] = window(model, framework=framework)
        engines[execution] = type(model._run.recording.window._engine)
    assert engines == {"compiled": KernelEngine, "eager": TorchEngine}
    assert any("temperature 1" in name and np.any(value) for name, value in found["eager"].items())
    sizes = typical_sizes(model)
    per_cause = {name: np.abs(expected).max() * sizes[name[:-2]] for name, expected in found["eager"].items()}
    for name, expected in found["eager"].items():
        difference = np.abs(found["compiled"][name] - expected).max() * sizes[name[:-2]]
        # What one cause changes is the small remainder of what all do: round-off is a share of that too.
        assert difference <= 1.0e-9 * per_cause[name] + 1.0e-13 * max(per_cause.values()), name


def test_one_step_pulled_by_a_kernel_is_that_of_torch_after_parameters_change(tmp_path):
    pulled: dict[str, list[np.ndarray]] = {}
    for execution in ("compiled", "eager"):
        model = started(tmp_path / execution, execution)
        extension = model.get_extension("gradient")
        outputs = [*model.get_output_var_names(), gradients.STATE]
        causes = [*extension.get_parameter_names(), *model.get_input_var_names(), gradients.STATE]
        seed = np.concatenate([values(model, name, number) for number, name in enumerate(outputs)])
        pulled[execution] = []
        for factor in (1.0, 1.05):
            extension.set_parameter(gradients.POROSITY, factor * gradients.parameter(extension, gradients.POROSITY))
            model.update()
            pulled[execution].append(gradients.pulled(model, outputs, causes, seed))
            pulled[execution].append(gradients.pulled(model, outputs, causes, seed))
    for one, other in zip(pulled["compiled"], pulled["eager"], strict=True):
        assert gradients.relative_error(one, other) < 1.0e-9
    assert np.array_equal(pulled["compiled"][0], pulled["compiled"][1])
    assert not np.array_equal(pulled["compiled"][0], pulled["compiled"][2])


def test_one_step_pushed_by_a_kernel_is_that_of_torch(tmp_path):
    pushed: dict[str, np.ndarray] = {}
    for execution in ("compiled", "eager"):
        model = started(tmp_path / execution, execution)
        extension = model.get_extension("gradient")
        model.update()
        outputs = [*model.get_output_var_names(), gradients.STATE]
        causes = [*extension.get_parameter_names(), gradients.AIR, gradients.RAIN, gradients.WIND_X, gradients.STATE]
        sizes = typical_sizes(model)
        vector = np.concatenate([sizes[name] * values(model, name, k) for k, name in enumerate(causes)])
        pushed[execution] = gradients.pushed(model, outputs, causes, vector)
        parts = np.split(pushed[execution], np.cumsum([gradients.size(model, name) for name in outputs])[:-1])
    assert sum(bool(np.any(part)) for part in parts) > 40
    start = 0
    for name, part in zip(outputs, parts, strict=True):
        found = pushed["compiled"][start : start + part.size]
        start += part.size
        assert np.abs(found - part).max() <= 1.0e-9 * max(np.abs(part).max(), 1.0e-30), name
