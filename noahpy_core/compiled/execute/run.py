"""Runs in compiled kernels: the time loop inside, and a derivative that is one more kernel."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from noahpy_core.compiled.execute.case import Case, Trees, build, make_case
from noahpy_core.compiled.execute.program import Program
from noahpy_core.compiled.record.step_graph import Wanted, group_of
from noahpy_core.differentiation import differentiable_once
from noahpy_core.errors import ConvergenceError
from noahpy_core.model import NoahModel
from noahpy_core.run_checks import warn_of_growth
from noahpy_core.state import State


def compiled_run(
    model: NoahModel,
    trees: Trees,
    dt: Tensor | float,
    outputs: Sequence[str],
    *,
    memory: int,
    checkpoint_every: int | None = None,
    truncate_every: int | None = None,
) -> tuple[State, list[Tensor]]:
    """The state after all steps and the outputs of each, ``[time, ...]``; arguments as for `noahpy_core.run`."""
    case, leaves = make_case(model, trees, dt, timed=True, back=torch.is_grad_enabled())
    wanted = torch.is_grad_enabled() and any(leaf.requires_grad for leaf in leaves)
    names = tuple(dict.fromkeys(part for name in outputs for part in parts_of(name)))
    plan = Plan(case, names, checkpoint_every or _spacing(case, memory), truncate_every, model)
    if wanted:
        apply: Callable[..., Sequence[Tensor]] = _CompiledRun.apply
        results = apply(plan, *leaves)
    else:
        results = plan.forward([leaf.detach() for leaf in leaves], None)
    return assembled([path for path, _, _ in case.program.rows], names, outputs, results)


def assembled(
    rows: Sequence[str], names: Sequence[str], outputs: Sequence[str], results: Sequence[Tensor]
) -> tuple[State, list[Tensor]]:
    """The final state and the outputs asked for, from parts of the state and series in a row.

    Parameters
    ----------
    rows : Paths of the parts of the state.
    names : Results the series are of.
    outputs : What was asked for, some of it a sum of results (`parts_of`).
    results : Parts of the state, then series, ``[time, ..., column]``.
    """
    final = dict(zip(rows, results[: len(rows)], strict=True))
    series = dict(zip(names, results[len(rows) :], strict=True))
    chosen = []
    for name in outputs:
        # Moisture is no result of its own: the sum hands its derivative to both parts.
        first, *more = (series[part] for part in parts_of(name))
        chosen.append(first + more[0] if more else first)
    return build(State, final), chosen


def parts_of(name: str) -> tuple[str, ...]:
    """Results an output is the sum of."""
    return ("soil.liquid_water", "soil.ice") if name == "soil.moisture" else (name,)


def _spacing(case: Case, memory: int) -> int:
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
    """

    case: Case
    outputs: tuple[str, ...]
    spacing: int
    truncate_every: int | None
    model: NoahModel

    def forward(self, leaves: Sequence[Tensor], kept: list[Tensor] | None) -> list[Tensor]:
        """Parts of the final state and the series of outputs. `kept` receives states, ``[step, row, column]`` each.

        With a spacing of 1 these are all states in one tensor, otherwise one state at the start of each stretch.
        """
        case = self.case
        layers = dict(case.program.results)
        series = {
            name: torch.empty(
                (case.steps, *([layers[name]] if layers[name] else []), case.columns),
                dtype=case.program.shape.dtype,
                device=case.program.device,
            )
            for name in self.outputs
        }
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

    def _advance(
        self, inputs: np.ndarray, outputs: np.ndarray, steps: range, final: Tensor | None, states: Tensor | None = None
    ) -> None:
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
        states = case.empty_state(len(steps))
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
        f"{columns[0]} (counted from 0). Check its forcing and parameters for values far outside their bounds.",
        columns.tolist(),
        step if numbered else None,
    )


class _CompiledRun(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plan: Plan, *leaves: Tensor) -> tuple[Tensor, ...]:
        kept: list[Tensor] = []
        results = plan.forward(leaves, kept)
        ctx.plan, ctx.kept = plan, kept
        ctx.save_for_backward(*leaves)
        # None says that an output is not differentiated; zeros would cost a kernel that differentiates it.
        ctx.set_materialize_grads(False)
        return tuple(results)

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Any, ...]:
        sweep = _Sweep(ctx.plan, ctx.saved_tensors, ctx.needs_input_grad[1:], cotangents)
        for steps, kept in zip(ctx.plan.stretches()[::-1], ctx.kept[::-1], strict=True):
            sweep.stretch(steps, kept)
        return (None, *sweep.gradients())


class _Sweep:
    """The way back through a run."""

    def __init__(
        self, plan: Plan, leaves: Sequence[Tensor], needed: Sequence[bool], cotangents: Sequence[Tensor | None]
    ) -> None:
        self.plan, self.case, self.leaves, self.needed = plan, plan.case, leaves, needed
        program, columns = self.case.program, self.case.columns
        count = len(program.rows)
        self.adjoint = torch.zeros((program.row_count, columns), dtype=program.shape.dtype, device=program.device)
        for part, cotangent in zip(self.case.state_parts(self.adjoint), cotangents[:count], strict=True):
            if cotangent is not None:
                part += cotangent
        given = {
            name: cotangent
            for name, cotangent in zip(plan.outputs, cotangents[count:], strict=True)
            if cotangent is not None
        }
        self.cotangents, self.seeds = given, cotangents
        self.room = {
            # A value for each column even where one leaf serves all: threads must not add to the same
            # place.
            source: leaf.new_zeros((*leaf.shape[:-1], columns))
            for source, leaf, need in zip(self.case.sources, leaves, needed, strict=True)
            if need and source[0] != "state"
        }
        states = {path for path, _, _ in program.rows}
        self.wanted = Wanted(
            fluxes=tuple(sorted(name for name in given if name not in states)),
            forcing=any(source[0] == "forcing" for source in self.room),
            constants=tuple(sorted({group_of(source) for source in self.room if source[0] != "forcing"})),
        )
        self.inputs = self.case.table(leaves)
        self.table = program.output_table(given, columns)
        self.gradient_table = program.input_table(self.room, columns, own=False)

    def stretch(self, steps: range, kept: Tensor) -> None:
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
            warn_of_growth(self.plan.model, self.seeds, [self.adjoint])
            if every and piece.start and piece.start % every == 0:
                # A cut: what comes after it does not reach the steps before.
                self.adjoint.zero_()

    def gradients(self) -> list[Tensor | None]:
        """Derivative with respect to each leaf, summed over the columns that shared it."""
        parts = dict(
            zip((path for path, _, _ in self.case.program.rows), self.case.state_parts(self.adjoint), strict=True)
        )
        found: list[Tensor | None] = []
        for source, leaf, need in zip(self.case.sources, self.leaves, self.needed, strict=True):
            value = parts[source[1]] if source[0] == "state" else self.room.get(source)
            if not need or value is None:
                found.append(None)
            else:
                # What all columns shared gets the sum of what each found.
                found.append(value.sum(-1, keepdim=True) if value.shape != leaf.shape else value)
        return found
