"""A window of recorded calls and the way back through it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import torch
from torch import Tensor

from bmi_noahpy.gradient.checkpoints import Checkpoints
from bmi_noahpy.gradient.host import Named
from bmi_noahpy.gradient.names import (
    FORCING_PATHS,
    STATE_PATHS,
    Core,
    Find,
    derivative_by,
    pack,
    unpack,
)
from bmi_noahpy.gradient.protocol import STATE
from bmi_noahpy.gradient.recording import Overwrite
from bmi_noahpy.gradient.step import compute_step, forcing_values, parameter_values, pull_back
from bmi_noahpy.gradient.taken_step import TakenStep
from noahpy_core.model import NoahModel
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import replace_quantity
from noahpy_core.state import Forcing, State


@dataclasses.dataclass(frozen=True)
class RecordedStep:
    """What has to be kept of a step to compute it again.

    Parameters
    ----------
    fields : Fields of `Forcing` that have a value.
    inputs : Their values and the two components of the wind, ``[row, column]``.
    overwrites : States that were set before the step, in order.
    guessed : As in `TakenStep`.
    """

    fields: tuple[str, ...]
    inputs: Tensor
    overwrites: tuple[Overwrite, ...]
    guessed: Tensor | None

    def forcing(self) -> Forcing:
        """Of the step."""
        rows = dict(zip(self.fields, self.inputs, strict=False))
        return Forcing(**{path: rows.get(path) for path in FORCING_PATHS})  # type: ignore[arg-type]

    @property
    def wind(self) -> tuple[Tensor, Tensor]:
        """Components of the wind."""
        return self.inputs[-2], self.inputs[-1]


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
    """

    def __init__(
        self, model: NoahModel, state: State, parameters: Parameters, dt: float, checkpoints: Checkpoints, find: Find
    ) -> None:
        self._model, self._dt, self._parameters, self._find = model, dt, parameters, find
        self._end = state
        self._calls: list[RecordedCall] = []
        self._steps: list[RecordedStep] = []
        self._checkpoints = checkpoints
        self._state_adjoint = torch.zeros_like(pack(state))
        self._parameter_adjoint: Core = {}
        self._reversed: list[ReversedStep] = []
        values = parameter_values(parameters, state.skin_temperature.shape[0])
        self._constants = {f"parameters.{path}": value.detach().requires_grad_() for path, value in values.items()}
        self._differentiable = parameters
        for path in values:
            self._differentiable = replace_quantity(self._differentiable, path, self._constants[f"parameters.{path}"])

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
        values = forcing_values(step.forcing, step.state.skin_temperature.shape[0])
        rows = torch.stack([*values.values(), *step.wind])
        if begins or not self._calls:
            self._calls.append(RecordedCall())
        self._calls[-1].steps += 1
        self._steps.append(RecordedStep(tuple(values), rows, overwrites, step.guessed))
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
        record = self._steps.pop()
        core = {path: value.detach().requires_grad_() for path, value in self._core(record, flat).items()}
        with torch.enable_grad():
            step, span = self._step(record, core, self._differentiable), call.steps * self._dt
            result = compute_step(self._model, step, self._dt, span)
            seeds = [(STATE, self._state_adjoint), *call.seeds_of(position, self._find)]
            gradients = pull_back(result, seeds, self._find, core | self._constants)
        self._state_adjoint = torch.cat([gradients[f"state.{path}"].reshape(-1) for path in STATE_PATHS])
        for path in self._constants:
            before = self._parameter_adjoint.get(path)
            self._parameter_adjoint[path] = gradients[path] if before is None else before + gradients[path]
        own = {path: found for path, found in gradients.items() if path.startswith(("forcing.", "set."))}
        self._reversed.append(ReversedStep(record, own))

    def _of_parameter(self, variable: Named) -> Tensor:
        path = f"parameters.{variable.source.path}"
        found = self._parameter_adjoint.get(path)
        return (torch.zeros_like(self._constants[path]) if found is None else found / variable.scale).reshape(-1)

    def _of_input(self, name: str, reversed_step: ReversedStep) -> Tensor:
        record = reversed_step.record
        step = TakenStep(self._end, record.forcing(), self._parameters, record.wind, record.guessed)
        return derivative_by(name, self._find, reversed_step.gradients, step)

    def _core(self, record: RecordedStep, flat: Tensor) -> Core:
        """All that a record and the state before it contain, by path; states that were set as ``set.0``, ``set.1``."""
        core = {f"state.{path}": value for path, value in unpack(flat, self._end).items()}
        core |= {f"forcing.{path}": value for path, value in zip(record.fields, record.inputs, strict=False)}
        return core | {f"set.{k}": overwrite.value for k, overwrite in enumerate(record.overwrites)}

    def _step(self, record: RecordedStep, core: Core, parameters: Parameters) -> TakenStep:
        """The step, computed from its parts by path."""
        state, forcing = self._end, record.forcing()
        for path in STATE_PATHS:
            state = replace_quantity(state, path, core[f"state.{path}"])
        for k, overwrite in enumerate(record.overwrites):
            state = overwrite.apply(state, core[f"set.{k}"])
        for path in record.fields:
            forcing = replace_quantity(forcing, path, core[f"forcing.{path}"])
        return TakenStep(state, forcing, parameters, record.wind, record.guessed)

    def _state_after(self, flat: Tensor, number: int) -> Tensor:
        """The state after a step, from that before it."""
        record = self._steps[number]
        with torch.no_grad():
            step = self._step(record, self._core(record, flat), self._parameters)
            return pack(compute_step(self._model, step, self._dt).state)
