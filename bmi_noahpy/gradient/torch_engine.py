"""Recorded steps taken again and reversed by torch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd import forward_ad

from bmi_noahpy.gradient.engine import Pulled, Seeds
from bmi_noahpy.gradient.names import Core, Find, pack, state_shapes
from bmi_noahpy.gradient.protocol import STATE
from bmi_noahpy.gradient.recorded import RecordedStep
from bmi_noahpy.gradient.step import changed_result, compute_step, core_values, parameter_values, pull_back, with_core
from noahpy_core.model import NoahModel
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import replace_quantity
from noahpy_core.state import State


class TorchEngine:
    """Operation by operation: for models that cannot be compiled.

    Parameters
    ----------
    like : A state of the shapes in question.
    dt : Length of a step. [s]
    find : Gives the variable of a name.
    """

    def __init__(self, model: NoahModel, like: State, parameters: Parameters, dt: float, find: Find) -> None:
        self._model, self._like, self._parameters = model, like, parameters
        self._dt, self._find = dt, find
        values = parameter_values(parameters, like.skin_temperature.shape[0])
        self._constants = {path: value.detach().requires_grad_() for path, value in values.items()}
        self._differentiable = parameters
        for path, leaf in self._constants.items():
            self._differentiable = replace_quantity(self._differentiable, path, leaf)
        self._by_parameters = {path: torch.zeros_like(value) for path, value in values.items()}

    @property
    def by_parameters(self) -> Core:
        """See `Engine`."""
        return self._by_parameters

    def clear(self) -> None:
        """See `Engine`."""
        for part in self._by_parameters.values():
            part.zero_()

    def advance(self, record: RecordedStep, flat: Tensor) -> Tensor:
        """See `Engine`."""
        with torch.no_grad():
            step = record.step(record.core(flat, self._like), self._like, self._parameters)
            return pack(compute_step(self._model, step, self._dt).state)

    def push(self, record: RecordedStep, flat: Tensor, changes: Core, names: Sequence[str]) -> list[Tensor | None]:
        """See `Engine`."""
        step = record.step(record.core(flat, self._like), self._like, self._parameters)
        here = core_values(step)
        with forward_ad.dual_level(), torch.no_grad():
            dual = {path: forward_ad.make_dual(here[path], change.to(here[path])) for path, change in changes.items()}
            result = compute_step(self._model, with_core(step, dual), self._dt)
            return [changed_result(name, self._find, result) for name in names]

    def reverse(self, record: RecordedStep, flat: Tensor, adjoint: Tensor, seeds: Seeds, span: float) -> Pulled:
        """See `Engine`."""
        core = {path: value.detach().requires_grad_() for path, value in record.core(flat, self._like).items()}
        constants = {f"parameters.{path}": leaf for path, leaf in self._constants.items()}
        with torch.enable_grad():
            step = record.step(core, self._like, self._differentiable)
            result = compute_step(self._model, step, self._dt, span)
            gradients = pull_back(result, [(STATE, adjoint), *seeds], self._find, core | constants)
        for path in self._constants:
            self._by_parameters[path] += gradients[f"parameters.{path}"]
        before = torch.cat([gradients[f"state.{path}"].reshape(-1) for path in state_shapes(self._like)])
        return Pulled(before, {path: gradients[path] for path in core if not path.startswith("state.")})
