"""The snowpack: new snow, density and conductivity, compaction, and the water balance of sublimation and melt."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.constants import (
    FREEZING_POINT,
    LATENT_HEAT_FUSION,
    SPECIFIC_HEAT_ICE,
    SPECIFIC_HEAT_WATER,
    WATER_DENSITY,
)
from noahpy_core.fixed import ModelPart
from noahpy_core.numerics import at_least, at_most, between, positive_part, safe_divide, safe_power
from noahpy_core.physics.transitions import (
    FREEZING_RAIN_RANGE,
    SHARP,
    SNOWFALL_RANGE,
    WET_SNOW_RANGE,
    Transitions,
)
from noahpy_core.state import Forcing, SnowState
from noahpy_core.trees import select


class Precipitation(NamedTuple):
    """Precipitation of one step by phase, ``[column]``. [kg m-2 s-1]"""

    snow: Tensor
    freezing_rain: Tensor
    """Rain that freezes on the surface."""
    liquid: Tensor

    @property
    def solid(self) -> Tensor:
        """What joins the snowpack."""
        return self.snow + self.freezing_rain

    @property
    def heat_capacity_flux(self) -> Tensor:
        """Heat it takes to warm the precipitation by one degree, by the phase in which it falls. [W m-2 K-1]"""
        return SPECIFIC_HEAT_ICE * self.snow + SPECIFIC_HEAT_WATER * (self.freezing_rain + self.liquid)


class Snowpack(NamedTuple):
    """Snow after snowfall, before the energy balance, ``[column]``."""

    present: Tensor
    water_equivalent: Tensor
    depth: Tensor
    density: Tensor
    conductivity: Tensor
    removed: Tensor


def precipitation_phase(forcing: Forcing, skin_temperature: Tensor, transitions: Transitions = SHARP) -> Precipitation:
    """Snow as the forcing says, else all precipitation of freezing air; rain on a frozen surface freezes on it.

    Parameters
    ----------
    forcing : Air temperature, precipitation, and its share of snow where that is given.
    skin_temperature : ``[column]``. [K]
    transitions : At the switches.
    """
    rate = forcing.precipitation
    if forcing.snowfall is None:
        snow = rate * transitions.falling(forcing.air_temperature, FREEZING_POINT, SNOWFALL_RANGE)
    else:
        snow = at_most(forcing.snowfall, rate)
    rain = rate - snow
    freezing = rain * (1.0 - transitions.rising(skin_temperature, FREEZING_POINT, FREEZING_RAIN_RANGE))
    return Precipitation(snow, freezing, rain - freezing)


def add_snowfall(
    snow: SnowState,
    precipitation: Precipitation,
    air_temperature: Tensor,
    dt: Tensor | float,
    transitions: Transitions = SHARP,
) -> Snowpack:
    """The pack with this step's snowfall or freezing rain on it (Noah: SNOW_NEW).

    A pack of less than 0.1 g m-2 is removed first; what was removed is returned, so that the budget can book it.

    Parameters
    ----------
    snow : The pack at the start of the step.
    precipitation : By phase. [kg m-2 s-1]
    air_temperature : ``[column]``. [K]
    dt : Length of the step. [s]
    transitions : At the switches.
    """
    carried = snow.water_equivalent > transitions.negligible_snow
    old_water = torch.where(carried, snow.water_equivalent, 0.0)
    old_depth = torch.where(carried, snow.depth, 0.0)
    old_density = safe_divide(old_water, old_depth)
    added = precipitation.solid * dt
    fresh_density = new_snow_density(air_temperature)
    fresh_depth = added / fresh_density
    depth = old_depth + fresh_depth
    mixed = safe_divide(old_depth * old_density + fresh_depth * fresh_density, depth)
    # A layer thinner than 0.01 mm takes the larger density, as in the original.
    mixed = torch.where(depth < transitions.thin_layer, at_least(old_density, fresh_density), mixed)
    density = torch.where(added > 0, mixed, old_density)
    water = old_water + added
    present = water > 0
    conductivity = torch.where(present, snow_conductivity(density), 1.0)
    return Snowpack(present, water, depth, density, conductivity, removed=snow.water_equivalent - old_water)


def new_snow_density(air_temperature: Tensor) -> Tensor:
    """Density of falling snow: 50 kg m-3 below -15 degC, 50 + 1.7 (T + 15)^1.5 above (Gottlib 1980). [kg m-3]"""
    return 50.0 + 1.7 * safe_power(air_temperature - FREEZING_POINT + 15.0, 1.5)


def snow_conductivity(density: Tensor) -> Tensor:
    """Thermal conductivity of snow (Noah: CSNOW). [W m-1 K-1]

    Notes
    -----
    Dyachkova's equation 0.328 x 10^(2.25 rho/rho_w) cal-based units, doubled as in the original.
    """
    return 2.0 * 0.11631 * 0.328 * 10.0 ** (2.25 * density / WATER_DENSITY)


def compacted_density(
    density: Tensor,
    water_equivalent: Tensor,
    snow_temperature: Tensor,
    base_temperature: Tensor,
    dt: Tensor | float,
    transitions: Transitions = SHARP,
) -> Tensor:
    """Density after settling under its own weight (Noah: SNOWPACK). [kg m-3]

    Parameters
    ----------
    density : [kg m-3]
    water_equivalent : [kg m-2]
    snow_temperature, base_temperature : Of the surface and the ground below. [K]
    dt : [s]

    Notes
    -----
    Anderson 1976 (eq. 3.29, integrated as in Koren et al. 1999): rho (exp(b W) - 1)/(b W), b = hours x 0.01
    exp(0.08 T_mean - 21 rho), by five terms of the series; 50 to 400 kg m-3; melting snow takes up 13 % water a day.
    """
    hours = dt / 3600.0
    relative = density / WATER_DENSITY
    mean_celsius = 0.5 * ((snow_temperature - FREEZING_POINT) + (base_temperature - FREEZING_POINT))
    load = at_least(water_equivalent * 0.1, 1.0e-2)
    exponent = hours * 0.01 * torch.exp(0.08 * mean_celsius - 21.0 * relative) * load
    series = torch.zeros_like(exponent)
    for term in range(5, 1, -1):
        series = (1.0 + series) * exponent / term
    relative = between(relative * (series + 1.0), 0.05, 0.40)
    uptake = 0.13 * hours / 24.0
    wet = at_most(relative * (1.0 - uptake) + uptake, 0.40)
    melting = 1.0 - transitions.falling(snow_temperature, FREEZING_POINT, WET_SNOW_RANGE)
    return transitions.merge(melting, wet, relative) * WATER_DENSITY


class NoahSnowMelt(ModelPart):
    """All heat left at a melting surface melts snow."""

    def forward(self, available_heat: Tensor) -> Tensor:
        """Melt, ``[column]``. [kg m-2 s-1]

        Parameters
        ----------
        available_heat : Left at a surface held at the freezing point, ``[column]``. [W m-2]
        """
        return available_heat / LATENT_HEAT_FUSION


class PackBalance(NamedTuple):
    """Snow water after sublimation and melt, the melt, and water the limits created. [kg m-2, kg m-2 s-1]"""

    water_equivalent: Tensor
    melt: Tensor
    created: Tensor


def sublimate(water_equivalent: Tensor, loss: Tensor) -> PackBalance:
    """A frozen pack loses (or gains) vapour; what sublimates beyond its content is created."""
    left = water_equivalent - loss
    remaining = positive_part(left)
    return PackBalance(remaining, torch.zeros_like(left), remaining - left)


def sublimate_and_melt(
    water_equivalent: Tensor, loss: Tensor, demand: Tensor, dt: Tensor | float, smallest: float = SHARP.smallest_pack
) -> PackBalance:
    """A melting pack loses vapour, then melts by at most what is there; a rest below `smallest` [kg m-2] goes too.

    Parameters
    ----------
    water_equivalent : ``[column]``. [kg m-2]
    loss : Sublimation less frost of the step. [kg m-2]
    demand : Melt that the heat allows. [kg m-2 s-1]
    dt : Length of the step. [s]
    smallest : Pack that melts whole. [kg m-2]
    """
    left = water_equivalent - loss
    survives = left > smallest
    start = torch.where(survives, left, 0.0)
    after = start - demand * dt
    partial = after >= smallest
    melt = torch.where(survives, torch.where(partial, demand, start / dt), 0.0)
    remaining = torch.where(survives & partial, after, 0.0)
    return PackBalance(remaining, melt, start - left)


class NoahSnow(ModelPart):
    """Noah's one-layer pack: mixed with new snow, melted by the heat left at the surface, settling under its weight.

    Parameters
    ----------
    transitions : At the switches.
    snow_melt : Melt by the heat left at the surface.
    """

    def __init__(self, transitions: Transitions, snow_melt: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.transitions = transitions
        self.snow_melt = snow_melt

    def precipitation(self, forcing: Forcing, skin_temperature: Tensor) -> Precipitation:
        """Precipitation by phase, ``[column]``. [kg m-2 s-1]"""
        return precipitation_phase(forcing, skin_temperature, self.transitions)

    def snowed_on(
        self, snow: SnowState, precipitation: Precipitation, air_temperature: Tensor, dt: Tensor | float
    ) -> Snowpack:
        """The pack with the snow of a step of `dt` seconds on it, at an air temperature [K].

        Parameters
        ----------
        snow : The pack at the start of the step.
        precipitation : By phase. [kg m-2 s-1]
        air_temperature : ``[column]``. [K]
        dt : Length of the step. [s]
        """
        return add_snowfall(snow, precipitation, air_temperature, dt, self.transitions)

    def deplete(
        self, pack: Snowpack, loss: Tensor, heat: Tensor, skin_temperature: Tensor, dt: Tensor | float
    ) -> PackBalance:
        """Snow water after sublimation and melt; melt is limited by the heat and by the snow at hand.

        Parameters
        ----------
        pack : With this step's snow.
        loss : Sublimation less frost of the step, ``[column]``. [kg m-2]
        heat : Left for melting, ``[column]``. [W m-2]
        skin_temperature : ``[column]``. [K]
        dt : Length of the step. [s]

        Returns
        -------
        What is left [kg m-2], melt [kg m-2 s-1], and water that the limits created [kg m-2], ``[column]``.
        """
        demand = at_most(positive_part(self.snow_melt(heat)), heat / LATENT_HEAT_FUSION)
        melting = sublimate_and_melt(pack.water_equivalent, loss, demand, dt, self.transitions.smallest_pack)
        warm = skin_temperature > FREEZING_POINT
        return select(warm | (heat > 0), melting, sublimate(pack.water_equivalent, loss))

    def settled(
        self,
        pack: Snowpack,
        left: PackBalance,
        skin_temperature: Tensor,
        base_temperature: Tensor,
        age: Tensor,
        dt: Tensor | float,
    ) -> SnowState:
        """The compacted pack at the end of the step.

        Parameters
        ----------
        pack, left : With this step's snow, and what is left of its water.
        skin_temperature, base_temperature : Above and below the pack, ``[column]``. [K]
        age : Of its surface, ``[column]``. [s]
        dt : Length of the step. [s]

        Returns
        -------
        Water equivalent [kg m-2], depth [m] and age [s], ``[column]``.
        """
        density = compacted_density(
            pack.density, left.water_equivalent, skin_temperature, base_temperature, dt, self.transitions
        )
        return SnowState(left.water_equivalent, left.water_equivalent / density, age)
