"""How much water stays liquid below the freezing point: freezing curves."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from noahpy_core.constants import FREEZING_POINT, GRAVITY, LATENT_HEAT_FUSION, MINIMUM_MOISTURE
from noahpy_core.fixed import ModelPart
from noahpy_core.numerics import at_least, at_most, between, implicit_root, positive_part
from noahpy_core.parameters import SoilParameters

ICE_SUCTION_FACTOR = 8.0
"""Increase of suction with ice content, c_k of Koren et al. 1999, eq. 17."""
LARGEST_EXPONENT = 5.5
"""Upper limit of b in the freezing curve."""
SUPERCOOLING = 1.0e-3
"""Cooling below which Noah freezes no water. [K]"""


def scaled_supercooling(temperature: Tensor) -> Tensor:
    """(T_0 - T)/T, the freezing-point depression that balances suction through the Clapeyron equation. [1]"""
    return (FREEZING_POINT - temperature) / temperature


def scaled_suction(total: Tensor, exponent: Tensor, soil: SoilParameters) -> Tensor:
    """Suction of ice-free soil holding `total` water, times g/L_f. [1]

    Parameters
    ----------
    total : Liquid and frozen water. [m3 m-3]
    exponent : b of the curve. [1]
    soil : Parameters ``[layer, column]``, derived ones filled in.
    """
    return soil.saturated_suction * (GRAVITY / LATENT_HEAT_FUSION) * (soil.porosity / total) ** exponent


def curve_parameters(b: Tensor, suction: Tensor, porosity: Tensor) -> SoilParameters:
    """What a freezing curve reads of the parameters of soil; zeros fill the places of the others.

    Parameters
    ----------
    b : Clapp-Hornberger exponent, ``[layer, column]``. [1]
    suction : At saturation, ``[layer, column]``. [m]
    porosity : ``[layer, column]``. [m3 m-3]
    """
    none = torch.zeros_like(b)
    return SoilParameters(b, none, suction, porosity, none, none, none)


class FreezingCurve(ModelPart):
    """Equilibrium between temperature and liquid water.

    Subclasses give `exponent`, `logarithm_slope` and `smallest` of a curve of the form
    ln((T_0 - T)/T) = ln(psi_s g/L_f) + f(total - W) + b ln(porosity/W), with f growing with ice and f(0) = 0.
    """

    ITERATIONS = 4
    """Leaves less than 1e-9 of liquid water; one more, without the bound, brings it to round-off."""

    def exponent(self, soil: SoilParameters) -> Tensor:
        """b of the curve. [1]"""
        raise NotImplementedError

    def ice_term(self, ice: Tensor) -> Tensor:
        """f(ice), the logarithm of the factor by which ice raises suction. [1]"""
        raise NotImplementedError

    def ice_term_slope(self, ice: Tensor) -> Tensor:
        """df/d(ice). [1]"""
        raise NotImplementedError

    def ice_factor(self, ice: Tensor) -> Tensor:
        """exp(f(ice)), the factor by which ice raises suction. [1]"""
        return torch.exp(self.ice_term(ice))

    def has_own(self, method: str) -> bool:
        """Whether a method of this class has another in its place; one by temperature has fewer digits near melting."""
        return getattr(type(self), method) is not getattr(FreezingCurve, method)

    def freezing_point(self, total: Tensor, soil: SoilParameters) -> Tensor:
        """Temperature at which ice-free soil holding `total` water starts to freeze. [K]"""
        return FREEZING_POINT / (1.0 + scaled_suction(total, self.exponent(soil), soil))

    def freezing_warmth(self, total: Tensor, soil: SoilParameters) -> Tensor:
        """The same less the melting point of pure water, with all its digits. [K]"""
        if self.has_own("freezing_point"):
            return self.freezing_point(total, soil) - FREEZING_POINT
        suction = scaled_suction(total, self.exponent(soil), soil)
        return -FREEZING_POINT * suction / (1.0 + suction)

    def below_freezing(self, point: Tensor) -> Tensor:
        """A few units of round-off below a freezing point, where the curve has the slope of frozen soil.

        Parameters
        ----------
        point : As `freezing_warmth` gives it. [K]
        """
        few = 4.0 * torch.finfo(point.dtype).eps
        return point - few * FREEZING_POINT if self.has_own("equilibrium") else point * (1.0 + few)

    def equilibrium(self, temperature: Tensor, total: Tensor, soil: SoilParameters) -> tuple[Tensor, Tensor]:
        """Liquid water in equilibrium with temperature, and its slope.

        Parameters
        ----------
        temperature : [K]
        total : Liquid and ice. [m3 m-3]

        Returns
        -------
        Liquid water [m3 m-3], differentiable twice, and dW/dT [m3 m-3 K-1], 0 above the freezing point and on the
        floor.

        Notes
        -----
        In y = ln W the curve is concave and falls, so Newton's method from W = total is monotone; it runs without
        gradient, and the root is given its derivatives afterwards.
        """
        freezing_point = self.freezing_point(total, soil)
        freezing = temperature < freezing_point
        # Where nothing freezes there is no logarithm to take. The cold put in its place has one, which is not used.
        cold = torch.where(freezing, temperature, 0.5 * freezing_point.detach())
        growth = FREEZING_POINT / (cold * (FREEZING_POINT - cold))
        return self._liquid(freezing, scaled_supercooling(cold), growth, total, soil)

    def equilibrium_at(self, warmth: Tensor, total: Tensor, soil: SoilParameters) -> tuple[Tensor, Tensor]:
        """The same of a temperature less the melting point, whose digits are what counts near it.

        Parameters
        ----------
        warmth : [K]
        total : Liquid and ice. [m3 m-3]
        soil : Parameters ``[layer, column]``, derived ones filled in.
        """
        if self.has_own("equilibrium"):
            return self.equilibrium(FREEZING_POINT + warmth, total, soil)
        freezing = warmth < self.freezing_warmth(total, soil)
        # As above: any cold has a logarithm.
        cold = torch.where(freezing, warmth, -1.0)
        temperature = FREEZING_POINT + cold
        return self._liquid(freezing, -cold / temperature, -FREEZING_POINT / (temperature * cold), total, soil)

    def _liquid(
        self, freezing: Tensor, supercooling: Tensor, growth: Tensor, total: Tensor, soil: SoilParameters
    ) -> tuple[Tensor, Tensor]:
        """Liquid water [m3 m-3] and its slope by temperature [m3 m-3 K-1].

        Parameters
        ----------
        freezing : Where there is ice, of bool.
        supercooling : (T_0 - T)/T there. [1]
        growth : Of its logarithm with the cold. [K-1]
        total : Liquid and ice. [m3 m-3]
        soil : Parameters ``[layer, column]``, derived ones filled in.
        """
        b, target = self.exponent(soil), torch.log(supercooling)
        start = torch.log(total)
        constant = torch.log(soil.saturated_suction * (GRAVITY / LATENT_HEAT_FUSION)) + b * torch.log(soil.porosity)

        values = (target, constant, b.expand_as(target), total)
        held = tuple(value.detach() for value in values)

        def change(y: Tensor, values: Sequence[Tensor]) -> Tensor:
            """A step of Newton's method, whose slope is not differentiated."""
            target, constant, b, total = values
            liquid = torch.exp(y)
            excess = constant + self.ice_term(total - liquid) - b * y - target
            return excess / (b + liquid * self.ice_term_slope(total - liquid)).detach()

        y = start.detach()
        for _ in range(self.ITERATIONS):
            # Not beyond all water, where the curve ends: round-off could lead there.
            y = at_most(y + change(y, held), start.detach())
        y = implicit_root(y + change(y, held), lambda y: change(y, values))
        liquid = torch.exp(y)
        slope = growth * liquid / (b + liquid * self.ice_term_slope(total - liquid))
        floor = at_most(torch.full_like(total, self.smallest), total)
        curved = freezing & (liquid > floor)
        return (
            torch.where(freezing, torch.where(curved, liquid, floor), total),
            torch.where(curved, slope, 0.0),
        )

    smallest = 0.0
    """Liquid water that never freezes. [m3 m-3]"""


