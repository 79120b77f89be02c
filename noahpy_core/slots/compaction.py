"""Settling of layered snow."""

from __future__ import annotations

from typing import Annotated, Protocol

from torch import Tensor

from noahpy_core.contract import Slot, by_layer
from noahpy_core.parameters import SnowParameters


class CompactionScheme(Protocol):
    """Relative growth of the density of each snow layer in time.

    The load is the snow above its middle, wetness the liquid share of its mass.
    """

    def __call__(
        self,
        density: Annotated[Tensor, by_layer("kg m-3", 20.0, 917.0)],
        load: Annotated[Tensor, by_layer("kg m-2", 0.0)],
        temperature: Annotated[Tensor, by_layer("K", 150.0, 350.0)],
        wetness: Annotated[Tensor, by_layer("1", 0.0, 1.0)],
        parameters: SnowParameters,
    ) -> Tensor: ...


SLOT = Slot(
    name="compaction",
    contract=CompactionScheme,
    returns=(by_layer("s-1", 0.0, 1.0, name="settling rate"),),
    trial=lambda made: (
        made.profile(350.0, 150.0),
        made.profile(100.0, 20.0),
        made.profile(273.0, 260.0),
        made.profile(0.1, 0.0),
        made.parameters.snow.resolved(),
    ),
    enforced="densities up to 550 kg m-3",
)
