"""Solution of the coupled system of skins, snow and soil, and its derivative.

The iteration takes tridiagonal solves only (see `coupled_solver`). The derivative is one chord step at the root, with
the exact Jacobian.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from noahpy_core.constants import FREEZING_POINT
from noahpy_core.errors import remedy
from noahpy_core.numerics import implicit_root, solve_tridiagonal
from noahpy_core.physics.coupled_solver import LARGEST_NUMBER_OF_SWEEPS, LATE, solve
from noahpy_core.physics.coupled_sweep import smallest_step
from noahpy_core.physics.coupled_system import (
    Rows,
    System,
    Unknowns,
    bare_skin_balance,
    jacobian,
    residual,
    rows_at,
    snow_skin_balance,
)
from noahpy_core.physics.freezing import FreezingCurve
from noahpy_core.roots import find_root
from noahpy_core.trees import tree_flatten, tree_leaves, tree_unflatten


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
    of_bare = bare_skin_balance(system, root.bare_skin, root.warmth[0])
    held, by_skin = rows_at(curve, system, root, of_bare.balance), of_bare.by_skin.detach()
    held = Rows(*(part.detach() for part in held))
    slopes = snow_skin_balance(system, root.snow_skin, held.warmth[0])
    by_potential, by_layer = slopes.by_potential.detach(), slopes.by_layer.detach() * held.warmth_slope[0]
    matrix = jacobian(system, held)
    # The skins are eliminated into the diagonals of the rows below them.
    top, bare = (dt * system.top).detach(), (dt * (1.0 - system.cover) * system.bare).detach()
    # What the top soil layer has too much falls with its bare skin: more heat comes in, more water leaves unfrozen.
    falls = bare - held.store_by_skin
    conductance = system.bare.detach()
    lower, upper = matrix.lower.detach(), matrix.upper.detach()
    diagonal = torch.cat(
        [
            (matrix.diagonal[0] + top * by_layer / by_potential)[None],
            matrix.diagonal[1:number],
            (matrix.diagonal[number] + bare + falls * conductance / by_skin)[None],
            matrix.diagonal[number + 1 :],
        ]
    ).detach()

    def change(packed: Tensor) -> Tensor:
        at = unpacked(packed, number)
        on_ground = bare_skin_balance(system, at.bare_skin, at.warmth[0])
        rows = rows_at(curve, system, at, on_ground.balance)
        over_snow = snow_skin_balance(system, at.snow_skin, rows.warmth[0]).excess
        into_snow = system.top * (at.snow_skin - rows.warmth[0])
        excess = residual(system, rows, into_snow, system.bare * (at.bare_skin - at.warmth[0]))
        first = excess[0] + top * over_snow / by_potential
        middle = excess[number] + falls * on_ground.excess / by_skin
        right = torch.cat([first[None], excess[1:number], middle[None], excess[number + 1 :]])
        step = -solve_tridiagonal(lower, diagonal, upper, right)
        snow_skin = -(over_snow + by_layer * step[0]) / by_potential
        bare_skin = -(on_ground.excess + conductance * step[number]) / by_skin
        return torch.cat([step, snow_skin[None], bare_skin[None]])

    return change


def packed(unknowns: Unknowns) -> Tensor:
    """All unknowns of a column in one tensor, ``[unknown, column]``."""
    return torch.cat([unknowns.enthalpy, unknowns.warmth, unknowns.snow_skin[None], unknowns.bare_skin[None]])


def unpacked(values: Tensor, snow_layers: int) -> Unknowns:
    """The unknowns in a tensor made by `packed`."""
    last = values.shape[0] - 2
    return Unknowns(values[:snow_layers], values[snow_layers:last], values[last], values[last + 1])


def solve_coupled(curve: FreezingCurve, system: System, guess: Unknowns) -> Unknowns:
    """Unknowns at the end of the step, with the derivative of the equations.

    Parameters
    ----------
    curve : Liquid water of frozen soil by temperature.
    system : The equations, ``[row, column]``.
    guess : Where the iteration starts; the result does not depend on it beyond the tolerance. Only in air far above
        saturation in little wind there are several.

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
    step = change(root)
    if root.dtype == torch.float32:
        step = step - _beyond_kinks(system, step.detach())
    return unpacked(implicit_root(root + step, change, order=1), system.snow_layers)


def _beyond_kinks(system: System, step: Tensor) -> Tensor:
    """Steps of columns that are longer than the error of a root, else 0: in single precision they lead to no root.

    Parameters
    ----------
    system : The equations.
    step : From the root, packed, without derivative.

    Notes
    -----
    The root has the error of round-off, for which a step may lead over the kinks of the state functions of thin layers.
    """
    number, tolerance = system.snow_layers, smallest_step(step)
    snow = (step[:number].abs() <= tolerance * system.snow.all_water().detach()).all(0)
    short = snow & (step[number:-2].abs() <= LATE * tolerance).all(0)
    return torch.where(short, 0.0, step)


def _describe(unsolved: Tensor, values: Sequence[Tensor]) -> str:
    columns = unsolved.nonzero().flatten().tolist()
    return (
        f"coupled heat step: {len(columns)} of {unsolved.numel()} columns did not converge in "
        f"{LARGEST_NUMBER_OF_SWEEPS} sweeps; first column {columns[0]} with soil temperature "
        f"{(FREEZING_POINT + values[-3][:, columns[0]]).tolist()} K. " + remedy(single=values[0].dtype == torch.float32)
    )
