"""What the model enforces of a scheme that is not its own: water and energy close whatever a network proposes.

A supplied scheme proposes, the model limits. Built-in schemes are not touched. Where a proposal is beyond a limit its
derivative is zero, so a network learns best when its outputs are within them by construction (`noahpy_core.learning`).
The limits of every slot are listed in `noahpy_core.processes`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from noahpy_core.column import SoilColumn
from noahpy_core.constants import FREEZING_POINT, WATER_DENSITY
from noahpy_core.numerics import at_least, at_most, between, positive_part
from noahpy_core.parameters import Parameters, SoilParameters
from noahpy_core.physics.evaporation import CanopyResistance, Demand
from noahpy_core.physics.freezing import FreezingCurve
from noahpy_core.physics.soil_heat import FUSION, Coupling, SoilHeat, heat_conduction, solve_conduction
from noahpy_core.physics.soil_hydraulics import Hydraulics
from noahpy_core.physics.soil_water import removable_water
from noahpy_core.physics.surface import LARGEST_COVER, limited_fraction
from noahpy_core.physics.transitions import SmoothTransitions
from noahpy_core.physics.turbulence import Conductance

THERMAL_CONDUCTIVITY = (0.01, 10.0)
"""Of soil; dry peat has 0.05, quartz 7.7. [W m-1 K-1]"""
LARGEST_HYDRAULIC_CONDUCTIVITY = 0.1
"""[m s-1]"""
LARGEST_DIFFUSIVITY = 1.0
"""Of soil water. [m2 s-1]"""
CONDUCTANCE = (1.0e-5, 10.0)
"""Of the air, for heat and for momentum. [m s-1]"""
SMALLEST_EMISSIVITY = 0.5
"""A surface that hardly emits, in calm air, has no way to lose the heat of the sun. [1]"""
ROUGHNESS_COEFFICIENT = (0.0, 2.0)
"""Of the thermal roughness length. [1]"""
CURVE_EXPONENT = (1.0, 30.0)
"""Of a freezing curve. [1]"""


class LimitedScheme(nn.Module):
    """A supplied scheme, and the limits of its slot around it."""

    def __init__(self, slot: str, scheme: Callable[..., Any]) -> None:
        super().__init__()
        self.scheme = scheme
        self.limit = LIMITS[slot]

    def forward(self, *given: Any) -> Any:
        return self.limit(self.scheme(*given), *given)


def _surface(proposal: tuple[Tensor, Tensor], *given: Any) -> tuple[Tensor, Tensor]:
    albedo, emissivity = proposal
    return limited_fraction(albedo), between(emissivity, SMALLEST_EMISSIVITY, 1.0)


def _snow_cover(cover: Tensor, water_equivalent: Tensor, *given: Any) -> Tensor:
    return torch.where(water_equivalent > 0, between(cover, 0.0, LARGEST_COVER), 0.0)


def _thermal_roughness(coefficient: Tensor, *given: Any) -> Tensor:
    return between(coefficient, *ROUGHNESS_COEFFICIENT)


def _turbulence(proposal: tuple[Tensor, Tensor, Tensor], *given: Any) -> Conductance:
    heat, momentum, richardson = proposal
    return Conductance(between(heat, *CONDUCTANCE), between(momentum, *CONDUCTANCE), richardson)


def _canopy_resistance(proposal: tuple[Tensor, ...], *given: Any) -> CanopyResistance:
    resistance, *fractions = proposal
    return CanopyResistance(positive_part(resistance), *(limited_fraction(fraction) for fraction in fractions))


def _evaporation(
    proposal: tuple[Tensor, Tensor, Tensor], soil: Any, canopy_water: Tensor, ground: Any, potential: Tensor,
    *given: Any,
) -> Demand:  # fmt: skip
    soil_demand, canopy, roots = (positive_part(part) for part in proposal)
    share = _share(potential, soil_demand + canopy + roots.sum(0))
    return Demand(soil_demand * share, canopy * share, roots * share)


def _snow_melt(melt: Tensor, *given: Any) -> Tensor:
    return positive_part(melt)


def _infiltration(capacity: Tensor, *given: Any) -> Tensor:
    return positive_part(capacity)


def _soil_hydraulics(proposal: tuple[Tensor, Tensor], *given: Any) -> Hydraulics:
    diffusivity, conductivity = proposal
    return Hydraulics(
        between(diffusivity, 0.0, LARGEST_DIFFUSIVITY), between(conductivity, 0.0, LARGEST_HYDRAULIC_CONDUCTIVITY)
    )


def _soil_thermal(conductivity: Tensor, *given: Any) -> Tensor:
    return between(conductivity, *THERMAL_CONDUCTIVITY)


def _supercooled_water(largest: Tensor, temperature: Tensor, liquid: Tensor, ice: Tensor, *given: Any) -> Tensor:
    return between(largest, 0.0, liquid + ice)


LIMITS: dict[str, Callable[..., Any]] = {
    "surface": _surface,
    "snow_cover": _snow_cover,
    "thermal_roughness": _thermal_roughness,
    "turbulence": _turbulence,
    "canopy_resistance": _canopy_resistance,
    "evaporation": _evaporation,
    "snow_melt": _snow_melt,
    "infiltration": _infiltration,
    "soil_hydraulics": _soil_hydraulics,
    "soil_thermal": _soil_thermal,
    "supercooled_water": _supercooled_water,
}
"""Slot -> (proposal, what the scheme was given) -> what the model takes."""

TINY = 1.0e-30
"""Keeps the derivative of a share of nearly nothing finite. [kg m-2 s-1]"""


def _share(available: Tensor, wanted: Tensor) -> Tensor:
    """By how much a demand is scaled down to what is available; 1 where there is enough."""
    too_much = wanted > available
    return torch.where(too_much, available / torch.where(too_much, at_least(wanted, TINY), 1.0), 1.0)


def demand_of_stored_water(
    demand: Demand, liquid: Tensor, ice: Tensor, column: SoilColumn, dt: Tensor | float
) -> Demand:
    """Demand of soil and roots scaled down to the liquid water of each layer above the floor of the model.

    Parameters
    ----------
    demand : [kg m-2 s-1]
    liquid, ice : At the start of the step, ``[layer, column]``. [m3 m-3]
    dt : [s]
    """
    available = removable_water(liquid, ice) * column.thickness * (WATER_DENSITY / dt)
    share = _share(available, torch.cat([demand.roots[:1] + demand.soil, demand.roots[1:]]))
    return Demand(demand.soil * share[0], demand.canopy, demand.roots * share)


# --- schemes that are more than one function --------------------------------------------------------------------------


class LimitedTransitions(SmoothTransitions):
    """Supplied transitions: weights between 0 and 1, and none of what is not there. Sides are merged by weighted mean.

    The small amounts of snow the original does away with are those of the scheme, or none.
    """

    def __init__(self, scheme: Any) -> None:
        super().__init__()
        self.scheme = scheme
        for name in ("negligible_snow", "smallest_pack", "thin_layer"):
            setattr(self, name, float(getattr(scheme, name, 0.0)))

    def rising(self, x: Tensor, threshold: Tensor | float, width: Tensor | float) -> Tensor:
        return limited_fraction(self.scheme.rising(x, threshold, width))

    def falling(self, x: Tensor, threshold: Tensor | float, width: Tensor | float) -> Tensor:
        return limited_fraction(self.scheme.falling(x, threshold, width))

    def amount(self, x: Tensor, scale: float) -> Tensor:
        return torch.where(x > 0, limited_fraction(self.scheme.amount(x, scale)), 0.0)


class LimitedWater(LimitedScheme):
    """A supplied function for the largest liquid water: for the heat-limited step, and for an initial state."""

    def equilibrium(self, temperature: Tensor, total: Tensor, soil: SoilParameters) -> tuple[Tensor, Tensor]:
        """What it gives for water without ice [m3 m-3], and no slope."""
        none = torch.zeros_like(total)
        return self(temperature, total, none, soil), none


class LimitedCurve(FreezingCurve):
    """A supplied freezing curve: its exponent limited, the equation solved by the model, liquid between 0 and total."""

    def __init__(self, scheme: FreezingCurve) -> None:
        super().__init__()
        self.scheme = scheme
        self.smallest = scheme.smallest
        self.ITERATIONS = scheme.ITERATIONS

    def exponent(self, soil: SoilParameters) -> Tensor:
        return between(self.scheme.exponent(soil), *CURVE_EXPONENT)

    def ice_term(self, ice: Tensor) -> Tensor:
        return self.scheme.ice_term(ice)

    def ice_term_slope(self, ice: Tensor) -> Tensor:
        return self.scheme.ice_term_slope(ice)

    def equilibrium(self, temperature: Tensor, total: Tensor, soil: SoilParameters) -> tuple[Tensor, Tensor]:
        """As for any freezing curve; a scheme with an `equilibrium` of its own keeps it, within 0 and total."""
        if type(self.scheme).equilibrium is FreezingCurve.equilibrium:
            return super().equilibrium(temperature, total, soil)
        liquid, slope = self.scheme.equilibrium(temperature, total, soil)
        return between(liquid, 0.0, total), positive_part(slope)

    def forward(self, temperature: Tensor, liquid: Tensor, ice: Tensor, soil: SoilParameters) -> Tensor:
        """Largest liquid content: the scheme's own, or the equilibrium if it has no `forward`. [m3 m-3]"""
        total = liquid + ice
        if type(self.scheme).forward is nn.Module.forward:
            return self.equilibrium(temperature, total, soil)[0]
        return between(self.scheme(temperature, liquid, ice, soil), 0.0, total)


