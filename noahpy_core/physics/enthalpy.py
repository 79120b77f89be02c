"""Heat conduction and freezing solved together: implicit in temperature and in the liquid water that goes with it.

Energy is conserved at any step length and the result is a Lipschitz function of every input, so derivatives are right
through freeze and thaw.

References
----------
.. [1] Casulli and Zanolli 2010, SIAM J. Sci. Comput. 32, doi:10.1137/100786320 (nested Newton).
.. [2] Tubini, Gruber and Rigon 2021, The Cryosphere 15, doi:10.5194/tc-15-2541-2021.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.fixed import ModelPart
from noahpy_core.numerics import at_most, between, implicit_root, positive_part, solve_tridiagonal
from noahpy_core.parameters import Parameters, SoilParameters
from noahpy_core.physics.freezing import FreezingCurve
from noahpy_core.physics.soil_heat import FUSION, Coupling, HeatConduction, SoilHeat, heat_conduction
from noahpy_core.recording import iterate_until
from noahpy_core.roots import find_root


class Conduction(NamedTuple):
    """The linear part of the system, K T = right - latent W(T), ``[layer, column]`` per square metre. [J K-1, J]"""

    lower: Tensor
    diagonal: Tensor
    upper: Tensor
    right: Tensor
    latent: Tensor
    """Latent heat per volume fraction of liquid water. [J m-2]"""

    def apply(self, temperature: Tensor) -> Tensor:
        """K T."""
        none = torch.zeros_like(temperature[:1])
        above = torch.cat([none, temperature[:-1]])
        below = torch.cat([temperature[1:], none])
        return self.lower * above + self.diagonal * temperature + self.upper * below


class EnthalpySoilHeat(ModelPart):
    """Implicit heat step with the freezing curve as part of the storage.

    Notes
    -----
    For each layer dz C (T - T_old) + dz rho_w L_f (W(T) - W_old) = dt (q_above - q_below), with total water, the heat
    capacity C and the conductivities of the start of the step, and all fluxes at its end, the one at the lower boundary
    too. Water that seeps into frozen ground freezes at once and warms it: equilibrium freezing.
    """

    def __init__(self, column: SoilColumn, supercooled_water: FreezingCurve) -> None:
        super().__init__()
        self.column = column
        self.curve = supercooled_water

    def forward(
        self,
        temperature: Tensor,
        liquid: Tensor,
        ice: Tensor,
        coupling: Coupling,
        conductivity: Tensor,
        parameters: Parameters,
        dt: Tensor | float,
        source: Tensor | None = None,
    ) -> SoilHeat:
        """Advance soil temperature and phase by one step; arguments as for `HeatLimitedSoilHeat`.

        Parameters
        ----------
        temperature, liquid, ice : At the start (water after its movement), ``[layer, column]``. [K, m3 m-3]
        coupling : To the surface.
        conductivity : Thermal conductivity of each layer; the first is not used. [W m-1 K-1]
        parameters : Of soil and deep boundary.
        dt : Length of the step. [s]
        source : Heat that others add to each layer, ``[layer, column]``. [W m-2]

        Raises
        ------
        ConvergenceError : naming the columns whose equations were not solved.
        """
        soil, total = parameters.soil, liquid + ice
        coefficients = heat_conduction(liquid, ice, coupling, conductivity, self.column, parameters)
        system = self._system(coefficients, temperature, liquid, coupling, parameters.general.deep_temperature, dt)
        if source is not None:
            system = system._replace(right=system.right + source * dt)
        start = solve_freezing(self.curve, system, temperature, total, soil)
        new_temperature = self._implicit_derivative(start, system, total, soil)
        new_liquid, _ = self.curve.equilibrium(new_temperature, total, soil)
        deep, end = parameters.general.deep_temperature, new_temperature
        if temperature.dtype == torch.float32:
            into = _heat_into_layers(coefficients, end, coupling, deep, source) * dt
            stored = liquid + (into - coefficients.capacity * (end - temperature)) / system.latent
            new_temperature, new_liquid = self._closing(end, new_liquid, stored, total, soil, coefficients, system)
        gained = coefficients.capacity * (new_temperature - temperature) + system.latent * (new_liquid - liquid)
        return SoilHeat(
            temperature=new_temperature,
            liquid=new_liquid,
            ice=positive_part(total - new_liquid),
            top_flux=coefficients.top * (coupling.temperature - end[0]),
            bottom_flux=coefficients.bottom * (end[-1] - deep),
            storage_change=gained.sum(0) / dt,
        )

    def _closing(
        self,
        temperature: Tensor,
        liquid: Tensor,
        stored: Tensor,
        total: Tensor,
        soil: SoilParameters,
        coefficients: HeatConduction,
        system: Conduction,
    ) -> tuple[Tensor, Tensor]:
        """Temperature and liquid water that close the balance of each layer, with the derivatives on the curve.

        In single precision temperature has steps of 3e-5 K, between which water freezes whose latent heat is thousands
        of W m-2 over a short step. The heat that a layer has got says how much it is; what is more than all of it warms
        the layer, what is less than none cools it.

        Parameters
        ----------
        temperature, liquid : At the root, and on the curve. [K, m3 m-3]
        stored : Liquid water that closes the balance at this temperature. [m3 m-3]
        """
        warmest = self.curve.freezing_point(total, soil) * (1.0 + NEAR * torch.finfo(temperature.dtype).eps)
        low = at_most(torch.full_like(total, self.curve.smallest), total)
        closing = torch.where(temperature <= warmest, between(stored, low, total), liquid)
        rest = (stored - closing) * system.latent / coefficients.capacity
        return temperature + rest.detach(), liquid + (closing - liquid).detach()

    def _system(
        self,
        coefficients: HeatConduction,
        temperature: Tensor,
        liquid: Tensor,
        coupling: Coupling,
        deep_temperature: Tensor,
        dt: Tensor | float,
    ) -> Conduction:
        between = coefficients.between * dt
        none = torch.zeros_like(between[:1])
        top, bottom = coefficients.top * dt, coefficients.bottom * dt
        above, below = torch.cat([top[None], between]), torch.cat([between, bottom[None]])
        latent = (FUSION * self.column.thickness).expand_as(temperature)
        boundary = torch.cat(
            [(top * coupling.temperature)[None], torch.zeros_like(temperature[1:-1]), (bottom * deep_temperature)[None]]
        )
        return Conduction(
            lower=-torch.cat([none, between]),
            diagonal=coefficients.capacity + above + below,
            upper=-torch.cat([between, none]),
            right=coefficients.capacity * temperature + latent * liquid + boundary,
            latent=latent,
        )

    def _implicit_derivative(self, root: Tensor, system: Conduction, total: Tensor, soil: SoilParameters) -> Tensor:
        """The root with its derivatives: steps with one Jacobian, whose graph is the implicit function theorem."""
        liquid, slope = self.curve.equilibrium(root, total, soil)
        improved = (root + self._step(system, root, liquid, slope)).detach()

        # The iteration ends at a residual that would be seen in the derivative, though not in the value: the slope and
        # the derivative are those at the improved root.
        _, slope = self.curve.equilibrium(improved, total, soil)
        return implicit_root(
            improved, lambda x: self._step(system, x, self.curve.equilibrium(x, total, soil)[0], slope)
        )

    @staticmethod
    def _step(system: Conduction, temperature: Tensor, liquid: Tensor, slope: Tensor) -> Tensor:
        """A step of Newton's method whose Jacobian is not differentiated. [K]"""
        residual = system.apply(temperature) + system.latent * liquid - system.right
        jacobian = (system.diagonal + system.latent * slope).detach()
        return -solve_tridiagonal(system.lower.detach(), jacobian, system.upper.detach(), residual)