class Koren1999(FreezingCurve):
    """Suction increased by ice (Koren et al. 1999, eq. 17; Noah: FRH2O): f = 2 ln(1 + 8 ice), b at most 5.5.

    `forward` is the heat-limited scheme's, with the original's tolerance; `equilibrium` is exact.
    """

    NOAH_ITERATIONS = 10
    TOLERANCE = 0.005
    smallest = MINIMUM_MOISTURE

    def exponent(self, soil: SoilParameters) -> Tensor:
        return at_most(soil.clapp_hornberger_b, LARGEST_EXPONENT)

    def ice_term(self, ice: Tensor) -> Tensor:
        return 2.0 * torch.log(1.0 + ICE_SUCTION_FACTOR * ice)

    def ice_term_slope(self, ice: Tensor) -> Tensor:
        return 2.0 * ICE_SUCTION_FACTOR / (1.0 + ICE_SUCTION_FACTOR * ice)

    def ice_factor(self, ice: Tensor) -> Tensor:
        """exp(f(ice)) without exponential, unless a subclass has another f. [1]"""
        if type(self).ice_term is not Koren1999.ice_term:
            return super().ice_factor(ice)
        return (1.0 + ICE_SUCTION_FACTOR * ice) ** 2

    def forward(self, temperature: Tensor, liquid: Tensor, ice: Tensor, soil: SoilParameters) -> Tensor:
        """Largest liquid content as the original finds it. [m3 m-3]

        Newton's method from the present ice content, at most ten steps, stopping once a step is below 0.005: the result
        is the iterate, not the root, and its derivative is that of the iteration. Columns that do not converge take the
        curve without the ice factor (Flerchinger and Saxton 1989).

        Parameters
        ----------
        temperature : ``[layer, column]``. [K]
        liquid, ice : ``[layer, column]``. [m3 m-3]
        soil : Parameters ``[layer, column]``, derived ones filled in.
        """
        total = liquid + ice
        below = temperature <= FREEZING_POINT - SUPERCOOLING
        cold = torch.where(below, temperature, FREEZING_POINT - 1.0)
        b = self.exponent(soil)
        most_ice = total - MINIMUM_MOISTURE
        frozen = positive_part(at_most(ice, most_ice))
        constant = torch.log(soil.saturated_suction * (GRAVITY / LATENT_HEAT_FUSION)) + b * torch.log(soil.porosity)
        target = torch.log(scaled_supercooling(cold)) - constant
        # Where it is too warm for ice there is nothing to find.
        converged = ~below
        for _ in range(self.NOAH_ITERATIONS):
            # Never 0 under the logarithm.
            remaining = at_least(total - frozen, 1.0e-10)
            excess = self.ice_term(frozen) - b * torch.log(remaining) - target
            slope = self.ice_term_slope(frozen) + b / remaining
            proposal = positive_part(at_most(frozen - excess / slope, most_ice))
            small = (proposal - frozen).abs() <= self.TOLERANCE
            # As in the original, the step that is found to be small is still taken.
            frozen = torch.where(converged, frozen, proposal)
            converged = converged | small
        without_ice_factor = explicit_curve(cold, b, soil)
        limited = between(without_ice_factor, MINIMUM_MOISTURE, total)
        return torch.where(below, torch.where(converged, total - frozen, limited), total)


