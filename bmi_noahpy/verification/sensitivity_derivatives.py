"""Derivatives of a run's results with respect to its inputs, in reverse and in forward mode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import forward_ad

from bmi_noahpy.verification.sensitivity_names import Input, Result
from bmi_noahpy.verification.sensitivity_run import ColumnRun, Inputs
from noahpy_core.simulation import iterate, run
from noahpy_core.state import Fluxes, State
from noahpy_core.trees import map_tensors


class Moment(NamedTuple):
    """What a run has reached after a day."""

    day: int
    state: State
    fluxes: Fluxes


def reverse_derivatives(
    column: ColumnRun, inputs: Sequence[Input], days: Sequence[int], results: Sequence[Result]
) -> NDArray[np.float64]:
    """d(result after a day)/d(input) by reverse mode, ``[input, day, result]``, in the original's units.

    One way there and one back give all. Every (day, result) has a column of its own, which leaves the run after its
    day; columns do not interact, so the gradient of the sum of all results is, in each column, the gradient of its own.

    Parameters
    ----------
    column : The run.
    inputs : By which to differentiate.
    days : After which the results are wanted, counted from the start.
    results : Which.
    """
    base = column.inputs([one.path for one in inputs])
    leaves = {path: _spread(value, len(days) * len(results)).requires_grad_() for path, value in base.items()}
    objective = torch.stack(_own_results(column, leaves, days, results)).sum()
    found = torch.autograd.grad(objective, list(leaves.values()), materialize_grads=True)
    gradients = dict(zip(leaves, found, strict=True))
    rows = torch.stack([one.along(gradients[one.path]) for one in inputs])
    return rows.reshape(len(inputs), len(days), len(results)).numpy()


def _own_results(column: ColumnRun, leaves: Inputs, days: Sequence[int], results: Sequence[Result]) -> list[Tensor]:
    """The result each column is there for."""
    state, parameters = column.start(leaves)
    fluxes = [*dict.fromkeys(one.path for one in results if one.is_flux)]
    first, own = 0, []
    for day in days:
        last = column.steps(day)
        records = column.records(first, last, state.skin_temperature.shape[-1])
        path = run(column.model, state, records, parameters, column.prepared.step, outputs=fluxes)
        at_end = {name: series[-1] for name, series in path.outputs.items()}
        own += [one.of(path.final_state, at_end)[number] for number, one in enumerate(results)]
        state = map_tensors(lambda value: value[..., len(results) :], path.final_state)
        parameters = map_tensors(lambda value: value[..., len(results) :], parameters)
        first = last
    return own


def forward_derivatives(
    column: ColumnRun, inputs: Sequence[Input], days: Sequence[int], results: Sequence[Result]
) -> NDArray[np.float64]:
    """The same by forward mode: one column for each input, which carries a tangent along it.

    Parameters
    ----------
    column, inputs, days, results : As for `reverse_derivatives`.
    """
    rows = []
    with torch.no_grad(), forward_ad.dual_level():
        duals: Inputs = {}
        for path, value in column.inputs([one.path for one in inputs]).items():
            spread = _spread(value, len(inputs))
            tangents = [one.tangent(value[..., 0]) if one.path == path else 0.0 * value[..., 0] for one in inputs]
            duals[path] = forward_ad.make_dual(spread, torch.stack(tangents, dim=-1))
        for moment in _moments(column, duals, days):
            rows.append(torch.stack([_tangent(one.of(moment.state, vars(moment.fluxes))) for one in results], dim=-1))
    return torch.stack(rows, dim=1).numpy()


def results_after(
    column: ColumnRun, inputs: Inputs, days: Sequence[int], results: Sequence[Result]
) -> NDArray[np.float64]:
    """The results themselves, ``[column, day, result]``, for inputs ``[..., column]``.

    Parameters
    ----------
    column : The run.
    inputs : Values by path.
    days : After which the results are wanted, counted from the start.
    results : Which.
    """
    with torch.no_grad():
        rows = [
            torch.stack([one.of(moment.state, vars(moment.fluxes)) for one in results], dim=-1)
            for moment in _moments(column, inputs, days)
        ]
    return torch.stack(rows, dim=1).numpy()


def _moments(column: ColumnRun, inputs: Inputs, days: Sequence[int]) -> Iterator[Moment]:
    """State and fluxes after each of the days."""
    state, parameters = column.start(inputs)
    wanted = {column.steps(day): day for day in days}
    last = max(wanted)
    records = column.records(0, last, state.skin_temperature.shape[-1])
    series = (records.at(number) for number in range(last))
    passed = iterate(column.model, state, series, parameters, column.prepared.step)
    for number, (after, fluxes) in enumerate(passed, start=1):
        if number in wanted:
            yield Moment(wanted[number], after, fluxes)


def _tangent(value: Tensor) -> Tensor:
    tangent = forward_ad.unpack_dual(value).tangent
    return torch.zeros_like(value) if tangent is None else tangent


def _spread(value: Tensor, columns: int) -> Tensor:
    return value.expand(*value.shape[:-1], columns).clone()
