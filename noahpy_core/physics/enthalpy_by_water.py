"""The enthalpy heat step solved with liquid water as the unknown of frozen layers.

On a freezing curve temperature is an explicit function of liquid water, while the inverse takes an iteration; and close
to the freezing point, where liquid water changes by much and temperature by next to nothing, the heat of a layer is
nearly linear in its water. Far below it is nearly linear in temperature. Newton's method is therefore made to step in
the function of liquid water in which the heat of the layer has no curvature.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.constants import FREEZING_POINT
from noahpy_core.numerics import at_least, at_most, between, temperature_round_off
from noahpy_core.parameters import SoilParameters
from noahpy_core.physics.enthalpy_system import Conduction
from noahpy_core.physics.freezing import FreezingCurve, scaled_suction
from noahpy_core.recording import iterate_until

ROUNDS = 20
"""Then the columns left are given to an iteration that is slow and sure."""
TOLERANCE = 1.0e-4
"""Last change of the logarithm of liquid water, or of a temperature off the curve; the final step squares it. [1, K]"""
FAR = 0.5
"""A change of the logarithm of liquid water that is too large for the curvature to be trusted. [1]"""
SMALLEST_SHARE = 1.0e-9
"""Of the water of a layer that is liquid on a curve without a floor."""


class _Point(NamedTuple):
    """Layers at a coordinate, ``[layer, column]``."""

    temperature: Tensor
    liquid: Tensor
    curved: Tensor
    """Where liquid water changes with temperature, of bool."""
    growth: Tensor
    """Of temperature with the logarithm of liquid water on the curve. [K]"""
    slope: Tensor
    """Of liquid water by temperature. [m3 m-3 K-1]"""
    strength: Tensor
    """Exponent of the curve where it stands, b + W df/d(ice). [1]"""


class WaterCoordinate:
    """Layers by one number each, in which temperature and liquid water are both explicit, continuous and growing.

    Between `low` and 0 it is the logarithm of liquid over all water, on the curve; above, and below `low`, it goes on
    by a unit for each kelvin, with the water all thawed, or on the floor of the curve.

    Parameters
    ----------
    curve : One whose equilibrium is that of its parts.
    system : The equations.
    total : Liquid and ice. [m3 m-3]
    soil : Parameters ``[layer, column]``, derived ones filled in.
    """

    def __init__(self, curve: FreezingCurve, system: Conduction, total: Tensor, soil: SoilParameters) -> None:
        self.curve, self.system, self.total = curve, system, total
        self.exponent = curve.exponent(soil)
        self.suction = scaled_suction(total, self.exponent, soil)
        self.freezing_point = FREEZING_POINT / (1.0 + self.suction)
        self.low = self._lowest()
        _, _, growth, _ = self._on_curve(torch.zeros_like(total))
        self.kelvins = system.latent * total / system.diagonal + growth
        """By which the heat of a unit of the logarithm at the freezing point warms a layer whose neighbours stay."""
        self.round_off = temperature_round_off(total)

    def _lowest(self) -> Tensor:
        if self.curve.smallest <= 0.0:
            return torch.log(torch.full_like(self.total, SMALLEST_SHARE))
        floor = at_most(torch.full_like(self.total, self.curve.smallest), self.total)
        return torch.log(floor / self.total)

    def start(self, temperature: Tensor, liquid: Tensor) -> Tensor:
        """That of a layer at the start of the step: its water if it is frozen, else its temperature.

        Parameters
        ----------
        temperature, liquid : ``[layer, column]``. [K, m3 m-3]
        """
        share = liquid / self.total
        # Of a layer without water the logarithm says nothing. What its temperature would leave is near enough.
        deficit = at_least(FREEZING_POINT / temperature - 1.0, SMALLEST_SHARE)
        left = torch.log(self.suction * self.curve.ice_factor(self.total) / deficit) / self.exponent
        water = torch.where(share > SMALLEST_SHARE, torch.log(at_least(share, SMALLEST_SHARE)), left)
        water = between(water, self.low, 0.0)
        cooler = at_most(temperature - self._on_curve(self.low)[1], 0.0)
        frozen = torch.where(water > self.low, water, self.low + cooler)
        return torch.where(temperature < self.freezing_point, frozen, temperature - self.freezing_point)

    def _on_curve(self, logarithm: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Liquid water, temperature, its growth and the strength of the curve."""
        liquid = self.total * torch.exp(logarithm)
        ice = self.total - liquid
        suction = self.suction * torch.exp(-self.exponent * logarithm) * self.curve.ice_factor(ice)
        temperature = FREEZING_POINT / (1.0 + suction)
        strength = self.exponent + liquid * self.curve.ice_term_slope(ice)
        # dT/T = -ds/(1 + s), and 1/(1 + s) is T/T_0.
        return liquid, temperature, temperature * temperature * (1.0 / FREEZING_POINT) * suction * strength, strength

    def at(self, x: Tensor) -> _Point:
        """Temperature and liquid water at a coordinate, with slopes."""
        frozen = x <= 0.0
        liquid, cold, growth, strength = self._on_curve(between(x, self.low, 0.0))
        curved = frozen & (x >= self.low)
        return _Point(
            temperature=torch.where(frozen, cold + at_most(x - self.low, 0.0), self.freezing_point + x),
            liquid=torch.where(frozen, liquid, self.total),
            curved=curved,
            growth=torch.where(frozen, growth, 1.0),
            slope=torch.where(curved, liquid / growth, 0.0),
            strength=torch.where(frozen, strength, 0.0),
        )

    def advance(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The next coordinate, and whether each column's change was within the tolerance, no kink between."""
        point, system = self.at(x), self.system
        change = system.step(point.temperature, point.liquid, point.slope)
        by_log = change / point.growth
        logarithm = x + self._bent(by_log, point)

        # What is left of the heat at a kink changes what goes on from there.
        thawing, freezing = logarithm > 0.0, x + change <= 0.0
        on_curve = torch.where(
            thawing,
            logarithm * self.kelvins,
            torch.where(logarithm < self.low, self.low + (logarithm - self.low) * point.growth, logarithm),
        )
        colder = between((x + change) / self.kelvins, at_least(self.low, -FAR), 0.0)
        from_above = torch.where(freezing, colder, x + change)
        warmer = x + change - self.low
        from_below = self.low + torch.where(warmer > 0.0, at_most(warmer / point.growth, -0.5 * self.low), warmer)
        new = torch.where(point.curved, on_curve, torch.where(x > 0.0, from_above, from_below))

        moved = torch.where(point.curved, logarithm - x, change).abs()
        # Temperature has no more digits in single precision.
        small = (moved <= TOLERANCE) | ((change.abs() <= self.round_off) & (moved < FAR))
        same = ((new > 0.0) == (x > 0.0)) & ((new < self.low) == (x < self.low))
        return new, (small & same).all(0)

    def _bent(self, change: Tensor, point: _Point) -> Tensor:
        """Change of the logarithm by a step of Newton's method that follows the curvature of the heat of the layer.

        With y the logarithm, k the diagonal of K and s the slope the heat is k T + L W, and exp(m y) with
        m = (L s - b' k)/(L s + k) is the function of y in which it is linear, but for terms of third order.
        A step u in it is ln(1 + m u)/m, here by its Padé approximant, u (6 + m u)/(6 + 4 m u).
        """
        latent, own = self.system.latent * point.slope, self.system.diagonal
        both, bend = latent + own, (latent - point.strength * own) * change
        near = change * (6.0 * both + bend) / (6.0 * both + 4.0 * bend)
        return between(torch.where(bend.abs() < FAR * both, near, change), -FAR, FAR)


def solve_by_water(
    curve: FreezingCurve, system: Conduction, temperature: Tensor, liquid: Tensor, total: Tensor, soil: SoilParameters
) -> tuple[Tensor, Tensor]:
    """Temperatures that solve the system, and whether each column's was found.

    Parameters
    ----------
    curve : One whose equilibrium is that of its parts.
    system : The equations.
    temperature, liquid : At the start, the first guess. [K, m3 m-3]
    total : Liquid and ice. [m3 m-3]
    soil : Parameters ``[layer, column]``, derived ones filled in.
    """
    layers = WaterCoordinate(curve, system, total, soil)

    def body(x: Tensor, solved: Tensor) -> tuple[Tensor, Tensor]:
        new, done = layers.advance(x)
        return torch.where(solved, x, new), solved | done

    unsolved = torch.zeros_like(temperature[0], dtype=torch.bool)
    x, solved = iterate_until(body, (layers.start(temperature, liquid), unsolved), ROUNDS)
    improved, _ = layers.advance(x)
    return layers.at(improved).temperature, solved