class NiuYang2006(FreezingCurve):
    """Explicit curve without the ice factor (Niu and Yang 2006, doi:10.1175/JHM538.1, eq. 3): f = 0."""

    ITERATIONS = 1

    def exponent(self, soil: SoilParameters) -> Tensor:
        return soil.clapp_hornberger_b

    def ice_term(self, ice: Tensor) -> Tensor:
        return torch.zeros_like(ice)

    def ice_term_slope(self, ice: Tensor) -> Tensor:
        return torch.zeros_like(ice)

    def ice_factor(self, ice: Tensor) -> Tensor:
        """1, unless a subclass has another f. [1]"""
        if type(self).ice_term is not NiuYang2006.ice_term:
            return super().ice_factor(ice)
        return torch.ones_like(ice)

    def forward(self, temperature: Tensor, liquid: Tensor, ice: Tensor, soil: SoilParameters) -> Tensor:
        """Largest liquid content at a temperature. [m3 m-3]

        Parameters
        ----------
        temperature : ``[layer, column]``. [K]
        liquid, ice : ``[layer, column]``. [m3 m-3]
        soil : Parameters ``[layer, column]``, derived ones filled in.
        """
        total = liquid + ice
        below = temperature < FREEZING_POINT
        cold = torch.where(below, temperature, FREEZING_POINT - 1.0)
        largest = explicit_curve(cold, self.exponent(soil), soil)
        return torch.where(below, between(largest, 0.0, total), total)


def explicit_curve(temperature: Tensor, exponent: Tensor, soil: SoilParameters) -> Tensor:
    """Liquid water whose suction balances a temperature below freezing, without regard to the total. [m3 m-3]

    Parameters
    ----------
    temperature : [K]
    exponent : b of the curve. [1]
    soil : Parameters ``[layer, column]``, derived ones filled in.
    """
    potential = scaled_supercooling(temperature) * (LATENT_HEAT_FUSION / GRAVITY) / soil.saturated_suction
    return soil.porosity * potential ** (-1.0 / exponent)
