"""Heat capacity and thermal conductivity of soil."""

from __future__ import annotations

import torch
from torch import Tensor

from noahpy_core.constants import HEAT_CAPACITY_SOIL_AIR, HEAT_CAPACITY_SOIL_ICE, HEAT_CAPACITY_SOIL_WATER
from noahpy_core.fixed import ModelPart
from noahpy_core.numerics import safe_divide
from noahpy_core.organic_soil import mixture
from noahpy_core.parameters import BEDROCK, GRAVEL, SoilParameters
from noahpy_core.physics.transitions import FROZEN_SOIL_RANGE, SHARP, SmoothTransitions, Transitions

CONDUCTIVITY_ICE = 2.2
CONDUCTIVITY_WATER = 0.57
CONDUCTIVITY_QUARTZ = 7.7
CONDUCTIVITY_OTHER_MINERALS = 2.0
"""[W m-1 K-1]"""
CONDUCTIVITY_ORGANIC_SOLIDS = 0.25
CONDUCTIVITY_DRY_PEAT = 0.05
"""Of Farouki 1981, as in table 1 of Lawrence and Slater 2008, doi:10.1007/s00382-007-0278-1. [W m-1 K-1]"""
HEAT_CAPACITY_ORGANIC_SOLIDS = 2.5e6
"""From the same table. [J m-3 K-1]"""
SOLID_DENSITY = 2700.0
"""[kg m-3]"""
FROZEN_THRESHOLD = 0.0005
"""Ice above which the frozen Kersten number is used. [m3 m-3]"""


def heat_capacity(liquid: Tensor, ice: Tensor, porosity: Tensor, mineral: Tensor) -> Tensor:
    """Volumetric heat capacity of soil: liquid, solids, air and ice by volume (Noah: HCPCT). [J m-3 K-1]

    Parameters
    ----------
    liquid, ice, porosity : Volume fractions. [m3 m-3]
    mineral : Heat capacity of the solids. [J m-3 K-1]
    """
    return (
        liquid * HEAT_CAPACITY_SOIL_WATER
        + (1.0 - porosity) * mineral
        + (porosity - (liquid + ice)) * HEAT_CAPACITY_SOIL_AIR
        + ice * HEAT_CAPACITY_SOIL_ICE
    )


def solids_heat_capacity(mineral: Tensor, soil: SoilParameters) -> Tensor:
    """Heat capacity of the solids: mineral [J m-3 K-1], with the organic ones by volume. [J m-3 K-1]"""
    organic = soil.organic_solids
    return mineral if organic is None else mixture(mineral, HEAT_CAPACITY_ORGANIC_SOLIDS, organic)


def solids_conductivity(soil: SoilParameters) -> Tensor:
    """Geometric mean over quartz and other minerals (Johansen 1975), mean with organic solids by volume. [W m-1 K-1]"""
    minerals = CONDUCTIVITY_QUARTZ**soil.quartz_fraction * CONDUCTIVITY_OTHER_MINERALS ** (1.0 - soil.quartz_fraction)
    organic = soil.organic_solids
    return minerals if organic is None else mixture(minerals, CONDUCTIVITY_ORGANIC_SOLIDS, organic)


def saturated_conductivity(liquid: Tensor, moisture: Tensor, soil: SoilParameters) -> Tensor:
    """Geometric mean over solids, ice and liquid water filling the pores (Johansen 1975). [W m-1 K-1]

    Parameters
    ----------
    liquid, moisture : Liquid, and liquid and frozen water, ``[layer, column]``. [m3 m-3]
    soil : Parameters ``[layer, column]``, derived ones filled in.
    """
    solids = solids_conductivity(soil)
    unfrozen = safe_divide(liquid, moisture) * soil.porosity
    return (
        solids ** (1.0 - soil.porosity) * CONDUCTIVITY_ICE ** (soil.porosity - unfrozen) * CONDUCTIVITY_WATER**unfrozen
    )


def dry_conductivity(porosity: Tensor) -> Tensor:
    """Conductivity of dry mineral soil from its bulk density (Johansen 1975). [W m-1 K-1]"""
    bulk_density = (1.0 - porosity) * SOLID_DENSITY
    return (0.135 * bulk_density + 64.7) / (SOLID_DENSITY - 0.947 * bulk_density)


