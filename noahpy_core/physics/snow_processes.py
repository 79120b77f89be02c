"""Processes of layered snow, each exchangeable: phase, fresh snow, settling, conductivity, albedo, cover, retention."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from noahpy_core.constants import FREEZING_POINT, GRAVITY
from noahpy_core.fixed import ModelPart
from noahpy_core.numerics import at_least, at_most, between, positive_part
from noahpy_core.parameters import SnowParameters
from noahpy_core.physics.air_rules import Mathematics, snow_by_humidity
from noahpy_core.physics.atmosphere import Air
from noahpy_core.physics.snow_layers import ICE_DENSITY
from noahpy_core.physics.transitions import SHARP, SNOWFALL_RANGE, SharpTransitions, Transitions

SMALLEST_SNOW_DENSITY = 50.0
"""[kg m-3]"""
LARGEST_SNOW_DENSITY = 550.0
"""That settling reaches; melting and refreezing may go beyond, to solid ice. [kg m-3]"""
SMALLEST_CONDUCTIVITY = 0.03
"""[W m-1 K-1]"""
TENSORS = Mathematics(torch.exp, between)


class LayeredPiece(ModelPart):
    """A piece of the physics of layered snow."""


class NoahsOwn(ModelPart):
    """What Noah's one-layer pack does itself; layered snow needs another choice."""

    def forward(self, *given: Any) -> Tensor:
        """Never called: the combination is refused before."""
        raise NotImplementedError("snow: a piece of Noah's one-layer pack stands in a slot of layered snow.")


# --- phase of precipitation: air -> share that falls as snow ----------------------------------------------------------


class ThresholdPhase(LayeredPiece):
    """Snow where the air is at or below the melting point; with smooth transitions the share falls over 2 K around it.

    Parameters
    ----------
    transitions : Of the model.
    """

    def __init__(self, transitions: Transitions = SHARP) -> None:
        super().__init__()
        self.transitions = transitions

    def forward(self, air: Air) -> Tensor:
        """Share of precipitation that falls as snow, ``[column]``. [1]

        Parameters
        ----------
        air : Temperature, and humidity where the title says so, ``[column]``.
        """
        return 1.0 - self.transitions.rising(air.temperature, FREEZING_POINT, SNOWFALL_RANGE)


class RampPhase(LayeredPiece):
    """All snow at 0 degC, all rain at 1 degC of the air; with smooth transitions without corners at both.

    Parameters
    ----------
    transitions : Of the model.
    """

    def __init__(self, transitions: Transitions = SHARP) -> None:
        super().__init__()
        self.transitions = transitions

    def forward(self, air: Air) -> Tensor:
        """Share of precipitation that falls as snow, ``[column]``. [1]

        Parameters
        ----------
        air : Temperature, and humidity where the title says so, ``[column]``.
        """
        if isinstance(self.transitions, SharpTransitions):
            return between(FREEZING_POINT + 1.0 - air.temperature, 0.0, 1.0)
        return 1.0 - self.transitions.rising(air.temperature, FREEZING_POINT + 0.5, 1.0)


class Jennings2018(LayeredPiece):
    """Probability of snow by temperature and relative humidity of the air (Jennings et al. 2018, bivariate logistic).

    Dry air lets snow fall at higher temperatures: flakes cool by sublimation, down to the wet-bulb temperature.

    References
    ----------
    .. [1] Jennings et al. 2018, Nature Communications 9, doi:10.1038/s41467-018-03629-7.
    """

    def forward(self, air: Air) -> Tensor:
        """Share of precipitation that falls as snow, ``[column]``. [1]

        Parameters
        ----------
        air : Temperature, and humidity where the title says so, ``[column]``.
        """
        found: Tensor = snow_by_humidity(air.temperature, air.humidity, air.saturation_humidity, TENSORS)
        return found


class WetBulbPhase(LayeredPiece):
    """Share of snow by the wet-bulb temperature (Wang et al. 2019).

    References
    ----------
    .. [1] Wang et al. 2019, Geophys. Res. Lett. 46, doi:10.1029/2019GL085722.
    .. [2] Stull 2011, J. Appl. Meteorol. Climatol. 50, doi:10.1175/JAMC-D-11-0143.1 (wet-bulb temperature).
    """

    def forward(self, air: Air) -> Tensor:
        """Share of precipitation that falls as snow, ``[column]``. [1]

        Parameters
        ----------
        air : Temperature, and humidity where the title says so, ``[column]``.
        """
        celsius = air.temperature - FREEZING_POINT
        humidity = 100.0 * between(air.humidity / air.saturation_humidity, 0.05, 0.99)
        wet_bulb = (
            celsius * torch.atan(0.151977 * torch.sqrt(humidity + 8.313659))
            + torch.atan(celsius + humidity)
            - torch.atan(humidity - 1.676331)
            + 0.00391838 * humidity * torch.sqrt(humidity) * torch.atan(0.023101 * humidity)
            - 4.686035
        )
        return 1.0 / (1.0 + 6.99e-5 * torch.exp(between(2.0 * (wet_bulb + 3.97), -60.0, 60.0)))


