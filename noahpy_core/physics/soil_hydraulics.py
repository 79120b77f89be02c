"""Hydraulic diffusivity and conductivity of soil, with and without ice."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from noahpy_core.fixed import ModelPart
from noahpy_core.numerics import at_least, at_most
from noahpy_core.parameters import SoilParameters


class Hydraulics(NamedTuple):
    """Diffusivity [m2 s-1] and conductivity [m s-1] of each layer, ``[layer, column]``."""

    diffusivity: Tensor
    conductivity: Tensor


class NoahHydraulics(ModelPart):
    """Clapp and Hornberger 1978 in liquid water; the diffusivity is reduced by the largest ice content of the column.

    The weight 1/(1 + (500 ice)^3) mixes the diffusivity with that of nearly dry soil (Noah: WDFCND).
    """

    def forward(self, liquid: Tensor, ice: Tensor, soil: SoilParameters) -> Hydraulics:
        """Diffusivity [m2 s-1] and conductivity [m s-1] of each layer, ``[layer, column]``.

        Parameters
        ----------
        liquid, ice : ``[layer, column]``. [m3 m-3]
        soil : Parameters ``[layer, column]``, derived ones filled in.
        """
        assert soil.saturated_diffusivity is not None
        saturation = liquid / soil.porosity
        dry = at_most(saturation, 0.05 / soil.porosity)
        exponent = soil.clapp_hornberger_b + 2.0
        weight = 1.0 / (1.0 + (500.0 * ice.amax(0)) ** 3)
        diffusivity = soil.saturated_diffusivity * (weight * saturation**exponent + (1.0 - weight) * dry**exponent)
        conductivity = soil.saturated_hydraulic_conductivity * saturation ** (2.0 * soil.clapp_hornberger_b + 3.0)
        return Hydraulics(diffusivity, conductivity)


class Zhang2007(ModelPart):
    """Clapp and Hornberger 1978 in total water, reduced by 10^(-E ice) (impedance factor, Zhang et al. 2007).

    Notes
    -----
    E = 1.25 (X - 3)^2 + 6 with X the saturated value in SI units, an oddity of the original that makes E = 17.25 for
    every soil.
    """

    def forward(self, liquid: Tensor, ice: Tensor, soil: SoilParameters) -> Hydraulics:
        """Diffusivity [m2 s-1] and conductivity [m s-1] of each layer, ``[layer, column]``.

        Parameters
        ----------
        liquid, ice : ``[layer, column]``. [m3 m-3]
        soil : Parameters ``[layer, column]``, derived ones filled in.
        """
        assert soil.saturated_diffusivity is not None
        saturation = at_least((liquid + ice) / soil.porosity, 0.01)
        k_sat, d_sat = soil.saturated_hydraulic_conductivity, soil.saturated_diffusivity
        diffusivity = d_sat * saturation ** (soil.clapp_hornberger_b + 2.0)
        conductivity = k_sat * saturation ** (2.0 * soil.clapp_hornberger_b + 3.0)
        return Hydraulics(diffusivity * self._impedance(d_sat, ice), conductivity * self._impedance(k_sat, ice))

    @staticmethod
    def _impedance(saturated: Tensor, ice: Tensor) -> Tensor:
        return 10.0 ** (-(1.25 * (saturated - 3.0) ** 2 + 6.0) * ice)
