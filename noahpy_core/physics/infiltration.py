"""Infiltration capacity of the soil."""

from __future__ import annotations

import torch
from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.constants import WATER_DENSITY
from noahpy_core.fixed import ModelPart
from noahpy_core.numerics import at_least, safe_divide
from noahpy_core.parameters import Parameters

SECONDS_PER_DAY = 86400.0
UNLIMITED = 1.0e3
"""Beyond any supply. [kg m-2 s-1]"""


class Schaake1996(ModelPart):
    """Infiltration capacity from the storage deficit of the column (Schaake et al. 1996), unhindered by ice.

    Notes
    -----
    capacity = P D/(P + D)/dt with D = deficit (1 - exp(-k dt)), P the water supplied in the step. The deficit of every
    layer is measured with the surface soil's (porosity - wilting point), and each layer's own wilting point, an oddity
    of the original. The caller bounds the capacity below by the conductivity of the top layer.
    """

    def __init__(self, column: SoilColumn) -> None:
        super().__init__()
        self.column = column

    def forward(
        self,
        liquid: Tensor,
        ice: Tensor,
        supply: Tensor,
        wilting_point: Tensor,
        parameters: Parameters,
        dt: Tensor | float,
    ) -> Tensor:
        """Infiltration capacity, ``[column]``. [kg m-2 s-1]

        Parameters
        ----------
        liquid, ice, wilting_point : ``[layer, column]``. [m3 m-3]
        supply : Water reaching the ground. [kg m-2 s-1]
        dt : [s]
        """
        soil, general = parameters.soil, parameters.general
        storage = soil.porosity[0] - wilting_point[0]
        filled = (liquid + ice - wilting_point) / storage
        deficit = (self.column.thickness * storage * (1.0 - filled)).sum(0) * WATER_DENSITY
        decay = general.reference_infiltration_decay * soil.saturated_hydraulic_conductivity[0]
        decay = decay / general.reference_hydraulic_conductivity
        usable = deficit * (1.0 - torch.exp(-decay * (dt / SECONDS_PER_DAY)))
        supplied = supply * dt
        return safe_divide(supplied * usable, supplied + usable) / dt


class Koren1999Infiltration(Schaake1996):
    """The same, reduced by the fraction of ground that ice makes impermeable (Koren et al. 1999, eq. 19).

    Notes
    -----
    Ice content is taken as gamma-distributed in space with shape 3: the permeable share is
    1 - exp(-a) (1 + a + a^2/2), a = 3 critical ice depth/ice depth, once there is more than 1 cm of ice.
    """

    SHAPE = 3.0
    REFERENCE_RATIO = 0.412 / 0.468

    def forward(
        self,
        liquid: Tensor,
        ice: Tensor,
        supply: Tensor,
        wilting_point: Tensor,
        parameters: Parameters,
        dt: Tensor | float,
    ) -> Tensor:
        """Infiltration capacity of partly frozen ground; arguments as in the base class. [kg m-2 s-1]

        Parameters
        ----------
        liquid, ice, wilting_point : ``[layer, column]``. [m3 m-3]
        supply : Water reaching the ground, ``[column]``. [kg m-2 s-1]
        parameters : The impermeable ice depth is read besides.
        dt : Length of the step. [s]
        """
        soil = parameters.soil
        assert soil.field_capacity is not None
        ice_depth = (self.column.thickness * ice).sum(0)
        scale = (soil.porosity[0] / soil.field_capacity[0]) * self.REFERENCE_RATIO
        critical = parameters.general.impermeable_ice_depth * scale
        a = self.SHAPE * critical / at_least(ice_depth, 1.0e-2)
        permeable = 1.0 - torch.exp(-a) * (1.0 + a + a * a / 2.0)
        capacity = super().forward(liquid, ice, supply, wilting_point, parameters, dt)
        return capacity * torch.where(ice_depth > 1.0e-2, permeable, 1.0)


class Ponding(ModelPart):
    """No capacity besides what the ground lets in under a pond of no depth, which the Richards equation knows."""

    def forward(
        self,
        liquid: Tensor,
        ice: Tensor,
        supply: Tensor,
        wilting_point: Tensor,
        parameters: Parameters,
        dt: Tensor | float,
    ) -> Tensor:
        """More than any supply; arguments as in `Schaake1996`. [kg m-2 s-1]

        Parameters
        ----------
        liquid, ice, wilting_point : ``[layer, column]``. [m3 m-3]
        supply : Water reaching the ground, ``[column]``. [kg m-2 s-1]
        parameters : Not read.
        dt : Length of the step. [s]
        """
        return torch.full_like(supply, UNLIMITED)
