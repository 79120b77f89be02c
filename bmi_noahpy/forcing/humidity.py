"""Relative humidity to specific humidity, as Noah's text reader defines them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# The C library's: NumPy's vector instructions round differently from machine to machine, and one unit in the last place
# decides whether air of 100 % relative humidity is cut to 99 %.
_exponential = np.vectorize(math.exp, otypes=[np.float64])

FREEZING_POINT = 273.15  # K
SATURATION_AT_FREEZING_POINT = 611.2  # Pa
VAPORIZATION_HEAT_AT_FREEZING_POINT = 2.501e6  # J kg-1
VAPOUR_HEAT_CAPACITY = 1870.0  # J kg-1 K-1
WATER_HEAT_CAPACITY = 4187.0  # J kg-1 K-1
VAPOUR_GAS_CONSTANT = 461.5  # J kg-1 K-1
MOLAR_MASS_RATIO = 0.622  # vapour over dry air
SMALLEST_SPECIFIC_HUMIDITY = 1.0e-6  # kg kg-1
LARGEST_SATURATION = 0.99


def saturation_vapour_pressure(temperature: Array) -> Array:
    """Saturation vapour pressure over liquid water at all temperatures. [Pa]

    Parameters
    ----------
    temperature : Air temperature. [K]

    Notes
    -----
    Clausius-Clapeyron from the freezing point T0, ``e = 611.2 exp[L(T) / R_v (1/T0 - 1/T)]``, with the latent heat
    ``L(T) = 2.501e6 - (c_w - c_v) (T - T0)``. Taking L at the end temperature out of the integral makes the pressure
    0.3 % too low at 10 K from T0 and 3 % at 30 K; kept, because the original does so.
    """
    latent_heat = VAPORIZATION_HEAT_AT_FREEZING_POINT - (WATER_HEAT_CAPACITY - VAPOUR_HEAT_CAPACITY) * (
        temperature - FREEZING_POINT
    )
    exponent = latent_heat * (1.0 / FREEZING_POINT - 1.0 / temperature) / VAPOUR_GAS_CONSTANT
    found: Array = SATURATION_AT_FREEZING_POINT * _exponential(exponent)
    return found


def saturation_specific_humidity(temperature: Array, pressure: Array) -> Array:
    """Specific humidity at saturation over liquid water, temperature in K, pressure in Pa. [kg kg-1]"""
    vapour = saturation_vapour_pressure(temperature)
    return MOLAR_MASS_RATIO * vapour / (pressure - (1.0 - MOLAR_MASS_RATIO) * vapour)


def below_saturation(specific_humidity: Array, temperature: Array, pressure: Array) -> Array:
    """Specific humidity not under 1e-6, and 99 % of saturation where it reaches saturation. [kg kg-1]

    Parameters
    ----------
    specific_humidity : [kg kg-1]
    temperature : [K]
    pressure : [Pa]
    """
    saturation = saturation_specific_humidity(temperature, pressure)
    floored = np.maximum(specific_humidity, SMALLEST_SPECIFIC_HUMIDITY)
    return np.where(floored >= saturation, LARGEST_SATURATION * saturation, floored)


def specific_humidity(relative_humidity: Array, temperature: Array, pressure: Array) -> Array:
    """Specific humidity of air from its relative humidity over liquid water. [kg kg-1]

    Parameters
    ----------
    relative_humidity : Mixing ratio over saturation mixing ratio. [1]
    temperature : [K]
    pressure : [Pa]

    Notes
    -----
    With the relative humidity r a ratio of mixing ratios, the vapour pressure is ``e = p e_s r / (p - e_s (1 - r))``,
    and ``q = 0.622 e / (p - 0.378 e)``, limited as in `below_saturation`: a jump from saturation down to 99 % of it,
    which the original has.
    """
    saturation = saturation_vapour_pressure(temperature)
    vapour = (pressure * saturation * relative_humidity) / (pressure - saturation * (1.0 - relative_humidity))
    humidity = (MOLAR_MASS_RATIO * vapour) / (pressure - (1.0 - MOLAR_MASS_RATIO) * vapour)
    return below_saturation(humidity, temperature, pressure)
