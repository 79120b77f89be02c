"""The root of the Richards equation, and its derivative."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.constants import MINIMUM_MOISTURE
from noahpy_core.numerics import implicit_root, solve_tridiagonal
from noahpy_core.physics.retention import PoreSpace, Unknown, pore_space
from noahpy_core.physics.richards import UPTAKE_RANGE, Flow, System, equations, unknown_for
from noahpy_core.recording import iterate_until
from noahpy_core.roots import find_root

TOLERANCE = 1.0e-12
"""Largest residual of a solved layer, relative to its storage and fluxes."""
LATE_TOLERANCE = 1.0e-10
"""The same once the first strategy has failed: where round-off leaves no better. The balance closes in any case."""


class Strategy(NamedTuple):
    """How Newton's method goes on where whole steps cycle: in turns of steps that start short and become whole.

    Short steps end a cycle, whole ones converge, and those between lead over the kinks. What a layer passes on can set
    in within millimetres of head, which a step leaps over: then it stops where the neighbour starts to conduct on the
    way up, or where the neighbour ceases to be full on the way down.

    Parameters
    ----------
    rounds : After which the next strategy starts, from the beginning.
    whole : Rounds of whole steps at first.
    turn : Rounds of each turn; the last five are whole steps.
    share : Of the first step of the first turn.
    shorter : From the first step of one turn to that of the next.
    up, down : Whether such leaps are stopped, after the whole steps.
    """

    rounds: int
    whole: int
    turn: int
    share: float
    shorter: float
    up: bool
    down: bool


STRATEGIES = (
    Strategy(100, 12, 12, 0.3, 0.8, up=True, down=False),
    Strategy(100, 5, 20, 0.2, 0.5, up=False, down=True),
    Strategy(100, 5, 20, 0.2, 0.5, up=False, down=False),
    Strategy(200, 5, 30, 0.1, 0.5, up=True, down=True),
)
LIMIT = sum(strategy.rounds for strategy in STRATEGIES)
"""Largest number of tridiagonal solves."""
SHORTEST = 1.0e-3
PRESSURE = 10.0
"""Head above that of a pond on the surface which the iteration may reach. [m]"""


def solve_richards(primary: Sequence[Tensor], flow: Flow) -> System:
    """The equations at the end of the step, with their first and second derivatives.

    Parameters
    ----------
    primary : b, suction, room and conductivity, ``[layer, column]`` (see `frozen_pore_space`).
    flow : Old water, demands, supply and the step.

    Raises
    ------
    ConvergenceError : naming the columns that were not solved.
    """
    pores = pore_space(*primary)
    held_pores = pore_space(*(part.detach() for part in primary))
    held = Flow(*(part.detach() for part in flow))
    with torch.no_grad():
        unknown = unknown_for(held_pores, held)
    root = find_root(newton, [*primary, *flow, *unknown], "soil water step", _describe)
    with torch.no_grad():
        at_root = equations(root, held_pores, held, unknown, jacobian=True)

    def change(u: Tensor) -> Tensor:
        residual = equations(u, pores, flow, unknown, jacobian=False).residual
        return -solve_tridiagonal(at_root.lower, at_root.diagonal, at_root.upper, residual)

    # The value stays that of the root: a step from it could cross a kink where pressure is nearly undetermined.
    return equations(implicit_root(root, change), pores, flow, unknown, jacobian=False)


def newton(*values: Tensor) -> tuple[Tensor, Tensor]:
    """u of every layer, and whether each column's was found."""
    count = len(Flow._fields)
    pores, flow, unknown = pore_space(*values[:4]), Flow(*values[4 : 4 + count]), Unknown(*values[4 + count :])
    eps = torch.finfo(flow.old.dtype).eps
    first_tolerance, late_tolerance = (max(value, 64.0 * eps) for value in (TOLERANCE, LATE_TOLERANCE))
    # No solution has more pressure than a pond on the surface gives; where it is not determined it must not run away.
    depth = torch.cumsum(flow.thickness, 0) - 0.5 * flow.thickness
    highest = unknown.of_pressure(depth + PRESSURE, pores)
    # Full layers start at rest below such a pond: all layers that drain are found at once, and those enclosed by ice,
    # whose pressure nothing determines, are solved.
    start = unknown.of(torch.clamp(flow.old / pores.room, max=1.0), pores.b)
    start = torch.where(start >= unknown.full, unknown.of_pressure(depth, pores), start)
    kinks = _kinks(pores, flow, unknown)

    entries, leaves = _windows(pores, unknown)

    def round_of(u: Tensor, count: Tensor, solved: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        now = equations(u, pores, flow, unknown, jacobian=True)
        tolerance = torch.where(count < STRATEGIES[0].rounds, first_tolerance, late_tolerance)
        fine = (now.residual.abs() <= tolerance * (now.size + 1.0e-3 * flow.thickness)).all(0)
        change = solve_tridiagonal(now.lower, now.diagonal, now.upper, now.residual)
        advice = _advice(count)
        # Coming down over a kink where the slope grows, stop at it and go on with the slope from below.
        lowest = _stopped(u, torch.zeros_like(u), kinks)
        lowest = torch.where(advice.down, _stopped(u, lowest, leaves), lowest)
        top = torch.where(advice.up, -_stopped(-u, -highest, [-entry for entry in entries]), highest)
        proposal = torch.minimum(torch.maximum(u - advice.share * change, lowest), top)
        proposal = torch.where(advice.again, start, proposal)
        solved = solved | fine
        # What is solved stays as it is: its digits must not depend on how long other columns take.
        return torch.where(solved, u, proposal), count + 1.0, solved

    unsolved = torch.zeros_like(start[0], dtype=torch.bool)
    root, _, solved = iterate_until(round_of, (start, torch.zeros_like(start[0]), unsolved), LIMIT)
    return root, solved


def _kinks(pores: PoreSpace, flow: Flow, unknown: Unknown) -> tuple[Tensor, ...]:
    """Where slopes jump upwards on the way down: saturation, and the tops of the ranges of uptake.

    Parameters
    ----------
    pores, flow : As for `equations`, ``[layer, column]``.
    unknown : The change of variable, in which the kinks are given.
    """

    def of(minimum: Tensor | float) -> Tensor:
        return unknown.of(torch.clamp((minimum + UPTAKE_RANGE) / pores.room, max=1.0), pores.b)

    evaporating, transpiring = of(MINIMUM_MOISTURE), of(flow.root_minimum)
    asked = torch.cat([flow.soil_demand[None], torch.zeros_like(flow.old[1:])]) > 0.0
    return (
        torch.where(asked, torch.minimum(evaporating, unknown.full), 0.0),
        torch.where(flow.root_demand > 0.0, torch.minimum(transpiring, unknown.full), 0.0),
        unknown.full,
    )


def _stopped(u: Tensor, bound: Tensor, kinks: Sequence[Tensor]) -> Tensor:
    """The first of some kinks that u meets on its way down, if that is above the bound.

    Parameters
    ----------
    u, bound : Where a layer is, and how far down it may go, ``[layer, column]``.
    kinks : Places in u, ``[layer, column]`` each.
    """
    for kink in kinks:
        bound = torch.where((u > kink) & (kink > bound), kink, bound)
    return bound


def _windows(pores: PoreSpace, unknown: Unknown) -> tuple[list[Tensor], list[Tensor]]:
    """u of each layer at the heads where a neighbour starts to conduct, and where it is full."""
    dry, full = -pores.suction / pores.immobile, -pores.suction
    neighbours = [
        [torch.cat([head[1:], head[-1:]]) for head in (dry, full)],
        [torch.cat([head[:1], head[:-1]]) for head in (dry, full)],
    ]
    # A hair above the first head, where the slope is that of the neighbour that conducts.
    entries = [unknown.of_head(start, pores) * (1.0 + 1.0e-9) for start, _ in neighbours]
    return entries, [unknown.of_head(end, pores) for _, end in neighbours]


class Advice(NamedTuple):
    """What the strategies say for a round, ``[column]``."""

    share: Tensor
    """Of the Newton step."""
    up: Tensor
    down: Tensor
    again: Tensor
    """Whether to start again instead."""


def _advice(count: Tensor) -> Advice:
    """By the number of rounds done."""
    no = torch.zeros_like(count, dtype=torch.bool)
    advice = Advice(torch.ones_like(count), no, no, no)
    first = 0.0
    for strategy in STRATEGIES:
        late = count - (first + strategy.whole)
        turns = torch.clamp(late / strategy.turn, min=0.0).to(torch.int64).to(count.dtype)
        position = (late - strategy.turn * turns) / (strategy.turn - 5.0)
        shortest = torch.clamp(strategy.share * strategy.shorter**turns, min=SHORTEST)
        short = torch.exp(torch.log(shortest) * torch.clamp(1.0 - position, min=0.0))
        now, turning = count >= first, late >= 0.0
        first += strategy.rounds
        advice = Advice(
            share=torch.where(now, torch.where(turning, short, 1.0), advice.share),
            up=torch.where(now, turning if strategy.up else no, advice.up),
            down=torch.where(now, turning if strategy.down else no, advice.down),
            again=advice.again | ((count == first - 1.0) if first < LIMIT else no),
        )
    return advice


def _describe(unsolved: Tensor, values: Sequence[Tensor]) -> str:
    columns = unsolved.nonzero().flatten().tolist()
    first = columns[0]
    room, old = values[2], values[4]
    return (
        f"soil water step: {len(columns)} of {unsolved.numel()} columns did not converge in "
        f"{LIMIT} solves; first column {first} with liquid water "
        f"{old[:, first].tolist()} in pores of {room[:, first].tolist()} m3 m-3. "
        "Check its forcing and parameters for values far outside their bounds."
    )
