"""The energy balance of a skin at the end of the step, on ground and on snow, with its slope.

Heat into the surface is radiation less emission, sensible and latent heat, all at the temperature looked for: nothing
is linearised, so nothing is created. Evaporation of each store is limited to what the store can give within the
balance itself.

Enthalpy of water is counted from liquid water at the melting point. Vapour then carries the latent heat of
vaporisation, ice lacks that of fusion, and vapour that leaves or joins ice takes their sum.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.constants import (
    FREEZING_POINT,
    GAS_CONSTANT_VAPOUR,
    HEAT_CAPACITY_AIR,
    LATENT_HEAT_FUSION,
    LATENT_HEAT_VAPORISATION,
    SATURATION_PRESSURE,
    STEFAN_BOLTZMANN,
    VAPOUR_RATIO,
)
from noahpy_core.numerics import at_most, between, positive_part
from noahpy_core.physics.exchange_louis import SurfaceLayer, Transfer
from noahpy_core.physics.exchange_supplied import SuppliedLayer
from noahpy_core.physics.limits import SHARP_LIMITS, Limits

LATENT_HEAT_ICE = LATENT_HEAT_VAPORISATION + LATENT_HEAT_FUSION
"""Of vapour from ice, the sum of the other two, so that a way round by water gains nothing. [J kg-1]"""
FROST_RANGE = 1.0
"""Below the melting point condensation on bare ground turns from dew into frost over so many degrees. [K]"""


class SnowSkin(NamedTuple):
    """The surface of the snow, ``[column]``."""

    air: SurfaceLayer | SuppliedLayer
    pressure: Tensor
    humidity: Tensor
    absorbed: Tensor
    """Shortwave and longwave radiation. [W m-2]"""
    emissivity: Tensor
    windless: Tensor
    """Exchange of sensible heat beside that of the wind. [W m-2 K-1]"""
    largest_sublimation: Tensor
    """What the top layer can give. [kg m-2 s-1]"""
    melting_vapour: Tensor
    """What evaporates at the melting point. A top layer that is all water gives more, as water. [kg m-2 s-1]"""
    limits: Limits = SHARP_LIMITS


class BareSkin(NamedTuple):
    """The surface of soil and vegetation, ``[column]``. Shares are of the exchange of a wet surface."""

    air: SurfaceLayer | SuppliedLayer
    pressure: Tensor
    humidity: Tensor
    density: Tensor
    absorbed: Tensor
    emissivity: Tensor
    soil_share: Tensor
    canopy_share: Tensor
    plant_share: Tensor
    plant_resistance: Tensor
    """[s m-1]"""
    soil_resistance: Tensor
    """Of the soil's surface and of what lies on it. [s m-1]"""
    largest_soil: Tensor
    """What the stores can give. [kg m-2 s-1]"""
    largest_canopy: Tensor
    largest_plant: Tensor
    top_roots: Tensor
    """Share of the transpiration that the top soil layer gives. [1]"""
    limits: Limits = SHARP_LIMITS


class Balance(NamedTuple):
    """Heat into a surface and its parts, ``[column]``. [W m-2, kg m-2 s-1]"""

    heat: Tensor
    slope: Tensor
    """Of the heat by skin temperature. [W m-2 K-1]"""
    emission: Tensor
    sensible: Tensor
    latent: Tensor
    potential: Tensor
    """Vapour flux of a wet surface. [kg m-2 s-1]"""
    soil: Tensor
    canopy: Tensor
    plants: Tensor
    condensation: Tensor
    """Dew and frost, positive. [kg m-2 s-1]"""
    frost_share: Tensor
    richardson: Tensor
    transfer: Tensor
    """Mass of air exchanged. [kg m-2 s-1]"""
    from_ice: Tensor
    """Of what leaves, what was ice. [kg m-2 s-1]"""
    from_soil: Tensor
    """Water that leaves the top soil layer, also through roots. [kg m-2 s-1]"""
    from_soil_slope: Tensor
    """Of it by skin temperature. [kg m-2 s-1 K-1]"""

    @property
    def vapour(self) -> Tensor:
        """All that leaves less what condenses. [kg m-2 s-1]"""
        return self.soil + self.canopy + self.plants - self.condensation


