"""Coefficient of the thermal roughness length."""

from __future__ import annotations

from typing import Annotated, Protocol

from torch import Tensor

from noahpy_core.contract import Slot, by_column
from noahpy_core.parameters import GeneralParameters


class ThermalRoughnessScheme(Protocol):
    """Coefficient C of the thermal roughness length, z_0 exp(-k C sqrt(Re)) (Zilitinkevich 1995)."""

    def __call__(
        self, roughness_length: Annotated[Tensor, by_column("m", 0.0)], parameters: GeneralParameters
    ) -> Tensor: ...


SLOT = Slot(
    name="thermal_roughness",
    contract=ThermalRoughnessScheme,
    returns=(by_column("1", 0.0, 2.0, name="coefficient"),),
    trial=lambda made: (made.values(0.02, 0.1), made.parameters.general),
)