# --- density of falling snow: air -> density --------------------------------------------------------------------------


class Pahaut1976(LayeredPiece):
    """109 + 6 T + 26 sqrt(U), T in degC and at most 0, at least 50 kg m-3 (Pahaut 1976, as in Brun et al. 1989)."""

    def forward(self, air: Air) -> Tensor:
        """Density of falling snow, ``[column]``. [kg m-3]

        Parameters
        ----------
        air : Temperature, and wind where the title says so, ``[column]``.
        """
        celsius = at_most(air.temperature - FREEZING_POINT, 0.0)
        density = 109.0 + 6.0 * celsius + 26.0 * torch.sqrt(air.wind_speed + 1.0e-9)
        return at_least(density, SMALLEST_SNOW_DENSITY)


class Gottlib1980(LayeredPiece):
    """50 + 1.7 (T + 15)^1.5, T in degC, above -15 degC, as in Noah (Gottlib 1980)."""

    def forward(self, air: Air) -> Tensor:
        """Density of falling snow, ``[column]``. [kg m-3]

        Parameters
        ----------
        air : Temperature, and wind where the title says so, ``[column]``.
        """
        warmth = positive_part(air.temperature - FREEZING_POINT + 15.0)
        return SMALLEST_SNOW_DENSITY + 1.7 * warmth * torch.sqrt(warmth + 1.0e-12)


# --- settling: density, load, temperature -> rate ---------------------------------------------------------------------


class Anderson1976(LayeredPiece):
    """Settling under the load and destructive metamorphism of new snow (Anderson 1976, Essery 2015).

    Notes
    -----
    Relative rate g W/eta exp(dT/12.4 - rho/55.6) + c exp(dT/23.8 - max(rho - 150, 0)/21.7), dT below melting.

    References
    ----------
    .. [1] Anderson 1976, NOAA Technical Report NWS 19.
    .. [2] Essery 2015, Geosci. Model Dev. 8, doi:10.5194/gmd-8-3867-2015.
    """

    def forward(
        self, density: Tensor, load: Tensor, temperature: Tensor, wetness: Tensor, parameters: SnowParameters
    ) -> Tensor:
        """Relative increase of density in time, ``[snow layer, column]``. [s-1]

        Parameters
        ----------
        density : [kg m-3]
        load : Snow above the middle of the layer. [kg m-2]
        temperature : [K]
        wetness : Not read.
        parameters : Viscosity and the rate of metamorphism are read.
        """
        assert parameters.viscosity is not None
        assert parameters.metamorphism_rate is not None
        colder = at_most(temperature - FREEZING_POINT, 0.0)
        viscous = GRAVITY * load / parameters.viscosity * torch.exp(colder / 12.4 - density / 55.6)
        metamorphic = torch.exp(colder / 23.8 - positive_part(density - 150.0) / 21.7)
        return viscous + parameters.metamorphism_rate * metamorphic


class NoSettling(LayeredPiece):
    """Snow keeps the density it fell with."""

    def forward(
        self, density: Tensor, load: Tensor, temperature: Tensor, wetness: Tensor, parameters: SnowParameters
    ) -> Tensor:
        """Relative increase of density in time, 0, ``[snow layer, column]``. [s-1]

        Parameters
        ----------
        density : [kg m-3]
        load : Snow above the middle of the layer. [kg m-2]
        temperature : [K]
        wetness, parameters : None is read.
        """
        return torch.zeros_like(density)


# --- conductivity of snow: density -> conductivity --------------------------------------------------------------------


class Calonne2011(LayeredPiece):
    """2.5e-6 rho^2 - 1.23e-4 rho + 0.024 (Calonne et al. 2011, doi:10.1029/2011GL049234)."""

    def forward(self, density: Tensor, temperature: Tensor, wetness: Tensor) -> Tensor:
        """Thermal conductivity, ``[snow layer, column]``. [W m-1 K-1]

        Parameters
        ----------
        density : ``[snow layer, column]``. [kg m-3]
        temperature, wetness : Not read.
        """
        return 2.5e-6 * density * density - 1.23e-4 * density + 0.024


