"""Evaporation: Penman's potential rate, canopy resistance, and its split into soil, canopy and roots."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.constants import (
    GAS_CONSTANT_DRY_AIR,
    HEAT_CAPACITY_AIR,
    HEAT_CAPACITY_AIR_PENMAN,
    LATENT_HEAT_FUSION,
    LATENT_HEAT_SUBLIMATION,
    LATENT_HEAT_VAPORISATION,
    STEFAN_BOLTZMANN,
)
from noahpy_core.fixed import ModelPart
from noahpy_core.numerics import at_least, between, positive_part, safe_divide, safe_power
from noahpy_core.parameters import Parameters, SoilParameters, VegetationParameters
from noahpy_core.physics.atmosphere import Air
from noahpy_core.physics.snow import Precipitation
from noahpy_core.physics.surface import Ground
from noahpy_core.state import SoilState

LATENT_OVER_HEAT_CAPACITY = 2.4888e3
"""Latent heat of vaporisation over the heat capacity of air, as rounded in the Penman equation. [K]"""
EMISSION_OVER_EXCHANGE = 6.48e-8
"""4 sigma R_d/c_p, as rounded in the Penman equation. [W m-2 K-4 x R_d/c_p]"""


class Potential(NamedTuple):
    """Potential evaporation and the coefficients of the linearised surface balance, ``[column]``."""

    rate: Tensor
    """[kg m-2 s-1]"""
    cooling: Tensor
    """Heat of potential evaporation over the heat transfer (Noah: EPSCA). [K]"""
    heat_transfer: Tensor
    """rho c_p C_h (Noah: RCH). [W m-2 K-1]"""
    emission_factor: Tensor
    """Linearised emission over heat transfer. [1]"""
    precipitation_factor: Tensor
    """Heat capacity flux of precipitation over heat transfer. [1]"""
    freezing_rain_heat: Tensor
    """Latent heat set free by freezing rain, negative (Noah: FLX2). [W m-2]"""

    @property
    def radiation_factor(self) -> Tensor:
        """Everything that cools in proportion to surface minus air temperature, plus one (Noah: RR)."""
        return self.emission_factor + 1.0 + self.precipitation_factor


class CanopyResistance(NamedTuple):
    """Resistance of the leaves [s m-1], the plant coefficient and the four stress factors [1], ``[column]``."""

    resistance: Tensor
    plant_coefficient: Tensor
    light: Tensor
    temperature: Tensor
    humidity: Tensor
    moisture: Tensor


class Stress(NamedTuple):
    """What is left of the largest opening of stomata: the four factors of `CanopyResistance`. [1]"""

    light: Tensor
    temperature: Tensor
    humidity: Tensor
    moisture: Tensor


class Demand(NamedTuple):
    """Water that soil, canopy and roots of snow-free ground would lose. [kg m-2 s-1]"""

    soil: Tensor
    canopy: Tensor
    roots: Tensor


def potential_evaporation(
    air: Air, conductance: Tensor, radiation: Tensor, ground_heat: Tensor, emissivity: Tensor, snow: Tensor,
    precipitation: Precipitation,
) -> Potential:  # fmt: skip
    """Penman's potential evaporation with a linearised surface balance (Mahrt and Ek 1984; Noah: PENMAN).

    Parameters
    ----------
    air : The air of the step.
    conductance : For heat and moisture. [m s-1]
    radiation : Absorbed shortwave and longwave. [W m-2]
    ground_heat : Into the ground, from the temperatures at the start of the step. [W m-2]
    emissivity : [1]
    snow : Snow cover, which weights the latent heats. [1]
    precipitation : Its phase: freezing rain sets heat free, all of it is brought to surface temperature.
    """
    ratio = LATENT_HEAT_SUBLIMATION / LATENT_HEAT_VAPORISATION
    latent_over_capacity = LATENT_OVER_HEAT_CAPACITY * ((1.0 - snow) + snow * ratio)
    slope = latent_over_capacity * air.saturation_slope
    fourth_power = air.temperature**4
    heat_transfer = air.density * HEAT_CAPACITY_AIR_PENMAN * conductance
    emission_factor = emissivity * fourth_power * EMISSION_OVER_EXCHANGE / (air.pressure * conductance)
    precipitation_factor = precipitation.heat_capacity_flux / heat_transfer
    freezing_rain_heat = -LATENT_HEAT_FUSION * precipitation.freezing_rain

    net = radiation - emissivity * STEFAN_BOLTZMANN * fourth_power - ground_heat - freezing_rain_heat
    available = net / heat_transfer + air.potential_temperature - air.temperature
    deficit = latent_over_capacity * (air.saturation_humidity - air.humidity)
    factor = emission_factor + 1.0 + precipitation_factor
    cooling = (deficit * factor + available * slope) / (slope + factor)
    evaporation = cooling * heat_transfer / latent_heat(snow)
    return Potential(evaporation, cooling, heat_transfer, emission_factor, precipitation_factor, freezing_rain_heat)


def latent_heat(snow: Tensor) -> Tensor:
    """Latent heat of vapour leaving a surface partly covered by snow. [J kg-1]"""
    return (1.0 - snow) * LATENT_HEAT_VAPORISATION + snow * LATENT_HEAT_SUBLIMATION


def relative_availability(liquid: Tensor, surface_soil: SoilParameters) -> Tensor:
    """Liquid water between wilting point and field capacity, limited to 0..1.

    Departs from what one would expect, as the original: the surface layer's limits serve every layer.
    """
    wilting, reference = surface_soil.wilting_point, surface_soil.field_capacity
    assert wilting is not None
    assert reference is not None
    return between((liquid - wilting[0]) / (reference[0] - wilting[0]), 0.0, 1.0)


def temperature_stress(air: Air, plant: VegetationParameters) -> Tensor:
    """Opening of stomata by the temperature of the air (Chen et al. 1996; Noah: RCT). [1]

    Parameters
    ----------
    air : Its temperature is read.
    plant : Its optimum is read.
    """
    return at_least(1.0 - 0.0016 * (plant.optimum_air_temperature - air.temperature) ** 2, 1.0e-4)


def moisture_stress(soil: SoilState, parameters: Parameters, column: SoilColumn) -> Tensor:
    """Opening of stomata by the water that roots can have (Chen et al. 1996; Noah: RCSOIL). [1]

    Parameters
    ----------
    soil : Liquid water is read, ``[layer, column]``. [m3 m-3]
    parameters : Those of plants and soil are read.
    column : Its layers hold the roots.
    """
    weights = parameters.vegetation.root_fraction(column)
    return at_least((weights * relative_availability(soil.liquid_water, parameters.soil)).sum(0), 1.0e-4)


def plant_coefficient(resistance: Tensor, conductance: Tensor, air: Air, emissivity: Tensor) -> Tensor:
    """Transpiration over potential evaporation of a dry canopy, in Penman's linearised balance (Noah: PC). [1]

    Parameters
    ----------
    resistance : Of the canopy. [s m-1]
    conductance : Of the air, for heat and moisture. [m s-1]
    air : Of the step.
    emissivity : Of the surface. [1]
    """
    emission = 4.0 * emissivity * STEFAN_BOLTZMANN * GAS_CONSTANT_DRY_AIR / HEAT_CAPACITY_AIR
    factor = emission * air.temperature**4 / (air.pressure * conductance) + 1.0
    slope = (LATENT_HEAT_VAPORISATION / HEAT_CAPACITY_AIR) * air.saturation_slope
    return (factor + slope) / (factor * (1.0 + resistance * conductance) + slope)


def stressed_canopy(
    area: Tensor, stress: Stress, plant: VegetationParameters, ground: Ground, air: Air, conductance: Tensor,
    emissivity: Tensor,
) -> CanopyResistance:  # fmt: skip
    """The resistance of leaves that stand side by side and open as their stresses let them, ``[column]``.

    Parameters
    ----------
    area : Of the leaves. [1]
    stress : What is left of their largest opening.
    plant : The resistance of a leaf that nothing stresses is read.
    ground : Where it has no plants the resistance is 0.
    air : Of the step.
    conductance : Of the air, for heat and moisture. [m s-1]
    emissivity : Of the surface. [1]
    """
    opening = area * stress.light * stress.temperature * stress.humidity * stress.moisture
    resistance = plant.minimum_stomatal_resistance / opening
    coefficient = plant_coefficient(resistance, conductance, air, emissivity)
    return CanopyResistance(torch.where(ground.vegetation_fraction > 0, resistance, 0.0), coefficient, *stress)


class Jarvis1976(ModelPart):
    """Canopy resistance by four independent stresses (Jarvis 1976; Chen et al. 1996, eqs 12-14; Noah: CANRES)."""

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
        light_ratio = 0.55 * 2.0 * shortwave / (plant.radiation_stress_scale * ground.leaf_area_index)
        smallest = plant.minimum_stomatal_resistance / plant.maximum_stomatal_resistance
        light = at_least((light_ratio + smallest) / (1.0 + light_ratio), 1.0e-4)
        temperature = temperature_stress(air, plant)
        deficit = plant.humidity_stress_coefficient * (air.saturation_humidity - air.humidity)
        humidity = at_least(1.0 / (1.0 + deficit), 0.01)
        moisture = moisture_stress(soil, parameters, self.column)
        stress = Stress(light, temperature, humidity, moisture)
        return stressed_canopy(ground.leaf_area_index, stress, plant, ground, air, conductance, emissivity)


class NoahEvaporation(ModelPart):
    """Split of potential evaporation into soil, canopy water and roots (Noah: EVAPO, DEVAP, TRANSP).

    Bare-soil evaporation falls with a power of the relative wetness of the top layer (Ek et al. 2003); the wet part of
    the canopy evaporates freely; the dry part transpires by the plant coefficient, from each layer by root fraction and
    relative availability.
    """

    def __init__(self, column: SoilColumn) -> None:
        super().__init__()
        self.column = column

    def forward(
        self, soil: SoilState, canopy_water: Tensor, ground: Ground, potential: Tensor, plant_coefficient: Tensor,
        parameters: Parameters,
    ) -> Demand:  # fmt: skip
        """Demand of soil and canopy, ``[column]``, and of roots, ``[layer, column]``. [kg m-2 s-1]

        Parameters
        ----------
        soil : Water of the layers, ``[layer, column]``. [m3 m-3]
        canopy_water : ``[column]``. [kg m-2]
        ground : Vegetation fraction is read.
        potential : Potential rate, not negative. [kg m-2 s-1]
        plant_coefficient : Transpiration over the potential rate of a dry canopy. [1]
        parameters : Those of plants and soil are read.
        """
        fraction = ground.vegetation_fraction
        wet_fraction = safe_power(
            canopy_water / parameters.vegetation.canopy_capacity, parameters.vegetation.canopy_wetness_exponent
        )
        transpiration = fraction * plant_coefficient * potential * (1.0 - wet_fraction)
        return Demand(
            soil=self._bare_soil_fraction(soil, parameters) * (1.0 - fraction) * potential,
            canopy=fraction * wet_fraction * potential,
            roots=transpiration * self._root_shares(soil, parameters),
        )

    def _bare_soil_fraction(self, soil: SoilState, parameters: Parameters) -> Tensor:
        dry_limit = parameters.soil.dry_limit
        assert dry_limit is not None
        wetness = (soil.moisture[0] - dry_limit[0]) / (parameters.soil.porosity[0] - dry_limit[0])
        return between(safe_power(positive_part(wetness), parameters.general.soil_evaporation_exponent), 0.0, 1.0)

    def _root_shares(self, soil: SoilState, parameters: Parameters) -> Tensor:
        """Share of transpiration taken from each layer, ``[layer, column]``, summing to 1 (0 when all is dry)."""
        plant = parameters.vegetation
        rooted = plant.rooted(self.column)
        available = torch.where(rooted, relative_availability(soil.liquid_water, parameters.soil), 0.0)
        mean = available.sum(0) / plant.root_layers
        preference = positive_part(plant.root_fraction(self.column) + available - mean)
        weights = available * torch.where(rooted, preference, 0.0)
        return safe_divide(weights, weights.sum(0))
