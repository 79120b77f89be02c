"""Humidity, density and potential temperature of the air above the surface."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.constants import FREEZING_POINT, GAS_CONSTANT_DRY_AIR
from noahpy_core.numerics import positive_part
from noahpy_core.parameters import GeneralParameters
from noahpy_core.physics import air_rules
from noahpy_core.state import Forcing

ADIABATIC_LAPSE_RATE = 0.0098
"""[K m-1]"""
VIRTUAL_FACTOR = 0.61


class Air(NamedTuple):
    """The air of one step with its derived properties, ``[column]``."""

    temperature: Tensor
    pressure: Tensor
    humidity: Tensor
    wind_speed: Tensor
    virtual_temperature: Tensor
    potential_temperature: Tensor
    density: Tensor
    saturation_humidity: Tensor
    saturation_slope: Tensor
    temperature_height: Tensor
    wind_height: Tensor


def diagnose_air(forcing: Forcing, parameters: GeneralParameters) -> Air:
    """Derived properties of the air.

    Potential temperature refers to the surface (Noah: TH2 = SFCTMP + 0.0098 ZLVL).
    """
    temperature, pressure, humidity = forcing.air_temperature, forcing.air_pressure, forcing.specific_humidity
    virtual_temperature = temperature * (1.0 + VIRTUAL_FACTOR * humidity)
    return Air(
        temperature=temperature,
        pressure=pressure,
        humidity=humidity,
        wind_speed=positive_part(forcing.wind_speed),
        virtual_temperature=virtual_temperature,
        potential_temperature=temperature + ADIABATIC_LAPSE_RATE * parameters.air_temperature_height,
        density=pressure / (GAS_CONSTANT_DRY_AIR * virtual_temperature),
        saturation_humidity=saturation_specific_humidity(temperature, pressure),
        saturation_slope=saturation_slope(temperature, pressure),
        temperature_height=parameters.air_temperature_height,
        wind_height=parameters.wind_height,
    )


def saturation_specific_humidity(temperature: Tensor, pressure: Tensor) -> Tensor:
    """Specific humidity of saturated air over water (Noah: Q2SAT).

    Parameters
    ----------
    temperature : [K]
    pressure : [Pa]

    Returns
    -------
    Specific humidity. [kg kg-1]
    """
    found: Tensor = air_rules.saturation_specific_humidity(temperature, pressure, torch.exp)
    return found


def saturation_slope(temperature: Tensor, pressure: Tensor) -> Tensor:
    """Increase of saturation specific humidity with temperature (Noah: DQSDT2). [kg kg-1 K-1]

    Notes
    -----
    The derivative of the Magnus form q_s a (T_0 - c)/(T - c)^2, a = 17.67, c = 29.65 K (Bolton 1980, Mon. Wea. Rev.
    108, eq. 10), not that of `saturation_specific_humidity`; the two differ by less than 1 %.
    """
    magnus, offset = 17.67, 29.65
    humidity = saturation_specific_humidity(temperature, pressure)
    return humidity * magnus * (FREEZING_POINT - offset) / (temperature - offset) ** 2
