"""A prepared run taken one step at a time, with values that a caller may change between steps."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bmi_noahpy.component.grids import COLUMNS, Grid, keeps_shape, make_grids, snow_grid
from bmi_noahpy.component.layout import Layout
from bmi_noahpy.component.payload import UnfitPayload, from_bytes, restored, to_bytes
from bmi_noahpy.component.state_check import StateCheck
from bmi_noahpy.component.step_causes import StepCauses
from bmi_noahpy.component.step_results import MeanFluxes
from bmi_noahpy.component.step_weather import StepWeather
from bmi_noahpy.component.value_checks import Floats
from bmi_noahpy.component.value_store import ValueStore
from bmi_noahpy.component.variables import Variable, find_variable, variables
from bmi_noahpy.config import load_configuration
from bmi_noahpy.gradient.recording import Recording
from bmi_noahpy.gradient.taken_step import TakenStep
from bmi_noahpy.runs.prepare import prepare, warn_of_device
from bmi_noahpy.runs.restart.fingerprint import differences, fingerprint
from bmi_noahpy.runs.run import Run
from noahpy_core.errors import ConvergenceError
from noahpy_core.execution import Step, step_function
from noahpy_core.model import NoahModel
from noahpy_core.parameters import Parameters
from noahpy_core.simulation import advance
from noahpy_core.state import Fluxes, State

_NOTHING = contextlib.nullcontext()


class SteppedRun:
    """A run, its values under BMI names, its grids, and the number of steps taken.

    Parameters
    ----------
    path : Configuration. Made absolute, because frameworks change the working directory between calls.

    Raises
    ------
    ConfigurationError : when what it says is not acceptable.
    """

    def __init__(self, path: Path) -> None:
        self.run: Run = prepare(load_configuration(path.resolve()), shared_model=True)
        warn_of_device(self.run, "a component steps")
        self.steps_taken = 0
        self.recording = Recording()
        run = self.run
        packed = run.configuration.domain.masked_cells == "packed"
        layout = Layout(run.domain.columns)
        if not run.domain.complete and keeps_shape(run.domain, packed=packed):
            layout = Layout(run.domain.columns, run.domain.places, math.prod(run.domain.shape))
        self._weather = StepWeather(run)
        self.values = ValueStore(
            run.initial_state,
            run.parameters,
            run.model.column,
            layout=layout,
            cells=run.domain.places,
            step=run.step,
            lasting=run.configuration.framework_inputs,
            first_weather=self._weather.first(),
            recording=self.recording,
        )
        self._quick_step = self._fresh_step()
        self._require_possible = StateCheck()
        self._last_call: tuple[StepCauses, ...] = ()
        self._alone = True
        """Whether nobody else has ever had the tensors of state and parameters, so that they are where they were."""

    @functools.cached_property
    def grids(self) -> tuple[Grid, ...]:
        """By identifier, made when a framework first asks for one."""
        run, column = self.run, self.run.model.column
        depths = [depth[:, 0].double().numpy() for depth in (column.node_depth, column.bottom_depth)]
        grids: tuple[Grid, ...] = make_grids(
            run.domain, *depths, packed=run.configuration.domain.masked_cells == "packed"
        )
        layers = run.initial_state.snow.layers
        return (*grids, snow_grid(layers, self.layout(COLUMNS).shown)) if layers else grids

    @property
    def time(self) -> float:
        """Seconds since the start."""
        return self.steps_taken * self.run.step

    def take_steps(self, count: int) -> None:
        """Take steps. Fluxes are shown as the mean over all of them, states as they are at the end.

        An error leaves everything as it was before the step that failed.

        Raises
        ------
        MissingForcing : the forcing file has ended, or inputs are missing.
        ConvergenceError : an equation was not solved.
        ValueError : what was set is not acceptable.
        NonFiniteStep, ImpossibleStep : a step gave a value that is not finite, or that no land surface has.
        """
        self.values.accept_written()
        self.recording.begin_call()
        if count == 1:
            self._last_call = (self._take_step()[0],)
        else:
            self._take_several(count)
        # A call that takes no step, as until now, uses up nothing.
        if count:
            self.values.end_call()

    def _take_several(self, count: int) -> None:
        mean = MeanFluxes()
        try:
            for number in range(count):
                causes, fluxes = self._take_step()
                # Of a long call only as much is kept as tells that it was one.
                self._last_call = (*self._last_call[-1:], causes) if number else (causes,)
                mean.add(fluxes)
        finally:
            if mean.count > 1:
                self.values.show_means(mean.value(), mean.count * self.run.step)

    def _take_step(self) -> tuple[StepCauses, Fluxes]:
        values, number = self.values, self.steps_taken + 1
        values.check_before_step()
        contents = values.contents
        causes = StepCauses(
            contents.state, contents.parameters, self._weather.of(number - 1, contents.inputs), contents.guessed
        )
        try:
            state, fluxes = self._result(causes, number)
            self._require_possible(state, causes.parameters, number)
        except (ArithmeticError, RuntimeError):
            # Its results would wear out those still in use if failing steps were tried again and again.
            self._quick_step = self._fresh_step()
            raise
        values.advance(state, fluxes, causes.weather)
        self.steps_taken = number
        if self.recording.active:
            self.recording.step_taken(causes.taken(), state)
        return causes, fluxes

    def _result(self, causes: StepCauses, number: int) -> tuple[State, Fluxes]:
        """State and fluxes after a step."""
        again = getattr(self._quick_step, "again", None)
        if again is not None and self._alone and not self.recording.active and causes.guessed is None:
            try:
                found: tuple[State, Fluxes] | None = again(causes.state, causes.weather.source, causes.parameters)
            except ConvergenceError as error:
                raise error.at_step(number) from error
            if found is not None:
                return found
        taken, stepper = causes.taken(), self._stepper
        # Kernels know of no gradients, and entering this takes a twentieth of a step.
        with torch.no_grad() if stepper is self.run.model else _NOTHING:
            return advance(stepper, taken.start, taken.forcing, taken.parameters, self.run.step, number)

    def _fresh_step(self) -> Step:
        """A caller may look back one step; two more results are in the making or shown."""
        return step_function(self.run.model, self.run.execution, valid_for=4)

    @property
    def _stepper(self) -> Step:
        """Steps that are recorded are taken as they will be computed again on the way back."""
        window = self.recording.window if self.recording.active else None
        return self._quick_step if window is None or window.in_kernels else self.run.model

    # --- state as bytes ---------------------------------------------------------------------------------------------

    def to_bytes(self) -> bytes:
        """Everything that the next step, or a getter, depends on."""
        self.values.accept_written()
        moment = self.run.start + np.timedelta64(round(self.time * 1000), "ms")
        return to_bytes(self.values.contents, {"moment": str(moment), "run": self._facts()})

    def restore(self, data: bytes) -> None:
        """Go on from such bytes. The moment they are of must be the beginning of a step of this run.

        Raises
        ------
        UnfitPayload : They are damaged, or of another run. Nothing is changed.
        RuntimeError : Steps are being recorded.
        """
        if self.recording.active:
            raise RuntimeError("serialized state: steps are being recorded. Call stop_recording() first.")
        facts, tensors, plain = from_bytes(data)
        reasons = list(differences(facts["run"], self._facts()))
        if reasons:
            raise UnfitPayload(
                f"it is of another run: {'; '.join(reasons)}. Use the configuration that it was made with."
            )
        seconds = (np.datetime64(facts["moment"]) - self.run.start) / np.timedelta64(1, "ms") / 1000.0
        number = round(seconds / self.run.step)
        if number < 0 or abs(number * self.run.step - seconds) > 1e-6 * self.run.step:
            raise UnfitPayload(
                f"it is of {facts['moment']}, when no step of this run begins: its first one begins at "
                f"{self.run.start}, and each takes {self.run.step} s. Let period.start be {facts['moment']}."
            )
        self.values.replace_contents(restored(self.values.contents, tensors, plain))
        self.steps_taken, self._last_call = number, ()
        self._quick_step = self._fresh_step()

    def _facts(self) -> dict[str, Any]:
        """What a run must have in common with the one whose state it goes on from. Parameters go with the state."""
        return {name: fact for name, fact in fingerprint(self.run).items() if name != "parameters"}

    # --- what the gradient extension asks for -----------------------------------------------------------------------

    @property
    def model(self) -> NoahModel:
        """With its schemes."""
        self._alone = False
        return self.run.model

    @property
    def step_length(self) -> float:
        """Of a step. [s]"""
        return self.run.step

    @property
    def execution(self) -> str:
        """Kernels, torch, or the better one."""
        return self.run.execution

    @property
    def state(self) -> State:
        """Now, with everything that was set."""
        self.values.accept_written()
        self._alone = False
        return self.values.state

    @property
    def parameters(self) -> Parameters:
        """Now, with everything that was set."""
        self.values.accept_written()
        self._alone = False
        return self.values.parameters

    @property
    def last_call(self) -> tuple[TakenStep, ...]:
        """Steps of the last update() or update_until(); of a long call only the last two."""
        self._alone = False
        return tuple(causes.taken() for causes in self._last_call)

    def named(self) -> Iterable[Variable]:
        """All names."""
        return variables().values()

    def find(self, name: str) -> Variable:
        """The variable of a name."""
        return find_variable(name)

    def size(self, grid: int) -> int:
        """Number of values on a grid."""
        return self.grids[grid].values

    def layout(self, grid: int) -> Layout:
        """Where a caller sees the values on a grid."""
        return self.values.layout(grid)

    def get(self, name: str) -> Floats:
        """A copy of the values, flat."""
        return self.values.get(name)

    def set(self, name: str, values: Any) -> None:
        """Replace the values."""
        self.values.set(name, values)

    def accept_written(self) -> None:
        """Take over what was written through pointers."""
        self.values.accept_written()

    def replace_state(self, state: State) -> None:
        """Go on from another state."""
        self.values.replace_state(state)

    def go_to(self, time: float) -> None:
        """Make the step that begins at `time` the next one; the state stays.

        Raises
        ------
        ValueError : No step begins then.
        """
        self.values.accept_written()
        number = round(time / self.run.step) if math.isfinite(time) else -1
        if number < 0 or abs(number * self.run.step - time) > 1e-9 * max(self.run.step, time):
            raise ValueError(f"set_time: no step begins at {time} s. Give a multiple of {self.run.step} s.")
        self.steps_taken = number
