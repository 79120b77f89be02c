"""Resistance of the canopy to transpiration."""

from __future__ import annotations

from typing import Annotated, Protocol

from torch import Tensor

from noahpy_core.contract import Slot, by_column
from noahpy_core.parameters import Parameters
from noahpy_core.physics.atmosphere import Air
from noahpy_core.physics.evaporation import CanopyResistance
from noahpy_core.physics.surface import Ground
from noahpy_core.state import SoilState

FRACTIONS = ("plant_coefficient", "light", "temperature", "humidity", "moisture")


class CanopyResistanceScheme(Protocol):
    """Resistance of the leaves, transpiration over potential evaporation of a dry canopy, and four stress factors."""

    def __call__(
        self,
        soil: SoilState,
        air: Air,
        ground: Ground,
        shortwave: Annotated[Tensor, by_column("W m-2", 0.0)],
        conductance: Annotated[Tensor, by_column("m s-1", 0.0)],
        emissivity: Annotated[Tensor, by_column("1", 0.0, 1.0)],
        parameters: Parameters,
    ) -> CanopyResistance: ...


SLOT = Slot(
    name="canopy_resistance",
    contract=CanopyResistanceScheme,
    returns=(
        by_column("s m-1", 0.0, name="resistance"),
        *(by_column("1", 0.0, 1.0, name=name) for name in FRACTIONS),
    ),
    container=CanopyResistance,
    trial=lambda made: (
        made.soil,
        made.air,
        made.ground,
        made.forcing.shortwave_down,
        made.values(0.02, 0.01),
        made.values(0.97, 0.95),
        made.parameters,
    ),
)
