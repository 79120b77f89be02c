"""Vertical movement of soil water: infiltration, implicit Richards step, saturation excess and drainage."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from noahpy_core.column import SoilColumn
from noahpy_core.constants import MINIMUM_MOISTURE, WATER_DENSITY
from noahpy_core.fixed import ModelPart
from noahpy_core.limited import LimitedScheme
from noahpy_core.numerics import at_least, at_most, positive_part, solve_tridiagonal
from noahpy_core.parameters import Parameters, SoilParameters
from noahpy_core.physics.soil_hydraulics import Hydraulics
from noahpy_core.physics.transitions import HEAVY_RAIN_RANGE, SATURATION_RANGE, SHARP, Transitions


class SoilWater(NamedTuple):
    """Soil water after the step, ``[layer, column]`` [m3 m-3], and its boundary fluxes, ``[column]`` [kg m-2 s-1]."""

    liquid: Tensor
    ice: Tensor
    infiltration: Tensor
    surface_runoff: Tensor
    drainage: Tensor
    saturation_excess: Tensor
    created: Tensor


class SoilDemand(NamedTuple):
    """Water asked of the soil, 0 or more. [kg m-2 s-1]"""

    soil: Tensor
    """Evaporation of the first layer, ``[column]``."""
    roots: Tensor
    """Uptake of each layer, ``[layer, column]``."""
    source: Tensor | None = None
    """Water that others add to each layer, negative where it is taken, ``[layer, column]``; None: none."""

    @property
    def by_layer(self) -> Tensor:
        """What is asked of each layer, less what is added to it."""
        asked = torch.cat([self.roots[:1] + self.soil, self.roots[1:]])
        return asked if self.source is None else asked - self.source


class Boundary(NamedTuple):
    """What the soil water step is given besides the soil."""

    supply: Tensor
    """Water reaching the ground, ``[column]``. [kg m-2 s-1]"""
    uptake: Tensor
    """Evaporation and root uptake of each layer, ``[layer, column]``. [kg m-2 s-1]"""
    wilting_point: Tensor
    """For the infiltration capacity, ``[layer, column]``. [m3 m-3]"""


def removable_water(liquid: Tensor, ice: Tensor) -> Tensor:
    """Liquid water above the smallest total the model allows. [m3 m-3]"""
    return positive_part(at_most(liquid, liquid + ice - MINIMUM_MOISTURE))


class SoilWaterStep(ModelPart):
    """Noah's two-pass soil water step (SMFLX, SRT, SSTEP; Chen and Dudhia 2001).

    Diffusivity and conductivity are taken at the start of the step; after heavy rain or near saturation the step is
    repeated with those of the mean of start and first result. Ice does not move.

    The conductivity of a scheme of which nothing is known is limited so that no layer drains more in a step than it
    holds. With those of Noah it may, and the floor of soil moisture then creates water, which is booked.
    """

    HEAVY_RAIN = 0.1
    """Share of the pore volume of the top layer that one step of rain must exceed to call for two passes."""

    def __init__(
        self,
        column: SoilColumn,
        infiltration: nn.Module,
        soil_hydraulics: nn.Module,
        transitions: Transitions = SHARP,
    ) -> None:
        super().__init__()
        self.column = column
        self.infiltration = infiltration
        self.soil_hydraulics = soil_hydraulics
        self.transitions = transitions

    def forward(
        self, liquid: Tensor, ice: Tensor, supply: Tensor, demand: SoilDemand, parameters: Parameters,
        dt: Tensor | float,
    ) -> SoilWater:  # fmt: skip
        """Advance soil water by one step.

        Parameters
        ----------
        liquid, ice : At the start, ``[layer, column]``. [m3 m-3]
        supply : Water reaching the ground. [kg m-2 s-1]
        demand : Evaporation and root uptake, all of which is taken. [kg m-2 s-1]
        dt : [s]
        """
        soil = parameters.soil
        wilting = soil.wilting_point
        assert wilting is not None
        boundary = Boundary(supply, demand.by_layer, wilting)
        first = self._solve(liquid, liquid, ice, boundary, parameters, dt)
        middle = 0.5 * (liquid + first.liquid)
        # In the second pass the original takes the lowest layer's wilting point for the surface soil's.
        second_wilting = torch.cat([wilting[-1:], wilting[1:]])
        second = self._solve(liquid, middle, ice, boundary._replace(wilting_point=second_wilting), parameters, dt)
        return self.transitions.merge(self._second_pass_weight(liquid, supply * dt, soil), second, first)

    def _second_pass_weight(self, liquid: Tensor, rain: Tensor, soil: SoilParameters) -> Tensor:
        """1 for heavy rain (an amount, kg m-2) or a nearly saturated layer, else 0."""
        much = self.HEAVY_RAIN * self.column.thickness[0] * soil.porosity[0] * WATER_DENSITY
        heavy_rain = self.transitions.rising(rain, much, HEAVY_RAIN_RANGE * much)
        saturation = (liquid / soil.porosity).amax(0)
        saturated = self.transitions.rising(saturation, soil.two_pass_saturation[0], SATURATION_RANGE)
        return 1.0 - (1.0 - heavy_rain) * (1.0 - saturated)

    def _solve(
        self,
        liquid: Tensor,
        representative: Tensor,
        ice: Tensor,
        boundary: Boundary,
        parameters: Parameters,
        dt: Tensor | float,
    ) -> SoilWater:
        """One implicit pass with coefficients at the `representative` liquid water."""
        soil, supply = parameters.soil, boundary.supply
        hydraulics: Hydraulics = self.soil_hydraulics(representative, ice, soil)
        if isinstance(self.soil_hydraulics, LimitedScheme):
            hydraulics = self._held(hydraulics, liquid, ice, boundary.uptake, dt)
        entry = self.infiltration(representative, ice, supply, boundary.wilting_point, parameters, dt)
        capacity = at_least(entry, hydraulics.conductivity[0] * WATER_DENSITY)
        infiltration = at_most(capacity, supply)
        drainage = parameters.general.drainage_factor * hydraulics.conductivity[-1]
        increment = self._richards(liquid, hydraulics, infiltration, drainage, boundary.uptake, dt)
        total, excess = self._cascade(liquid + increment + ice, soil.porosity)
        floored = at_least(total, MINIMUM_MOISTURE)
        new_liquid = positive_part(floored - ice)
        created = ((floored - total) * self.column.thickness).sum(0) * (WATER_DENSITY / dt)
        return SoilWater(
            liquid=new_liquid,
            ice=floored - new_liquid,
            infiltration=infiltration,
            surface_runoff=supply - infiltration,
            drainage=drainage * WATER_DENSITY,
            saturation_excess=excess * (WATER_DENSITY / dt),
            created=created,
        )

    def _held(
        self, hydraulics: Hydraulics, liquid: Tensor, ice: Tensor, uptake: Tensor, dt: Tensor | float
    ) -> Hydraulics:
        left = positive_part(removable_water(liquid, ice) * self.column.thickness / dt - uptake / WATER_DENSITY)
        return Hydraulics(hydraulics.diffusivity, at_most(hydraulics.conductivity, left))

    def _richards(
        self, liquid: Tensor, hydraulics: Hydraulics, infiltration: Tensor, drainage: Tensor, uptake: Tensor,
        dt: Tensor | float,
    ) -> Tensor:  # fmt: skip
        """Change of liquid water by implicit diffusion and explicit gravity. [m3 m-3]

        The diffusivity and conductivity between two layers are those of the upper one, as in the original.
        """
        thickness = self.column.thickness
        exchange = hydraulics.diffusivity[:-1] / self.column.node_distance
        downward = exchange * (liquid[:-1] - liquid[1:]) + hydraulics.conductivity[:-1]
        top = torch.cat([(infiltration / WATER_DENSITY)[None], downward])
        bottom = torch.cat([downward, drainage[None]])
        right = dt * (top - bottom - uptake / WATER_DENSITY)
        none = torch.zeros_like(exchange[:1])
        above, below = torch.cat([none, exchange]) * dt, torch.cat([exchange, none]) * dt
        return solve_tridiagonal(-above, thickness + above + below, -below, right)

    def _cascade(self, total: Tensor, porosity: Tensor) -> tuple[Tensor, Tensor]:
        """Pass water above porosity down layer by layer; what leaves the lowest layer is returned too. [m3 m-3, m]"""
        thickness = self.column.thickness
        surplus = torch.zeros_like(total[0])
        from_above = []
        for excess in ((total - porosity) * thickness).unbind(0):
            from_above.append(surplus)
            surplus = positive_part(surplus + excess)
        return at_most(total + torch.stack(from_above) / thickness, porosity), surplus
