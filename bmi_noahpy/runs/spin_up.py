"""The beginning of the forcing again and again, until deep soil and total water have settled."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from rich.console import Console

from bmi_noahpy.config.values import span_end
from bmi_noahpy.runs.blocks import Pace, take_block
from bmi_noahpy.runs.execute import require_forcing
from bmi_noahpy.runs.progress import shown_progress
from noahpy_core.constants import WATER_DENSITY
from noahpy_core.leaves import array_of
from noahpy_core.state import State

if TYPE_CHECKING:
    from bmi_noahpy.runs.any_run import AnyRun, Array


class SpinUpWarning(UserWarning):
    """The state had not settled when the repetitions ended."""


class Tolerance(NamedTuple):
    """Changes over a repetition that count as none: of the lowest layer [K], of the water of a column [kg m-2]."""

    deep_temperature: float = 0.01
    total_water: float = 0.1


class Change(NamedTuple):
    """Largest absolute change over a repetition, and the column (from 0) where it was."""

    value: float
    column: int


@dataclasses.dataclass(frozen=True)
class Cycle:
    """What one repetition changed.

    Parameters
    ----------
    number : From 1.
    deep_temperature : Of the lowest layer. [K]
    total_water : Of the water in soil, snow and canopy. [kg m-2]
    """

    number: int
    deep_temperature: Change
    total_water: Change

    def within(self, tolerance: Tolerance) -> bool:
        """Whether nothing changed by more."""
        deep, water = self.deep_temperature.value, self.total_water.value
        return deep <= tolerance.deep_temperature and water <= tolerance.total_water


@dataclasses.dataclass(frozen=True)
class SpinUpResult:
    """State that a spin-up reached, what each repetition changed, and whether the last changed little enough."""

    state: State
    cycles: list[Cycle]
    settled: bool


DEFAULT_TOLERANCE = Tolerance()


def spin_up(
    run: AnyRun,
    *,
    state: State | None = None,
    steps: int | None = None,
    cycles: int = 50,
    tolerance: Tolerance = DEFAULT_TOLERANCE,
    report: Callable[[Cycle], None] | None = None,
    progress: Console | None = None,
) -> SpinUpResult:
    """Repeat the first steps of a run until a repetition changes every column by less than the tolerances.

    Everything the model carries goes from one repetition to the next: snow and the memory of the surface too.

    Parameters
    ----------
    run : What `bmi_noahpy.prepare` returns; it must have forcing. To go on from the state reached:
        ``dataclasses.replace(run, initial_state=result.state)``.
    state : Where to begin; None: with the initial state of the run.
    steps : Steps of a repetition; None for those of the first year.
    cycles : At most so many repetitions. A `SpinUpWarning` says when they were not enough.
    tolerance : Largest changes of the lowest layer's temperature, and of the water in soil, snow and canopy.
    report : Called after each repetition.
    progress : Where to show it: a bar on a terminal, elsewhere a line now and then. None: nowhere.

    Raises
    ------
    ValueError : the run has no forcing, or fewer steps.
    NonFiniteState, ConvergenceError : as in a run, with the repetition.
    """
    require_forcing(run)
    steps = spin_up_steps(run, "1 year") if steps is None else steps
    if not 1 <= steps <= run.steps:
        raise ValueError(f"spin_up: {steps} steps are to be repeated, but the run has {run.steps}. Take a part of it.")
    state, done = run.initial_state if state is None else state, []
    with shown_progress(progress) as bar:
        task = bar.add_task("Spinning up", total=steps * cycles)
        for number in range(1, cycles + 1):
            after = _repeat(run, state, steps, number, lambda taken: bar.advance(task, taken))
            done.append(_change(run.thickness, number, state, after))
            state = after
            if report is not None:
                report(done[-1])
            if done[-1].within(tolerance):
                return SpinUpResult(state, done, True)
    last = done[-1]
    warnings.warn(
        f"spin_up.cycles: not settled after {cycles} repetitions. The last one changed the deep temperature by "
        f"{last.deep_temperature.value:.3g} K (column {last.deep_temperature.column}) and the total water by "
        f"{last.total_water.value:.3g} kg m-2 (column {last.total_water.column}). The run starts from there all the "
        "same. Allow more repetitions, or larger changes.",
        SpinUpWarning,
        stacklevel=2,
    )
    return SpinUpResult(state, done, False)


def spin_up_steps(run: AnyRun, period: str | float) -> int:
    """Whole steps of a length of time from the beginning of a run: ``"2 years"``, or seconds."""
    start = run.start.astype("datetime64[s]").item()
    steps: int = round((span_end(start, period) - start).total_seconds() / float(run.step))
    return steps


def total_water(state: State, thickness: Array) -> Array:
    """Water in soil, snow and canopy, ``[column]``. [kg m-2]

    Parameters
    ----------
    thickness : Of the soil layers, ``[layer, 1]`` or ``[layer, column]``. [m]
    """
    soil = WATER_DENSITY * (array_of(state.soil.moisture) * thickness).sum(axis=0)
    found: Array = soil + array_of(state.snow.water_equivalent) + array_of(state.canopy_water)
    return found


def _repeat(run: AnyRun, state: State, steps: int, number: int, taken: Callable[[int], None]) -> State:
    pace, done = Pace(run, ()), 0
    while done < steps:
        pace.start()
        block = take_block(run, state, done, min(done + pace.length, steps), ())
        if block.failure is not None:
            raise type(block.failure)(f"spin_up: repetition {number}: {block.failure}") from block.failure
        pace.stop(block.count)
        taken(block.count)
        done, state = done + block.count, block.final_state
    return state


def _change(thickness: Array, number: int, before: State, after: State) -> Cycle:
    deep = [array_of(state.soil.temperature)[-1] for state in (before, after)]
    water = [total_water(state, thickness) for state in (before, after)]
    return Cycle(number, _largest(deep[1] - deep[0]), _largest(water[1] - water[0]))


def _largest(difference: Array) -> Change:
    size = np.abs(difference)
    place = int(size.argmax())
    return Change(float(size[place]), place)
