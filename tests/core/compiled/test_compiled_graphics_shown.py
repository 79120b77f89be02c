"""What was never compared on a graphics processor is not used there without a word.

The CPU passes for such a processor here: all but the machine code is the same.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable

import pytest
import torch
from compiled_cases import COVER, Setup, series, shape_of
from network_cases import Conductivity, with_schemes
from random_columns import Case, layered, random_case
from torch import Tensor

from noahpy_core import NoahModel, Options, iterate, preset, run, step_function
from noahpy_core.compiled import NotCompiled
from noahpy_core.compiled.execute import shown
from noahpy_core.quantities import replace_quantity
from noahpy_core.simulation import Trajectory
from noahpy_core.trees import map_tensors

SETUP = COVER[0]


@pytest.fixture(autouse=True)
def a_processor_that_passes_for_another(monkeypatch):
    monkeypatch.setattr(shown, "GRAPHICS", frozenset({"cpu"}))
    monkeypatch.delenv(shown.TRY_VARIABLE, raising=False)


def the_case(options: Options, columns: int = 5) -> tuple[NoahModel, Case]:
    """Columns for schemes whose steps were compared, with other schemes put in."""
    case = random_case(columns, SETUP.layers, seed=601)
    return NoahModel(case.column, options), case


def the_run(model: NoahModel, case: Case, execution: str = "auto", temperature: Tensor | None = None) -> Trajectory:
    state = case.state
    if temperature is not None:
        state = replace_quantity(state, "soil.temperature", temperature)
    weather, outputs = series(case, 2), ["skin_temperature"]
    return run(model, state, weather, case.parameters, case.dt, outputs=outputs, execution=execution)


def gradient(model: NoahModel, case: Case, execution: str = "auto") -> Tensor:
    temperature = case.state.soil.temperature.clone().requires_grad_()
    total = the_run(model, case, execution, temperature).outputs["skin_temperature"].sum()
    return torch.autograd.grad(total, temperature)[0]


def change(model: NoahModel, case: Case, execution: str = "auto") -> Tensor:
    temperature = case.state.soil.temperature

    def skin(given: Tensor) -> Tensor:
        return the_run(model, case, execution, given).outputs["skin_temperature"]

    return torch.func.jvp(skin, (temperature,), (torch.ones_like(temperature),))[1]


@pytest.mark.parametrize(("method", "kind"), [(gradient, "steps back"), (change, "changes")])
def test_derivatives_step_eagerly_there_and_say_so(method: Callable[..., Tensor], kind: str):
    model, case = the_case(Options())
    with pytest.warns(RuntimeWarning, match=rf"the kernel of {kind} was never compared.*Now stepping eagerly") as said:
        found = method(model, case)
    assert sum(one.category is RuntimeWarning for one in said) == 1
    assert torch.equal(found, method(model, case, "eager"))
    with pytest.raises(ValueError, match=rf"the kernel of {kind} was never compared.*Use execution 'eager'"):
        method(model, case, "compiled")


def test_steps_that_were_compared_are_taken_without_a_word():
    model, case = the_case(Options())
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("error")
        the_run(model, case)
        step_function(model)(case.state, case.forcing, case.parameters, case.dt)


def with_irrigation(case: Case) -> Case:
    return dataclasses.replace(
        case, forcing=dataclasses.replace(case.forcing, irrigation=torch.zeros_like(case.forcing.wind_speed))
    )


def in_single_precision(case: Case) -> Case:
    trees = {name: map_tensors(Tensor.float, getattr(case, name)) for name in ("state", "forcing", "parameters")}
    return dataclasses.replace(case, column=case.column.to(dtype=torch.float32), dt=case.dt.float(), **trees)


@pytest.mark.parametrize(
    ("options", "changed", "words"),
    [
        (Options(), in_single_precision, "a kernel in float32"),
        (Options(), with_irrigation, "a kernel that reads forcing.irrigation"),
        (Options(canopy_resistance="leuning2008"), None, "a kernel with canopy_resistance 'leuning2008'"),
        (Options(phase_change="enthalpy", soil_water="richards"), None, "a kernel with soil_water 'richards'"),
        (preset("conservative"), lambda c: dataclasses.replace(c, state=layered(c.state)), "a kernel with "),
    ],
    ids=["float32", "input", "leuning", "richards", "conservative"],
)
def test_what_was_not_compared_is_named_once(options, changed, words):
    case = random_case(5, SETUP.layers, seed=602)
    case = changed(case) if changed else case
    model = NoahModel(case.column, options)
    steps = iterate(step_function(model), case.state, [case.forcing] * 2, case.parameters, case.dt)
    with pytest.warns(RuntimeWarning, match=f"{words}.*was never compared") as said:
        list(steps)
    assert len(said) == 1
    with torch.no_grad(), pytest.raises(ValueError, match=f"{words}.*was never compared"):
        the_run(model, case, "compiled")


def test_a_network_is_named():
    case = random_case(5, SETUP.layers, seed=603)
    model = with_schemes(case, "heat_limited", {"soil_thermal": Conductivity()})
    with torch.no_grad(), pytest.raises(ValueError, match="a kernel with a scheme that is not built in was never"):
        the_run(model, case, "compiled")


@pytest.mark.parametrize("kind", ["steps back", "changes"])
def test_who_wants_to_try_is_not_kept_from_it(monkeypatch, kind):
    shape = shape_of(SETUP)
    with pytest.raises(NotCompiled, match=f"set the environment variable {shown.TRY_VARIABLE} to 1"):
        shown.require_shown(shape, kind, torch.device("cpu"))
    monkeypatch.setenv(shown.TRY_VARIABLE, "1")
    shown.require_shown(shape, kind, torch.device("cpu"))


def test_what_counts_as_compared_is_among_what_is_compared_wherever_there_is_such_a_processor():
    covered: dict[str, set[str]] = {}
    for setup in COVER:
        assert isinstance(setup, Setup)
        for slot, scheme in vars(setup.options).items():
            covered.setdefault(slot, set()).add(str(scheme))
    assert {slot for slot, schemes in shown.SHOWN_SCHEMES.items() if schemes - covered[slot]} == set()
