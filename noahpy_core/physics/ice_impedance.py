"""How ice in the pores of the soil impedes the flow of liquid water: share of the conductivity that is left.

The pore space that ice takes and the smaller degree of saturation are accounted for where these shares are used. What
is here is the longer and narrower way around the ice.

References
----------
.. [1] Niu and Yang 2006, J. Hydrometeorol. 7, doi:10.1175/JHM538.1.
.. [2] Zhang, Sun and Xue 2007, as in Noah for permafrost.
.. [3] Swenson, Lawrence and Lee 2012, J. Adv. Model. Earth Syst. 4, doi:10.1029/2012MS000165.
.. [4] Lundin 1990, J. Hydrol. 118, doi:10.1016/0022-1694(90)90265-X.
.. [5] Hansson et al. 2004, Vadose Zone J. 3, doi:10.2136/vzj2004.0693.
.. [6] Zhao and Gray 1997, Hydrol. Process. 11, as in the Canadian Land Surface Scheme.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from noahpy_core.constants import MINIMUM_MOISTURE
from noahpy_core.fixed import ModelPart
from noahpy_core.numerics import at_least, at_most, positive_part
from noahpy_core.parameters import SoilParameters

SMALLEST_PORES = 1.0e-6
"""[m3 m-3]"""


class NiuYang2006Impedance(ModelPart):
    """A share of the area that ice closes, and the rest that conducts as if it had no ice (Niu and Yang 2006).

    Notes
    -----
    The closed share is f = (exp(-3 (1 - x)) - exp(-3))/(1 - exp(-3)) with x the share of the pores that ice fills, but
    for those whose water never moves. It conducts less by 10^(-17.25 ice) (Zhang et al. 2007, see `Zhang2007`).
    """

    SHAPE = 3.0
    """alpha of Niu and Yang 2006, eq. 18. [1]"""
    IMPEDANCE = 17.25
    """Decades per volume fraction of ice."""

    def forward(self, liquid: Tensor, ice: Tensor, soil: SoilParameters) -> Tensor:
        """Share of the conductivity without ice, ``[layer, column]``. [1]

        Parameters
        ----------
        liquid : Not read.
        ice : ``[layer, column]``. [m3 m-3]
        soil : Parameters ``[layer, column]``.
        """
        free = math.exp(-self.SHAPE)
        filled = at_most(ice / at_least(soil.porosity - MINIMUM_MOISTURE, SMALLEST_PORES), 1.0)
        impeded = torch.exp(-self.SHAPE * (1.0 - filled))
        impeded = (impeded - free) / (1.0 - free)
        return (1.0 - impeded) + impeded * 10.0 ** (-self.IMPEDANCE * ice)


class Swenson2012(ModelPart):
    """10^(-6 x), x the share of the pores that ice fills (Swenson et al. 2012, Community Land Model)."""

    IMPEDANCE = 6.0

    def forward(self, liquid: Tensor, ice: Tensor, soil: SoilParameters) -> Tensor:
        """Share of the conductivity without ice, ``[layer, column]``. [1]

        Parameters
        ----------
        liquid : Not read.
        ice : ``[layer, column]``. [m3 m-3]
        soil : Parameters ``[layer, column]``.
        """
        return 10.0 ** (-self.IMPEDANCE * at_most(ice / soil.porosity, 1.0))


class Hansson2004(ModelPart):
    """10^(-7 Q), Q the frozen share of the water that can move (Lundin 1990; Hansson et al. 2004)."""

    IMPEDANCE = 7.0

    def forward(self, liquid: Tensor, ice: Tensor, soil: SoilParameters) -> Tensor:
        """Share of the conductivity without ice, ``[layer, column]``. [1]

        Parameters
        ----------
        liquid, ice : ``[layer, column]``. [m3 m-3]
        soil : Not read.
        """
        mobile = at_least(liquid + ice - MINIMUM_MOISTURE, SMALLEST_PORES)
        return 10.0 ** (-self.IMPEDANCE * at_most(ice / mobile, 1.0))


class ZhaoGray1997(ModelPart):
    """(1 - x)^2, x the share of the pores that ice fills (Zhao and Gray 1997, Canadian Land Surface Scheme)."""

    def forward(self, liquid: Tensor, ice: Tensor, soil: SoilParameters) -> Tensor:
        """Share of the conductivity without ice, ``[layer, column]``. [1]

        Parameters
        ----------
        liquid : Not read.
        ice : ``[layer, column]``. [m3 m-3]
        soil : Parameters ``[layer, column]``.
        """
        open_pores = positive_part(1.0 - ice / soil.porosity)
        return open_pores * open_pores
