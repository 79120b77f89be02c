"""Derivatives of the last step, forward and backward."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd import forward_ad

from bmi_noahpy.gradient.engine import Engine
from bmi_noahpy.gradient.names import Core, Find, core_changes, derivative_by, pack, read_result, unpack
from bmi_noahpy.gradient.recorded import RecordedStep
from bmi_noahpy.gradient.step import compute_step, core_values, with_core
from bmi_noahpy.gradient.taken_step import StepResult, TakenStep
from noahpy_core.model import NoahModel


@dataclasses.dataclass(frozen=True)
class StepDerivative:
    """The derivative of one step.

    Parameters
    ----------
    model : With its schemes.
    step : What it was computed from.
    dt : Its length. [s]
    find : Gives the variable of a name.
    engine : Of its parameters, for the way back.
    """

    model: NoahModel
    step: TakenStep
    dt: float
    find: Find
    engine: Engine

    def forward(self, of: Sequence[str], wrt: Sequence[str], seed: Tensor, sizes: Sequence[int]) -> Tensor:
        """d(of)/d(wrt) seed, flat, the names one after the other; `sizes` are those of `of`."""
        changes = core_changes(wrt, self.find, seed, self.step)
        here = core_values(self.step)
        with forward_ad.dual_level():
            dual = {path: forward_ad.make_dual(here[path], change.to(here[path])) for path, change in changes.items()}
            with torch.no_grad():
                result = compute_step(self.model, with_core(self.step, dual), self.dt)
                return torch.cat([self._tangent(name, result, size) for name, size in zip(of, sizes, strict=True)])

    def backward(self, of: Sequence[str], wrt: Sequence[str], seeds: Sequence[Tensor]) -> Tensor:
        """seed^T d(of)/d(wrt), flat, the names one after the other."""
        record, flat = RecordedStep.of(self.step), pack(self.step.state)
        self.engine.clear()
        ends = list(zip(of, seeds, strict=True))
        before, entered = self.engine.reverse(record, flat, torch.zeros_like(flat), ends, self.dt)
        gradients: Core = {f"state.{path}": value for path, value in unpack(before, self.step.state).items()}
        gradients |= {f"parameters.{path}": value for path, value in self.engine.by_parameters.items()}
        return torch.cat([derivative_by(name, self.find, gradients | entered, self.step) for name in wrt])

    def _tangent(self, name: str, result: StepResult, size: int) -> Tensor:
        """Change of an output, zero where it has none."""
        value = read_result(name, self.find, result)
        change = None if value is None else forward_ad.unpack_dual(value).tangent
        return torch.zeros(size, dtype=result.state.skin_temperature.dtype) if change is None else change
