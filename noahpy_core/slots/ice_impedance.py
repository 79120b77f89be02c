"""How ice in the soil impedes the flow of liquid water in the Richards equation."""

from __future__ import annotations

from typing import Annotated, Protocol

from torch import Tensor

from noahpy_core.contract import Slot, by_layer
from noahpy_core.parameters import SoilParameters
from noahpy_core.physics.ice_impedance import Hansson2004, NiuYang2006Impedance, Swenson2012, ZhaoGray1997


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
    schemes={
        "niu_yang2006": NiuYang2006Impedance,
        "swenson2012": Swenson2012,
        "hansson2004": Hansson2004,
        "zhao_gray1997": ZhaoGray1997,
    },
    default="niu_yang2006",
    trial=lambda made: (*made.water, made.parameters.soil),
)
