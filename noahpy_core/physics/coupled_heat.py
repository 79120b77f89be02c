"""Solution of the coupled system of skins, snow and soil, and its derivative.

Each sweep linearises the rows at the guess, solves both skins exactly against them (one scalar root each), and puts the
result back: tridiagonal solves only. A layer that crosses a kink of its state function stops just beyond it, so that
the next sweep uses the slope of that side. The derivative is one chord step at the root, with the exact Jacobian.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from noahpy_core.numerics import at_most, between, implicit_root, solve_tridiagonal
from noahpy_core.physics.coupled_system import (
    Rows,
    System,
    Unknowns,
    bare_skin_balance,
    jacobian,
    residual,
    rows_at,
    snow_skin_balance,
    snow_temperature,
    visible_skin,
)
from noahpy_core.physics.freezing import FreezingCurve
from noahpy_core.recording import iterate_until
from noahpy_core.roots import find_root

LARGEST_NUMBER_OF_SWEEPS = 200
LARGEST_NUMBER_OF_SCALAR_STEPS = 100
TOLERANCE = 1.0e-8
"""Last change of a converged temperature in double precision; the derivative's step squares the error. [K]"""
LARGEST_SOIL_STEP = 60.0
"""[K]"""
COLDEST, HOTTEST, HIGHEST_POTENTIAL = 100.0, 500.0, 1.0e5
"""Brackets of the skins. [K]"""
STOP_WIDTH = 1.0e-7
"""How far beyond a kink a snow layer stops, per kg m-2. [J m-2]"""
FIRST_ALTERNATION = 3.0
"""Sweeps after which steps are halved where the top soil layer goes to and fro."""


def falling_root(
    function: Callable[[Tensor], tuple[Tensor, Tensor]], start: Tensor, low: Tensor, high: Tensor
) -> tuple[Tensor, Tensor]:
    """Root of a falling function of one number per column, and whether it was found.

    Newton's method in a bracket that shrinks with every value; a step that leaves it, or is not half the one before,
    is replaced by bisection. A step within the tolerance is always taken: at round-off bisection would never end.

    Parameters
    ----------
    function : Value and slope, ``[column]``.
    start : Where the search begins, ``[column]``.
    low, high : The bracket, ``[column]``.
    """
    tolerance = _tolerance(start)

    def step(x: Tensor, low: Tensor, high: Tensor, last: Tensor, done: Tensor) -> tuple[Tensor, ...]:
        value, slope = function(x)
        above = value > 0
        new_low = torch.where(above, torch.maximum(low, x), low)
        new_high = torch.where(above, high, torch.minimum(high, x))
        proposal = x - value / slope
        size = (proposal - x).abs()
        tiny = size <= tolerance
        fits = (proposal >= new_low) & (proposal <= new_high) & (size <= 0.5 * last)
        newton = tiny | fits
        # The bracket of the snow's potential is 1e5 K wide, and few roots are that far: look in its first 400 K.
        half = 0.5 * (new_low + torch.minimum(new_high, new_low + 400.0))
        chosen = torch.where(newton, proposal, half)
        return (
            # What is found stays as it is: its digits must not depend on how long other columns take.
            torch.where(done, x, chosen),
            torch.where(done, low, new_low),
            torch.where(done, high, new_high),
            torch.where(done, last, torch.where(newton, size, 1.0e9)),
            done | tiny,
        )

    # The first step may have any size, and so may one after a bisection.
    free = torch.full_like(start, 1.0e9)
    carry = (start, low, high, free, torch.zeros_like(start, dtype=torch.bool))
    root, _, _, _, found = iterate_until(step, carry, LARGEST_NUMBER_OF_SCALAR_STEPS)
    return root, found


class Sweep(NamedTuple):
    """Where a sweep leads from a guess."""

    to: Unknowns
    skins_found: Tensor
    """``[column]`` of bool."""


