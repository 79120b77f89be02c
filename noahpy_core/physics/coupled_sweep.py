"""One sweep over the coupled system: storage linearised at a guess, both skins solved exactly against it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.numerics import at_most, positive_part, solve_tridiagonal, temperature_round_off
from noahpy_core.physics.coupled_system import (
    System,
    Unknowns,
    bare_skin_balance,
    jacobian,
    residual,
    rows_at,
    snow_skin_balance,
)
from noahpy_core.physics.freezing import FreezingCurve
from noahpy_core.physics.scalar_root import falling_root

TOLERANCE = 1.0e-8
"""Last change of a converged temperature in double precision; the derivative's step squares the error. [K]"""
COLDEST, HOTTEST, HIGHEST_POTENTIAL = -173.0, 227.0, 1.0e5
"""Brackets of the skins, above the melting point. [K]"""


def smallest_step(like: Tensor) -> float:
    """Change of a temperature below which it is found, in the number type of a tensor. [K]"""
    return max(TOLERANCE, temperature_round_off(like))


class Sweep(NamedTuple):
    """Where a sweep leads from a guess."""

    to: Unknowns
    skins_found: Tensor
    """``[column]`` of bool."""
    store: Tensor
    """Enthalpy of the soil at the guess, ``[layer, column]``. [J m-2]"""
    store_slope: Tensor
    """[J m-2 K-1]"""


def sweep(curve: FreezingCurve, system: System, at: Unknowns) -> Sweep:
    """One Newton step with the storage linearised at a guess and both skins solved exactly.

    Parameters
    ----------
    curve : Liquid water of frozen soil by temperature.
    system : The equations, ``[row, column]``.
    at : The guess.
    """
    number, dt = system.snow_layers, system.dt
    top_soil = at.warmth[0]
    low = torch.full_like(top_soil, COLDEST)
    tolerance = smallest_step(top_soil)

    def bare_equation(skin: Tensor) -> tuple[Tensor, Tensor]:
        found = bare_skin_balance(system, skin, top_soil)
        # Falling in any case: a slope of nothing would lead out of every bracket.
        return found.excess, at_most(found.by_skin, -0.5 * system.bare)

    bare_skin, bare_found = falling_root(bare_equation, at.bare_skin, low, torch.full_like(low, HOTTEST), tolerance)
    into_soil = system.bare * (bare_skin - top_soil)
    on_ground = bare_skin_balance(system, bare_skin, top_soil).balance
    slope = at_most(on_ground.slope, 0.5 * system.bare)
    # How the skin follows the top soil layer by its balance, and with it the heat into the soil and what evaporates.
    follows = system.bare / (system.bare - slope)
    response = at_most(slope * follows, 0.0)
    rows = rows_at(curve, system, at, on_ground)
    evaporating = positive_part(rows.store_by_skin * follows)

    matrix = jacobian(system, rows)
    bare_dt = dt * (1.0 - system.cover)
    diagonal = torch.cat(
        [
            matrix.diagonal[:number],
            (matrix.diagonal[number] - bare_dt * response + evaporating)[None],
            matrix.diagonal[number + 1 :],
        ]
    )
    # Affine in the potential of the snow's skin, counted from where it is.
    snow_in = system.top * (at.snow_skin - rows.warmth[0])
    right = -residual(system, rows, snow_in, into_soil)
    first = torch.cat([(dt * system.top)[None], torch.zeros_like(right[1:])])
    fixed = solve_tridiagonal(matrix.lower, diagonal, matrix.upper, right)
    following = solve_tridiagonal(matrix.lower, diagonal, matrix.upper, first)
    constant = rows.warmth[0] + rows.warmth_slope[0] * fixed[0]
    share = rows.warmth_slope[0] * following[0]

    def snow_equation(potential: Tensor) -> tuple[Tensor, Tensor]:
        layer = constant + share * (potential - at.snow_skin)
        found = snow_skin_balance(system, potential, layer)
        return found.excess, at_most(found.by_potential + found.by_layer * share, -1.0e-3 * system.top)

    snow_skin, snow_found = falling_root(
        snow_equation, at.snow_skin, low, torch.full_like(low, HIGHEST_POTENTIAL), tolerance
    )
    change = fixed + following * (snow_skin - at.snow_skin)
    to = Unknowns(at.enthalpy + change[:number], at.warmth + change[number:], snow_skin, bare_skin)
    soil_slope = torch.cat([(rows.store_slope[number] + evaporating)[None], rows.store_slope[number + 1 :]])
    return Sweep(to, bare_found & snow_found, rows.store[number:], soil_slope)
