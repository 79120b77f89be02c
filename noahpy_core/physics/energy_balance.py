"""Skin temperature and the coupling of the ground to it, with and without snow."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.constants import (
    FREEZING_POINT,
    STEFAN_BOLTZMANN,
)
from noahpy_core.numerics import positive_part
from noahpy_core.physics.atmosphere import Air
from noahpy_core.physics.evaporation import Potential
from noahpy_core.physics.snow import Precipitation, Snowpack
from noahpy_core.physics.soil_heat import Coupling
from noahpy_core.physics.transitions import FULL_COVER_RANGE, MELT_RANGE, SHARP, SharpTransitions, Transitions

FULL_COVER = 0.97
"""Snow cover above which the conductivity of snow stands for that of the ground."""


class GroundConduction(NamedTuple):
    """Conductivity [W m-1 K-1] and distance [m] between the surface and the first soil node, ``[column]``."""

    conductivity: Tensor
    distance: Tensor


class SurfaceBalance(NamedTuple):
    """Result of the surface energy balance, ``[column]``."""

    skin_temperature: Tensor
    ground_heat: Tensor
    """Into the ground. [W m-2]"""
    emission: Tensor
    """Longwave radiation emitted. [W m-2]"""
    precipitation_heat: Tensor
    """Spent on bringing precipitation to surface temperature. [W m-2]"""
    melt_demand: Tensor
    """Left for melting at a surface held near the freezing point. [W m-2]"""
    discrepancy: Tensor
    """By which the linearised balance departs from these fluxes, melt included. [W m-2]"""


def shaded_conductivity(conductivity: Tensor, coefficient: Tensor, vegetation_fraction: Tensor) -> Tensor:
    """Conductivity of the top soil under vegetation (Peters-Lidard et al. 1997: exp(-2 fraction)). [W m-1 K-1]

    Parameters
    ----------
    conductivity : Of the top layer. [W m-1 K-1]
    coefficient : Decay with vegetation fraction, negative. [1]
    vegetation_fraction : [1]
    """
    return conductivity * torch.exp(coefficient * vegetation_fraction)


def ground_conduction(
    soil_conductivity: Tensor, half_layer: Tensor, pack: Snowpack, cover: Tensor, transitions: Transitions = SHARP
) -> GroundConduction:
    """Snow and the upper half of the first soil layer as one conductor.

    The parallel (arithmetic) mean by thickness is weighted with the snow cover against bare soil, as in the original.

    Parameters
    ----------
    soil_conductivity : Of the top layer. [W m-1 K-1]
    half_layer : Half its thickness. [m]
    pack : Depth and conductivity of the snow.
    cover : Snow cover. [1]
    transitions : At the switches.
    """
    full = transitions.rising(cover, FULL_COVER, FULL_COVER_RANGE)
    soil = transitions.merge(full, pack.conductivity, soil_conductivity)
    distance = pack.depth + half_layer
    share = pack.depth / distance
    under_snow = share * pack.conductivity + (1.0 - share) * soil
    return GroundConduction(under_snow * cover + soil * (1.0 - cover), distance)


def linearised_emission(air: Air, potential: Potential, emissivity: Tensor, skin_temperature: Tensor) -> Tensor:
    """Emitted longwave radiation, linearised about the air temperature. [W m-2]

    Parameters
    ----------
    air, potential : Of the step.
    emissivity : [1]
    skin_temperature : [K]
    """
    slope = potential.emission_factor * potential.heat_transfer
    return emissivity * STEFAN_BOLTZMANN * air.temperature**4 + slope * (skin_temperature - air.temperature)


def emitted_radiation(emissivity: Tensor, skin_temperature: Tensor) -> Tensor:
    """Emitted longwave radiation. [W m-2]"""
    return emissivity * STEFAN_BOLTZMANN * skin_temperature**4


class SurfaceInput(NamedTuple):
    """What both balances are given, ``[column]``."""

    air: Air
    potential: Potential
    emissivity: Tensor
    radiation: Tensor
    """Absorbed. [W m-2]"""
    latent_heat: Tensor
    """Of evaporation, sublimation and condensation. [W m-2]"""
    precipitation: Precipitation
    half_layer: Tensor
    """Half the thickness of the first soil layer. [m]"""


def snow_balance(
    given: SurfaceInput,
    conduction: GroundConduction,
    soil_temperature: Tensor,
    old_skin: Tensor,
    cover: Tensor,
    transitions: Transitions = SHARP,
) -> SurfaceBalance:
    """Skin temperature over snow, explicit in the soil temperature; the excess above freezing melts snow (SNOPAC).

    Parameters
    ----------
    conduction, soil_temperature : To the first soil node, and its temperature. [K]
    old_skin : Skin temperature at the start, to which precipitation is brought. [K]
    cover : Snow cover; where it is partial the skin may be warmer than melting snow. [1]
    """
    air, potential, emissivity = given.air, given.potential, given.emissivity
    precipitation_heat = given.precipitation.heat_capacity_flux * (old_skin - air.temperature)
    supplied = given.radiation - precipitation_heat - potential.freezing_rain_heat - given.latent_heat
    exchange = potential.radiation_factor * potential.heat_transfer
    to_soil = conduction.conductivity / conduction.distance
    excess = (supplied - emitted_radiation(emissivity, air.temperature)) / potential.heat_transfer
    excess = (excess + air.potential_temperature - air.temperature) / potential.radiation_factor
    unmelted = (air.temperature + excess + to_soil * soil_temperature / exchange) / (1.0 + to_soil / exchange)

    warm = unmelted > FREEZING_POINT
    held = cover**2
    skin = torch.where(warm, FREEZING_POINT * held + unmelted * (1.0 - held), unmelted)
    ground_heat = to_soil * (skin - soil_temperature)
    emission = emitted_radiation(emissivity, skin)
    left = supplied - emission - ground_heat - potential.heat_transfer * (skin - air.potential_temperature)
    melting = transitions.rising(unmelted, FREEZING_POINT, MELT_RANGE)
    # The linearised balance counts the heat of precipitation a second time at the new skin temperature.
    doubled = potential.precipitation_factor * potential.heat_transfer * (skin - air.temperature)
    error = linearised_emission(air, potential, emissivity, skin) - emission
    discrepancy = torch.where(warm, left, doubled + error)
    return SurfaceBalance(skin, ground_heat, emission, precipitation_heat, positive_part(left) * melting, discrepancy)


def with_less_latent_heat(balance: SurfaceBalance, less: Tensor) -> SurfaceBalance:
    """A balance solved before it was known that `less` latent heat is used [W m-2]: the rest is a discrepancy."""
    return balance._replace(discrepancy=balance.discrepancy + less)


def snow_coupling(soil_temperature: Tensor, ground_heat: Tensor, half_layer: Tensor, conductivity: Tensor) -> Coupling:
    """Surface coupling that hands the snow's ground heat flux to the soil.

    Parameters
    ----------
    soil_temperature : Of the top layer. [K]
    ground_heat : Into the ground. [W m-2]
    half_layer : Half the thickness of the top layer. [m]
    conductivity : Of snow and half layer together. [W m-1 K-1]
    """
    base = soil_temperature + ground_heat * half_layer / conductivity
    return Coupling(base, torch.ones_like(base), conductivity)


def bare_coupling(given: SurfaceInput, conductivity: Tensor) -> Coupling:
    """Surface coupling of snow-free ground: the skin balance with ground heat left implicit (Noah: YY, ZZ1)."""
    air, potential = given.air, given.potential
    supplied = given.radiation - potential.freezing_rain_heat - given.latent_heat
    excess = (supplied - emitted_radiation(given.emissivity, air.temperature)) / potential.heat_transfer
    excess = excess + air.potential_temperature - air.temperature
    exchange = potential.heat_transfer * potential.radiation_factor
    return Coupling(
        temperature=air.temperature + excess / potential.radiation_factor,
        factor=conductivity / (given.half_layer * exchange) + 1.0,
        conductivity=conductivity,
    )


def merged_coupling(weight: Tensor, snow: Coupling, bare: Coupling, transitions: Transitions = SHARP) -> Coupling:
    """Snow-covered and bare share of the ground side by side: their fluxes into the soil add up.

    Parameters
    ----------
    weight : Of the snow-covered ground. [1]
    snow, bare : Coupling of either.
    transitions : At the switches.
    """
    if isinstance(transitions, SharpTransitions):
        return transitions.merge(weight, snow, bare)
    conductivity = transitions.merge(weight, snow.conductivity, bare.conductivity)
    through_snow = weight * snow.conductivity / snow.factor
    through_bare = (1.0 - weight) * bare.conductivity / bare.factor
    together = through_snow + through_bare
    temperature = (through_snow * snow.temperature + through_bare * bare.temperature) / together
    return Coupling(temperature, conductivity / together, conductivity)


def bare_balance(given: SurfaceInput, coupling: Coupling, soil_temperature: Tensor) -> SurfaceBalance:
    """Skin temperature and ground heat of snow-free ground from the soil temperature just computed (Noah: SHFLX).

    Parameters
    ----------
    given : What is known of the surface.
    coupling : That the soil was solved with.
    soil_temperature : Of the top layer, at the end of the step. [K]
    """
    air, potential = given.air, given.potential
    skin = (coupling.temperature + (coupling.factor - 1.0) * soil_temperature) / coupling.factor
    ground_heat = coupling.conductivity * (skin - soil_temperature) / given.half_layer
    emission = emitted_radiation(given.emissivity, skin)
    error = linearised_emission(air, potential, given.emissivity, skin) - emission
    heat = given.precipitation.heat_capacity_flux * (skin - air.temperature)
    return SurfaceBalance(skin, ground_heat, emission, heat, torch.zeros_like(skin), error)
