"""Kernels on a graphics processor: the numbers of the kernels of the processor, in every regime and direction."""

from __future__ import annotations

import dataclasses
import warnings

import pytest
import torch
from compiled_cases import (
    COVER,
    DIFFERENTIATED,
    FLUXES,
    Setup,
    Values,
    differences,
    gradients,
    results_of,
    series,
    taken,
)
from random_columns import Case, layered, random_case
from test_compiled_tangents import changes
from threshold_columns import at_thresholds

from noahpy_core import ConvergenceError, NoahModel, preset, run, step_function
from noahpy_core.compiled.execute.shown import TRY_VARIABLE
from noahpy_core.quantities import get_quantity, quantities
from noahpy_core.state import State
from noahpy_core.trees import map_tensors

graphics = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics processor")
CLOSE = 1.0e-9
"""Graphics processors multiply and add in one rounding where the processor may take two."""
COLUMNS = 500


@pytest.fixture(autouse=True)
def what_was_never_compared_is_taken(monkeypatch):
    """Here it is compared."""
    monkeypatch.setenv(TRY_VARIABLE, "1")


def placed(case: Case, device: str = "cuda") -> Case:
    """The same columns on a device."""
    moved = {
        name: map_tensors(lambda x: x.to(device), getattr(case, name)) for name in ("state", "forcing", "parameters")
    }
    return dataclasses.replace(case, column=case.column.to(device=device), dt=case.dt.to(device), **moved)


def on_processor(values: Values) -> Values:
    return {name: value.cpu() for name, value in values.items()}


def assert_close(case: Case, one: Values, other: Values, few: float = 0.01) -> None:
    """All but a few columns, in which round-off decides, are close."""
    found = differences(case, on_processor(one), other)
    beyond = torch.stack([shares > CLOSE for shares in found.values()]).any(0)
    worst = {name: float(shares.max()) for name, shares in found.items() if float(shares.max()) > CLOSE}
    assert float(beyond.double().mean()) <= few, worst


@graphics
@pytest.mark.parametrize("threshold", [False, True], ids=["random", "threshold"])
@pytest.mark.parametrize("setup", COVER, ids=str)
def test_steps_give_the_numbers_of_the_processor(setup: Setup, threshold: bool):
    case = setup.case(COLUMNS, seed=501)
    case = at_thresholds(case) if threshold else case
    there = results_of(taken(setup, placed(case), "compiled"))
    assert all(value.is_cuda for value in there.values())
    assert_close(case, there, results_of(taken(setup, case, "compiled")))


@graphics
@pytest.mark.parametrize("how", [{}, {"checkpoint_every": 3}, {"truncate_every": 4}], ids=str)
@pytest.mark.parametrize("setup", COVER[:2], ids=str)
def test_gradients_are_those_of_the_processor(setup: Setup, how: dict[str, int]):
    case = setup.case(COLUMNS, seed=502)
    outputs = [name for name in DIFFERENTIATED if name not in FLUXES or not name.endswith("_residual")]
    given = {"outputs": outputs, **how}
    there, here = (
        gradients(setup, of, "compiled", forcing=series(of, 2 if not how else 10), **given)
        for of in (placed(case), case)
    )
    assert_close(case, there, here, few=0.05 if how else 0.01)


@graphics
def test_changes_are_those_of_the_processor():
    setup = COVER[1]
    case = setup.case(COLUMNS, seed=503)
    assert_close(case, changes(setup, placed(case), "compiled"), changes(setup, case, "compiled"))


@graphics
def test_the_conservative_column_runs_there():
    case = random_case(COLUMNS, 4, seed=505)
    names = [path for path, _ in quantities(State)] + ["latent_heat_flux", "surface_runoff", "enthalpy_residual"]

    def found(case: Case) -> Values:
        with torch.no_grad():
            model = NoahModel(case.column, preset("conservative")).to(case.dt.device)
            return run(
                model,
                layered(case.state),
                series(case, 6),
                case.parameters,
                3600.0,
                outputs=names,
                execution="compiled",
            ).outputs

    there, here = on_processor(found(placed(case))), found(case)
    assert float(there["enthalpy_residual"].abs().max()) < 1.0e-8
    for name in names:
        scale = here[name].abs().amax()
        apart = ((there[name] - here[name]).abs() > CLOSE * scale + 1.0e-12).reshape(-1, COLUMNS).any(0)
        assert float(apart.double().mean()) <= 0.01, name


@graphics
def test_single_steps_one_after_another_are_a_run():
    case = placed(COVER[1].case(COLUMNS, seed=505))
    model, weather = COVER[1].model(case).to("cuda"), series(case, 5)
    with torch.no_grad():
        whole = run(model, case.state, weather, case.parameters, case.dt, outputs=[], execution="compiled")
        step, state = step_function(model, "compiled"), case.state
        for number in range(5):
            state, _ = step(state, map_tensors(lambda x, k=number: x[k], weather), case.parameters, case.dt)
    for path, metadata in quantities(State):
        if not metadata["optional"]:
            assert torch.equal(get_quantity(state, path), get_quantity(whole.final_state, path)), path


@graphics
def test_a_column_that_is_not_solved_is_named():
    setup = COVER[4]
    case = placed(setup.case(COLUMNS, seed=506))
    # Not a number anywhere in the soil has no solution.
    temperature = case.state.soil.temperature.clone()
    temperature[:, 77] = torch.nan
    state = dataclasses.replace(case.state, soil=dataclasses.replace(case.state.soil, temperature=temperature))
    with pytest.raises(ConvergenceError) as caught:
        taken(setup, dataclasses.replace(case, state=state), "compiled")
    assert caught.value.columns == (77,)


@graphics
def test_automatic_execution_takes_kernels_without_a_word():
    case = placed(COVER[1].case(20, seed=507))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        taken(COVER[1], case, "auto")


def test_tensors_on_two_devices_are_named():
    case = COVER[1].case(2, seed=508)
    elsewhere = dataclasses.replace(case, forcing=map_tensors(lambda x: x.to("meta"), case.forcing))
    with pytest.raises(ValueError, match=r"forcing\.air_temperature is torch\.float64 on meta, .* on cpu"):
        step_function(COVER[1].model(case), "compiled")(case.state, elsewhere.forcing, case.parameters, case.dt)


def test_numbers_that_are_kept_negated_are_read_with_their_sign():
    case = COVER[1].case(5, seed=509)
    wind = torch.complex(torch.zeros_like(case.dt), -case.forcing.wind_speed).conj().imag
    assert wind.is_neg()
    negated = dataclasses.replace(case, forcing=dataclasses.replace(case.forcing, wind_speed=wind))
    weather = map_tensors(lambda x: x[None], negated.forcing)

    with pytest.raises(ValueError, match=r"forcing\.wind_speed is a view of negated numbers.* resolve_neg"):
        taken(COVER[1], negated, "compiled", forcing=weather)
    with pytest.warns(RuntimeWarning, match="negated numbers"):
        found = results_of(taken(COVER[1], negated, "auto", forcing=weather))
    assert_close(case, found, results_of(taken(COVER[1], case, "compiled")), few=0.0)
