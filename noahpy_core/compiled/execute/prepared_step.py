"""A call of a step's kernel with everything in place that stays from step to step."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor

from noahpy_core.compiled.execute.call import ForwardCall
from noahpy_core.compiled.execute.case import Trees
from noahpy_core.compiled.execute.collect import make_case
from noahpy_core.compiled.execute.not_compiled import NotCompiled
from noahpy_core.compiled.execute.own import Watch
from noahpy_core.compiled.execute.plan import raise_failure
from noahpy_core.compiled.execute.step_inputs import Reader, StepInputs, absent_of
from noahpy_core.compiled.execute.step_memory import Result, StepMemory
from noahpy_core.compiled.record.step_graph import VARYING
from noahpy_core.errors import ShapeError
from noahpy_core.model import NoahModel
from noahpy_core.parameters import Parameters
from noahpy_core.run_checks import check_step_length
from noahpy_core.state import Fluxes, Forcing, State
from noahpy_core.weather_rows import WeatherRow


class PreparedStep:
    """A kernel that knows where its parameters are, where its results go, and how its inputs are shaped.

    Parameters
    ----------
    model : Of built-in schemes.
    trees : State, forcing and parameters of a first step.
    dt : Length of a step. [s]
    valid_for : A result is overwritten by so many calls after it; None: never.
    """

    def __init__(self, model: NoahModel, trees: Trees, dt: Tensor | float, valid_for: int | None) -> None:
        check_step_length(dt)
        state, forcing, self._parameters = trees
        self._layout, self._dt = _layout(state, forcing), dt
        self._length = dt.detach().clone() if isinstance(dt, Tensor) else None
        self._watch = Watch(model)
        case, leaves = make_case(model, trees, dt, timed=False)
        self._program, like = case.program, leaves[0].new_empty(0)
        pairs = list(zip(case.sources, leaves, strict=True))
        table = case.table([leaf[None] if source[0] == "forcing" else leaf for source, leaf in pairs])
        layers = dict(case.program.sources)
        moving = [source for source in case.sources if source[0] in VARYING]
        readers = [Reader(k, source, operator.attrgetter(source[1]), layers[source]) for k, source in enumerate(moving)]
        self._inputs = StepInputs(table, readers, case.columns, like, absent_of(forcing))
        self._memory = StepMemory(case.program, case.columns, like, valid_for)
        # One array operation a step.
        self._result_words = self._memory.table[:, 0]
        self._call = ForwardCall(case.program, case.columns, table, self._memory.table)
        self._still = [leaf for source, leaf in pairs if source[0] not in VARYING]
        self._places = [tensor.data_ptr() for tensor in self._still]
        self._last: Result | None = None

    def serves(self, trees: Trees, dt: Tensor | float) -> bool:
        """Whether state and forcing have what it was prepared for, and parameters and step length are where they were.

        Memory moves when a tensor is sent to another process. A step length of another number type was copied, and
        every new one is checked.
        """
        (state, forcing, parameters), last = trees, self._last
        if parameters is not self._parameters or dt is not self._dt or not self._watch.same():
            return False
        # What goes on as before has the layout it had.
        goes_on = last is not None and state is last.state and forcing is self._inputs.forcing
        if not goes_on and _layout(state, forcing) != self._layout:
            return False
        if isinstance(dt, Tensor) and self._length is not None and not torch.equal(dt, self._length):
            return False
        return list(map(Tensor.data_ptr, self._still)) == self._places

    def step(self, state: State, forcing: Forcing) -> tuple[State, Fluxes]:
        """Take a step from any state, with any forcing."""
        last = self._last
        # What couplers do: the state is the one given back last, and where it lies is known.
        if last is not None and last.state is state and self._memory.is_whole(last):
            self._inputs.enter_result(last.state_addresses, self._memory.table)
        else:
            self._inputs.enter_state(state)
        self._inputs.enter_forcing(forcing)
        return self._take(self._memory.next())

    def follow(
        self, state: State, forcing: Forcing | WeatherRow, parameters: Parameters
    ) -> tuple[State, Fluxes] | None:
        """Take the step after the last one; see `CompiledStep.again`."""
        last, inputs = self._last, self._inputs
        if last is None or last.state is not state or parameters is not self._parameters or not self._watch.same():
            return None
        if isinstance(forcing, WeatherRow):
            if not inputs.reads_rows(forcing.rows):
                return None
            inputs.enter_row(forcing)
        elif forcing is not inputs.forcing:
            if absent_of(forcing) != inputs.absent:
                return None
            try:
                inputs.enter_forcing(forcing)
            except (ShapeError, NotCompiled):
                # A call with all arguments tells what is wrong, or does without a kernel.
                return None
        inputs.enter_result(last.state_addresses, self._memory.table)
        return self._take(self._memory.next(looked_at=False))

    def _take(self, result: Result) -> tuple[State, Fluxes]:
        self._result_words[:] = result.addresses
        failures = self._call()
        if failures is not None:
            raise_failure(self._program, failures, numbered=False)
        self._last = result
        return result.state, result.fluxes


def _layout(state: State, forcing: Forcing) -> Any:
    """What two calls have in common that can be prepared together."""
    like = state.skin_temperature
    return like.shape, like.dtype, like.device, absent_of(state), absent_of(forcing), state.snow.layers
