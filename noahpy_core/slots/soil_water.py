"""Vertical movement of soil water."""

from __future__ import annotations

from typing import Annotated, Protocol

from torch import Tensor

from noahpy_core.contract import Slot, by_column, by_layer
from noahpy_core.parameters import Parameters
from noahpy_core.physics.soil_water import SoilDemand, SoilWater
from noahpy_core.physics.soil_water_richards import RichardsWater


class SoilWaterScheme(Protocol):
    """Soil water at the end of a step of `dt` seconds, and where all the water went."""

    def __call__(
        self,
        liquid: Annotated[Tensor, by_layer("m3 m-3", 0.0, 1.0)],
        ice: Annotated[Tensor, by_layer("m3 m-3", 0.0, 1.0)],
        supply: Annotated[Tensor, by_column("kg m-2 s-1", 0.0)],
        demand: SoilDemand,
        parameters: Parameters,
        dt: Tensor | float,
    ) -> SoilWater | RichardsWater: ...


SLOT = Slot(
    name="soil_water",
    contract=SoilWaterScheme,
    returns=(
        by_layer("m3 m-3", 0.0, 1.0, name="liquid"),
        by_layer("m3 m-3", 0.0, 1.0, name="ice"),
        by_column("kg m-2 s-1", 0.0, name="infiltration"),
        by_column("kg m-2 s-1", 0.0, name="surface_runoff"),
        by_column("kg m-2 s-1", name="drainage"),
        by_column("kg m-2 s-1", 0.0, name="saturation_excess"),
        by_column("kg m-2 s-1", name="created"),
    ),
    container=SoilWater,
)
