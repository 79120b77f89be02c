"""Runs a prepared run to its end, or as far as it gets, and says how it went."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from bmi_noahpy.output import OutputWriter
from noahpy_core.quantities import get_quantity, quantities
from noahpy_core.recorded import fastest_step
from noahpy_core.simulation import iterate
from noahpy_core.state import Fluxes, Forcing, State

RESIDUALS = ("water_residual", "energy_residual", "soil_heat_residual")
STATE_PATHS = tuple(path for path, _ in quantities(State))


class NonFiniteState(ArithmeticError):
    """A state variable became infinite or not a number."""


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
    steps_done, steps : Steps taken and steps asked for.
    reached : Time of the last state.
    seconds : Duration of the run. [s]
    residuals : Largest residual of each budget.
    interrupted : True when the user stopped it; the output then ends at `reached`.
    path : The output file.
    """

    steps_done: int
    steps: int
    reached: np.datetime64
    seconds: float
    residuals: list[Residual]
    interrupted: bool
    path: Path

    @property
    def seconds_per_step(self) -> float:
        """Mean duration of a step, writing included. [s]"""
        return self.seconds / max(1, self.steps_done)


def execute(run: Any, writer: OutputWriter, *, progress: Console | None = None) -> RunSummary:
    """Take every step of a run and write it.

    Parameters
    ----------
    run : What `bmi_noahpy.setup.prepare` returns; it must have forcing.
    writer : An output writer that is not open yet; it is closed at the end, whatever happens.
    progress : Where to draw a progress bar. None, or a console that is no terminal: no bar.

    Raises
    ------
    ValueError : the run has no forcing.
    NonFiniteState : the state became non-finite; the steps before it are in the output file.
    """
    if run.forcing is None:
        raise ValueError(
            "forcing: the configuration has none, so it can only run inside a framework that sets it. "
            "Add a forcing section to run it alone."
        )
    residuals = _LargestResiduals(run)
    done, interrupted, begin = 0, False, time.perf_counter()
    with writer, _bar(progress) as bar, torch.no_grad():
        task = bar.add_task("Running", total=run.steps)
        results = iterate(fastest_step(run.model), run.initial_state, _forcing_of_steps(run), run.parameters, run.step)
        try:
            for step, (state, fluxes) in enumerate(results):
                _require_finite(run, step, state)
                writer.write(step, state, fluxes)
                residuals.take(step, fluxes)
                done = step + 1
                bar.update(task, completed=done)
        except KeyboardInterrupt:
            interrupted = True
    return RunSummary(
        steps_done=done,
        steps=run.steps,
        reached=end_of_step(run, done - 1),
        seconds=time.perf_counter() - begin,
        residuals=residuals.summary(),
        interrupted=interrupted,
        path=writer.path,
    )


def end_of_step(run: Any, step: int) -> np.datetime64:
    """Time at which the state after a step (counted from 0) is valid."""
    return np.datetime64(run.start, "s") + np.timedelta64(round((step + 1) * float(run.step)), "s")


def _forcing_of_steps(run: Any) -> Iterator[Forcing]:
    return (run.forcing.at(step) for step in range(run.steps))


def _bar(console: Console | None) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console or Console(stderr=True),
        transient=True,
        disable=console is None or not console.is_terminal,
    )


def _require_finite(run: Any, step: int, state: State) -> None:
    tensors = [get_quantity(state, path) for path in STATE_PATHS]
    # One number to look at per step: a sum is finite unless a member is not.
    if bool(torch.isfinite(torch.stack([tensor.sum() for tensor in tensors]).sum())):
        return
    for path, tensor in zip(STATE_PATHS, tensors, strict=True):
        bad = torch.nonzero(~torch.isfinite(tensor))
        if len(bad):
            *layer, column = bad[0].tolist()
            value = float(tensor[tuple(bad[0].tolist())])
            where = f"column {column}" + (f", layer {layer[0] + 1}" if layer else "")
            raise NonFiniteState(
                f"{path} became {value} in {where}, in step {step + 1}, which ends {end_of_step(run, step)}. "
                "Check the forcing and the parameters there, or use shorter steps (period.step)."
            )


class _LargestResiduals:
    """Keeps the largest absolute value of each residual and where it was."""

    def __init__(self, run: Any) -> None:
        self._run = run
        self._units = {path: metadata["units"] for path, metadata in quantities(Fluxes)}
        self._largest: dict[str, tuple[float, int, int]] = dict.fromkeys(RESIDUALS, (-1.0, 0, 0))

    def take(self, step: int, fluxes: Fluxes) -> None:
        for name in RESIDUALS:
            residual: Tensor = getattr(fluxes, name)
            value, column = residual.abs().max(dim=0)
            largest = self._largest[name][0]
            if float(value) > largest or (value != value and largest == largest):
                self._largest[name] = (float(value), step, int(column))

    def summary(self) -> list[Residual]:
        return [
            Residual(name, value, self._units[name], column, end_of_step(self._run, step))
            for name, (value, step, column) in self._largest.items()
            if value >= 0.0 or value != value
        ]
