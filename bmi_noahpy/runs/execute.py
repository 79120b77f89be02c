"""Runs a prepared run to its end, or as far as it gets, and says how it went."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

from bmi_noahpy.output import OutputWriter
from bmi_noahpy.runs.blocks import FLUX_QUANTITIES, RESIDUALS, NonFiniteState, Pace, end_of_step, take_block
from bmi_noahpy.runs.created import SOURCES, Created, CreatedSums
from bmi_noahpy.runs.interrupts import Interrupts
from bmi_noahpy.runs.progress import shown_progress
from noahpy_core.state import State

if TYPE_CHECKING:
    from bmi_noahpy.runs.any_run import AnyRun, Array
    from bmi_noahpy.runs.restart.files import RestartFiles

__all__ = ["RESIDUALS", "Beginning", "NonFiniteState", "Residual", "RunSummary", "end_of_step", "execute"]


@dataclasses.dataclass(frozen=True)
class Beginning:
    """Where a run begins: the number of its first step, from 0, and the state before it."""

    step: int
    state: State


@dataclasses.dataclass(frozen=True)
class Residual:
    """Largest absolute residual of one budget: its value, units, column (from 0) and the end of its step."""

    name: str
    value: float
    units: str
    column: int
    at: np.datetime64


@dataclasses.dataclass(frozen=True)
class RunSummary:
    """How a run went.

    Parameters
    ----------
    steps_done, steps : Steps taken since the beginning of the period, and steps of the period.
    reached : Time of the last state.
    seconds : Duration of the run. [s]
    residuals : Largest residual of each budget.
    interrupted : True when the user stopped it; the output then ends at `reached`.
    path : The output file.
    first_step : Steps that an earlier run had taken.
    created : Water and heat that came from nowhere.
    """

    steps_done: int
    steps: int
    reached: np.datetime64
    seconds: float
    residuals: list[Residual]
    interrupted: bool
    path: Path
    first_step: int = 0
    created: Created = dataclasses.field(default_factory=Created)

    @property
    def seconds_per_step(self) -> float:
        """Mean duration of a step, writing included. [s]"""
        return self.seconds / max(1, self.steps_done - self.first_step)


def execute(
    run: AnyRun,
    writer: OutputWriter,
    *,
    beginning: Beginning | None = None,
    restarts: RestartFiles | None = None,
    progress: Console | None = None,
) -> RunSummary:
    """Take every step of a run and write it.

    Parameters
    ----------
    run : What `bmi_noahpy.runs.prepare.prepare` returns; it must have forcing.
    writer : An output writer that is not open yet; it is closed at the end, whatever happens.
    beginning : Where to begin, if not at the first step with the run's initial state.
    restarts : Writes restart files at its intervals, at the end, and when the user interrupts the run.
    progress : Where to show it: a bar on a terminal, elsewhere a line now and then. None: nowhere.

    Raises
    ------
    ValueError : the run has no forcing.
    NonFiniteState, ImpossibleState, ConvergenceError : the state became non-finite, left what is physically possible,
        or an equation was not solved; the steps before are in the output file.
    """
    require_forcing(run)
    advance = _Advance(run, writer, beginning or Beginning(0, run.initial_state), restarts)
    begin, first = time.perf_counter(), advance.done
    with Interrupts() as interrupts, writer, shown_progress(progress) as bar:
        task = bar.add_task("Running", total=run.steps, completed=first)
        try:
            while advance.done < run.steps:
                advance.block(interrupts)
                bar.update(task, completed=advance.done)
            interrupted = False
        except KeyboardInterrupt:
            interrupted = True
        with interrupts.held():
            advance.save()
    return RunSummary(
        steps_done=advance.done,
        steps=run.steps,
        reached=end_of_step(run, advance.done - 1),
        seconds=time.perf_counter() - begin,
        residuals=advance.residuals.summary(),
        interrupted=interrupted,
        path=writer.path,
        first_step=first,
        created=advance.created.summary(),
    )


def require_forcing(run: AnyRun) -> None:
    """Raise ValueError when a framework has to supply the forcing of a run."""
    if run.forcing is None:
        raise ValueError(
            "forcing: the configuration has none, so it can only run inside a framework that sets it. "
            "Add a forcing section to run it alone."
        )


class _Advance:
    """How far a run has come: the number of steps done, the state after them, what is written of them."""

    def __init__(self, run: AnyRun, writer: OutputWriter, beginning: Beginning, restarts: RestartFiles | None) -> None:
        self.done, self.residuals, self.created = beginning.step, _LargestResiduals(run), CreatedSums(float(run.step))
        self._run, self._state, self._writer, self._restarts = run, beginning.state, writer, restarts
        self._saved = beginning.step
        self._outputs = tuple(dict.fromkeys((*writer.outputs, *RESIDUALS, *SOURCES)))
        self._pace = Pace(run, self._outputs)

    def block(self, interrupts: Interrupts) -> None:
        """Take and write the next steps."""
        last = min(self.done + self._pace.length, self._run.steps)
        if self._restarts is not None:
            last = min(last, self._restarts.next_after(self.done))
        self._pace.start()
        block = take_block(self._run, self._state, self.done, last, self._outputs)
        with interrupts.held():
            if block.count:
                self._writer.write(self.done, block.count, block.outputs, block.forcing)
                self.residuals.add_block(self.done, block.outputs)
                self.created.add_block(block.outputs, block.forcing)
                if self._restarts is not None:
                    self._restarts.follow(self.done, block.forcing)
            if block.failure is not None:
                raise block.failure
            self.done, self._state = last, block.final_state
            self._pace.stop(block.count)
            if self._restarts is not None and self._restarts.is_due(self.done):
                self.save()

    def save(self) -> None:
        """Write a restart file, unless this step has one or none are wanted."""
        if self._restarts is not None and self._saved != self.done:
            self._restarts.write(self.done, self._state, self._writer.mark())
            self._saved = self.done


class _LargestResiduals:
    """Keeps the largest absolute value of each residual and where it was."""

    def __init__(self, run: AnyRun) -> None:
        self._run = run
        self._largest: dict[str, tuple[float, int, int]] = dict.fromkeys(RESIDUALS, (-1.0, 0, 0))

    def add_block(self, first: int, outputs: dict[str, Array]) -> None:
        for name in RESIDUALS:
            residual = np.abs(outputs[name])
            # Not a number counts as largest, for argmax too.
            step, column = np.unravel_index(int(residual.argmax()), residual.shape)
            value, largest = float(residual[step, column]), self._largest[name][0]
            if value > largest or (value != value and largest == largest):
                self._largest[name] = (value, first + int(step), int(column))

    def summary(self) -> list[Residual]:
        return [
            Residual(name, value, FLUX_QUANTITIES[name]["units"], column, end_of_step(self._run, step))
            for name, (value, step, column) in self._largest.items()
            if value >= 0.0 or value != value
        ]