class LimitedPhaseChange(nn.Module):
    """A supplied heat step proposes how much water is liquid at its end; temperature follows from conservation.

    Notes
    -----
    Of a `SoilHeat` only `liquid` is read. Freezing and thawing are limited to what is there, and to the heat at hand:
    it may bring a layer no further than the range of its temperatures at the start, at the end of conduction alone, and
    of freezing. The latent heat enters the implicit conduction of the heat-limited scheme.
    """

    def __init__(self, scheme: Callable[..., SoilHeat | Tensor], column: SoilColumn) -> None:
        super().__init__()
        self.scheme = scheme
        self.column = column

    def forward(
        self, temperature: Tensor, liquid: Tensor, ice: Tensor, coupling: Coupling, conductivity: Tensor,
        parameters: Parameters, dt: Tensor | float,
    ) -> SoilHeat:  # fmt: skip
        proposal = self.scheme(temperature, liquid, ice, coupling, conductivity, parameters, dt)
        wanted = proposal.liquid if isinstance(proposal, SoilHeat) else proposal
        deep, thickness = parameters.general.deep_temperature, self.column.thickness
        coefficients = heat_conduction(liquid, ice, coupling, conductivity, self.column, parameters)
        inner_flux = coefficients.between * (temperature[:-1] - temperature[1:])
        top_flux = coefficients.top * (coupling.temperature - temperature[0])
        bottom_flux = coefficients.bottom * (temperature[-1] - deep)
        heat = (torch.cat([top_flux[None], inner_flux]) - torch.cat([inner_flux, bottom_flux[None]])) * dt

        conducted = temperature + solve_conduction(coefficients, heat, dt)
        highest = at_least(at_least(conducted, temperature), FREEZING_POINT)
        lowest = at_most(at_most(conducted, temperature), FREEZING_POINT)
        per_degree = coefficients.capacity / (FUSION * thickness)
        melted = between(between(wanted, 0.0, liquid + ice) - liquid, (conducted - highest) * per_degree,
                         (conducted - lowest) * per_degree)  # fmt: skip
        increment = solve_conduction(coefficients, heat - melted * FUSION * thickness, dt)
        new_liquid = positive_part(liquid + melted)
        gained = coefficients.capacity * increment + (new_liquid - liquid) * FUSION * thickness
        return SoilHeat(
            temperature=temperature + increment,
            liquid=new_liquid,
            ice=positive_part(liquid + ice - new_liquid),
            top_flux=coefficients.top * (coupling.temperature - (temperature[0] + increment[0])),
            bottom_flux=bottom_flux,
            storage_change=gained.sum(0) / dt,
        )
