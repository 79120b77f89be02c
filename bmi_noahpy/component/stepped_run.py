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
from torch import Tensor

from bmi_noahpy.component.framework_inputs import MissingInput
from bmi_noahpy.component.grids import COLUMNS, Grid, keeps_shape, make_grids, snow_grid
from bmi_noahpy.component.layout import Layout
from bmi_noahpy.component.payload import UnfitPayload, from_bytes, restored, to_bytes
from bmi_noahpy.component.state_check import StateCheck
from bmi_noahpy.component.step_errors import MissingForcing
from bmi_noahpy.component.step_results import MeanFluxes
from bmi_noahpy.component.value_checks import Floats
from bmi_noahpy.component.value_store import ValueStore
from bmi_noahpy.component.variables import INPUTS, OUTPUTS, Variable, find_variable, variables
from bmi_noahpy.config import load_configuration
from bmi_noahpy.forcing.monthly import monthly_value
from bmi_noahpy.forcing.table import VEGETATION
from bmi_noahpy.gradient.recording import Recording
from bmi_noahpy.gradient.taken_step import TakenStep
from bmi_noahpy.runs.prepare import prepare, warn_of_device
from bmi_noahpy.runs.restart.fingerprint import differences, fingerprint
from bmi_noahpy.runs.run import Run
from noahpy_core.execution import Step, step_function
from noahpy_core.model import NoahModel
from noahpy_core.parameters import Parameters
from noahpy_core.simulation import advance
from noahpy_core.state import Fluxes, Forcing, State

SECONDS_OF_A_DAY = 86400
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
        self.values = ValueStore(
            run.initial_state,
            run.parameters,
            run.model.column,
            layout=layout,
            cells=run.domain.places,
            step=run.step,
            lasting=run.configuration.framework_inputs,
            first_forcing=None if run.forcing is None else run.forcing.at(0),
            recording=self.recording,
        )
        self._quick_step = self._fresh_step()
        self._require_possible = StateCheck()
        self.last_call: tuple[TakenStep, ...] = ()
        # Whole days since 1970, since the hour does not matter.
        self._vegetation_of: tuple[int | None, dict[str, Tensor | None]] = None, {}
        self._begins = int(self.run.start.astype("datetime64[s]").astype(np.int64))
        self._no_crosswind = torch.zeros_like(self.values.state.skin_temperature)

    @functools.cached_property
    def grids(self) -> tuple[Grid, ...]:
        """By identifier, made when a framework first asks for one."""
        run, column = self.run, self.run.model.column
        depths = [depth[:, 0].double().numpy() for depth in (column.node_depth, column.bottom_depth)]
        grids: tuple[Grid, ...] = make_grids(
            run.domain, *depths, packed=run.configuration.domain.masked_cells == "packed"
        )
        snow = run.initial_state.snow.layer_mass
        return grids if snow is None else (*grids, snow_grid(snow.shape[0], self.layout(COLUMNS).shown))

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
        mean = MeanFluxes()
        try:
            for number in range(count):
                taken, fluxes = self._take_step()
                # Of a long call only as much is kept as tells that it was one.
                self.last_call = (*self.last_call[-1:], taken) if number else (taken,)
                if count > 1:
                    mean.add(fluxes)
            # A call that takes no step, as until now, uses up nothing.
            if count:
                self.values.end_call()
        finally:
            if mean.count > 1:
                self.values.show_means(mean.value(), mean.count * self.run.step)

    def _take_step(self) -> tuple[TakenStep, Fluxes]:
        self.values.check_before_step()
        taken = self._next_step()
        try:
            stepper = self._stepper
            # Kernels know of no gradients, and entering this takes a twentieth of a step.
            with torch.no_grad() if stepper is self.run.model else _NOTHING:
                state, fluxes = advance(
                    stepper, taken.start, taken.forcing, taken.parameters, self.run.step, self.steps_taken + 1
                )
            self._require_possible(state, taken.parameters, self.steps_taken + 1)
        except (ArithmeticError, RuntimeError):
            # Its results would wear out those still in use if failing steps were tried again and again.
            self._quick_step = self._fresh_step()
            raise
        self.values.advance(state, fluxes, taken.forcing)
        self.steps_taken += 1
        self.recording.step_taken(taken, state)
        return taken, fluxes

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
        self.steps_taken, self.last_call = number, ()
        self._quick_step = self._fresh_step()

    def _facts(self) -> dict[str, Any]:
        """What a run must have in common with the one whose state it goes on from. Parameters go with the state."""
        return {name: fact for name, fact in fingerprint(self.run).items() if name != "parameters"}

    # --- what the gradient extension asks for -----------------------------------------------------------------------

    @property
    def model(self) -> NoahModel:
        """With its schemes."""
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
        return self.values.state

    @property
    def parameters(self) -> Parameters:
        """Now, with everything that was set."""
        self.values.accept_written()
        return self.values.parameters

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

    def _next_step(self) -> TakenStep:
        base = self._file()
        if base is not None and self.values.inputs.empty:
            forcing, wind = base, (base.wind_speed, self._no_crosswind)
        else:
            forcing = self._forcing(base)
            x, y = (self.values.inputs.value(component, base) for component in ("wind.x", "wind.y"))
            assert x is not None
            assert y is not None
            wind = (x, y)
        return TakenStep(self.values.state, forcing, self.values.parameters, wind, self.values.contents.guessed)

    def _file(self) -> Forcing | None:
        """What the file has for the next step."""
        series, step = self.run.forcing, self.steps_taken
        return series.at(step) if series is not None and step < self.run.steps else None

    def _forcing(self, base: Forcing | None) -> Forcing:
        """Forcing of the next step."""
        try:
            return self.values.inputs.combine(base, self._vegetation() if base is None else {})
        except MissingInput as missing:
            names = _input_names(missing.fields)
            if self.run.forcing is None:
                reason = f"no value for {', '.join(names)}. Set them with set_value, or configure a forcing file."
            else:
                reason = (
                    f"the forcing ends after {self.run.steps} steps; no value for {', '.join(names)}. "
                    "Stop at get_end_time(), or set them with set_value."
                )
            raise MissingForcing(self.steps_taken + 1, tuple(names), reason) from None

    def _vegetation(self) -> dict[str, Tensor | None]:
        """Vegetation of the configuration at the next step, for a step without a file."""
        day = (self._begins + round(self.time)) // SECONDS_OF_A_DAY
        if self._vegetation_of[0] == day:
            return self._vegetation_of[1]
        prescribed, moment = self.run.prescribed, np.datetime64(day, "D")
        monthly = {quantity: prescribed.value(quantity) for quantity in VEGETATION}
        like = self.values.state.skin_temperature
        found: dict[str, Tensor | None] = {
            quantity: torch.as_tensor(monthly_value(values, moment)).to(like)
            for quantity, values in monthly.items()
            if values is not None
        }
        self._vegetation_of = day, found
        return found


def _input_names(fields: tuple[str, ...]) -> list[str]:
    """BMI names of fields of `Forcing`."""
    sources = {f"forcing.{field}" for field in fields} | ({"wind.x", "wind.y"} if "wind_speed" in fields else set())
    return [row[0] for row in (*INPUTS, *OUTPUTS) if row[1] in sources]
