"""The root of the Richards equation, and its derivative."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.constants import MINIMUM_MOISTURE
from noahpy_core.errors import remedy
from noahpy_core.numerics import implicit_root, positive_part, solve_tridiagonal
from noahpy_core.physics.limits import SHARP_LIMITS, Limits
from noahpy_core.physics.retention import PoreSpace, Unknown, pore_space
from noahpy_core.physics.richards import UPTAKE_RANGE, Flow, System, equations, unknown_for
from noahpy_core.physics.richards_profile import Profile, profile_of
from noahpy_core.physics.richards_start import starts
from noahpy_core.physics.richards_strategies import LIMIT, STRATEGIES, Advice, advice
from noahpy_core.recording import iterate_until
from noahpy_core.roots import find_root

TOLERANCE = 1.0e-12
"""Largest residual of a solved layer, relative to its storage and fluxes."""
LATE_TOLERANCE = 1.0e-10
"""The same once the first strategy has failed: where round-off leaves no better. The balance closes in any case."""
TOLERANCES = (TOLERANCE, TOLERANCE, LATE_TOLERANCE)
STRICT = (2.0, 64.0, 1024.0)
"""Smallest tolerances in single precision, in units of its round-off: at first, after some rounds, and late. What many
layers are allowed to leave over adds up, and the first layer has to bear it."""
STRICT_ROUNDS = 12.0
"""Rounds with the first of them."""
LAST, LAST_ROUNDS = 8192.0, 900.0
"""Units of round-off that are tolerated in single precision after so many rounds. Each layer bears what it leaves over,
so what is off is when its water moves, not how much there is."""
HAIR = 1.0e-9
"""How far beyond a kink a step that meets it ends, relative to the unknown there."""
LEAST_SLOPE = 1.0e-30
"""Of a layer's residual by its unknown in single precision. [m]"""
PRESSURE = 10.0
"""Head above that of a pond on the surface which the iteration may reach. [m]"""


def solve_richards(primary: Sequence[Tensor], flow: Flow, limits: Limits = SHARP_LIMITS) -> System:
    """The equations at the end of the step, with their first and second derivatives.

    Parameters
    ----------
    primary : b, suction, room and conductivity, ``[layer, column]`` (see `frozen_pore_space`).
    flow : Old water, demands, supply and the step.
    limits : How what enters is held to what the surface lets in.

    Raises
    ------
    ConvergenceError : naming the columns that were not solved.
    """
    pores = pore_space(*primary)
    held_pores = pore_space(*(part.detach() for part in primary))
    held = Flow(*(part.detach() for part in flow))
    profile = profile_of(flow.old, pores, flow.thickness, flow.unfrozen)
    held_profile = Profile(*(part.detach() for part in profile))
    with torch.no_grad():
        unknown = unknown_for(held_pores, held)
    solver = functools.partial(newton, type(limits))
    found = find_root(solver, [*primary, *flow, *profile, *unknown, *limits], "soil water step", _describe)
    root, upstream = found[:-1], found[-1]
    flow, held = flow._replace(upstream=upstream), held._replace(upstream=upstream)
    with torch.no_grad():
        at_root = equations(root, held_pores, held, held_profile, unknown, jacobian=True, limits=limits)

    def change(u: Tensor) -> Tensor:
        residual = equations(u, pores, flow, profile, unknown, jacobian=False, limits=limits).residual
        return -solve_tridiagonal(at_root.lower, at_root.diagonal, at_root.upper, residual)

    # The value stays that of the root: a step from it could cross a kink where pressure is nearly undetermined.
    return equations(implicit_root(root, change), pores, flow, profile, unknown, jacobian=False, limits=limits)


