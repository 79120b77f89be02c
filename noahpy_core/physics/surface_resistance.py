"""Resistances between water and air: of the soil surface to evaporation, of the canopy to transpiration."""

from __future__ import annotations

import torch
from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.constants import VAPOUR_RATIO
from noahpy_core.fixed import ModelPart
from noahpy_core.numerics import at_least, between, positive_part
from noahpy_core.parameters import Parameters
from noahpy_core.physics.atmosphere import Air
from noahpy_core.physics.evaporation import (
    CanopyResistance,
    Stress,
    moisture_stress,
    stressed_canopy,
    temperature_stress,
)
from noahpy_core.physics.surface import Ground
from noahpy_core.state import SoilState

LIGHT_EXTINCTION = 0.6
"""Of photosynthetically active radiation by leaf area. [1]"""
HALF_LIGHT = 30.0
"""Photosynthetically active radiation that reaches a leaf's depth at which its stomata are half open. [W m-2]"""
HALF_DEFICIT = 700.0
"""Vapour pressure deficit at which stomata are half closed. [Pa]"""
ACTIVE_SHARE = 0.5
"""Of sunlight that plants can use for photosynthesis. [1]"""
SMALLEST_AREA = 1.0e-3
"""Of leaves, so that a canopy of none has a conductance. [1]"""
SMALLEST_OPENING = 1.0e-4
"""Of the largest conductance of the canopy: at night, in dry soil. [1]"""


class NoSoilResistance(ModelPart):
    """None: the wetness function of the evaporation scheme is all that holds the soil's water back, as in Noah."""

    def forward(self, soil: SoilState, ground: Ground, parameters: Parameters) -> Tensor:
        """Resistance, 0, ``[column]``. [s m-1]

        Parameters
        ----------
        soil : Its shape is read.
        ground, parameters : Nothing is read.
        """
        return torch.zeros_like(soil.liquid_water[0])


class Sellers1992(ModelPart):
    """exp(8.206 - 4.255 S), S the liquid share of the top layer's pores (Sellers et al. 1992).

    In place of the wetness function of the evaporation scheme, in series with the air. Fitted to the prairie of FIFE;
    frozen soil, whose pores hold little liquid, gives up its water slowly.

    References
    ----------
    .. [1] Sellers, Heiser and Hall 1992, J. Geophys. Res. 97(D17), doi:10.1029/92JD01096.
    """

    def forward(self, soil: SoilState, ground: Ground, parameters: Parameters) -> Tensor:
        """Resistance, ``[column]``. [s m-1]

        Parameters
        ----------
        soil : Liquid water of the top layer is read. [m3 m-3]
        ground : Nothing is read.
        parameters : Porosity is read.
        """
        saturation = between(soil.liquid_water[0] / parameters.soil.porosity[0], 0.0, 1.0)
        return torch.exp(8.206 - 4.255 * saturation)


class Leuning2008(ModelPart):
    """Canopy resistance of leaves that shade each other (Leuning et al. 2008), with Noah's stress by cold and dry soil.

    Notes
    -----
    G = g/k ln((Q + Q50)/(Q exp(-k L) + Q50)) / (1 + D/D50), the integral over the canopy of g q/(q + Q50), the
    conductance of leaves to whose depth a light of q = Q exp(-k l) comes. Kelliher et al. take the light that a leaf
    absorbs, k q, and have k Q in the place of Q. g is the conductance of a leaf in full light, D the vapour pressure
    deficit, Q half of the sunlight (photosynthetically active). Jarvis' resistance is divided by the leaf area as if
    each leaf were in the light. 1/g is `minimum_stomatal_resistance`, in Noah's tables 40 s m-1 for crops. Crop models
    that refer to the survey of Kelliher et al. 1995 have 91 to 100 s m-1 (10 to 11 mm s-1).

    References
    ----------
    .. [1] Leuning et al. 2008, Water Resour. Res. 44, doi:10.1029/2007WR006562 (k, Q50 and D50 as there).
    .. [2] Kelliher et al. 1995, Agric. For. Meteorol. 73, doi:10.1016/0168-1923(94)02178-M (the survey).
    """

    def __init__(self, column: SoilColumn) -> None:
        super().__init__()
        self.column = column

    def forward(
        self, soil: SoilState, air: Air, ground: Ground, shortwave: Tensor, conductance: Tensor, emissivity: Tensor,
        parameters: Parameters,
    ) -> CanopyResistance:  # fmt: skip
        """Resistance [s m-1], plant coefficient and the four stress factors [1], ``[column]``.

        Parameters
        ----------
        soil : Liquid water is read, ``[layer, column]``. [m3 m-3]
        air, ground : Of the step, ``[column]``.
        shortwave : Downwelling. [W m-2]
        conductance : Of the air, for heat and moisture. [m s-1]
        emissivity : Of the surface. [1]
        parameters : Those of plants and soil are read.
        """
        plant = parameters.vegetation
        area = at_least(ground.leaf_area_index, SMALLEST_AREA)
        usable = ACTIVE_SHARE * positive_part(shortwave)
        below = usable * torch.exp(-LIGHT_EXTINCTION * area)
        lit = torch.log((usable + HALF_LIGHT) / (below + HALF_LIGHT)) / LIGHT_EXTINCTION
        light = between(lit / area, SMALLEST_OPENING, 1.0)
        deficit = positive_part(air.saturation_humidity - air.humidity) * air.pressure / VAPOUR_RATIO
        humidity = HALF_DEFICIT / (HALF_DEFICIT + deficit)
        temperature = temperature_stress(air, plant)
        moisture = moisture_stress(soil, parameters, self.column)
        stress = Stress(light, temperature, humidity, moisture)
        return stressed_canopy(area, stress, plant, ground, air, conductance, emissivity)
