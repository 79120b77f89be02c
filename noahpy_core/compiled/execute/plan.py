"""A run in kernels: what it gives, which states it keeps, and the stretches in which it is taken back."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from noahpy_core.compiled.execute.case import Case, build
from noahpy_core.compiled.execute.program import Program
from noahpy_core.errors import ConvergenceError, remedy
from noahpy_core.state import State

if TYPE_CHECKING:
    from torch import Tensor

    from noahpy_core.compiled.execute.tables import Numbers
    from noahpy_core.model import NoahModel


def assembled(rows: Sequence[str], outputs: Sequence[str], results: Sequence[Any]) -> tuple[State, list[Any]]:
    """The final state and the outputs asked for, from parts of the state and series in a row.

    Parameters
    ----------
    rows : Paths of the parts of the state.
    outputs : What was asked for, some of it a sum of results.
    results : Parts of the state, then series of `results_for` the outputs, ``[time, ..., column]``.
    """
    final = dict(zip(rows, results[: len(rows)], strict=True))
    series = dict(zip(results_for(outputs), results[len(rows) :], strict=True))
    chosen = []
    for name in outputs:
        # Moisture is no result of its own: the sum hands its derivative to both parts.
        first, *more = (series[part] for part in _parts_of(name))
        chosen.append(first + more[0] if more else first)
    return build(State, final), chosen


def results_for(outputs: Sequence[str]) -> tuple[str, ...]:
    """Results of steps that outputs are made of, each once."""
    return tuple(dict.fromkeys(part for name in outputs for part in _parts_of(name)))


def _parts_of(name: str) -> tuple[str, ...]:
    """Results an output is the sum of."""
    return ("soil.liquid_water", "soil.ice") if name == "soil.moisture" else (name,)


def spacing_for(case: Case, memory: int) -> int:
    """Smallest spacing of kept states for which they, and those of one stretch between them, fit in `memory`."""
    affordable = max(memory // (case.program.row_count * case.columns * case.program.target.size), 2)
    spacing = 1
    # Kept states and those of one stretch are in memory together; their sum is smallest at the root of the steps.
    while case.steps / spacing + (spacing > 1) * spacing > affordable and spacing * spacing < case.steps:
        spacing += 1
    return spacing


@dataclasses.dataclass(frozen=True)
class Plan:
    """A run and its way back.

    Parameters
    ----------
    outputs : Results of each step to return.
    spacing : Steps between the states that are kept for the way back.
    truncate_every : Steps after which the derivative in time is cut.
    model : Whose steps these are; None where nothing is taken back.
    """

    case: Case
    outputs: tuple[str, ...]
    spacing: int
    truncate_every: int | None = None
    model: NoahModel | None = None

    def forward(self, leaves: Sequence[Numbers], kept: list[Tensor] | None) -> list[Any]:
        """Parts of the final state and the series of outputs. `kept` receives states, ``[step, row, column]`` each.

        With a spacing of 1 these are all states in one tensor, otherwise one state at the start of each stretch.
        """
        case = self.case
        series = case.empty_series(self.outputs)
        inputs, outputs = case.table(leaves), case.program.output_table(series, case.columns)
        final = case.empty_state()
        if kept is None:
            self._advance(inputs, outputs, range(case.steps), final)
        elif self.spacing == 1:
            kept.append(case.empty_state(case.steps))
            self._advance(inputs, outputs, range(case.steps), final, states=kept[0])
        else:
            state = case.flat(leaves)
            for steps in self.stretches():
                kept.append(state[None])
                final = case.empty_state()
                self._advance(case.point_to(inputs, state), outputs, steps, final)
                state = final
        return [*case.state_parts(final), *series.values()]

    def stretches(self) -> list[range]:
        """The steps between kept states; with a spacing of 1 all of them, because all states are kept."""
        length = self.case.steps if self.spacing == 1 else self.spacing
        return [range(start, min(start + length, self.case.steps)) for start in range(0, self.case.steps, length)]

    def _advance(self, inputs: np.ndarray, outputs: np.ndarray, steps: range, final: Any, states: Any = None) -> None:
        case = self.case
        failures = case.program.forward(
            inputs, outputs, case.columns, len(steps), first_step=steps.start, final=final, states=states
        )
        if failures is not None:
            raise_failure(case.program, failures)

    def states_of(self, inputs: np.ndarray, kept: Tensor, steps: range) -> Tensor:
        """The states before each step of a stretch.

        Parameters
        ----------
        inputs : Table of inputs of the run.
        kept : The states that were kept for the stretch, ``[step, row, column]``.
        steps : Of the stretch.
        """
        if self.spacing == 1:
            return kept
        case = self.case
        states: Tensor = case.empty_state(len(steps))
        # Outputs were written the first time; only the states are wanted again.
        nothing = case.program.output_table({}, case.columns)
        self._advance(case.point_to(inputs, kept[0]), nothing, steps, None, states=states)
        return states

    def pieces(self, steps: range) -> list[range]:
        """A stretch from its end, cut after the steps at which the derivative in time is cut."""
        every = self.truncate_every
        # From the last step to the first, as the way back meets them.
        cuts = [step for step in steps if every and step and step % every == 0 and step != steps.start]
        bounds = [steps.start, *cuts, steps.stop]
        return [range(*ends) for ends in itertools.pairwise(bounds)][::-1]


def raise_failure(program: Program, failures: np.ndarray, *, numbered: bool = True) -> None:
    """Raise ConvergenceError for the first step that failed in any column.

    Parameters
    ----------
    program : Whose requirement was not met.
    failures : First step that failed in each column, -1 for none, ``[column]``.
    numbered : Whether the error names the step.
    """
    step = int(failures[failures >= 0].min())
    columns = np.flatnonzero(failures == step)
    raise ConvergenceError(
        f"{program.message}: {len(columns)} of {len(failures)} columns were not solved; first column "
        f"{columns[0]} (counted from 0). {remedy(single=program.target.number != 'double')}",
        columns.tolist(),
        step if numbered else None,
    )