def newton(kind: type[Limits], *values: Tensor) -> tuple[Tensor, Tensor]:
    """u of every layer, below it whether gravity is that of the upper layers; and whether each column was solved.

    Parameters
    ----------
    kind : Of the limits, whose parts are the last of the values.
    values : b, suction, room and conductivity, the parts of the flow, those of the profile within layers and of the
        change of variable.
    """
    given, pores = iter(values[4:]), pore_space(*values[:4])
    flow = Flow(*itertools.islice(given, len(Flow._fields)))
    profile = Profile(*itertools.islice(given, len(Profile._fields)))
    unknown = Unknown(*itertools.islice(given, len(Unknown._fields)))
    limits = kind(*given)
    eps = torch.finfo(flow.old.dtype).eps
    strict, usual, late = (max(least, size * eps) for least, size in zip(TOLERANCES, STRICT, strict=True))
    depth = torch.cumsum(flow.thickness, 0) - 0.5 * flow.thickness
    start = starts(pores, flow, unknown, depth)
    # The step before leaves a dry layer with less than nothing by its tolerance, and no unknown gives that.
    lacking = 1.001 * flow.thickness * positive_part(-flow.old)
    places = _places(pores, flow, unknown, depth)

    def round_of(u: Tensor, count: Tensor, upstream: Tensor, solved: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        given = advice(count)
        upstream = torch.where(solved, upstream, torch.where(given.upstream, 1.0, 0.0).to(u.dtype))
        now = equations(u, pores, flow._replace(upstream=upstream), profile, unknown, jacobian=True, limits=limits)
        tolerance = torch.where(count < STRICT_ROUNDS, strict, usual)
        tolerance = torch.where(count < STRATEGIES[0].rounds, tolerance, late)
        if u.dtype == torch.float32:
            tolerance = torch.where(count < LAST_ROUNDS, tolerance, LAST * eps)
        fine = (now.residual.abs() <= tolerance * (now.size + 1.0e-3 * flow.thickness) + lacking).all(0)
        change = solve_tridiagonal(*_dominant(now), now.residual)
        proposal = _proposal(u, change, given, places)
        proposal = torch.where(given.again, torch.where(given.pond, start.pond, start.just_full), proposal)
        solved = solved | fine
        # What is solved stays as it is: its digits must not depend on how long other columns take.
        return torch.where(solved, u, proposal), torch.where(solved, count, count + 1.0), upstream, solved

    none = torch.zeros_like(depth[0])
    unsolved = torch.zeros_like(none, dtype=torch.bool)
    root, _, upstream, solved = iterate_until(round_of, (start.just_full, none, none, unsolved), LIMIT)
    return torch.cat([root, upstream[None]]), solved


def _dominant(now: System) -> tuple[Tensor, Tensor, Tensor]:
    """The bands of the Jacobian without the slopes of the wrong sign that a flux between very different soils can have.

    What is left has a dominant diagonal, so that no pivot of the elimination vanishes.
    """
    none = torch.zeros_like(now.lower[:1])
    by_lower, by_upper = positive_part(now.upper[:-1]), positive_part(now.lower[1:])
    diagonal = now.diagonal + torch.cat([none, by_lower]) + torch.cat([by_upper, none])
    if diagonal.dtype == torch.float32:
        # Of a full layer over ground too dry to conduct the slope is round-off, of either sign.
        diagonal = torch.clamp(diagonal, min=LEAST_SLOPE)
    return torch.clamp(now.lower, max=0.0), diagonal, torch.clamp(now.upper, max=0.0)


class Places(NamedTuple):
    """Where a layer's equation has kinks, in its unknown, ``[layer, column]`` each."""

    own: tuple[Tensor, ...]
    """Its own on the way down: saturation, and the tops of the ranges of uptake."""
    mobile: Tensor
    """Where its own water begins to move."""
    entries: list[Tensor]
    """Where a neighbour's does."""
    leaves: list[Tensor]
    """Where a neighbour is full."""
    highest: Tensor
    """How far up the iteration may go."""
    hair: float
    """How far beyond a kink a step that meets it ends, relative to the unknown there."""

    def every(self) -> tuple[Tensor, ...]:
        """All kinks."""
        return (*self.own, self.mobile, *self.entries, *self.leaves)


def _places(pores: PoreSpace, flow: Flow, unknown: Unknown, depth: Tensor) -> Places:
    entries, leaves = _windows(pores, unknown)
    return Places(
        own=_kinks(pores, flow, unknown),
        mobile=unknown.of_head(-pores.suction / pores.immobile, pores),
        entries=entries,
        leaves=leaves,
        # No solution has more pressure than a pond on the surface gives; where nothing fixes it, it must not run away.
        highest=unknown.of_pressure(depth + PRESSURE, pores),
        hair=max(HAIR, 64.0 * torch.finfo(depth.dtype).eps),
    )


def _proposal(u: Tensor, change: Tensor, given: Advice, places: Places) -> Tensor:
    """Where a round leads: layers that stop by themselves, or all together at the first kink.

    Parameters
    ----------
    u, change : Where the layers are, and the Newton step that is taken from it, ``[layer, column]``.
    given : What the strategies say.
    places : Of the kinks.
    """
    starting = [entry * (1.0 + places.hair) for entry in places.entries]
    # Coming down over a kink where the slope grows, stop at it and go on with the slope from below.
    lowest = torch.where(given.kinks, _stopped(u, torch.zeros_like(u), places.own), 0.0)
    lowest = torch.where(given.down, _stopped(u, lowest, places.leaves), lowest)
    lowest = torch.where(given.out, _stopped(u, lowest, starting), lowest)
    top = torch.where(given.up, -_stopped(-u, -places.highest, [-entry for entry in starting]), places.highest)
    alone = torch.minimum(torch.maximum(u - given.share * change, lowest), top)

    step = torch.minimum(torch.maximum(u - change, torch.zeros_like(u)), places.highest) - u
    together = u + torch.minimum(given.share, _until_kink(u, step, places.every(), places.hair)) * step
    return torch.where(given.together, together, alone)


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

    def of_neighbours(head: Tensor) -> list[Tensor]:
        below, above = torch.cat([head[1:], head[-1:]]), torch.cat([head[:1], head[:-1]])
        return [unknown.of_head(below, pores), unknown.of_head(above, pores)]

    return of_neighbours(-pores.suction / pores.immobile), of_neighbours(-pores.suction)


def _until_kink(u: Tensor, step: Tensor, kinks: Sequence[Tensor], hair: float) -> Tensor:
    """The share of a step with which the first of all layers is a hair beyond a kink, at most 1, ``[column]``.

    Parameters
    ----------
    u, step : Where the layers are, and how far they would go, ``[layer, column]``.
    kinks : Places in u, ``[layer, column]`` each.
    hair : How far beyond a kink a layer goes, relative to u there.
    """
    end, share = u + step, torch.ones_like(u)
    for kink in kinks:
        # Which has gone a hair beyond before is not stopped at the same kink again.
        low, high = kink * (1.0 - 0.5 * hair), kink * (1.0 + 0.5 * hair)
        rises, falls = (u < low) & (end > high), (u > high) & (end < low)
        goal = kink * torch.where(rises, 1.0 + hair, 1.0 - hair)
        met = rises | falls
        share = torch.minimum(share, torch.where(met, (goal - u) / torch.where(met, step, 1.0), 1.0))
    return -(-share).amax(0)


def _describe(unsolved: Tensor, values: Sequence[Tensor]) -> str:
    columns = unsolved.nonzero().flatten().tolist()
    first = columns[0]
    room, old = values[2], values[4]
    return (
        f"soil water step: {len(columns)} of {unsolved.numel()} columns did not converge in "
        f"{LIMIT} solves; first column {first} with liquid water "
        f"{old[:, first].tolist()} in pores of {room[:, first].tolist()} m3 m-3. "
        + remedy(single=old.dtype == torch.float32)
    )