class Sturm1997(LayeredPiece):
    """Sturm et al. 1997, doi:10.3189/S0022143000002781: a line below 156 kg m-3, a parabola above."""

    def forward(self, density: Tensor, temperature: Tensor, wetness: Tensor) -> Tensor:
        """Thermal conductivity, ``[snow layer, column]``. [W m-1 K-1]

        Parameters
        ----------
        density : ``[snow layer, column]``. [kg m-3]
        temperature, wetness : Not read.
        """
        light = 0.023 + 2.34e-4 * density
        return torch.where(density < 156.0, light, 0.138 - 1.01e-3 * density + 3.233e-6 * density * density)


class Yen1981(LayeredPiece):
    """2.22 (rho/1000)^1.885 (Yen 1981, CRREL Report 81-10)."""

    def forward(self, density: Tensor, temperature: Tensor, wetness: Tensor) -> Tensor:
        """Thermal conductivity, ``[snow layer, column]``. [W m-1 K-1]

        Parameters
        ----------
        density : ``[snow layer, column]``. [kg m-3]
        temperature, wetness : Not read.
        """
        return 2.22 * torch.exp(1.885 * torch.log(density / 1000.0))


# --- albedo of snow: albedo, wetness, snowfall -> albedo --------------------------------------------------------------


class Douville1995(LayeredPiece):
    """Albedo relaxes to that of old snow, faster when wet, and to that of fresh snow by snowfall.

    Notes
    -----
    Form of Douville et al. 1995, with both ageing laws as relaxations and snowfall as one more, solved together over
    the step as in Essery 2015, so that the result does not depend on its length.

    References
    ----------
    .. [1] Douville, Royer and Mahfouf 1995, Climate Dynamics 12, doi:10.1007/BF00208760.
    .. [2] Essery 2015, Geosci. Model Dev. 8, doi:10.5194/gmd-8-3867-2015.
    """

    def forward(
        self, albedo: Tensor, melting: Tensor, snowfall: Tensor, skin_temperature: Tensor, depth: Tensor,
        parameters: SnowParameters, dt: Tensor | float,
    ) -> Tensor:  # fmt: skip
        """Albedo at the end of the step, ``[column]``. [1]

        Parameters
        ----------
        melting : How much of the surface is melting. [1]
        snowfall : [kg m-2 s-1]
        skin_temperature, depth : Not read: `melting` says what matters of them here.
        parameters : Ageing times, albedos and the snowfall that renews them are read.
        dt : Length of the step. [s]
        """
        assert parameters.cold_ageing_time is not None
        assert parameters.melting_ageing_time is not None
        ageing = (1.0 - melting) / parameters.cold_ageing_time + melting / parameters.melting_ageing_time
        assert parameters.albedo_refresh is not None
        assert parameters.old_albedo is not None
        assert parameters.fresh_albedo is not None
        renewal = snowfall / parameters.albedo_refresh
        together = ageing + renewal
        limit = (ageing * parameters.old_albedo + renewal * parameters.fresh_albedo) / together
        return limit + (albedo - limit) * torch.exp(-together * dt)


# --- cover: snow -> share of ground -----------------------------------------------------------------------------------


class ExponentialCover(ModelPart):
    """1 - exp(-snow/scale). It tends to 1: a bare rest of 2 % would conduct as much as a deep pack."""

    def forward(self, water_equivalent: Tensor, parameters: SnowParameters) -> Tensor:
        """Area fraction covered by snow, ``[column]``. [1]

        Parameters
        ----------
        water_equivalent : ``[column]``. [kg m-2]
        parameters : The scale of the cover is read.
        """
        scale = parameters.resolved().cover_scale
        assert scale is not None
        return -torch.expm1(-water_equivalent / scale)


# --- retention: thickness, ice -> liquid water held -------------------------------------------------------------------


class PoreRetention(LayeredPiece):
    """A share of the pores holds water against gravity."""

    def forward(self, thickness: Tensor, ice: Tensor, parameters: SnowParameters) -> Tensor:
        """Water a layer holds. [kg m-2]

        Parameters
        ----------
        thickness : Of the layers, ``[snow layer, column]``. [m]
        ice : ``[snow layer, column]``. [kg m-2]
        parameters : The share of the pores is read.
        """
        assert parameters.liquid_holding is not None
        return parameters.liquid_holding * 1000.0 * positive_part(thickness - ice / ICE_DENSITY)
