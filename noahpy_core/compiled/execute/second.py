"""The way back through a run with the change of all derivatives in one direction: a Hessian times a vector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from noahpy_core.compiled.execute.pairs import PairRun, cut, in_time
from noahpy_core.compiled.execute.sweep import by_leaves, room_for, seeded, wanted_of
from noahpy_core.compiled.execute.tables import numbers_of
from noahpy_core.run_checks import warn_of_growth

Derivatives = list[Tensor | None]


class SecondSweep:
    """Derivatives and their changes, back through a run.

    Parameters
    ----------
    run : The run and its change, which was taken.
    needed : By which leaves it is differentiated.
    cotangents, their_changes : Derivatives by the parts of the final state and by the outputs, and their changes.
    """

    def __init__(
        self,
        run: PairRun,
        needed: Sequence[bool],
        cotangents: Sequence[Tensor | None],
        their_changes: Sequence[Tensor | None],
    ) -> None:
        self.run, self.case, self.needed = run, run.case, needed
        self.program, self.columns = self.case.program, self.case.columns
        self.adjoint = run.leaves[0].new_zeros((2 * run.rows, self.columns))
        # They are kept: the tables have no more than their addresses.
        self.cotangents = [numbers_of(group) for group in (cotangents, their_changes)]
        halves = self.adjoint.split(run.rows)
        self.seeds = [seeded(run.plan, *both) for both in zip(halves, self.cotangents, strict=True)]
        self.rooms = [room_for(self.case, run.leaves, needed) for _ in halves]
        self.wanted = wanted_of(self.case, {*self.seeds[0], *self.seeds[1]}, self.rooms[0])

    def take(self) -> tuple[Derivatives, Derivatives]:
        """Derivatives by each leaf, and their changes."""
        for steps, pairs in self.run.backwards():
            seeds = [self.program.output_table(in_time(given, steps), self.columns) for given in self.seeds]
            rooms = [self.program.input_table(cut(room, steps), self.columns, own=False) for room in self.rooms]
            self.program.second(
                self.wanted,
                np.concatenate(self.run.inputs(steps)),
                np.concatenate(seeds),
                np.concatenate(rooms),
                self.columns,
                len(steps),
                pairs,
                self.adjoint,
            )
            warn_of_growth(self.run.plan.model, self.cotangents[0], [self.adjoint[: self.run.rows]])
        halves = zip(self.adjoint.split(self.run.rows), self.rooms, strict=True)
        values, changes = (by_leaves(self.case, self.run.leaves, self.needed, *both) for both in halves)
        return values, changes