def with_dry_peat(mineral: Tensor, soil: SoilParameters) -> Tensor:
    """Conductivity of the dry layer: that of dry mineral soil, mean with dry peat by volume. [W m-1 K-1]"""
    organic = soil.organic_solids
    return mineral if organic is None else mixture(mineral, CONDUCTIVITY_DRY_PEAT, organic)


def frozen_weight(liquid: Tensor, moisture: Tensor, transitions: Transitions = SHARP) -> Tensor:
    """1 where there is enough ice for the frozen Kersten number, else 0. [1]

    Parameters
    ----------
    liquid, moisture : Liquid, and liquid and frozen water. [m3 m-3]
    transitions : At the switches.
    """
    return transitions.falling(liquid + FROZEN_THRESHOLD, moisture, FROZEN_SOIL_RANGE)


def unfrozen_kersten_number(saturation: Tensor) -> Tensor:
    """Weight between dry and saturated conductivity of unfrozen soil: log10(saturation) + 1, 0 below 0.1 (Johansen)."""
    moist = saturation > 0.1
    return torch.where(moist, torch.log10(torch.where(moist, saturation, 1.0)) + 1.0, 0.0)


def coarse_kersten_number(saturation: Tensor, shape: float) -> Tensor:
    """The same for coarse soil: k S/(1 + (k - 1) S) (Cote and Konrad 2005, eq. 17). [1]"""
    return shape * saturation / (1.0 + (shape - 1.0) * saturation)


class PetersLidard1998(ModelPart):
    """Johansen's conductivity as in Peters-Lidard et al. 1998, doi:10.1175/1520-0469(1998)055<1209:TEOSTC>2.0.CO;2.

    The Kersten number of frozen soil is its degree of saturation.
    """

    def __init__(self, transitions: Transitions = SHARP) -> None:
        super().__init__()
        self.transitions = transitions

    def forward(self, liquid: Tensor, ice: Tensor, soil: SoilParameters) -> Tensor:
        """Thermal conductivity, ``[layer, column]``. [W m-1 K-1]

        Parameters
        ----------
        liquid, ice : ``[layer, column]``. [m3 m-3]
        soil : Parameters ``[layer, column]``, derived ones filled in.
        """
        moisture = liquid + ice
        saturation = moisture / soil.porosity
        frozen = frozen_weight(liquid, moisture, self.transitions)
        kersten = self._kersten(saturation, frozen, soil)
        dry = with_dry_peat(self._dry(soil), soil)
        return kersten * (saturated_conductivity(liquid, moisture, soil) - dry) + dry

    def _dry(self, soil: SoilParameters) -> Tensor:
        return dry_conductivity(soil.porosity)

    def _kersten(self, saturation: Tensor, frozen: Tensor, soil: SoilParameters) -> Tensor:
        return self.transitions.merge(frozen, saturation, unfrozen_kersten_number(saturation))


class CoteKonrad2005(PetersLidard1998):
    """The same for fine soil; gravel and bedrock when dry, and gravel's Kersten number, by Cote and Konrad 2005.

    References
    ----------
    .. [1] Cote and Konrad 2005, Can. Geotech. J. 42, doi:10.1139/t04-106.
    """

    def _dry(self, soil: SoilParameters) -> Tensor:
        gravel = 1.70 * 10.0 ** (-1.80 * soil.porosity)
        dry = torch.where(soil.material == GRAVEL, gravel, super()._dry(soil))
        return torch.where(soil.material == BEDROCK, 0.039 * soil.porosity**-2.2, dry)

    def _kersten(self, saturation: Tensor, frozen: Tensor, soil: SoilParameters) -> Tensor:
        coarse = self.transitions.merge(
            frozen, coarse_kersten_number(saturation, 1.70), coarse_kersten_number(saturation, 4.60)
        )
        return torch.where(soil.material == GRAVEL, coarse, super()._kersten(saturation, frozen, soil))


class ContinuousCoteKonrad2005(CoteKonrad2005):
    """The same without a jump: the Kersten number becomes that of frozen soil as ice grows from nothing to 1e-3 m3 m-3.

    The jump at 5e-4 m3 m-3 can double the conductivity of a dry layer, and a layer that stands there goes to and fro in
    every step, its skin by kelvins.

    Parameters
    ----------
    transitions : Not used: it has no switch.
    """

    def __init__(self, transitions: Transitions = SHARP) -> None:
        super().__init__(SmoothTransitions())