def sweep(curve: FreezingCurve, system: System, at: Unknowns) -> Sweep:
    """One Newton step with the storage linearised at a guess and both skins solved exactly.

    Parameters
    ----------
    curve : Liquid water of frozen soil by temperature.
    system : The equations, ``[row, column]``.
    at : The guess.
    """
    number, dt = system.snow_layers, system.dt
    rows = rows_at(curve, system, at)
    top_soil = at.temperature[0]
    low = torch.full_like(top_soil, COLDEST)

    def bare_equation(skin: Tensor) -> tuple[Tensor, Tensor]:
        found = bare_skin_balance(system, skin, top_soil)
        # Falling in any case: a slope of nothing would lead out of every bracket.
        return found.excess, at_most(found.by_skin, -0.5 * system.bare)

    bare_skin, bare_found = falling_root(bare_equation, at.bare_skin, low, torch.full_like(low, HOTTEST))
    into_soil = system.bare * (bare_skin - top_soil)
    slope = at_most(bare_skin_balance(system, bare_skin, top_soil).balance.slope, 0.5 * system.bare)
    # How the heat into the soil follows the top soil layer, the skin following its balance.
    response = at_most(system.bare * slope / (system.bare - slope), 0.0)

    matrix = jacobian(system, rows)
    bare_dt = dt * (1.0 - system.cover)
    diagonal = torch.cat(
        [
            matrix.diagonal[:number],
            (matrix.diagonal[number] - bare_dt * response)[None],
            matrix.diagonal[number + 1 :],
        ]
    )
    # Affine in the potential of the snow's skin, counted from where it is.
    snow_in = system.top * (at.snow_skin - rows.temperature[0])
    right = -residual(system, rows, snow_in, into_soil)
    first = torch.cat([(dt * system.top)[None], torch.zeros_like(right[1:])])
    fixed = solve_tridiagonal(matrix.lower, diagonal, matrix.upper, right)
    following = solve_tridiagonal(matrix.lower, diagonal, matrix.upper, first)
    constant = rows.temperature[0] + rows.temperature_slope[0] * fixed[0]
    share = rows.temperature_slope[0] * following[0]

    def snow_equation(potential: Tensor) -> tuple[Tensor, Tensor]:
        layer = constant + share * (potential - at.snow_skin)
        found = snow_skin_balance(system, potential, layer)
        return found.excess, at_most(found.by_potential + found.by_layer * share, -1.0e-3 * system.top)

    snow_skin, snow_found = falling_root(snow_equation, at.snow_skin, low, torch.full_like(low, HIGHEST_POTENTIAL))
    change = fixed + following * (snow_skin - at.snow_skin)
    to = Unknowns(at.enthalpy + change[:number], at.temperature + change[number:], snow_skin, bare_skin)
    return Sweep(to, bare_found & snow_found)


