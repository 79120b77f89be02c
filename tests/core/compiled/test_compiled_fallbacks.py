"""What is not compiled: which models and calls are stepped by torch instead, and what is said when they cannot be."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from compiled_cases import COVER, EVERYTHING, STATES, Setup, series, taken
from random_columns import Case
from torch import Tensor, nn
from torch.autograd import forward_ad

from noahpy_core.compiled import CompiledStep, NotCompiled
from noahpy_core.errors import ConvergenceError
from noahpy_core.execution import EXECUTIONS, step_function
from noahpy_core.model import NoahModel
from noahpy_core.options import Options
from noahpy_core.physics.soil_thermal import CoteKonrad2005
from noahpy_core.quantities import get_quantity, quantities, replace_quantity
from noahpy_core.simulation import Trajectory, iterate, run
from noahpy_core.state import Forcing
from noahpy_core.trees import map_tensors, tree_leaves

SETUP = COVER[2]
ENTHALPY = COVER[3]
OUTPUTS = ["skin_temperature", "soil.temperature", "soil.moisture", "latent_heat_flux"]


def the_run(model: nn.Module, case: Case, execution: str = "auto", steps: int = 2) -> Trajectory:
    return run(model, case.state, series(case, steps), case.parameters, case.dt, outputs=OUTPUTS, execution=execution)


class Curved(nn.Module):
    """A built-in scheme times a weight, by a function that has no compiled form."""

    def __init__(self) -> None:
        super().__init__()
        self.scheme, self.factor = CoteKonrad2005(), nn.Parameter(torch.tensor(1.0, dtype=torch.float64))

    def forward(self, *arguments: Any) -> Tensor:
        return torch.erf(self.factor) * self.scheme(*arguments)


def replaced(case: Case) -> dict[str, tuple[NoahModel, str]]:
    """Models with a scheme that has no compiled form, and what is said of them."""
    by_name = Options(soil_thermal="test_compiled_fallbacks:Curved")
    named = r"soil_thermal cannot be compiled: in Curved: torch operation aten\.erf\.default has no compiled form"
    curved, scheme = Curved(), CoteKonrad2005()
    return {
        "function": (
            NoahModel(case.column, processes={"soil_thermal": lambda *given: scheme(*given)}),
            r"soil_thermal is supplied by the user and no torch\.nn\.Module",
        ),
        "supplied": (NoahModel(case.column, processes={"soil_thermal": curved.requires_grad_(False)}), named),
        "trained": (NoahModel(case.column, processes={"soil_thermal": Curved()}), named),
        "imported": (NoahModel(case.column, by_name), named),
    }


@pytest.fixture
def nothing_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("compiled all the same")

    monkeypatch.setattr("noahpy_core.compiled.execute.program.Program.__init__", refuse)
    monkeypatch.setattr("noahpy_core.compiled.execute.collect.program", refuse)


@pytest.mark.parametrize("kind", ["function", "supplied", "trained", "imported"])
def test_a_model_with_a_scheme_that_has_no_compiled_form_is_stepped_by_torch(kind, nothing_compiled):
    case = SETUP.case(9, seed=501)
    model, reason = replaced(case)[kind]
    automatic, eager = the_run(model, case), the_run(model, case, "eager")
    for name in OUTPUTS:
        assert torch.equal(automatic.outputs[name], eager.outputs[name]), name
    assert step_function(model) is model
    for call in (lambda: the_run(model, case, "compiled"), lambda: step_function(model, "compiled")):
        with pytest.raises(ValueError, match=rf"'compiled' is not possible, because its {reason}.*'eager' or 'auto'"):
            call()


def test_the_way_of_execution_is_checked():
    case = SETUP.case(3, seed=502)
    model = SETUP.model(case)
    for call in (lambda: the_run(model, case, "fast"), lambda: step_function(model, "fast")):
        with pytest.raises(ValueError, match=rf"execution: 'fast' is unknown\. Use {', '.join(EXECUTIONS)}"):
            call()


def test_a_built_in_model_is_compiled_unless_eager_is_asked_for(nothing_compiled):
    case = SETUP.case(3, seed=503)
    model = SETUP.model(case)
    assert isinstance(step_function(model), CompiledStep)
    assert step_function(model, "eager") is model
    the_run(model, case, "eager")
    for execution in ("auto", "compiled"):
        with pytest.raises(AssertionError, match="compiled all the same"):
            the_run(model, case, execution)


def test_anything_else_that_steps_is_taken_as_it_is():
    def step(*arguments: Any) -> Any:
        return arguments

    assert step_function(step) is step
    with pytest.raises(ValueError, match="the model is a function, not a NoahModel"):
        step_function(step, "compiled")


# --- transformations --------------------------------------------------------------------------------------------------


def skin_temperature(case: Case, execution: str) -> Any:
    """A run as a function of the soil temperature."""

    def function(temperature: Tensor) -> Tensor:
        state = replace_quantity(case.state, "soil.temperature", temperature)
        return the_run(SETUP.model(case), dataclasses.replace(case, state=state), execution).outputs["skin_temperature"]

    return function


def test_forward_mode_is_the_same_for_a_direction_and_for_dual_numbers_and_twice_goes_through_torch():
    case = SETUP.case(9, seed=504)
    point, direction = case.state.soil.temperature, torch.ones_like(case.state.soil.temperature)
    _, tangent = torch.func.jvp(skin_temperature(case, "auto"), (point,), (direction,))
    with forward_ad.dual_level():
        dual = forward_ad.unpack_dual(skin_temperature(case, "auto")(forward_ad.make_dual(point, direction)))
    assert torch.equal(dual.tangent, tangent)
    assert bool((tangent != 0).any())
    along = lambda x: torch.func.jvp(skin_temperature(case, "compiled"), (x,), (direction,))[1]  # noqa: E731
    with pytest.raises(ValueError, match=r"a derivative of forward mode \(take jvp of grad instead\)"):
        torch.func.jvp(along, (point,), (direction,))


def test_vmap_goes_through_torch():
    case = SETUP.case(9, seed=505)
    points = torch.stack([case.state.soil.temperature + shift for shift in (-1.0, 0.0, 1.0)])
    with torch.no_grad():
        mapped = torch.func.vmap(skin_temperature(case, "auto"))(points)
        apart = torch.stack([skin_temperature(case, "compiled")(point) for point in points])
    torch.testing.assert_close(mapped, apart, rtol=1e-9, atol=1e-9)
    with pytest.raises(ValueError, match="because vmap alone"):
        torch.func.vmap(skin_temperature(case, "compiled"))(points)


# --- number types -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("container", "path"), [("parameters", "soil.porosity"), ("forcing", "wind_speed"), ("state", "snow.age")]
)
def test_mixed_number_types_go_through_torch(container, path):
    case = SETUP.case(9, seed=506)
    tree = getattr(case, container)
    mixed = replace_quantity(tree, path, get_quantity(tree, path).to(torch.float32))
    case = dataclasses.replace(case, **{container: mixed})
    model = SETUP.model(case)
    automatic, eager = the_run(model, case), the_run(model, case, "eager")
    for name in OUTPUTS:
        assert torch.equal(automatic.outputs[name], eager.outputs[name]), name
    with pytest.raises(NotCompiled, match=rf"{container}\.{path} is torch\.float32 on cpu.*torch\.float64.*'eager'"):
        the_run(model, case, "compiled")


def test_the_quickest_step_takes_mixed_number_types_too():
    case = SETUP.case(9, seed=506)
    forcing = replace_quantity(case.forcing, "wind_speed", case.forcing.wind_speed.to(torch.float32))
    arguments = (case.state, forcing, case.parameters, case.dt)
    with torch.no_grad():
        expected = SETUP.model(case)(*arguments)
        found = step_function(SETUP.model(case))(*arguments)
    for one, other in zip(tree_leaves(found), tree_leaves(expected), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("container", ["forcing", "state"])
def test_a_compiled_step_does_not_take_another_number_type_for_its_own_after_the_first_call(container):
    case = SETUP.case(9, seed=506)
    step = step_function(SETUP.model(case), "compiled")
    step(case.state, case.forcing, case.parameters, case.dt)
    path = "wind_speed" if container == "forcing" else "snow.age"
    tree = getattr(case, container)
    tree = replace_quantity(tree, path, get_quantity(tree, path).to(torch.float32))
    mixed = dataclasses.replace(case, **{container: tree})
    with pytest.raises(NotCompiled, match=rf"{container}\.{path} is torch\.float32"):
        step(mixed.state, mixed.forcing, mixed.parameters, mixed.dt)


def test_layers_of_another_number_type_are_named():
    case = SETUP.case(9, seed=507)
    case = dataclasses.replace(case, column=case.column.to(dtype=torch.float32))
    with pytest.raises(NotCompiled, match=r"column\.thickness is torch\.float32"):
        the_run(SETUP.model(case), case, "compiled")


# --- failures ---------------------------------------------------------------------------------------------------------


def poisoned(setup: Setup, step: int, column: int) -> tuple[Case, Any]:
    """A case, and weather that is not a number at one step in one column."""
    case = setup.case(20, seed=508)
    weather = series(case, 5)
    air = weather.air_temperature.clone()
    air[step, column] = torch.nan
    return case, dataclasses.replace(weather, air_temperature=air)


@pytest.mark.parametrize("spacing", [1, 2])
@pytest.mark.parametrize("wanted", [False, True], ids=["without gradient", "with gradient"])
def test_a_step_that_is_not_solved_is_named_with_its_column(spacing, wanted):
    case, weather = poisoned(ENTHALPY, step=3, column=13)
    state = map_tensors(lambda x: x.clone().requires_grad_(wanted), case.state)
    for execution in ("compiled", "eager"):
        with pytest.raises(ConvergenceError, match=r"^step 3: enthalpy heat step: 1 of 20 columns.*first column 13"):
            run(
                ENTHALPY.model(case), state, weather, case.parameters, case.dt, outputs=OUTPUTS, execution=execution,
                checkpoint_every=spacing,
            )  # fmt: skip


def test_a_step_of_a_coupler_that_is_not_solved_is_named_once():
    case, weather = poisoned(ENTHALPY, step=3, column=13)
    step = step_function(ENTHALPY.model(case), "compiled")
    records = [weather.at(number) for number in range(5)]
    with pytest.raises(ConvergenceError, match=r"^step 3: enthalpy heat step: .*first column 13"):
        list(iterate(step, case.state, records, case.parameters, case.dt))


def test_a_step_that_is_not_solved_does_not_spoil_the_next_run():
    case, weather = poisoned(ENTHALPY, step=0, column=2)
    with pytest.raises(ConvergenceError):
        taken(ENTHALPY, case, "compiled", forcing=weather)
    sound = taken(ENTHALPY, case, "compiled")
    assert bool(torch.isfinite(sound.outputs["soil.temperature"]).all())


def test_what_is_not_a_number_spreads_as_in_eager():
    """Otherwise a gap in the weather would pass for a value."""
    case = SETUP.case(20, seed=509)
    weather = series(case, 2)
    for path in (path for path, _ in quantities(Forcing) if getattr(weather, path) is not None):
        values = getattr(weather, path).clone()
        values[1, 6] = torch.nan
        gap = dataclasses.replace(weather, **{path: values})
        compiled, eager = (taken(SETUP, case, way, forcing=gap).outputs for way in ("compiled", "eager"))
        for name in EVERYTHING:
            assert torch.equal(torch.isnan(compiled[name]), torch.isnan(eager[name])), (path, name)
        assert any(bool(value.isnan().any()) for value in eager.values()), path


def test_an_unknown_output_is_named():
    case = SETUP.case(3, seed=509)
    with pytest.raises(KeyError, match="output 'soil_temperature' is unknown"):
        run(
            SETUP.model(case), case.state, series(case, 1), case.parameters, case.dt, outputs=["soil_temperature"],
            execution="compiled",
        )  # fmt: skip


@pytest.mark.parametrize("wrong", ["columns", "layers", "time"])
def test_a_tensor_of_the_wrong_shape_is_refused_before_its_memory_is_read(wrong):
    case = SETUP.case(9, seed=510)
    weather, state = series(case, 2), case.state
    if wrong == "columns":
        state = replace_quantity(state, "snow.age", state.snow.age[:5])
    elif wrong == "layers":
        state = replace_quantity(state, "soil.ice", state.soil.ice[:1])
    else:
        weather = dataclasses.replace(weather, wind_speed=weather.wind_speed[:1])
    with pytest.raises(ValueError, match="shape"):
        run(SETUP.model(case), state, weather, case.parameters, case.dt, outputs=OUTPUTS, execution="compiled")


@pytest.mark.parametrize("execution", ["eager", "compiled"])
@pytest.mark.parametrize("wanted", [False, True], ids=["without gradient", "with gradient"])
def test_a_run_of_no_steps_ends_where_it_starts(execution, wanted):
    case = SETUP.case(9, seed=511)
    state = map_tensors(lambda x: x.clone().requires_grad_(wanted), case.state)
    weather = map_tensors(lambda x: x[:0], series(case, 1))
    path = run(SETUP.model(case), state, weather, case.parameters, case.dt, outputs=OUTPUTS, execution=execution)
    for name in STATES:
        assert torch.equal(get_quantity(path.final_state, name), get_quantity(case.state, name)), name
    assert {name: tuple(value.shape) for name, value in path.outputs.items()} == {
        "skin_temperature": (0, 9), "soil.temperature": (0, 2, 9), "soil.moisture": (0, 2, 9),
        "latent_heat_flux": (0, 9),
    }  # fmt: skip
    if wanted:
        path.final_state.skin_temperature.sum().backward()
        assert bool((state.skin_temperature.grad == 1.0).all())
