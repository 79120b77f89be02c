"""Melt of snow by the heat left at the surface."""

from __future__ import annotations

from typing import Annotated, Protocol

from torch import Tensor

from noahpy_core.contract import Slot, by_column


class SnowMeltScheme(Protocol):
    """Melt of snow by the heat left at a surface held at the freezing point."""

    def __call__(self, available_heat: Annotated[Tensor, by_column("W m-2", 0.0)]) -> Tensor: ...


SLOT = Slot(
    name="snow_melt",
    contract=SnowMeltScheme,
    returns=(by_column("kg m-2 s-1", 0.0, name="melt"),),
    trial=lambda made: (made.values(20.0, 150.0),),
    enforced="at most heat over latent heat, and the snow there is",
)