def solve(curve: FreezingCurve, system: System, guess: Unknowns) -> tuple[Unknowns, Tensor]:
    """Unknowns at the end of the step, and whether each column's were found.

    Parameters
    ----------
    curve : Liquid water of frozen soil by temperature.
    system : The equations, ``[row, column]``.
    guess : Where the iteration starts.
    """
    snow, soil = system.snow, system.soil
    freezing_point = curve.freezing_point(soil.store.total, soil.curve_parameters())
    tolerance = _tolerance(guess.temperature)
    width = STOP_WIDTH * snow.mass
    kinks = (torch.zeros_like(snow.held), snow.held, snow.held + snow.largest_flow, snow.all_water())
    # A vanishing patch of snow matters as little as it weighs.
    weight = at_most(1.0e9 * system.cover, 1.0)

    def step(
        enthalpy: Tensor, temperature: Tensor, snow_skin: Tensor, bare_skin: Tensor, last: Tensor, count: Tensor,
        done: Tensor,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        at = Unknowns(enthalpy, temperature, snow_skin, bare_skin)
        to, skins_found = sweep(curve, system, at)
        turn = to.temperature[0] - temperature[0]
        alternates = (turn * last < 0) & (turn.abs() > 0.2 * last.abs()) & (count > FIRST_ALTERNATION)
        length = torch.where(alternates, 0.5, torch.ones_like(turn))

        new_enthalpy, snow_stopped = _stopped(enthalpy, to.enthalpy, kinks, width, length)
        frozen, freezes = temperature < freezing_point, to.temperature < freezing_point
        crossing = ((frozen & ~freezes) | (freezes & ~frozen)) & ((to.temperature - temperature).abs() > 1.0e-9)
        moved = temperature + between(to.temperature - temperature, -LARGEST_SOIL_STEP, LARGEST_SOIL_STEP) * length
        # A few units of round-off below the freezing point the curve has its slope.
        round_off = 4.0 * torch.finfo(temperature.dtype).eps
        beyond = torch.where(frozen, freezing_point, freezing_point * (1.0 - round_off))
        new_temperature = torch.where(crossing, beyond, moved)

        soil_change = (to.temperature - temperature).abs().amax(0)
        snow_change = ((to.enthalpy - enthalpy).abs() / kinks[3]).amax(0) * (0.1 * weight)
        settled = (soil_change <= tolerance) & (snow_change <= tolerance) & (~crossing).all(0)
        settled = settled & ((~snow_stopped).all(0) | (weight <= 1.0e-3)) & skins_found
        return (
            torch.where(done, enthalpy, new_enthalpy),
            torch.where(done, temperature, new_temperature),
            torch.where(done, snow_skin, to.snow_skin),
            torch.where(done, bare_skin, to.bare_skin),
            torch.where(done, last, turn * length),
            count + 1.0,
            done | settled,
        )

    none = torch.zeros_like(system.cover)
    carry = (*guess, none, none, torch.zeros_like(none, dtype=torch.bool))
    enthalpy, temperature, snow_skin, bare_skin, _, _, solved = iterate_until(step, carry, LARGEST_NUMBER_OF_SWEEPS)
    return Unknowns(enthalpy, temperature, snow_skin, bare_skin), solved


def _stopped(
    start: Tensor, end: Tensor, kinks: tuple[Tensor, ...], width: Tensor, length: Tensor
) -> tuple[Tensor, Tensor]:
    """A step of snow enthalpy that ends just beyond the first kink it crosses, and where it was cut.

    Parameters
    ----------
    start, end : Enthalpy before and after the whole step, ``[snow layer, column]``. [J m-2]
    kinks : Enthalpies at which slopes jump, from the lowest up. [J m-2]
    width : How far beyond a kink the step ends. [J m-2]
    length : Share of a step that is not cut, ``[column]``. [1]
    """
    far = (end - start).abs() > 1.0e2 * width
    goal = end
    # The last one written stays: the lowest that is crossed on the way up, the highest on the way down.
    for kink in reversed(kinks):
        goal = torch.where((start < kink - 0.5 * width) & (end > kink + 0.5 * width), kink + width, goal)
    for kink in kinks:
        goal = torch.where((start > kink + 0.5 * width) & (end < kink - 0.5 * width), kink - width, goal)
    cut = far & (goal != end)
    return torch.where(cut, goal, start + length * (end - start)), cut


def newton_change(curve: FreezingCurve, system: System, root: Unknowns) -> Callable[[Tensor], Tensor]:
    """How far the equations are from a point near the root: a Newton step with the Jacobian of the root, held.

    Parameters
    ----------
    curve : Liquid water of frozen soil by temperature.
    system : The equations, which carry the derivative.
    root : Where the Jacobian is taken.

    Returns
    -------
    A function of the packed unknowns; its graph is the implicit function theorem.
    """
    number, dt = system.snow_layers, system.dt
    # Held: a step of the chord method asks for the derivative of the equations alone.
    held = Rows(*(part.detach() for part in rows_at(curve, system, root)))
    slopes = snow_skin_balance(system, root.snow_skin, held.temperature[0])
    by_potential, by_layer = slopes.by_potential.detach(), slopes.by_layer.detach() * held.temperature_slope[0]
    by_skin = bare_skin_balance(system, root.bare_skin, root.temperature[0]).by_skin.detach()
    matrix = jacobian(system, held)
    # The skins are eliminated into the diagonals of the rows below them.
    top, bare = (dt * system.top).detach(), (dt * (1.0 - system.cover) * system.bare).detach()
    conductance = system.bare.detach()
    lower, upper = matrix.lower.detach(), matrix.upper.detach()
    diagonal = torch.cat(
        [
            (matrix.diagonal[0] + top * by_layer / by_potential)[None],
            matrix.diagonal[1:number],
            (matrix.diagonal[number] + bare * (1.0 + conductance / by_skin))[None],
            matrix.diagonal[number + 1 :],
        ]
    ).detach()

    def change(packed: Tensor) -> Tensor:
        at = unpacked(packed, number)
        rows = rows_at(curve, system, at)
        over_snow = snow_skin_balance(system, at.snow_skin, rows.temperature[0]).excess
        on_ground = bare_skin_balance(system, at.bare_skin, at.temperature[0]).excess
        into_snow = system.top * (at.snow_skin - rows.temperature[0])
        excess = residual(system, rows, into_snow, system.bare * (at.bare_skin - at.temperature[0]))
        first = excess[0] + top * over_snow / by_potential
        middle = excess[number] + bare * on_ground / by_skin
        right = torch.cat([first[None], excess[1:number], middle[None], excess[number + 1 :]])
        step = -solve_tridiagonal(lower, diagonal, upper, right)
        snow_skin = -(over_snow + by_layer * step[0]) / by_potential
        bare_skin = -(on_ground + conductance * step[number]) / by_skin
        return torch.cat([step, snow_skin[None], bare_skin[None]])

    return change


def packed(unknowns: Unknowns) -> Tensor:
    """All unknowns of a column in one tensor, ``[unknown, column]``."""
    return torch.cat([unknowns.enthalpy, unknowns.temperature, unknowns.snow_skin[None], unknowns.bare_skin[None]])


def unpacked(values: Tensor, snow_layers: int) -> Unknowns:
    """The unknowns in a tensor made by `packed`."""
    last = values.shape[0] - 2
    return Unknowns(values[:snow_layers], values[snow_layers:last], values[last], values[last + 1])


def first_guess(system: System, temperature: Tensor, skin: Tensor) -> Unknowns:
    """Where the iteration starts: all that was before.

    Parameters
    ----------
    system : The equations; enthalpy of snow is that at the start.
    temperature : Of the soil, ``[layer, column]``. [K]
    skin : Temperature of the skin, ``[column]``. [K]
    """
    top_layer, _ = snow_temperature(system.snow, system.snow.start)
    return Unknowns(system.snow.start, temperature, visible_skin(skin, top_layer[0]), skin)


def _tolerance(like: Tensor) -> float:
    return max(TOLERANCE, 16.0 * 300.0 * torch.finfo(like.dtype).eps)


def solve_coupled(curve: FreezingCurve, system: System, guess: Unknowns) -> Unknowns:
    """Unknowns at the end of the step, with the derivative of the equations.

    Parameters
    ----------
    curve : Liquid water of frozen soil by temperature.
    system : The equations, ``[row, column]``.
    guess : Where the iteration starts; the result does not depend on it beyond the tolerance.

    Raises
    ------
    ConvergenceError : naming the columns whose equations were not solved.
    """
    columns = torch.broadcast_shapes(*(leaf.shape[-1:] for leaf in tree_leaves(system)))
    leaves, layout = tree_flatten((system, guess))
    # The solver gets batches as more columns, so every value must have them all.
    values = [leaf.expand(*leaf.shape[:-1], *columns) for leaf in leaves]

    def found(*parts: Tensor) -> tuple[Tensor, Tensor]:
        system, guess = tree_unflatten(list(parts), layout)
        solution, solved = solve(curve, system, guess)
        return packed(solution), solved

    root = find_root(found, values, "coupled heat step", _describe)
    change = newton_change(curve, system, unpacked(root, system.snow_layers))
    # The first step also squares the error of the root.
    return unpacked(implicit_root(root + change(root), change, order=1), system.snow_layers)


def _describe(unsolved: Tensor, values: Sequence[Tensor]) -> str:
    columns = unsolved.nonzero().flatten().tolist()
    return (
        f"coupled heat step: {len(columns)} of {unsolved.numel()} columns did not converge in "
        f"{LARGEST_NUMBER_OF_SWEEPS} sweeps; first column {columns[0]} with soil temperature "
        f"{values[-3][:, columns[0]].tolist()} K. "
        "Check its forcing and parameters for values far outside their bounds, or take a shorter step."
    )
