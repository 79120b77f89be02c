"""Exchange between land and air in one step: what is known before snow and ground are solved."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.constants import LATENT_HEAT_SUBLIMATION, LATENT_HEAT_VAPORISATION, WATER_DENSITY
from noahpy_core.numerics import at_least, at_most, positive_part
from noahpy_core.physics.atmosphere import Air
from noahpy_core.physics.energy_balance import GroundConduction
from noahpy_core.physics.evaporation import CanopyResistance, Demand, Potential, latent_heat
from noahpy_core.physics.snow import Precipitation, Snowpack
from noahpy_core.physics.soil_water import removable_water
from noahpy_core.physics.surface import LARGEST_COVER, Ground, Surface
from noahpy_core.physics.transitions import RADIATION_RANGE, RICHARDSON_RANGE, SHARP, Transitions
from noahpy_core.physics.turbulence import Conductance

SMALLEST_DEMAND = 1.0e-30
"""Keeps the derivative of a share of nearly nothing finite. [kg m-2 s-1]"""


class Evaporation(NamedTuple):
    """Vapour fluxes after all limits, ``[column]`` (roots ``[layer, column]``). [kg m-2 s-1]"""

    potential: Tensor
    soil: Tensor
    canopy: Tensor
    roots: Tensor
    sublimation: Tensor
    dew: Tensor
    """Condensation on snow-free ground."""
    frost: Tensor
    """Condensation on snow."""
    heat: Tensor
    """Latent heat of all of them. [W m-2]"""

    @property
    def from_ground(self) -> Tensor:
        """Soil, canopy and roots together."""
        return self.soil + self.canopy + self.roots.sum(0)


class Exchange(NamedTuple):
    """What is known of a step before snow and ground are solved."""

    air: Air
    ground: Ground
    surface: Surface
    conductance: Conductance
    precipitation: Precipitation
    pack: Snowpack
    presence: Tensor
    """Weight of the snow-covered against the bare surface balance. [1]"""
    radiation: Tensor
    """Absorbed. [W m-2]"""
    potential: Potential
    resistance: CanopyResistance
    evaporation: Evaporation
    conduction: GroundConduction


def limited_potential(
    rate: Tensor,
    conductance: Conductance,
    surface: Surface,
    presence: Tensor,
    radiation: Tensor,
    transitions: Transitions = SHARP,
) -> Tensor:
    """Frost on snow is reduced in stable air under strong radiation (Slater et al. 2007, as in the original).

    Parameters
    ----------
    rate : Potential evaporation, negative for condensation. [kg m-2 s-1]
    conductance : Its Richardson number is read.
    surface : Its snow cover is read.
    presence : Weight of the snow-covered surface balance. [1]
    radiation : Absorbed. [W m-2]
    transitions : At the switches.
    """
    richardson, cover = conductance.richardson, surface.snow_cover
    on_snow = at_most(rate * (1.0 - richardson), 0.0) * cover / LARGEST_COVER
    reduced = (on_snow + rate * (LARGEST_COVER - cover)) / LARGEST_COVER
    stable = 1.0 - transitions.falling(richardson, 0.1, RICHARDSON_RANGE)
    bright = transitions.rising(radiation, 150.0, RADIATION_RANGE)
    return torch.where(rate > 0, rate, transitions.merge(presence * stable * bright, reduced, rate))


def limited_evaporation(
    rate: Tensor, demand: Demand, canopy_water: Tensor, presence: Tensor, surface: Surface, dt: Tensor | float
) -> Evaporation:
    """Demands limited to what is stored and weighted with the snow-free area; condensation if the rate is negative.

    Parameters
    ----------
    rate : Potential evaporation after its limits. [kg m-2 s-1]
    demand : Of soil, canopy and roots. [kg m-2 s-1]
    canopy_water : ``[column]``. [kg m-2]
    presence : Weight of the snow-covered surface balance. [1]
    surface : Its snow cover is read.
    dt : Length of the step. [s]
    """
    free = torch.where(rate > 0, 1.0 - surface.snow_cover, 0.0)
    soil = positive_part(demand.soil) * free
    canopy = at_most(positive_part(demand.canopy), canopy_water / dt) * free
    roots = positive_part(demand.roots) * free
    sublimation = positive_part(rate) * surface.snow_cover
    condensation = positive_part(-rate)
    frost = condensation * presence
    ground_heat = (soil + canopy + roots.sum(0)) * LATENT_HEAT_VAPORISATION
    heat = ground_heat + sublimation * LATENT_HEAT_SUBLIMATION - condensation * latent_heat(surface.snow_cover)
    return Evaporation(rate, soil, canopy, roots, sublimation, condensation - frost, frost, heat)


def _share(available: Tensor, wanted: Tensor) -> Tensor:
    """By how much a demand is scaled down to what is available; 1 where there is enough."""
    too_much = wanted > available
    return torch.where(too_much, available / torch.where(too_much, at_least(wanted, SMALLEST_DEMAND), 1.0), 1.0)


def demand_at_hand(
    demand: Demand, potential: Tensor, liquid: Tensor, ice: Tensor, column: SoilColumn, dt: Tensor | float
) -> Demand:
    """A demand of which nothing is known, scaled down to the potential rate and to the water that is stored.

    All of it is held to the potential rate, that of soil and roots to the liquid water of each layer above the floor of
    the model.

    Parameters
    ----------
    demand : Not negative. [kg m-2 s-1]
    potential : Potential rate, not negative, ``[column]``. [kg m-2 s-1]
    liquid, ice : At the start of the step, ``[layer, column]``. [m3 m-3]
    dt : [s]
    """
    share = _share(potential, demand.soil + demand.canopy + demand.roots.sum(0))
    demand = Demand(demand.soil * share, demand.canopy * share, demand.roots * share)
    available = removable_water(liquid, ice) * column.thickness * (WATER_DENSITY / dt)
    share = _share(available, torch.cat([demand.roots[:1] + demand.soil, demand.roots[1:]]))
    return Demand(demand.soil * share[0], demand.canopy, demand.roots * share)


def evaporation_from(asked: Evaporation, soil: Tensor, roots: Tensor) -> Evaporation:
    """Evaporation of which the soil gives less than it was asked for: the latent heat follows.

    Parameters
    ----------
    soil : From the first layer. [kg m-2 s-1]
    roots : From each layer, ``[layer, column]``. [kg m-2 s-1]
    """
    kept_back = (asked.soil - soil) + (asked.roots - roots).sum(0)
    return asked._replace(soil=soil, roots=roots, heat=asked.heat - kept_back * LATENT_HEAT_VAPORISATION)
