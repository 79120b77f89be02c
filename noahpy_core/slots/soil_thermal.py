"""Thermal conductivity of soil."""

from __future__ import annotations

from typing import Annotated, Protocol

from torch import Tensor

from noahpy_core.contract import Slot, by_layer
from noahpy_core.parameters import SoilParameters

THERMAL_CONDUCTIVITY = (0.01, 10.0)
"""Of soil; dry peat has 0.05, quartz 7.7. [W m-1 K-1]"""


class SoilThermalScheme(Protocol):
    """Thermal conductivity of soil, with and without ice."""

    def __call__(
        self,
        liquid: Annotated[Tensor, by_layer("m3 m-3", 0.0, 1.0)],
        ice: Annotated[Tensor, by_layer("m3 m-3", 0.0, 1.0)],
        soil: SoilParameters,
    ) -> Tensor: ...


SLOT = Slot(
    name="soil_thermal",
    contract=SoilThermalScheme,
    returns=(by_layer("W m-1 K-1", *THERMAL_CONDUCTIVITY, name="conductivity"),),
    trial=lambda made: (*made.water, made.parameters.soil),
)
