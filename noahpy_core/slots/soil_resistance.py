"""Resistance of the soil surface to evaporation."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from noahpy_core.contract import Slot, by_column
from noahpy_core.parameters import Parameters
from noahpy_core.physics.surface import Ground
from noahpy_core.state import SoilState


class SoilResistanceScheme(Protocol):
    """Resistance between the water of the top layer and the air at its surface, in series with that of the air."""

    def __call__(self, soil: SoilState, ground: Ground, parameters: Parameters) -> Tensor: ...


SLOT = Slot(
    name="soil_resistance",
    contract=SoilResistanceScheme,
    returns=(by_column("s m-1", 0.0, name="resistance"),),
    trial=lambda made: (made.soil, made.ground, made.parameters),
)
