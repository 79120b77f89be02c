"""What the parts of the conservative step hand to each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.physics.atmosphere import Air
from noahpy_core.physics.closed_balance import Balance
from noahpy_core.physics.coupled_system import System, Unknowns
from noahpy_core.physics.evaporation import CanopyResistance, Demand
from noahpy_core.physics.freezing import FreezingCurve
from noahpy_core.physics.snow_layered import LayeredSnow, SnowyGround
from noahpy_core.physics.snow_layers import SnowLayers
from noahpy_core.physics.soil_water_richards import RichardsSoilWater, RichardsWater
from noahpy_core.physics.sources import Sources
from noahpy_core.physics.surface import Ground
from noahpy_core.physics.transitions import Transitions
from noahpy_core.physics.turbulence import Conductance
from noahpy_core.state import SoilState


class Schemes(NamedTuple):
    """What stands in the slots of the step."""

    column: SoilColumn
    transitions: Transitions
    turbulence: Callable[..., Conductance]
    surface: Callable[..., tuple[Tensor, Tensor]]
    canopy_resistance: Callable[..., CanopyResistance]
    evaporation: Callable[..., Demand]
    soil_resistance: Callable[..., Tensor]
    soil_thermal: Callable[..., Tensor]
    curve: FreezingCurve
    soil_water: RichardsSoilWater
    snow: LayeredSnow


class Surroundings(NamedTuple):
    """What is known of a step before heat is exchanged."""

    air: Air
    ground: Ground
    rainfall: Tensor
    snowfall: Tensor
    snowy: SnowyGround
    resistance: CanopyResistance
    soil_resistance: Tensor
    """Of the soil itself, without what lies on it. [s m-1]"""
    shares: Demand
    """Of the exchange of a wet surface; roots by layer. [1]"""
    available: Tensor
    """Liquid water of each soil layer above the smallest. [kg m-2]"""
    caught: Tensor
    """Rain that the canopy catches. [kg m-2 s-1]"""
    snow_emissivity: Tensor
    """[1]"""
    added: Sources


class LeftPack(NamedTuple):
    """What has left the pack, ``[column]``."""

    water: Tensor
    """From its base. [kg m-2 s-1]"""
    heat: Tensor
    """That this water carries, counted from the melting point. [W m-2]"""
    vapour_heat: Tensor
    """That ice and water carried that became vapour, less what vapour brought, counted from their own melting point.
    [W m-2]"""


class HeatStep(NamedTuple):
    """Fluxes and states at the end of the coupled heat step."""

    system: System
    at: Unknowns
    snow_temperature: Tensor
    snow_skin: Tensor
    """[K]"""
    bare_skin: Tensor
    """[K]"""
    over_snow: Balance
    on_ground: Balance
    layers: SnowLayers
    """After heat, vapour and running water."""
    left_pack: LeftPack
    soil_gain: Tensor
    """Heat that each soil layer has gained. [J m-2]"""
    soil_flux: Tensor
    """Into the top of the soil. [W m-2]"""
    deep_flux: Tensor
    """Out of the lowest layer. [W m-2]"""
    sublimed: Tensor
    """Ice that left as vapour, less what vapour became ice, frost of bare ground too. [kg m-2 s-1]"""


class CanopyWater(NamedTuple):
    """Canopy water [kg m-2] and rates [kg m-2 s-1], ``[column]``."""

    water: Tensor
    drip: Tensor
    throughfall: Tensor


class Moved(NamedTuple):
    """Soil after water has left it, entered it and moved."""

    soil: SoilState
    water: RichardsWater
    uptake: Tensor
    """Of soil evaporation and roots, ``[layer, column]``. [kg m-2 s-1]"""
    through: Tensor
    """Heat carried through each face, ``[layer + 1, column]``. [W m-2]"""
    evaporated_heat: Tensor
    """Of the water that evaporated, less that of water others added to the layers. [W m-2]"""
    missing: Tensor | None
    """Water that a sink asked for and did not find, ``[column]``. [kg m-2 s-1]"""


class ConservativeParts(NamedTuple):
    """Everything of one step."""

    around: Surroundings
    heat: HeatStep
    canopy: CanopyWater
    moved: Moved
