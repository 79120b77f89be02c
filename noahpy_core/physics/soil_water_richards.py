"""Soil water by the implicit Richards equation: nothing is created, and what water cannot give is not evaporated."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from noahpy_core.column import SoilColumn
from noahpy_core.constants import MINIMUM_MOISTURE, WATER_DENSITY
from noahpy_core.fixed import ModelPart
from noahpy_core.numerics import at_least
from noahpy_core.parameters import Parameters
from noahpy_core.physics.ice_impedance import NiuYang2006Impedance
from noahpy_core.physics.infiltration import Ponding
from noahpy_core.physics.retention import frozen_pore_space
from noahpy_core.physics.richards import Flow
from noahpy_core.physics.richards_balance import Balance, balanced
from noahpy_core.physics.richards_solver import solve_richards
from noahpy_core.physics.soil_water import SoilDemand
from noahpy_core.physics.transitions import SHARP, Transitions

PARTS = 2
"""Of a step, solved one after the other: halving the step where it matters most, in coarse soil and with long steps,
for half as much again as one part costs."""


class RichardsWater(NamedTuple):
    """Soil water after the step, ``[layer, column]`` [m3 m-3], and its fluxes, ``[column]`` [kg m-2 s-1].

    Each layer's balance closes to round-off with these fluxes.
    """

    liquid: Tensor
    ice: Tensor
    infiltration: Tensor
    exfiltration: Tensor
    """Pressed out of a full column at its surface."""
    surface_runoff: Tensor
    """Supply that does not enter."""
    exchange: Tensor
    """Down from each layer to the next, ``[layer - 1, column]``."""
    drainage: Tensor
    soil_evaporation: Tensor
    root_uptake: Tensor
    """``[layer, column]``."""

    @property
    def saturation_excess(self) -> Tensor:
        """What leaves a full column besides drainage."""
        return self.exfiltration

    @property
    def created(self) -> Tensor:
        """No water is."""
        return torch.zeros_like(self.infiltration)


class RichardsSoilWater(ModelPart):
    """The implicit Richards step with ponding, limited uptake, gravity drainage and frozen ground.

    Parameters
    ----------
    infiltration : A capacity from the variability of rain and soil within the column's area (Schaake et al. 1996), one
        more member of the minimum of supply and ponded capacity; None is `Ponding`, which leaves those two.
    ice_impedance : Share of the conductivity that ice leaves; None is that of Niu and Yang (2006).
    transitions : Whether the onset of a pond is rounded.
    """

    def __init__(
        self,
        column: SoilColumn,
        infiltration: nn.Module | None = None,
        ice_impedance: nn.Module | None = None,
        transitions: Transitions = SHARP,
    ) -> None:
        super().__init__()
        self.column = column
        self.infiltration = infiltration or Ponding()
        self.ice_impedance = ice_impedance or NiuYang2006Impedance()
        self.transitions = transitions

    def forward(
        self, liquid: Tensor, ice: Tensor, supply: Tensor, demand: SoilDemand, parameters: Parameters,
        dt: Tensor | float,
    ) -> RichardsWater:  # fmt: skip
        """Move liquid water for one step; ice stays.

        Parameters
        ----------
        liquid, ice : At the start, ``[layer, column]``. [m3 m-3]
        supply : Water reaching the ground. [kg m-2 s-1]
        demand : Evaporation and root uptake asked for. [kg m-2 s-1]
        parameters : With resolved soil parameters.
        dt : [s]

        Raises
        ------
        ConvergenceError : naming the columns whose equations were not solved.
        """
        soil = parameters.soil
        assert soil.wilting_point is not None
        unfrozen = self.ice_impedance(liquid, ice, soil)
        pores = frozen_pore_space(soil, liquid, ice, unfrozen)
        limits = self.transitions.limits(supply)
        capacity = self.infiltration(liquid, ice, supply, soil.wilting_point, parameters, dt)
        # Full ground takes in what it conducts, however rain and soil vary within the area.
        admitted = limits.lesser(supply, limits.larger(capacity, pores[3][0] * WATER_DENSITY), supply).value
        old = liquid
        if demand.source is not None:
            # Whole before the first part: a sink was limited to what the layers hold then.
            old = liquid + demand.source * dt / (self.column.thickness * WATER_DENSITY)
        flow = Flow(
            old=old,
            thickness=self.column.thickness.expand_as(liquid),
            soil_demand=demand.soil / WATER_DENSITY,
            root_demand=demand.roots / WATER_DENSITY,
            root_minimum=at_least(soil.wilting_point, MINIMUM_MOISTURE).expand_as(liquid),
            supply=admitted / WATER_DENSITY,
            drainage_factor=parameters.general.drainage_factor.expand_as(supply),
            dt=(dt + torch.zeros_like(supply)) / PARTS,
            unfrozen=unfrozen.expand_as(liquid),
            upstream=torch.zeros_like(supply),
        )
        parts: list[Balance] = []
        for _ in range(PARTS):
            parts.append(balanced(solve_richards(pores, flow, limits), flow, pores[2]))
            flow = flow._replace(old=parts[-1].content)
        mean = [sum(rates[1:], rates[0]) * (WATER_DENSITY / PARTS) for rates in zip(*parts, strict=True)]
        found = Balance(*mean)._replace(content=flow.old)
        return RichardsWater(
            liquid=found.content,
            ice=ice,
            infiltration=found.infiltration,
            exfiltration=found.exfiltration,
            surface_runoff=supply - found.infiltration,
            exchange=found.exchange,
            drainage=found.drainage,
            soil_evaporation=found.soil_evaporation,
            root_uptake=found.root_uptake,
        )
