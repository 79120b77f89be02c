"""Derivatives of one step, forward and backward."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.autograd import forward_ad

from bmi_noahpy.gradient.names import (
    FORCING_PATHS,
    PARAMETER_PATHS,
    STATE_PATHS,
    Core,
    Find,
    read_result,
)
from bmi_noahpy.gradient.taken_step import StepResult, TakenStep
from noahpy_core.model import NoahModel
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import get_quantity, replace_quantity
from noahpy_core.state import Forcing, State


def parameter_values(parameters: Parameters, columns: int) -> Core:
    """The parameters that have a value and can be differentiated by, one value for each column."""
    return _present(parameters, PARAMETER_PATHS, columns)


def forcing_values(forcing: Forcing, columns: int) -> Core:
    """The fields that have a value, one for each column."""
    found = {path: getattr(forcing, path) for path in FORCING_PATHS}
    return _for_each({path: value for path, value in found.items() if value is not None}, columns)


def core_values(step: TakenStep) -> Core:
    """Everything a step can be differentiated by, as ``state.soil.temperature``."""
    columns = step.state.skin_temperature.shape[0]
    holders = {"state": STATE_PATHS, "forcing": FORCING_PATHS, "parameters": PARAMETER_PATHS}
    return {
        f"{root}.{path}": value
        for root, paths in holders.items()
        for path, value in _present(getattr(step, root), paths, columns).items()
    }


def _present(holder: State | Forcing | Parameters, paths: Sequence[str], columns: int) -> Core:
    found = {path: get_quantity(holder, path) for path in paths}
    return _for_each({path: value for path, value in found.items() if value is not None}, columns)


def _for_each(found: Core, columns: int) -> Core:
    return {
        path: value if value.shape[-1] == columns else value.expand(*value.shape[:-1], columns)
        for path, value in found.items()
    }


def with_core(step: TakenStep, values: Mapping[str, Tensor]) -> TakenStep:
    """The step with other values at some core paths."""
    holders = {root: getattr(step, root) for root in ("state", "forcing", "parameters")}
    for key, value in values.items():
        root, _, path = key.partition(".")
        holders[root] = replace_quantity(holders[root], path, value)
    return dataclasses.replace(step, **holders)


def compute_step(model: NoahModel, step: TakenStep, dt: float, span: float | None = None) -> StepResult:
    """What a step of `dt` seconds gives, as part of a call that takes `span` seconds in all."""
    state, fluxes = model(step.start, step.forcing, step.parameters, dt)
    return StepResult(state, fluxes, step.forcing, model.column, dt if span is None else span)


def pull_back(result: StepResult, seeds: Sequence[tuple[str, Tensor]], find: Find, leaves: Core) -> Core:
    """Derivative by the leaves of the sum of seed times output."""
    ends = [(read_result(name, find, result), seed) for name, seed in seeds]
    reached = [(value, seed.to(value)) for value, seed in ends if value is not None and value.requires_grad]
    if not reached:
        return {path: torch.zeros_like(leaf) for path, leaf in leaves.items()}
    gradients = torch.autograd.grad(
        [value for value, _ in reached],
        list(leaves.values()),
        [seed for _, seed in reached],
        allow_unused=True,
        materialize_grads=True,
    )
    return dict(zip(leaves, gradients, strict=True))


def changed_result(name: str, find: Find, result: StepResult) -> Tensor | None:
    """Change of an output, flat, when results are dual numbers; None where it has none."""
    value = read_result(name, find, result)
    change: Tensor | None = None if value is None else forward_ad.unpack_dual(value).tangent
    return change
