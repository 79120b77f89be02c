"""Skin temperature and the coupling of the ground to it, with and without snow."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.constants import (
    FREEZING_POINT,
    SPECIFIC_HEAT_ICE,
    SPECIFIC_HEAT_WATER,
    STEFAN_BOLTZMANN,
)
from noahpy_core.numerics import positive_part
from noahpy_core.physics.atmosphere import Air
from noahpy_core.physics.evaporation import Potential
from noahpy_core.physics.snow import Precipitation, Snowpack
from noahpy_core.physics.soil_heat import Coupling

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
    melt_demand: Tensor
    """Heat left for melting at a surface held near the freezing point. [W m-2]"""
    melting: Tensor
    precipitation_heat: Tensor
    discrepancy: Tensor
    """Heat by which the linearised balance departs from the fluxes reported, other than sensible heat. [W m-2]"""


def shaded_conductivity(conductivity: Tensor, coefficient: Tensor, vegetation_fraction: Tensor) -> Tensor:
    """Conductivity of the top soil under vegetation (Peters-Lidard et al. 1997: exp(-2 fraction)). [W m-1 K-1]"""
    return conductivity * torch.exp(coefficient * vegetation_fraction)


def ground_conduction(soil_conductivity: Tensor, half_layer: Tensor, pack: Snowpack, cover: Tensor) -> GroundConduction:
    """Snow and the upper half of the first soil layer as one conductor.

    The parallel (arithmetic) mean by thickness is weighted with the snow cover against bare soil, as in the original.
    """
    soil = torch.where(cover > FULL_COVER, pack.conductivity, soil_conductivity)
    distance = pack.depth + half_layer
    share = pack.depth / distance
    under_snow = share * pack.conductivity + (1.0 - share) * soil
    return GroundConduction(under_snow * cover + soil * (1.0 - cover), distance)


def linearised_emission(air: Air, potential: Potential, emissivity: Tensor, skin_temperature: Tensor) -> Tensor:
    """Emitted longwave radiation, linearised about the air temperature. [W m-2]"""
    slope = potential.emission_factor * potential.heat_transfer
    return emissivity * STEFAN_BOLTZMANN * air.temperature**4 + slope * (skin_temperature - air.temperature)


def emitted_radiation(emissivity: Tensor, skin_temperature: Tensor) -> Tensor:
    """Emitted longwave radiation. [W m-2]"""
    return emissivity * STEFAN_BOLTZMANN * skin_temperature**4


def snow_balance(
    air: Air, potential: Potential, emissivity: Tensor, radiation: Tensor, latent_heat: Tensor,
    precipitation: Precipitation, conduction: GroundConduction, soil_temperature: Tensor, old_skin: Tensor,
    cover: Tensor,
) -> SurfaceBalance:  # fmt: skip
    """Skin temperature over snow, explicit in the soil temperature; the excess above freezing melts snow (SNOPAC).

    Parameters
    ----------
    radiation : Absorbed. [W m-2]
    latent_heat : Of the evaporation and sublimation of the step. [W m-2]
    conduction, soil_temperature : To the first soil node and its temperature. [K]
    old_skin : Skin temperature at the start, at which precipitation is heated. [K]
    cover : Snow cover; where it is partial the skin may be warmer than melting snow. [1]
    """
    rate = precipitation.solid + precipitation.liquid
    heat_capacity_flux = torch.where(precipitation.snowing, SPECIFIC_HEAT_ICE * rate, SPECIFIC_HEAT_WATER * rate)
    precipitation_heat = heat_capacity_flux * (old_skin - air.temperature)
    given = radiation - precipitation_heat - potential.freezing_rain_heat
    exchange = potential.radiation_factor * potential.heat_transfer
    to_soil = conduction.conductivity / conduction.distance
    above_air = (given - emitted_radiation(emissivity, air.temperature) - latent_heat) / potential.heat_transfer
    above_air = (above_air + air.potential_temperature - air.temperature) / potential.radiation_factor
    cold = (air.temperature + above_air + to_soil * soil_temperature / exchange) / (1.0 + to_soil / exchange)

    melting = cold > FREEZING_POINT
    frozen_part = cover**2
    skin = torch.where(melting, FREEZING_POINT * frozen_part + cold * (1.0 - frozen_part), cold)
    ground_heat = to_soil * (skin - soil_temperature)
    sensible = potential.heat_transfer * (skin - air.potential_temperature)
    left = given - emitted_radiation(emissivity, skin) - ground_heat - sensible - latent_heat
    demand = torch.where(melting, positive_part(left), 0.0)

    # The linearised balance counts the heat of precipitation a second time at the new skin temperature.
    doubled = potential.precipitation_factor * potential.heat_transfer * (skin - air.temperature)
    error = linearised_emission(air, potential, emissivity, skin) - emitted_radiation(emissivity, skin)
    discrepancy = torch.where(melting, left, doubled + error)
    return SurfaceBalance(skin, ground_heat, demand, melting, precipitation_heat, discrepancy)


def snow_coupling(soil_temperature: Tensor, ground_heat: Tensor, half_layer: Tensor, conductivity: Tensor) -> Coupling:
    """Surface coupling that hands the snow's ground heat flux to the soil."""
    base = soil_temperature + ground_heat * half_layer / conductivity
    return Coupling(base, torch.ones_like(base), conductivity)


def bare_coupling(
    air: Air, potential: Potential, emissivity: Tensor, radiation: Tensor, evaporation_ratio: Tensor,
    conductivity: Tensor, half_layer: Tensor,
) -> Coupling:  # fmt: skip
    """Surface coupling of snow-free ground: the skin balance with ground heat left implicit (Noah: YY, ZZ1)."""
    net = radiation - emitted_radiation(emissivity, air.temperature)
    excess = net / potential.heat_transfer + air.potential_temperature - air.temperature
    excess = excess - evaporation_ratio * potential.cooling
    exchange = potential.heat_transfer * potential.radiation_factor
    return Coupling(
        temperature=air.temperature + excess / potential.radiation_factor,
        factor=conductivity / (half_layer * exchange) + 1.0,
        conductivity=conductivity,
    )


def bare_balance(
    air: Air, potential: Potential, emissivity: Tensor, coupling: Coupling, soil_temperature: Tensor,
    half_layer: Tensor, precipitation: Tensor, old_skin: Tensor,
) -> SurfaceBalance:  # fmt: skip
    """Skin temperature and ground heat of snow-free ground from the soil temperature just computed (Noah: SHFLX)."""
    skin = (coupling.temperature + (coupling.factor - 1.0) * soil_temperature) / coupling.factor
    ground_heat = coupling.conductivity * (skin - soil_temperature) / half_layer
    error = linearised_emission(air, potential, emissivity, skin) - emitted_radiation(emissivity, skin)
    heat = SPECIFIC_HEAT_WATER * precipitation * (skin - air.temperature)
    none = torch.zeros_like(skin)
    return SurfaceBalance(skin, ground_heat, none, none > 0, heat, error)
