"""Hydraulic properties of soil."""

from __future__ import annotations

from typing import Annotated, Protocol

from torch import Tensor

from noahpy_core.contract import Slot, by_layer
from noahpy_core.parameters import SoilParameters
from noahpy_core.physics.soil_hydraulics import Hydraulics


class SoilHydraulicsScheme(Protocol):
    """Hydraulic diffusivity and conductivity of soil, with and without ice."""

    def __call__(
        self,
        liquid: Annotated[Tensor, by_layer("m3 m-3", 0.0, 1.0)],
        ice: Annotated[Tensor, by_layer("m3 m-3", 0.0, 1.0)],
        soil: SoilParameters,
    ) -> Hydraulics: ...


SLOT = Slot(
    name="soil_hydraulics",
    contract=SoilHydraulicsScheme,
    returns=(by_layer("m2 s-1", 0.0, 1.0, name="diffusivity"), by_layer("m s-1", 0.0, 0.1, name="conductivity")),
    container=Hydraulics,
    trial=lambda made: (*made.water, made.parameters.soil),
    enforced="conductivity at most what drains the layer to the floor in the step",
)
