"""The way back through a run with the change of all derivatives in one direction: a Hessian times a vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from noahpy_core.compiled.execute.plan import Plan, raise_failure
from noahpy_core.compiled.execute.sweep import by_leaves, room_for, seeded, wanted_of
from noahpy_core.compiled.execute.tables import numbers_of
from noahpy_core.compiled.shape import Source


class SecondSweep:
    """States and their changes forward, derivatives and their changes back.

    Parameters
    ----------
    leaves, changes : Everything the run reads, and its change; None for what does not change.
    cotangents, their_changes : Derivatives by the parts of the final state and by the outputs, and their changes.
    needed : By which leaves it is differentiated.
    """

    def __init__(
        self,
        plan: Plan,
        leaves: Sequence[Tensor],
        changes: Sequence[Tensor | None],
        cotangents: Sequence[Tensor | None],
        their_changes: Sequence[Tensor | None],
        needed: Sequence[bool],
    ) -> None:
        self.plan, self.case, self.leaves, self.needed = plan, plan.case, leaves, needed
        self.program, self.columns = self.case.program, self.case.columns
        given = zip(self.case.sources, numbers_of(changes), strict=True)
        self.changes = {source: change for source, change in given if change is not None}
        self.rows = self.program.row_count
        self.room = room_for(self.case, leaves, needed)
        self.adjoint = leaves[0].new_zeros((2 * self.rows, self.columns))
        halves = self.adjoint.split(self.rows)
        groups = (cotangents, their_changes)
        self.seeds = [seeded(plan, half, numbers_of(group)) for half, group in zip(halves, groups, strict=True)]
        self.wanted = wanted_of(self.case, {*self.seeds[0], *self.seeds[1]}, self.room)

    def take(self, outputs: Sequence[str]) -> tuple[list[Tensor | None], list[Tensor]]:
        """Changes of the derivative by each leaf, and of parts of the final state and of some outputs.

        Parameters
        ----------
        outputs : Those whose changes are wanted.
        """
        series = self.case.empty_series(outputs)
        pair, starts, pairs = self._first(), list[Tensor](), None
        stretches = self.plan.stretches()
        for steps in stretches:
            starts.append(pair)
            # A single stretch is gone through once, with all states; of several the states are too many to keep.
            pairs = self._pairs(pair, steps) if len(stretches) == 1 else None
            pair = self._forward(steps, pair, pairs, _in_time(series, steps))
        for steps, start in zip(stretches[::-1], starts[::-1], strict=True):
            if len(stretches) > 1:
                pairs = self._pairs(start, steps)
                self._forward(steps, start, pairs, {})
            assert pairs is not None
            self._back(steps, pairs)
        by = by_leaves(self.case, self.leaves, self.needed, self.adjoint[self.rows :], self.room)
        return by, [*self.case.state_parts(pair[self.rows :]), *series.values()]

    def _first(self) -> Tensor:
        """The state at the start and its change, ``[2 row, column]``."""
        pair = self.leaves[0].new_zeros((2 * self.rows, self.columns))
        pair[: self.rows] = self.case.flat(self.leaves)
        for (path, _, _), part in zip(self.program.rows, self.case.state_parts(pair[self.rows :]), strict=True):
            if ("state", path) in self.changes:
                part += self.changes["state", path]
        return pair

    def _pairs(self, start: Tensor, steps: range) -> Tensor:
        """Room for states before and after steps with their changes, ``[step, 2 row, column]``; the first is filled."""
        pairs = start.new_empty((len(steps) + 1, *start.shape))
        pairs[0] = start
        return pairs

    def _inputs(self, steps: range) -> tuple[np.ndarray, np.ndarray]:
        """Tables of inputs and of their changes in a stretch."""
        leaves = dict(zip(self.case.sources, self.leaves, strict=True))
        inputs = self.program.input_table(_cut(leaves, steps), self.columns)
        return inputs, self.program.input_table(_cut(self.changes, steps), self.columns, own=False)

    def _forward(self, steps: range, start: Tensor, pairs: Tensor | None, series: Mapping[str, Tensor]) -> Tensor:
        """Take a stretch of steps with changes.

        Parameters
        ----------
        start : State and change before it.
        pairs : Receives those after each step, behind the first.
        series : Receives the changes of outputs.

        Returns
        -------
        State and change after it.
        """
        inputs, changes = (
            self.case.point_to(table, half)
            for table, half in zip(self._inputs(steps), start.split(self.rows), strict=True)
        )
        values, changed = dict[str, Tensor](), dict(series)
        if pairs is not None:
            after = pairs[1:]
            for path, layers, row in self.program.rows:
                values[path], changed[path] = (
                    after[:, at : at + layers] if layers else after[:, at] for at in (row, self.rows + row)
                )
        final = torch.empty_like(start)
        outputs = [self.program.output_table(given, self.columns) for given in (values, changed)]
        failures = self.program.tangent(
            inputs, changes, np.concatenate(outputs), self.columns, len(steps), final.unflatten(0, (2, self.rows))
        )
        if failures is not None:
            raise_failure(self.program, failures)
        # Where a part of the state is an output too, the kernel has written it once, among the states.
        for path in series.keys() & values.keys():
            series[path].copy_(changed[path])
        return final

    def _back(self, steps: range, pairs: Tensor) -> None:
        """Take a stretch of steps back."""
        seeds = [self.program.output_table(_in_time(given, steps), self.columns) for given in self.seeds]
        self.program.second(
            self.wanted,
            np.concatenate(self._inputs(steps)),
            np.concatenate(seeds),
            self.program.input_table(_cut(self.room, steps), self.columns, own=False),
            self.columns,
            len(steps),
            pairs,
            self.adjoint,
        )


def _in_time(series: Mapping[str, Tensor], steps: range) -> dict[str, Tensor]:
    """Series of some steps."""
    return {name: values[steps.start : steps.stop] for name, values in series.items()}


def _cut(leaves: Mapping[Source, Tensor], steps: range) -> dict[Source, Tensor]:
    """What is read in some steps."""
    return {
        source: leaf[steps.start : steps.stop] if source[0] == "forcing" else leaf for source, leaf in leaves.items()
    }
