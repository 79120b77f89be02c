"""A window of recorded calls and the way back through it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import torch
from torch import Tensor

from bmi_noahpy.gradient.checkpoints import Checkpoints
from bmi_noahpy.gradient.engines import engine_for
from bmi_noahpy.gradient.host import Named
from bmi_noahpy.gradient.names import Core, Find, derivative_by, pack
from bmi_noahpy.gradient.protocol import STATE
from bmi_noahpy.gradient.recorded import RecordedStep
from bmi_noahpy.gradient.recording import Overwrite
from bmi_noahpy.gradient.step import parameter_values
from bmi_noahpy.gradient.taken_step import TakenStep
from bmi_noahpy.gradient.torch_engine import TorchEngine
from noahpy_core.model import NoahModel
from noahpy_core.parameters import Parameters
from noahpy_core.state import State


@dataclasses.dataclass
class RecordedCall:
    """An update(), or an update_until() of several steps, and the derivative of the objective by its outputs, flat."""

    steps: int = 0
    seeds: dict[str, Tensor] = dataclasses.field(default_factory=dict)

    def seeds_of(self, position: int, find: Find) -> Iterator[tuple[str, Tensor]]:
        """Seeds for the outputs of one of its steps: means share theirs, what is read at the end is of the last."""
        for name, seed in self.seeds.items():
            if name != STATE and find(name).source.averaged:
                yield name, seed if self.steps == 1 else seed / self.steps
            elif position == self.steps - 1:
                yield name, seed


@dataclasses.dataclass(frozen=True)
class ReversedStep:
    """A step that was reversed, and the derivative by all that entered it."""

    record: RecordedStep
    gradients: Core

    def by_value_set(self, path: str) -> list[Tensor]:
        """Derivatives by the values of a state that were set before the step."""
        overwrites = enumerate(self.record.overwrites)
        return [self.gradients[f"set.{k}"] for k, overwrite in overwrites if overwrite.path == path]


class Window:
    """Calls recorded one after the other and reversed one after the other.

    Parameters
    ----------
    model : With its schemes.
    state, parameters : At the beginning.
    dt : Length of a step. [s]
    checkpoints : Empty.
    find : Gives the variable of a name.
    execution : As for `noahpy_core.run`.
    """

    def __init__(
        self,
        model: NoahModel,
        state: State,
        parameters: Parameters,
        dt: float,
        checkpoints: Checkpoints,
        find: Find,
        execution: str = "auto",
    ) -> None:
        self._dt, self._parameters, self._find = dt, parameters, find
        self._engine = engine_for(model, state, parameters, dt, find, execution)
        self._end = state
        self._calls: list[RecordedCall] = []
        self._steps: list[RecordedStep] = []
        self._checkpoints = checkpoints
        self._state_adjoint = torch.zeros_like(pack(state))
        self._reversed: list[ReversedStep] = []

    @property
    def in_kernels(self) -> bool:
        """Whether steps are computed again by kernels, to whose bits those that are recorded have to be computed."""
        return not isinstance(self._engine, TorchEngine)

    def __len__(self) -> int:
        """Calls that are recorded and not yet reversed."""
        return len(self._calls)

    def add(self, step: TakenStep, overwrites: tuple[Overwrite, ...], after: State, *, begins: bool = True) -> None:
        """Record a step that was taken, and the state it led to.

        Parameters
        ----------
        begins : Whether it is the first step of a call.
        """
        self._checkpoints.offer(len(self._steps), pack(self._end))
        if begins or not self._calls:
            self._calls.append(RecordedCall())
        self._calls[-1].steps += 1
        self._steps.append(RecordedStep.of(step, overwrites))
        self._end = after

    def seed(self, name: str, seed: Tensor) -> None:
        """Add to the derivative of the objective by an output of the last call that is not reversed."""
        seeds = self._calls[-1].seeds
        seeds[name] = seeds[name] + seed if name in seeds else seed.clone()

    def reverse(self) -> None:
        """One call back."""
        call = self._calls[-1]
        self._reversed = []
        for position in reversed(range(call.steps)):
            self._reverse_step(call, position)
        self._calls.pop()

    def adjoint(self, name: str) -> Tensor:
        """Derivative of the objective by the initial state, a parameter, or an input of the call just reversed, flat.

        Raises
        ------
        RuntimeError : An input is asked for, and no call is reversed.
        """
        if name == STATE:
            set_before = self._reversed[-1].by_value_set(STATE) if self._reversed else []
            return set_before[-1] if set_before else self._state_adjoint
        variable = self._find(name)
        if variable.source.kind == "parameter":
            return self._of_parameter(variable)
        if not self._reversed:
            raise RuntimeError(f"get_adjoint: {name} belongs to a step, and none is reversed. Call update_adjoint().")
        if variable.source.kind == "input":
            return sum(self._of_input(name, each) for each in self._reversed)  # type: ignore[return-value]
        total = torch.zeros_like(self._end.soil.ice if variable.grid else self._end.skin_temperature)
        for each in self._reversed:
            for found in each.by_value_set(variable.source.path):
                total = total + found
        return (total / variable.scale).reshape(-1)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _reverse_step(self, call: RecordedCall, position: int) -> None:
        flat = self._checkpoints.state_before(len(self._steps) - 1, self._state_after)
        record, seeds = self._steps.pop(), list(call.seeds_of(position, self._find))
        span = call.steps * self._dt
        self._state_adjoint, entered = self._engine.reverse(record, flat, self._state_adjoint, seeds, span)
        self._reversed.append(ReversedStep(record, entered))

    def _of_parameter(self, variable: Named) -> Tensor:
        path = variable.source.path
        found = self._engine.by_parameters.get(path)
        if found is None:
            found = torch.zeros_like(parameter_values(self._parameters, self._end.skin_temperature.shape[0])[path])
        return (found / variable.scale).reshape(-1)

    def _of_input(self, name: str, reversed_step: ReversedStep) -> Tensor:
        record = reversed_step.record
        step = TakenStep(self._end, record.forcing(), self._parameters, record.wind, record.guessed)
        return derivative_by(name, self._find, reversed_step.gradients, step)

    def _state_after(self, flat: Tensor, number: int) -> Tensor:
        """The state after a step, from that before it."""
        return self._engine.advance(self._steps[number], flat)
