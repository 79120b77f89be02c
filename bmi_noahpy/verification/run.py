"""This model on the cases of a reference file: single steps, free runs, and runs that differ by round-off only."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np
import torch

from bmi_noahpy.verification.comparison import Differences, compare, empty_outputs, nash_sutcliffe, store
from bmi_noahpy.verification.reference import Cases, Reference
from bmi_noahpy.verification.variables import Result
from noahpy_core.execution import Step, step_function
from noahpy_core.model import NoahModel
from noahpy_core.state import State
from noahpy_core.trees import Tree, map_tensors

PERTURBATION = 1.0e-13
"""Relative size of a change of the inputs that stands for round-off."""

TWINS = 64


def take_step(cases: Cases, execution: str = "auto") -> Result:
    """Take every case's step with this model; "auto" is eager, because a kernel for one step is not worth building."""
    model = NoahModel(cases.column, cases.options)
    step = step_function(model, "eager" if execution == "auto" else execution)
    with torch.no_grad():
        return _step(step, cases, cases.state, cases.time_step)


def step_differences(reference: Reference, execution: str = "auto") -> list[Differences]:
    """Differences after single steps from the original's states, variable by variable."""
    outputs = empty_outputs(reference.cases, reference.records)
    for cases in reference.groups:
        store(outputs, cases, take_step(cases, execution))
    return compare(outputs, reference.records, enthalpy=reference.enthalpy)


def free_run_differences(
    reference: Reference, execution: str = "auto", *, steps: int | None = None
) -> list[Differences]:
    """Differences along a run that starts from the original's initial state and never sees its later ones.

    Parameters
    ----------
    steps : How many steps from the start; None for the whole run.

    Raises
    ------
    ValueError : the file holds single steps.
    """
    records = {name: values[:steps] for name, values in reference.records.items()}
    length = min(reference.cases, steps or reference.cases)
    outputs = empty_outputs(length, records)
    for cases, result in itertools.islice(_free_run(reference, execution, twins=0), length):
        store(outputs, cases, result)
    return compare(outputs, records, enthalpy=reference.enthalpy, usual=reference.records)


def twin_efficiency(reference: Reference, execution: str = "auto", *, twins: int = TWINS) -> dict[str, np.ndarray]:
    """How well free runs of this model agree with each other when their initial states differ by round-off.

    Returns
    -------
    For soil temperature (stc) and liquid water (sh2o) the lowest Nash-Sutcliffe efficiency of a twin, ``[layer]``: a
    layer where it is low cannot be compared with anything, the run is chaotic there.
    """
    temperature, liquid = [], []
    for _, result in _free_run(reference, execution, twins=twins):
        temperature.append(result.state.soil.temperature.numpy())
        liquid.append(result.state.soil.liquid_water.numpy())
    return {"stc": _lowest_efficiency(np.stack(temperature)), "sh2o": _lowest_efficiency(np.stack(liquid))}


def shaken(tree: Tree, generator: torch.Generator) -> Tree:
    """The same values, each off by its own share of at most `PERTURBATION`; the first column stays as it is."""

    def shake(values: torch.Tensor) -> torch.Tensor:
        noise = 2.0 * torch.rand(values.shape, generator=generator, dtype=values.dtype) - 1.0
        noise[..., 0] = 0.0
        return values * (1.0 + PERTURBATION * noise)

    return map_tensors(shake, tree)


def copies(cases: Cases, position: int, number: int, *, seed: int = 0) -> Cases:
    """One case many times over, its state and forcing shaken, numbered from 0; the first copy is the case itself."""
    generator = torch.Generator().manual_seed(seed)
    same = cases.select(np.full(number, position))
    return dataclasses.replace(
        same, index=np.arange(number), state=shaken(same.state, generator), forcing=shaken(same.forcing, generator)
    )


def _free_run(reference: Reference, execution: str, *, twins: int) -> Iterator[tuple[Cases, Result]]:
    """Step after step of a run; with twins, the first column is the run itself and the others start shaken."""
    if reference.run is None:
        raise ValueError(f"reference file {reference.path} holds single steps. Use mode 'steps'.")
    (steps,) = reference.groups
    step = step_function(NoahModel(steps.column, steps.options), execution)
    seconds = float(steps.time_step[0])
    state = shaken(steps.select(np.zeros(twins + 1, dtype=int)).state, torch.Generator().manual_seed(0))
    for number in range(reference.cases):
        cases = steps.select(np.full(twins + 1, number))
        with torch.no_grad():
            result = _step(step, cases, state, seconds)
        yield cases, result
        state = result.state


def _step(step: Step, cases: Cases, before: State, seconds: torch.Tensor | float) -> Result:
    state, fluxes = step(before, cases.forcing, cases.parameters, seconds)
    return Result(before, cases.forcing, state, fluxes, cases.parameters, cases.time_step)


def _lowest_efficiency(values: np.ndarray) -> np.ndarray:
    """Lowest efficiency of any twin against the first, ``[layer]`` of ``[time, layer, twin]``."""
    first = values[:, :, 0]
    twins = [nash_sutcliffe(values[:, :, twin], first) for twin in range(1, values.shape[2])]
    found: np.ndarray = np.min(twins, axis=0)
    return found
