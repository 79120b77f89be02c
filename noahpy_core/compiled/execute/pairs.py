"""A run together with its change in one direction: results and states in pairs of a value and its change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from noahpy_core.compiled.execute.plan import Plan, raise_failure
from noahpy_core.compiled.execute.tables import numbers_of
from noahpy_core.compiled.shape import Source


class PairRun:
    """A run with its change in one direction.

    Parameters
    ----------
    leaves, changes : Everything the run reads, and its change; None for what does not change.
    """

    def __init__(self, plan: Plan, leaves: Sequence[Tensor], changes: Sequence[Tensor | None]) -> None:
        self.plan, self.case, self.leaves = plan, plan.case, leaves
        self.program, self.columns, self.rows = self.case.program, self.case.columns, self.case.program.row_count
        given = zip(self.case.sources, numbers_of(changes), strict=True)
        self._changes = {source: change for source, change in given if change is not None}
        self._starts, self._pairs = list[Tensor](), list[Tensor]()

    def take(self, outputs: Sequence[str], *, values: bool, back: bool = True) -> tuple[list[Tensor], list[Tensor]]:
        """Run. Returns parts of the final state and series of outputs, and the changes of both.

        Parameters
        ----------
        outputs : Results of each step.
        values : Whether series of the outputs themselves are wanted, besides their changes.
        back : Whether there is a way back, for which states are kept.
        """
        series = self.case.empty_series(outputs if values else ()), self.case.empty_series(outputs)
        pair, stretches = self._first(), self.plan.stretches() if back else [range(self.case.steps)]
        for steps in stretches:
            self._starts.append(pair)
            pairs = None
            # A single stretch is gone through once, with all states; of several the states are too many to keep.
            if back and len(stretches) == 1:
                pairs = self._room(pair, steps)
                self._pairs.append(pairs)
            pair = self._forward(steps, pair, pairs, *(in_time(some, steps) for some in series))
        state, change = (self.case.state_parts(half) for half in pair.split(self.rows))
        return [*state, *series[0].values()], [*change, *series[1].values()]

    def backwards(self) -> Iterator[tuple[range, Tensor]]:
        """Stretches of steps from the last to the first, each with its states and their changes.

        These are laid out as ``[step, 2 row, column]``, those before the first step and after each.
        """
        stretches = self.plan.stretches()
        if self._pairs:
            yield stretches[0], self._pairs[0]
            return
        for steps, start in zip(stretches[::-1], self._starts[::-1], strict=True):
            pairs = self._room(start, steps)
            self._forward(steps, start, pairs, {}, {})
            yield steps, pairs

    def inputs(self, steps: range) -> tuple[np.ndarray, np.ndarray]:
        """Tables of inputs and of their changes in a stretch."""
        leaves = dict(zip(self.case.sources, self.leaves, strict=True))
        inputs = self.program.input_table(cut(leaves, steps), self.columns)
        return inputs, self.program.input_table(cut(self._changes, steps), self.columns, own=False)

    def _first(self) -> Tensor:
        """The state at the start and its change, ``[2 row, column]``."""
        pair = self.leaves[0].new_zeros((2 * self.rows, self.columns))
        pair[: self.rows] = self.case.flat(self.leaves)
        for (path, _, _), part in zip(self.program.rows, self.case.state_parts(pair[self.rows :]), strict=True):
            if ("state", path) in self._changes:
                part += self._changes["state", path]
        return pair

    def _room(self, start: Tensor, steps: range) -> Tensor:
        """Room for states before and after steps with their changes; the first is filled."""
        pairs = start.new_empty((len(steps) + 1, *start.shape))
        pairs[0] = start
        return pairs

    def _forward(
        self,
        steps: range,
        start: Tensor,
        pairs: Tensor | None,
        values: Mapping[str, Tensor],
        changes: Mapping[str, Tensor],
    ) -> Tensor:
        """Take a stretch of steps.

        Parameters
        ----------
        start : State and change before it.
        pairs : Receives those after each step, behind the first.
        values, changes : Receive series of outputs, and their changes.

        Returns
        -------
        State and change after it.
        """
        inputs, moved = (
            self.case.point_to(table, half)
            for table, half in zip(self.inputs(steps), start.split(self.rows), strict=True)
        )
        rooms = dict(values), dict(changes)
        if pairs is not None:
            for room, half in zip(rooms, pairs[1:].split(self.rows, dim=1), strict=True):
                for path, layers, row in self.program.rows:
                    room[path] = half[:, row : row + layers] if layers else half[:, row]
        final = torch.empty_like(start)
        outputs = [self.program.output_table(room, self.columns) for room in rooms]
        failures = self.program.tangent(
            inputs, moved, np.concatenate(outputs), self.columns, len(steps), final.unflatten(0, (2, self.rows))
        )
        if failures is not None:
            raise_failure(self.program, failures)
        # Where a part of the state is an output too, the kernel has written it once, among the states.
        for series, room in zip((values, changes), rooms, strict=True):
            for path, written in room.items():
                if path in series and series[path] is not written:
                    series[path].copy_(written)
        return final


def in_time(series: Mapping[str, Tensor], steps: range) -> dict[str, Tensor]:
    """Series of some steps."""
    return {name: values[steps.start : steps.stop] for name, values in series.items()}


def cut(leaves: Mapping[Source, Tensor], steps: range) -> dict[Source, Tensor]:
    """What is read in some steps."""
    return {
        source: leaf[steps.start : steps.stop] if source[0] == "forcing" else leaf for source, leaf in leaves.items()
    }
