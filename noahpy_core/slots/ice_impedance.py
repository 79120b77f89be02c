"""How ice in the soil impedes the flow of liquid water in the Richards equation."""

from __future__ import annotations

from typing import Annotated, Protocol

from torch import Tensor

from noahpy_core.contract import Slot, by_layer
from noahpy_core.parameters import SoilParameters


class IceImpedanceScheme(Protocol):
    """Share of a soil's conductivity that ice leaves, beside the pores that it fills."""

    def __call__(
        self,
        liquid: Annotated[Tensor, by_layer("m3 m-3", 0.0, 1.0)],
        ice: Annotated[Tensor, by_layer("m3 m-3", 0.0, 1.0)],
        soil: SoilParameters,
    ) -> Tensor: ...


SLOT = Slot(
    name="ice_impedance",
    contract=IceImpedanceScheme,
    returns=(by_layer("1", 0.0, 1.0, name="share of the conductivity"),),
    trial=lambda made: (*made.water, made.parameters.soil),
)
