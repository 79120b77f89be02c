"""Derivatives of the last step, forward and backward."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

from bmi_noahpy.gradient.engine import Engine
from bmi_noahpy.gradient.names import Core, Find, core_changes, derivative_by, pack, unpack
from bmi_noahpy.gradient.protocol import STATE
from bmi_noahpy.gradient.recorded import RecordedStep
from bmi_noahpy.gradient.taken_step import TakenStep
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

    def forward(self, of: Sequence[str], wrt: Sequence[str], seeds: Sequence[Tensor], sizes: Sequence[int]) -> Tensor:
        """d(of)/d(wrt) seed, flat, the names one after the other; `sizes` are those of `of`."""
        changes = core_changes(wrt, self.find, seeds, self.step)
        found = self.engine.push(RecordedStep.of(self.step), pack(self.step.state), changes, of)
        like = self.step.state.skin_temperature
        return torch.cat(
            [like.new_zeros(size) if change is None else change for change, size in zip(found, sizes, strict=True)]
        )

    def backward(self, of: Sequence[str], wrt: Sequence[str], seeds: Sequence[Tensor]) -> Tensor:
        """seed^T d(of)/d(wrt), flat, the names one after the other."""
        record, flat = RecordedStep.of(self.step), pack(self.step.state)
        self.engine.clear()
        ends = list(zip(of, seeds, strict=True))
        before, entered = self.engine.reverse(record, flat, torch.zeros_like(flat), ends, self.dt)
        if list(wrt) == [STATE]:
            return before
        gradients: Core = {f"state.{path}": value for path, value in unpack(before, self.step.state).items()}
        gradients |= {f"parameters.{path}": value for path, value in self.engine.by_parameters.items()}
        return torch.cat([derivative_by(name, self.find, gradients | entered, self.step) for name in wrt])