def _heat_into_layers(
    coefficients: HeatConduction, temperature: Tensor, coupling: Coupling, deep: Tensor, source: Tensor | None
) -> Tensor:
    """Heat conducted into each layer, from differences of temperature, and what others add. [W m-2]"""
    top = coefficients.top * (coupling.temperature - temperature[0])
    bottom = coefficients.bottom * (temperature[-1] - deep)
    down = torch.cat([top[None], coefficients.between * (temperature[:-1] - temperature[1:]), bottom[None]])
    into = down[:-1] - down[1:]
    return into if source is None else into + source


def solve_freezing(
    curve: FreezingCurve, system: Conduction, temperature: Tensor, total: Tensor, soil: SoilParameters
) -> Tensor:
    """End temperatures of the heat step, without derivative. [K]

    Parameters
    ----------
    temperature : At the start, the first guess. [K]
    total : Liquid and ice. [m3 m-3]

    Raises
    ------
    ConvergenceError : naming the columns that were not solved.
    """
    layers = (soil.clapp_hornberger_b, soil.saturated_suction, soil.porosity, temperature, total, *system)
    values = [value.expand_as(temperature) for value in layers]
    return find_root(functools.partial(_solve, curve), values, "enthalpy heat step", _describe)


def _solve(curve: FreezingCurve, *values: Tensor) -> tuple[Tensor, Tensor]:
    b, suction, porosity, temperature, total, *system = values
    none = torch.zeros_like(b)
    # A curve reads b, suction and porosity; the others only fill their places.
    soil = SoilParameters(b, none, suction, porosity, none, none, none)
    return _solve_nonlinear(curve, Conduction(*system), temperature, total, soil)


