"""A window of recorded steps and the way back through it."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from bmi_noahpy.component.overwrites import Overwrite
from bmi_noahpy.component.taken_step import TakenStep
from bmi_noahpy.component.variables import Variable, find_variable
from bmi_noahpy.gradient.checkpoints import Checkpoints
from bmi_noahpy.gradient.names import FORCING_PATHS, STATE, STATE_PATHS, Core, gather, pack, unpack
from bmi_noahpy.gradient.step import forcing_values, parameter_values, pull, take
from noahpy_core.model import NoahModel
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import replace_quantity
from noahpy_core.state import Forcing, State


@dataclasses.dataclass
class RecordedStep:
    """What has to be kept of a step to compute it again.

    Parameters
    ----------
    fields : Fields of `Forcing` that have a value.
    inputs : Their values and the two components of the wind, ``[row, column]``.
    overwrites : States that were set before the step, in order.
    humid : As in `TakenStep`.
    seeds : Derivative of the objective by outputs, flat, by name.
    """

    fields: tuple[str, ...]
    inputs: Tensor
    overwrites: tuple[Overwrite, ...]
    humid: bool
    seeds: dict[str, Tensor] = dataclasses.field(default_factory=dict)

    def forcing(self) -> Forcing:
        """Of the step."""
        rows = dict(zip(self.fields, self.inputs, strict=False))
        return Forcing(**{path: rows.get(path) for path in FORCING_PATHS})  # type: ignore[arg-type]

    @property
    def wind(self) -> tuple[Tensor, Tensor]:
        """Components of the wind."""
        return self.inputs[-2], self.inputs[-1]


@dataclasses.dataclass(frozen=True)
class Reversed:
    """A step that was reversed, and the derivative by all that entered it."""

    record: RecordedStep
    gradients: Core

    def by_value_set(self, path: str, like: Tensor) -> Tensor:
        """Derivative by the values of a state that were set before the step, 0 where none were."""
        total = torch.zeros_like(like)
        for k, overwrite in enumerate(self.record.overwrites):
            if overwrite.variable.path == path:
                total = total + self.gradients[f"set.{k}"]
        return total


class Window:
    """Steps recorded one after the other and reversed one after the other.

    Parameters
    ----------
    model : With its schemes.
    state, parameters : At the beginning.
    dt : Length of a step. [s]
    checkpoints : Empty.
    """

    def __init__(
        self, model: NoahModel, state: State, parameters: Parameters, dt: float, checkpoints: Checkpoints
    ) -> None:
        self.recording = True
        self._model, self._dt, self._parameters = model, dt, parameters
        self._end = state
        self._steps: list[RecordedStep] = []
        self._checkpoints = checkpoints
        self._state_adjoint = torch.zeros_like(pack(state))
        self._parameter_adjoint: Core = {}
        self._reversed: Reversed | None = None
        values = parameter_values(parameters, state.skin_temperature.shape[0])
        self._constants = {f"parameters.{path}": value.detach().requires_grad_() for path, value in values.items()}
        self._differentiable = parameters
        for path in values:
            self._differentiable = replace_quantity(self._differentiable, path, self._constants[f"parameters.{path}"])

    def __len__(self) -> int:
        """Steps that are recorded and not yet reversed."""
        return len(self._steps)

    def add(self, step: TakenStep, overwrites: tuple[Overwrite, ...], after: State) -> None:
        """Record a step that was taken, and the state it led to."""
        self._checkpoints.offer(len(self._steps), pack(self._end))
        values = forcing_values(step.forcing, step.state.skin_temperature.shape[0])
        rows = torch.stack([*values.values(), *step.wind])
        self._steps.append(RecordedStep(tuple(values), rows, overwrites, step.humid))
        self._end = after

    def seed(self, name: str, seed: Tensor) -> None:
        """Add to the derivative of the objective by an output of the last step that is not reversed."""
        seeds = self._steps[-1].seeds
        seeds[name] = seeds[name] + seed if name in seeds else seed.clone()

    def reverse(self) -> None:
        """One step back."""
        flat = self._checkpoints.state_before(len(self._steps) - 1, self._again)
        record = self._steps.pop()
        core = {path: value.detach().requires_grad_() for path, value in self._core(record, flat).items()}
        with torch.enable_grad():
            result = take(self._model, self._step(record, core, self._differentiable), self._dt)
            seeds = [(STATE, self._state_adjoint), *record.seeds.items()]
            gradients = pull(result, seeds, core | self._constants)
        self._state_adjoint = torch.cat([gradients[f"state.{path}"].reshape(-1) for path in STATE_PATHS])
        for path in self._constants:
            before = self._parameter_adjoint.get(path)
            self._parameter_adjoint[path] = gradients[path] if before is None else before + gradients[path]
        self._reversed = Reversed(record, gradients)

    def adjoint(self, name: str) -> Tensor:
        """Derivative of the objective by the initial state, a parameter, or an input of the step just reversed, flat.

        Raises
        ------
        RuntimeError : An input is asked for, and no step is reversed.
        """
        if name == STATE:
            return self._state_adjoint
        variable = find_variable(name)
        if variable.root == "parameters":
            return self._of_parameter(variable)
        if self._reversed is None:
            raise RuntimeError(f"get_adjoint: {name} belongs to a step, and none is reversed. Call update_adjoint().")
        if variable.root in ("forcing", "wind"):
            record = self._reversed.record
            step = TakenStep(self._end, record.forcing(), self._parameters, record.wind, record.humid)
            return gather(name, self._reversed.gradients, step)
        size = self._end.soil.ice if variable.grid else self._end.skin_temperature
        return (self._reversed.by_value_set(variable.path, size) / variable.scale).reshape(-1)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _of_parameter(self, variable: Variable) -> Tensor:
        path = f"parameters.{variable.path}"
        found = self._parameter_adjoint.get(path)
        return (torch.zeros_like(self._constants[path]) if found is None else found / variable.scale).reshape(-1)

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
        return TakenStep(state, forcing, parameters, record.wind, record.humid)

    def _again(self, flat: Tensor, number: int) -> Tensor:
        """The state after a step, from that before it."""
        record = self._steps[number]
        with torch.no_grad():
            return pack(
                take(self._model, self._step(record, self._core(record, flat), self._parameters), self._dt).state
            )
