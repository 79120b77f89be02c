"""Largest rate at which water enters the soil."""

from __future__ import annotations

from typing import Annotated, Protocol

from torch import Tensor

from noahpy_core.contract import Slot, by_column, by_layer
from noahpy_core.parameters import Parameters
from noahpy_core.slots.trial_columns import STEP


class InfiltrationScheme(Protocol):
    """Infiltration capacity of partly frozen soil, as a mean over a step of `dt` seconds."""

    def __call__(
        self,
        liquid: Annotated[Tensor, by_layer("m3 m-3", 0.0, 1.0)],
        ice: Annotated[Tensor, by_layer("m3 m-3", 0.0, 1.0)],
        supply: Annotated[Tensor, by_column("kg m-2 s-1", 0.0)],
        wilting_point: Annotated[Tensor, by_layer("m3 m-3", 0.0, 1.0)],
        parameters: Parameters,
        dt: Tensor | float,
    ) -> Tensor: ...


SLOT = Slot(
    name="infiltration",
    contract=InfiltrationScheme,
    returns=(by_column("kg m-2 s-1", 0.0, name="capacity"),),
    trial=lambda made: (
        *made.water,
        made.values(1.0e-4, 1.0e-5),
        made.parameters.soil.wilting_point,
        made.parameters,
        STEP,
    ),
    enforced="at least the conductivity of the top layer; at most the supply enters",
)
