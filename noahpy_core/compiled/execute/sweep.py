"""The way back through a run, in kernels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from noahpy_core.compiled.execute.case import Case
from noahpy_core.compiled.execute.plan import Plan
from noahpy_core.compiled.execute.tables import numbers_of
from noahpy_core.compiled.record.step_graph import Wanted, group_of
from noahpy_core.compiled.shape import Source
from noahpy_core.run_checks import warn_of_growth


def room_for(case: Case, leaves: Sequence[Tensor], needed: Sequence[bool]) -> dict[Source, Tensor]:
    """Zeros for derivatives by the leaves that are needed, but for the state, whose derivative is carried.

    A value for each column even where one leaf serves all: threads must not add to the same place.
    """
    return {
        source: leaf.new_zeros((*leaf.shape[:-1], case.columns))
        for source, leaf, need in zip(case.sources, leaves, needed, strict=True)
        if need and source[0] != "state"
    }


def wanted_of(case: Case, given: Iterable[str], room: Iterable[Source]) -> Wanted:
    """Which derivatives a kernel is to give.

    Parameters
    ----------
    given : Results with derivatives that come in.
    room : Inputs that are differentiated by, besides the state.
    """
    states, sources = {path for path, _, _ in case.program.rows}, list(room)
    return Wanted(
        fluxes=tuple(sorted(name for name in given if name not in states)),
        forcing=any(source[0] == "forcing" for source in sources),
        constants=tuple(sorted({group_of(source) for source in sources if source[0] != "forcing"})),
    )


def by_leaves(
    case: Case, leaves: Sequence[Tensor], needed: Sequence[bool], flat: Tensor, room: dict[Source, Tensor]
) -> list[Tensor | None]:
    """The derivative by each leaf, summed over the columns that shared it; None where it is not needed.

    Parameters
    ----------
    flat : That by the first state, ``[row, column]``.
    room : That by the others, a value for each column.
    """
    parts = dict(zip((path for path, _, _ in case.program.rows), case.state_parts(flat), strict=True))
    found: list[Tensor | None] = []
    for source, leaf, need in zip(case.sources, leaves, needed, strict=True):
        value = parts[source[1]] if source[0] == "state" else room.get(source)
        if not need or value is None:
            found.append(None)
        else:
            # What all columns shared gets the sum of what each found.
            found.append(value.sum(-1, keepdim=True) if value.shape != leaf.shape else value)
    return found


def seeded(plan: Plan, adjoint: Tensor, cotangents: Sequence[Tensor | None]) -> dict[str, Tensor]:
    """Let a way back begin: the derivatives by outputs, by name; those by the final state are added to `adjoint`.

    Parameters
    ----------
    adjoint : Derivative by the final state in flat form, ``[row, column]``.
    cotangents : By the parts of the final state and by the outputs, None where there are none.
    """
    parts = plan.case.state_parts(adjoint)
    for part, cotangent in zip(parts, cotangents[: len(parts)], strict=True):
        if cotangent is not None:
            part += cotangent
    of_outputs = zip(plan.outputs, cotangents[len(parts) :], strict=True)
    return {name: cotangent for name, cotangent in of_outputs if cotangent is not None}


class Sweep:
    """The way back through a run.

    Parameters
    ----------
    leaves : Everything the run reads.
    needed : By which of them it is differentiated.
    cotangents : Derivatives by the parts of the final state and by the outputs, None where there are none.
    """

    def __init__(
        self, plan: Plan, leaves: Sequence[Tensor], needed: Sequence[bool], cotangents: Sequence[Tensor | None]
    ) -> None:
        self.plan, self.case, self.leaves, self.needed = plan, plan.case, leaves, needed
        program, columns = self.case.program, self.case.columns
        self.adjoint = torch.zeros((program.row_count, columns), dtype=program.shape.dtype, device=program.device)
        # They are kept: the table has no more than their addresses.
        self.cotangents = numbers_of(cotangents)
        given = seeded(plan, self.adjoint, self.cotangents)
        self.room = room_for(self.case, leaves, needed)
        self.wanted = wanted_of(self.case, given, self.room)
        self.inputs = self.case.table(leaves)
        self.table = program.output_table(given, columns)
        self.gradient_table = program.input_table(self.room, columns, own=False)

    def take(self, kept: Sequence[Tensor]) -> list[Tensor | None]:
        """Go back, and give the derivative by each leaf, None where it is not needed.

        Parameters
        ----------
        kept : States at the start of each stretch, or all of them (`Plan.forward`).
        """
        for steps, states in zip(self.plan.stretches()[::-1], kept[::-1], strict=True):
            self._stretch(steps, states)
        return by_leaves(self.case, self.leaves, self.needed, self.adjoint, self.room)

    def _stretch(self, steps: range, kept: Tensor) -> None:
        """Take a stretch of steps back."""
        states = self.plan.states_of(self.inputs, kept, steps)
        every = self.plan.truncate_every
        for piece in self.plan.pieces(steps):
            self.case.program.reverse(
                self.wanted,
                self.inputs,
                self.table,
                self.gradient_table,
                self.case.columns,
                piece,
                states[piece.start - steps.start :],
                self.adjoint,
            )
            assert self.plan.model is not None
            warn_of_growth(self.plan.model, self.cotangents, [self.adjoint])
            if every and piece.start and piece.start % every == 0:
                # A cut: what comes after it does not reach the steps before.
                self.adjoint.zero_()
