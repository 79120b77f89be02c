"""The root of the enthalpy heat step: end temperatures of all layers at once, found without derivative.

References
----------
.. [1] Casulli and Zanolli 2010, SIAM J. Sci. Comput. 32, doi:10.1137/100786320 (nested Newton).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.constants import FREEZING_POINT
from noahpy_core.errors import remedy
from noahpy_core.numerics import positive_part, temperature_round_off
from noahpy_core.parameters import SoilParameters
from noahpy_core.physics.enthalpy_by_water import solve_by_water
from noahpy_core.physics.enthalpy_system import Conduction
from noahpy_core.physics.freezing import FreezingCurve, curve_parameters
from noahpy_core.recording import iterate_until
from noahpy_core.roots import find_root

SOLVES_OF_A_GUESS = 12
"""Tridiagonal solves spent on the guess that few layers freeze or thaw through, before the safe iteration starts."""
LARGEST_NUMBER_OF_SOLVES = 400
TOLERANCE = 1.0e-8
"""Last change of a converged temperature in double precision; the final step squares the error. [K]"""


def solve_freezing(
    curve: FreezingCurve, system: Conduction, temperature: Tensor, liquid: Tensor, total: Tensor, soil: SoilParameters
) -> Tensor:
    """End temperatures of the heat step, without derivative. [K]

    Parameters
    ----------
    curve : Between temperature and liquid water.
    system : The equations.
    temperature, liquid : At the start, the first guess. [K, m3 m-3]
    total : Liquid and ice. [m3 m-3]
    soil : Parameters ``[layer, column]``, derived ones filled in.

    Raises
    ------
    ConvergenceError : naming the columns that were not solved.
    """
    layers = (soil.clapp_hornberger_b, soil.saturated_suction, soil.porosity, temperature, liquid, total, *system)
    values = [value.expand_as(temperature) for value in layers]
    return find_root(functools.partial(_solve, curve), values, "enthalpy heat step", _describe)


def _solve(curve: FreezingCurve, *values: Tensor) -> tuple[Tensor, Tensor]:
    b, suction, porosity, temperature, liquid, total, *parts = values
    system, soil = Conduction(*parts), curve_parameters(b, suction, porosity)
    if curve.has_own("equilibrium") or curve.has_own("freezing_point"):
        # What such a curve says of its parts need not be what it does.
        nested = _Nested(curve, system, total, soil, _contact_of(curve, total, soil))
        root, solved = nested.solve(*nested.guess(temperature), temperature)
        return root + system.step(root, *curve.equilibrium(root, total, soil)), solved

    root, solved = solve_by_water(curve, system, temperature, liquid, total, soil)
    nested = _Nested(curve, system, total, soil, _closed_contact(curve, total, soil))
    return nested.solve(root, torch.zeros_like(root, dtype=torch.bool), solved, temperature)


class _Contact(NamedTuple):
    """Where the curve ends: the temperature, and liquid water and its slope there, ``[layer, column]``."""

    temperature: Tensor
    liquid: Tensor
    slope: Tensor


def _left(point: Tensor) -> Tensor:
    """A few units of round-off below a freezing point, where the curve still has its slope, and goes on straight."""
    return point * (1.0 - 4.0 * torch.finfo(point.dtype).eps)


def _contact_of(curve: FreezingCurve, total: Tensor, soil: SoilParameters) -> _Contact:
    temperature = _left(curve.freezing_point(total, soil))
    return _Contact(temperature, *curve.equilibrium(temperature, total, soil))


def _closed_contact(curve: FreezingCurve, total: Tensor, soil: SoilParameters) -> _Contact:
    """The same without an iteration: without ice the slope of the curve is known."""
    point = curve.freezing_point(total, soil)
    temperature = _left(point)
    strength = curve.exponent(soil) + total * curve.ice_term_slope(torch.zeros_like(total))
    slope = total * FREEZING_POINT / (point * (FREEZING_POINT - point) * strength)
    return _Contact(temperature, total - slope * (point - temperature), slope)


class _Nested:
    """Newton iterations for temperature, by the liquid water in equilibrium with it."""

    def __init__(
        self, curve: FreezingCurve, system: Conduction, total: Tensor, soil: SoilParameters, contact: _Contact
    ) -> None:
        self.curve, self.system, self.total, self.soil, self.contact = curve, system, total, soil, contact
        self.tolerance = max(TOLERANCE, temperature_round_off(total))

    def newton(self, guess: Tensor, thawed: Tensor) -> tuple[Tensor, Tensor]:
        """Next guess, and whether each column's last change is within the tolerance."""
        contact = self.contact
        liquid, slope = self.curve.equilibrium(torch.minimum(guess, contact.temperature), self.total, self.soil)
        straight = liquid + contact.slope * positive_part(guess - contact.temperature)
        liquid, slope = torch.where(thawed, self.total, straight), torch.where(thawed, 0.0, slope)
        change = self.system.step(guess, liquid, slope)
        return guess + change, change.abs().amax(0) <= self.tolerance

    def above_curve(self, guess: Tensor) -> Tensor:
        """Where the straight continuation of the curve holds more than all water."""
        return self.contact.liquid + self.contact.slope * (guess - self.contact.temperature) > self.total

    def guess(self, temperature: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Temperatures, what of them is thawed, and which columns are solved.

        Rounds that take the layers above the curve for thawed and correct this once they have converged.
        """

        def body(guess: Tensor, thawed: Tensor, solved: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            proposal, done = self.newton(guess, thawed)
            guess = torch.where(solved, guess, proposal)
            now_thawed = self.above_curve(guess)
            solved = solved | (done & (now_thawed == thawed).all(0))
            return guess, torch.where(done & ~solved, now_thawed, thawed), solved

        unsolved = torch.zeros_like(temperature[0], dtype=torch.bool)
        first = (temperature, self.above_curve(temperature), unsolved)
        guess, thawed, solved = iterate_until(body, first, SOLVES_OF_A_GUESS)
        return guess, thawed, solved

    def solve(self, guess: Tensor, thawed: Tensor, solved: Tensor, temperature: Tensor) -> tuple[Tensor, Tensor]:
        """Temperatures of all columns, and whether each column's was found: nested iteration, monotone in both loops.

        The liquid water is the difference of two convex functions: W_1 follows the curve below the freezing point T_f
        and goes on straight above it; W_2 is what W_1 has too much there. The outer loop fixes in which layers W_2
        acts (at first in none, then where T > T_f), the inner loop is Newton's method with one tridiagonal solve each.
        The outer iterates grow, so a layer once thawed stays thawed: it holds all its water, whatever round-off does
        at T_f.

        Parameters
        ----------
        guess, thawed : Of columns that are solved already.
        solved : Which these are.
        temperature : Where the others start: the iteration is monotone from where nothing is thawed.
        """

        def body(guess: Tensor, thawed: Tensor, solved: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            proposal, inner_done = self.newton(guess, thawed)
            guess = torch.where(solved, guess, proposal)
            now_thawed = thawed | (self.above_curve(guess) & ~solved)
            solved = solved | (inner_done & (now_thawed == thawed).all(0))
            return guess, torch.where(inner_done, now_thawed, thawed), solved

        start = torch.where(solved, guess, temperature)
        root, _, solved = iterate_until(body, (start, thawed & solved, solved), LARGEST_NUMBER_OF_SOLVES)
        return root, solved


def _describe(unsolved: Tensor, values: Sequence[Tensor]) -> str:
    temperature, total = values[3], values[5]
    columns = unsolved.nonzero().flatten().tolist()
    first = columns[0]
    return (
        f"enthalpy heat step: {len(columns)} of {unsolved.numel()} columns did not converge in "
        f"{LARGEST_NUMBER_OF_SOLVES} solves; first column {first} with soil temperature "
        f"{temperature[:, first].tolist()} K and total water {total[:, first].tolist()} m3 m-3. "
        + remedy(single=temperature.dtype == torch.float32)
    )
