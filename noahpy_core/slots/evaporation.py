"""Split of potential evaporation into soil, canopy water and roots."""

from __future__ import annotations

from typing import Annotated, Protocol

from torch import Tensor

from noahpy_core.contract import Slot, by_column, by_layer
from noahpy_core.parameters import Parameters
from noahpy_core.physics.evaporation import Demand
from noahpy_core.physics.surface import Ground
from noahpy_core.state import SoilState


class EvaporationScheme(Protocol):
    """What soil, canopy and roots of snow-free ground would lose at a potential rate."""

    def __call__(
        self,
        soil: SoilState,
        canopy_water: Annotated[Tensor, by_column("kg m-2", 0.0)],
        ground: Ground,
        potential: Annotated[Tensor, by_column("kg m-2 s-1", 0.0)],
        plant_coefficient: Annotated[Tensor, by_column("1", 0.0, 1.0)],
        parameters: Parameters,
    ) -> Demand: ...


SLOT = Slot(
    name="evaporation",
    contract=EvaporationScheme,
    returns=(
        by_column("kg m-2 s-1", 0.0, name="soil"),
        by_column("kg m-2 s-1", 0.0, name="canopy"),
        by_layer("kg m-2 s-1", 0.0, name="roots"),
    ),
    container=Demand,
    trial=lambda made: (
        made.soil,
        made.values(0.1, 0.05),
        made.ground,
        made.values(1.0e-4, 1.0e-5),
        made.values(0.6, 0.1),
        made.parameters,
    ),
    enforced="together at most the potential rate; soil and roots at most the liquid water of the layer above the "
    "floor of 0.02, canopy at most its water",
)
