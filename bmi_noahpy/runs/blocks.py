"""Blocks of steps: many at a time, as few as keep memory small and the program responsive.

Nothing depends on the length of a block: neither results, nor the step that an error names.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bmi_noahpy.runs.bounds import checked_of, first_outside, room_for_water
from noahpy_core.containers import map_leaves
from noahpy_core.errors import ConvergenceError
from noahpy_core.leaves import array_of
from noahpy_core.quantities import members, quantities
from noahpy_core.state import Fluxes, Forcing, State

if TYPE_CHECKING:
    from bmi_noahpy.runs.any_run import AnyRun, Array

STATE_QUANTITIES = dict(quantities(State))
FLUX_QUANTITIES = dict(quantities(Fluxes))
RESIDUALS = ("water_residual", "energy_residual", "soil_heat_residual")
"""Of the budgets: not a number as soon as anything is."""
TARGET_SECONDS = 1.0
FIRST_LENGTH = 16
LARGEST_GROWTH = 8.0
MEMORY = 16 * 2**20
"""For forcing and outputs of a block; what is larger than twice that comes anew from the system each time. [byte]"""


class NonFiniteState(ArithmeticError):
    """A state variable became infinite or not a number."""


class ImpossibleState(NonFiniteState):
    """A state variable left the range that is physically possible."""


@dataclasses.dataclass(frozen=True)
class Block:
    """What a number of steps gave.

    Parameters
    ----------
    count : Steps that were taken; fewer than asked for when one failed.
    outputs, forcing : Of these steps, ``[time, ...]``.
    final_state : After the last of them.
    failure : Why the next step could not be taken; to be raised when these steps are in the output.
    """

    count: int
    outputs: dict[str, Array]
    forcing: Forcing
    final_state: State
    failure: Exception | None = None


def take_block(run: AnyRun, state: State, first: int, last: int, outputs: Sequence[str]) -> Block:
    """Take the steps from `first` up to, not including, `last`.

    Parameters
    ----------
    run : The prepared run; its forcing gives blocks of steps.
    state : Before the first of these steps.
    outputs : Paths in `State` and names in `Fluxes`. What tells whether a state is possible comes too.
    """
    forcing = run.block(first, last)
    outputs = with_checked(state, outputs)
    try:
        taken = run.take(state, forcing, outputs)
    except ConvergenceError as error:
        return _up_to_failure(run, state, forcing, outputs, (first, error))
    block = Block(last - first, taken.outputs, forcing, taken.final_state)
    # One number to look at: a sum is finite unless a member is not.
    telling = [values for name, values in block.outputs.items() if name in STATE_QUANTITIES or name in RESIDUALS]
    with np.errstate(all="ignore"):
        total = sum(float(values.sum()) for values in [*telling, *map(array_of, members(block.final_state).values())])
    if not math.isfinite(total):
        return _up_to_non_finite(run, state, first, block)
    return _up_to_impossible(run, state, first, block)


def with_checked(state: State, outputs: Sequence[str]) -> tuple[str, ...]:
    """What a block keeps of each step: what is asked for, and what is looked at after every step."""
    return tuple(dict.fromkeys((*outputs, *checked_of(state))))


def _up_to_impossible(run: AnyRun, state: State, first: int, block: Block) -> Block:
    """The block itself when all states are possible, else the steps before the first that is not."""
    found = first_outside(block.outputs, room_for_water(run.parameters))
    if found is None:
        return block
    count = found.step
    failure = ImpossibleState(
        f"{found.path} became {found.value:.6g} in {found.where}, in step {first + count + 1}, which ends "
        f"{end_of_step(run, first + count)}; it must be {found.bounds}. Check the forcing and the parameters there, or "
        "use shorter steps (period.step)."
    )
    outputs = {name: values[:count] for name, values in block.outputs.items()}
    return Block(count, outputs, _rows(block.forcing, count), state, failure)


def _up_to_failure(
    run: AnyRun, state: State, forcing: Forcing, outputs: Sequence[str], where: tuple[int, ConvergenceError]
) -> Block:
    """The steps before the one that an equation was not solved in, and the error with its number in the run."""
    first, error = where
    count = error.step
    if count is None:
        raise error
    failure = error.at_step(first + count)
    if not count:
        return Block(0, {}, forcing, state, failure)
    before = _rows(forcing, count)
    taken = run.take(state, before, outputs)
    return Block(count, taken.outputs, before, taken.final_state, failure)


def _up_to_non_finite(run: AnyRun, state: State, first: int, block: Block) -> Block:
    """The block itself when all states are finite, else the steps before the first that is not."""
    series = run.take(state, block.forcing, list(members(state))).outputs
    finite = np.stack([np.isfinite(values).reshape(block.count, -1).all(1) for values in series.values()])
    bad = np.flatnonzero(~finite.all(0))
    if not len(bad):
        return block
    count = int(bad[0])
    failure = NonFiniteState(_describe(run, first + count, {path: values[count] for path, values in series.items()}))
    outputs = {name: values[:count] for name, values in block.outputs.items()}
    return Block(count, outputs, _rows(block.forcing, count), state, failure)


def _describe(run: AnyRun, step: int, values: dict[str, Array]) -> str:
    path, found = next((path, found) for path, found in values.items() if not np.isfinite(found).all())
    place = np.argwhere(~np.isfinite(found))[0].tolist()
    *layer, column = place
    where = f"column {column}" + (f", layer {layer[0] + 1}" if layer else "")
    return (
        f"{path} became {float(found[tuple(place)])} in {where}, in step {step + 1}, which ends "
        f"{end_of_step(run, step)}. Check the forcing and the parameters there, or use shorter steps (period.step)."
    )


def _rows(forcing: Forcing, count: int) -> Forcing:
    return map_leaves(lambda series: series[:count], forcing)


class Pace:
    """How many steps a block has: as many as take about a second and fit in memory.

    Parameters
    ----------
    run : The prepared run.
    outputs : What a block keeps of each step.
    """

    def __init__(self, run: AnyRun, outputs: Sequence[str], *, memory: int = MEMORY) -> None:
        layers, columns = len(run.thickness), run.domain.columns
        kept = with_checked(run.initial_state, outputs)
        numbers = len(dataclasses.fields(Forcing)) + sum(layers if _has_layers(path) else 1 for path in kept)
        self._largest = max(memory // (8 * columns * numbers), 1)
        self.length = min(FIRST_LENGTH, self._largest)
        self._begin = time.perf_counter()

    def start(self) -> None:
        """A block of `length` steps begins."""
        self._begin = time.perf_counter()

    def stop(self, count: int) -> None:
        """It has ended, after this many steps."""
        seconds = max(time.perf_counter() - self._begin, 1e-9)
        wanted = count * min(max(TARGET_SECONDS / seconds, 0.5), LARGEST_GROWTH)
        # A block cut short, by a restart say, does not make the next one shorter when it was quick.
        if wanted > self.length or seconds > TARGET_SECONDS:
            self.length = min(max(int(wanted), 1), self._largest)


def _has_layers(path: str) -> bool:
    metadata = STATE_QUANTITIES.get(path) or FLUX_QUANTITIES.get(path)
    return metadata is None or bool(metadata["dims"])


def end_of_step(run: AnyRun, step: int) -> np.datetime64:
    """Time at which the state after a step (counted from 0) is valid."""
    end: np.datetime64 = run.start.astype("datetime64[s]") + np.timedelta64(round((step + 1) * float(run.step)), "s")
    return end
