"""Exchange between surface and air at the end of the step, without memory: Louis 1979 with a monotone stable branch.

The coefficient follows from the skin temperature it acts on, so it has a slope, and the surface balance is solved with
it. In stable air the usual cut-offs make the heat flux fall again as the surface cools: two states, between which a
column flips in calm nights. Here 1/(1 + 10 Ri) keeps the flux growing with the difference of temperature, so there is
one state.

In calm, very stable air that flux ends, and a surface would radiate away from the air above it without a limit. As in
every version of Noah, the air exchanges at least what a diffusivity of 0.001 m2 s-1 does, heat and vapour alike [3]_.

References
----------
.. [1] Louis 1979, Boundary-Layer Meteorol. 17, doi:10.1007/BF00117978.
.. [2] Beljaars and Holtslag 1991, J. Appl. Meteorol. 30, doi:10.1175/1520-0450(1991)030<0327:FPOLSF>2.0.CO;2 (stable
   air: turbulence does not end at a critical Richardson number).
.. [3] Chen, Janjic and Mitchell 1997, Boundary-Layer Meteorol. 85, doi:10.1023/A:1000531001463 (`EXCM` of Noah's
   `SFCDIF`: no conductance is less than 0.001 m2 s-1 over the height of the air's temperature).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.constants import GRAVITY, VON_KARMAN
from noahpy_core.fixed import ModelPart
from noahpy_core.numerics import at_least, positive_part
from noahpy_core.parameters import GeneralParameters
from noahpy_core.physics.atmosphere import Air
from noahpy_core.physics.turbulence import Conductance
from noahpy_core.state import SurfaceMemory

GUSTINESS_SQUARED = 0.01
"""Smallest mean square of the wind. [m2 s-2]"""
THERMAL_ROUGHNESS_RATIO = 0.1
"""Thermal roughness length over that for momentum."""
STABLE_SLOPE = 10.0
UNSTABLE_SLOPE = 15.0
UNSTABLE_LIMIT = 75.0
SMALLEST_DIFFUSIVITY = 1.0e-3
"""Of the air between the surface and the height of its temperature. [m2 s-1]"""
SMALLEST_RICHARDSON = 1.0e-12
"""Keeps the slope of a square root finite."""


class SurfaceLayer(NamedTuple):
    """What of the air near the surface does not depend on the skin temperature, ``[column]``."""

    neutral: Tensor
    """Air density times exchange coefficient times wind, in neutral air. [kg m-2 s-1]"""
    richardson_slope: Tensor
    """Bulk Richardson number per kelvin of (air - skin). [K-1]"""
    convection: Tensor
    """Factor of the square root of the Richardson number in unstable air. [1]"""
    potential_temperature: Tensor
    """[K]"""
    smallest: Tensor
    """Exchange in the calmest air. [kg m-2 s-1]"""

    def transfer(self, skin: Tensor) -> Transfer:
        """Exchange at a skin temperature ``[column]`` [K], and its slope (see `transfer`)."""
        return transfer(self, skin)


class Transfer(NamedTuple):
    """Mass of air exchanged with the surface, ``[column]``, and its slope by skin temperature."""

    rate: Tensor
    """[kg m-2 s-1]"""
    slope: Tensor
    """[kg m-2 s-1 K-1]"""
    richardson: Tensor
    """Bulk Richardson number. [1]"""


def surface_layer(air: Air, roughness_length: Tensor) -> SurfaceLayer:
    """The air over a surface of a given roughness.

    Parameters
    ----------
    roughness_length : For momentum; the thermal one is a tenth of it. [m]
    """
    wind_ratio = air.wind_height / roughness_length
    heat_ratio = air.temperature_height / (THERMAL_ROUGHNESS_RATIO * roughness_length)
    coefficient = VON_KARMAN**2 / (torch.log(wind_ratio) * torch.log(heat_ratio))
    wind_squared = air.wind_speed * air.wind_speed + GUSTINESS_SQUARED
    height = air.wind_height * air.wind_height / air.temperature_height
    return SurfaceLayer(
        neutral=air.density * coefficient * torch.sqrt(wind_squared),
        richardson_slope=GRAVITY * height / (air.potential_temperature * wind_squared),
        convection=UNSTABLE_LIMIT * coefficient * torch.sqrt(wind_ratio),
        potential_temperature=air.potential_temperature,
        smallest=air.density * SMALLEST_DIFFUSIVITY / air.temperature_height,
    )


def transfer(layer: SurfaceLayer, skin: Tensor) -> Transfer:
    """Exchange at a skin temperature [K], and its slope.

    Notes
    -----
    Stable: 1/(1 + 10 Ri). Unstable: 1 + 15 |Ri|/(1 + c sqrt|Ri|), which leaves free convection in calm air. At least
    the smallest exchange: of two heat fluxes that grow with the difference of temperature the larger one grows too.
    """
    richardson = layer.richardson_slope * (layer.potential_temperature - skin)
    stable = 1.0 / (1.0 + STABLE_SLOPE * positive_part(richardson))
    unstable = positive_part(-richardson)
    root = torch.sqrt(unstable + SMALLEST_RICHARDSON)
    damping = 1.0 + layer.convection * root
    factor = torch.where(richardson > 0, stable, 1.0 + UNSTABLE_SLOPE * unstable / damping)
    # The slope of x/(1 + c sqrt x); the constant under the root keeps it finite at 0.
    growth = (damping - 0.5 * layer.convection * unstable / root) / (damping * damping)
    by_richardson = torch.where(richardson > 0, -STABLE_SLOPE * stable * stable, -UNSTABLE_SLOPE * growth)
    turbulent = layer.neutral * factor
    slope = torch.where(turbulent > layer.smallest, -layer.neutral * by_richardson * layer.richardson_slope, 0.0)
    return Transfer(at_least(turbulent, layer.smallest), slope, richardson)


class Louis1979(ModelPart):
    """Louis 1979 with 1/(1 + 10 Ri) in stable air: heat flux monotone in the skin temperature, no iteration.

    The closed surface balance solves it together with the skin; a step that asks for conductances gets those at the
    skin temperature it has.
    """

    def forward(
        self, memory: SurfaceMemory, skin_temperature: Tensor, air: Air, parameters: GeneralParameters
    ) -> Conductance:
        """Conductances at a skin temperature [K]; that for momentum has its own neutral coefficient. [m s-1]

        Parameters
        ----------
        memory : Roughness length of the step before.
        skin_temperature : ``[column]``. [K]
        air : At its heights.
        parameters : For the thermal roughness.
        """
        layer = surface_layer(air, memory.roughness_length)
        exchange = transfer(layer, skin_temperature)
        heat_ratio = air.temperature_height / (THERMAL_ROUGHNESS_RATIO * memory.roughness_length)
        momentum = torch.log(heat_ratio) / torch.log(air.wind_height / memory.roughness_length)
        heat = exchange.rate / air.density
        return Conductance(heat, heat * momentum, exchange.richardson)
