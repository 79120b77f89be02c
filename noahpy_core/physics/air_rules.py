"""Rules for air that are plain arithmetic, for tensors and arrays alike: their functions are handed in.

So the screen of `noahpy check` shows what the schemes of a run would make of its records, without torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from noahpy_core.constants import (
    FREEZING_POINT,
    GAS_CONSTANT_VAPOUR,
    LATENT_HEAT_VAPORISATION,
    SATURATION_PRESSURE,
    VAPOUR_RATIO,
)


class Mathematics(NamedTuple):
    """The exponential function, and ``between(x, low, high)``."""

    exp: Callable[[Any], Any]
    between: Callable[[Any, float, float], Any]


ARRAYS = Mathematics(np.exp, np.clip)


def saturation_specific_humidity(temperature: Any, pressure: Any, exp: Callable[[Any], Any]) -> Any:
    """Specific humidity of saturated air over water (Noah: Q2SAT).

    Parameters
    ----------
    temperature : [K]
    pressure : [Pa]
    exp : The exponential function of either.

    Returns
    -------
    Specific humidity. [kg kg-1]

    Notes
    -----
    Clausius-Clapeyron with constant latent heat, e_s = 611 Pa exp(L/R_v (1/T_0 - 1/T)), R_v = 461 J kg-1 K-1.
    """
    exponent = LATENT_HEAT_VAPORISATION / GAS_CONSTANT_VAPOUR * (1.0 / FREEZING_POINT - 1.0 / temperature)
    vapour_pressure = SATURATION_PRESSURE * exp(exponent)
    return VAPOUR_RATIO * vapour_pressure / (pressure - (1.0 - VAPOUR_RATIO) * vapour_pressure)


def snow_by_humidity(temperature: Any, humidity: Any, saturation: Any, mathematics: Mathematics) -> Any:
    """Probability of snow by temperature and relative humidity (Jennings et al. 2018, bivariate logistic). [1]

    Parameters
    ----------
    temperature : Of the air. [K]
    humidity, saturation : Specific humidity of the air, and of saturated air. [kg kg-1]
    mathematics : The functions of what is given.
    """
    exp, between = mathematics
    relative = 100.0 * between(humidity / saturation, 0.0, 1.0)
    exponent = -10.04 + 1.41 * (temperature - FREEZING_POINT) + 0.09 * relative
    return 1.0 / (1.0 + exp(between(exponent, -60.0, 60.0)))