SOLVES_OF_A_GUESS = 12
"""Tridiagonal solves spent on the guess that few layers freeze or thaw through, before the safe iteration starts."""
LARGEST_NUMBER_OF_SOLVES = 400
NEAR = 8.0
"""By so many units of round-off a layer that holds ice may be warmer than its freezing point in single precision."""
TOLERANCE = 1.0e-8
"""Last change of a converged temperature in double precision; the final step squares the error. [K]"""


def _solve_nonlinear(
    curve: FreezingCurve, system: Conduction, temperature: Tensor, total: Tensor, soil: SoilParameters
) -> tuple[Tensor, Tensor]:
    """Temperatures that solve the system, and whether each column's was found.

    First by a guess of the thawed layers that proves right, then, for the other columns, by nested Newton iteration.
    """
    # The curve is left a few units of round-off below T_f, where it still has its slope, and goes on straight.
    contact = curve.freezing_point(total, soil) * (1.0 - 4.0 * torch.finfo(temperature.dtype).eps)
    liquid_there, slope_there = curve.equilibrium(contact, total, soil)
    tolerance = max(TOLERANCE, 16.0 * 300.0 * torch.finfo(temperature.dtype).eps)

    def newton(guess: Tensor, thawed: Tensor) -> tuple[Tensor, Tensor]:
        """Next guess, and whether each column's last change is within the tolerance."""
        liquid, slope = curve.equilibrium(torch.minimum(guess, contact), total, soil)
        straight = liquid + slope_there * positive_part(guess - contact)
        liquid, slope = torch.where(thawed, total, straight), torch.where(thawed, 0.0, slope)
        residual = system.apply(guess) + system.latent * liquid - system.right
        change = solve_tridiagonal(system.lower, system.diagonal + system.latent * slope, system.upper, residual)
        return guess - change, change.abs().amax(0) <= tolerance

    def above_curve(guess: Tensor) -> Tensor:
        return liquid_there + slope_there * (guess - contact) > total

    def guessing(guess: Tensor, thawed: Tensor, solved: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A round that takes the layers above the curve for thawed and corrects this once it has converged."""
        proposal, done = newton(guess, thawed)
        guess = torch.where(solved, guess, proposal)
        now_thawed = above_curve(guess)
        solved = solved | (done & (now_thawed == thawed).all(0))
        return guess, torch.where(done & ~solved, now_thawed, thawed), solved

    def nested(guess: Tensor, thawed: Tensor, solved: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A round of nested Newton iteration, monotone in both loops.

        The liquid water is the difference of two convex functions: W_1 follows the curve below the freezing point T_f
        and goes on straight above it; W_2 is what W_1 has too much there. The outer loop fixes in which layers W_2
        acts (at first in none, then where T > T_f), the inner loop is Newton's method with one tridiagonal solve each.
        The outer iterates grow, so a layer once thawed stays thawed: it holds all its water, whatever round-off does
        at T_f.
        """
        proposal, inner_done = newton(guess, thawed)
        guess = torch.where(solved, guess, proposal)
        now_thawed = thawed | (above_curve(guess) & ~solved)
        solved = solved | (inner_done & (now_thawed == thawed).all(0))
        return guess, torch.where(inner_done, now_thawed, thawed), solved

    unsolved = torch.zeros_like(temperature[0], dtype=torch.bool)
    guess, thawed, solved = iterate_until(
        guessing, (temperature, above_curve(temperature), unsolved), SOLVES_OF_A_GUESS
    )
    # The nested iteration is monotone from where nothing is thawed: what the guess has not solved begins again.
    start = torch.where(solved, guess, temperature)
    root, _, solved = iterate_until(nested, (start, thawed & solved, solved), LARGEST_NUMBER_OF_SOLVES)
    return root, solved


def _describe(unsolved: Tensor, values: Sequence[Tensor]) -> str:
    temperature, total = values[3:5]
    columns = unsolved.nonzero().flatten().tolist()
    first = columns[0]
    return (
        f"enthalpy heat step: {len(columns)} of {unsolved.numel()} columns did not converge in "
        f"{LARGEST_NUMBER_OF_SOLVES} solves; first column {first} with soil temperature "
        f"{temperature[:, first].tolist()} K and total water {total[:, first].tolist()} m3 m-3. "
        "Check its forcing and parameters for values far outside their bounds."
    )