def saturation(temperature: Tensor, pressure: Tensor, latent_heat: Tensor | float) -> tuple[Tensor, Tensor]:
    """Specific humidity at saturation and its slope. [kg kg-1, kg kg-1 K-1]

    Parameters
    ----------
    temperature : Of the surface, ``[column]``. [K]
    pressure : Of the air, ``[column]``. [Pa]
    latent_heat : Of the vapour, by water or by ice. [J kg-1]

    Notes
    -----
    Clausius-Clapeyron with constant latent heat, as `atmosphere.saturation_specific_humidity`.

    The denominator is held above half its value in dry air: far above any weather, near boiling, humidity has a pole
    that would ruin a bracket.
    """
    vapour = SATURATION_PRESSURE * torch.exp(
        (1.0 / FREEZING_POINT - 1.0 / temperature) * (latent_heat / GAS_CONSTANT_VAPOUR)
    )
    by_temperature = vapour * (latent_heat / GAS_CONSTANT_VAPOUR) / (temperature * temperature)
    half = 0.5 * pressure
    dry = pressure - (1.0 - VAPOUR_RATIO) * at_most(vapour, half)
    held = torch.where(vapour > half, 0.0, (1.0 - VAPOUR_RATIO) * by_temperature)
    humidity = VAPOUR_RATIO * vapour / dry
    return humidity, VAPOUR_RATIO * by_temperature / dry + humidity * held / dry


def snow_balance(skin: SnowSkin, temperature: Tensor) -> Balance:
    """Heat into the snow at a skin temperature [K]: vapour leaves and joins it as ice.

    Only a top layer that is all water has a skin above the melting point. What it gives more than at that point is
    water: as ice it would have to freeze first, and the heat of that would be left in the pack.

    Notes
    -----
    In very stable air turbulence ends, and the least exchange of the air is left. A windless exchange of sensible heat,
    not of vapour, may be added (Jordan 1991, CRREL Special Report 91-16: 2 W m-2 K-1); by default there is none.
    """
    exchange = skin.air.transfer(temperature)
    saturated, steeper = saturation(temperature, skin.pressure, LATENT_HEAT_ICE)
    deficit = saturated - skin.humidity
    potential = exchange.rate * deficit
    vapour, vapour_slope = _limited(
        potential, exchange.slope * deficit + exchange.rate * steeper, skin.largest_sublimation, skin.limits
    )
    evaporated, none = positive_part(vapour), torch.zeros_like(vapour)
    of_water = (temperature > FREEZING_POINT) & (evaporated > skin.melting_vapour)
    from_ice = torch.where(of_water, skin.melting_vapour, evaporated)
    latent = LATENT_HEAT_ICE * vapour - LATENT_HEAT_FUSION * (evaporated - from_ice)
    latent_slope = vapour_slope * torch.where(of_water, LATENT_HEAT_VAPORISATION, LATENT_HEAT_ICE + none)
    return _assemble(
        skin, temperature, exchange, latent, latent_slope, potential,
        (evaporated, none, none, positive_part(-vapour), torch.ones_like(vapour)),
        (from_ice, none, none), skin.windless,
    )  # fmt: skip


