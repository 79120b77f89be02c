"""Liquid water that layered snow holds."""

from __future__ import annotations

from typing import Annotated, Protocol

from torch import Tensor

from noahpy_core.contract import Slot, by_layer
from noahpy_core.parameters import SnowParameters


class RetentionScheme(Protocol):
    """Liquid water that a layer of a thickness and an amount of ice holds against gravity."""

    def __call__(
        self,
        thickness: Annotated[Tensor, by_layer("m", 0.0)],
        ice: Annotated[Tensor, by_layer("kg m-2", 0.0)],
        parameters: SnowParameters,
    ) -> Tensor: ...


SLOT = Slot(
    name="retention",
    contract=RetentionScheme,
    returns=(by_layer("kg m-2", 0.0, name="water held"),),
    trial=lambda made: (made.profile(0.3, 0.3), made.profile(100.0, 40.0), made.parameters.snow.resolved()),
    enforced="within the heat step at most 0.4 of the layer",
)