def bare_balance(skin: BareSkin, temperature: Tensor) -> Balance:
    """Heat into snow-free ground at a skin temperature [K].

    Soil, canopy water and plants evaporate by their shares, each at most what it has. Condensation meets no resistance;
    it is dew above the melting point and frost one degree below it, in proportion between.
    """
    exchange = skin.air.transfer(temperature)
    cold = temperature < FREEZING_POINT
    heat_of_vapour = torch.where(cold, LATENT_HEAT_ICE, torch.full_like(temperature, LATENT_HEAT_VAPORISATION))
    saturated, steeper = saturation(temperature, skin.pressure, heat_of_vapour)
    deficit = saturated - skin.humidity
    potential = exchange.rate * deficit
    potential_slope = exchange.slope * deficit + exchange.rate * steeper
    wet = deficit > 0

    soil, soil_slope = _in_series(
        skin.soil_share, skin.soil_resistance, skin, exchange, deficit, steeper, skin.largest_soil
    )
    canopy, canopy_slope = _limited(
        skin.canopy_share * potential, skin.canopy_share * potential_slope, skin.largest_canopy, skin.limits
    )
    plants, plants_slope = _in_series(
        skin.plant_share, skin.plant_resistance, skin, exchange, deficit, steeper, skin.largest_plant
    )
    evaporated = torch.where(wet, soil + canopy + plants, 0.0)
    evaporated_slope = torch.where(wet, soil_slope + canopy_slope + plants_slope, 0.0)

    frozen = between((FREEZING_POINT - temperature) / FROST_RANGE, 0.0, 1.0)
    mixing = (temperature > FREEZING_POINT - FROST_RANGE) & cold
    heat_of_condensation = LATENT_HEAT_VAPORISATION + LATENT_HEAT_FUSION * frozen
    condensed = torch.where(wet, 0.0, -potential)
    condensed_slope = torch.where(wet, 0.0, -potential_slope)
    mixing_slope = torch.where(mixing, LATENT_HEAT_FUSION / FROST_RANGE, 0.0)
    latent = LATENT_HEAT_VAPORISATION * evaporated - heat_of_condensation * condensed
    latent_slope = (
        LATENT_HEAT_VAPORISATION * evaporated_slope - heat_of_condensation * condensed_slope + mixing_slope * condensed
    )
    # Shares and limits are for what evaporates: condensation needs no store.
    parts = tuple(torch.where(wet, part, 0.0) for part in (soil, canopy, plants))
    of_top = (soil + skin.top_roots * plants, soil_slope + skin.top_roots * plants_slope)
    stores = (torch.zeros_like(temperature), *(torch.where(wet, part, 0.0) for part in of_top))
    return _assemble(skin, temperature, exchange, latent, latent_slope, potential, (*parts, condensed, frozen), stores)


def _in_series(
    share: Tensor, resistance: Tensor, skin: BareSkin, exchange: Transfer, deficit: Tensor, steeper: Tensor,
    largest: Tensor,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """A share of the potential evaporation through a resistance in series with the air, and its slope.

    The conductance of both is g/(1 + g r/rho).
    """
    series = 1.0 / (1.0 + exchange.rate * resistance / skin.density)
    through = share * series
    potential = exchange.rate * deficit
    slope = through * (series * exchange.slope * deficit + exchange.rate * steeper)
    return _limited(through * potential, slope, largest, skin.limits)


def _limited(value: Tensor, slope: Tensor, largest: Tensor, limits: Limits) -> tuple[Tensor, Tensor]:
    """A flux held to what its store can give, and its slope: what gives all it has no longer follows the temperature.

    Parameters
    ----------
    value, slope : Of the flux, and of it by skin temperature, ``[column]``.
    largest : That the store gives, not negative. [kg m-2 s-1]
    limits : How it is held to that.
    """
    held = limits.lesser(value, largest, largest)
    return held.value, held.share * slope


def _assemble(
    skin: SnowSkin | BareSkin, temperature: Tensor, exchange: Transfer, latent: Tensor, latent_slope: Tensor,
    potential: Tensor, parts: tuple[Tensor, ...], stores: tuple[Tensor, ...], windless: Tensor | float = 0.0,
) -> Balance:  # fmt: skip
    contrast = temperature - skin.air.potential_temperature
    sensible = (HEAT_CAPACITY_AIR * exchange.rate + windless) * contrast
    sensible_slope = HEAT_CAPACITY_AIR * (exchange.slope * contrast + exchange.rate) + windless
    cubed = skin.emissivity * STEFAN_BOLTZMANN * temperature * temperature * temperature
    emission = cubed * temperature
    soil, canopy, plants, condensation, frost_share = parts
    from_ice, from_soil, from_soil_slope = stores
    return Balance(
        heat=skin.absorbed - emission - sensible - latent,
        slope=-(4.0 * cubed + sensible_slope + latent_slope),
        emission=emission,
        sensible=sensible,
        latent=latent,
        potential=potential,
        soil=soil,
        canopy=canopy,
        plants=plants,
        condensation=condensation,
        frost_share=frost_share,
        richardson=exchange.richardson,
        transfer=exchange.rate,
        from_ice=from_ice,
        from_soil=from_soil,
        from_soil_slope=from_soil_slope,
    )
