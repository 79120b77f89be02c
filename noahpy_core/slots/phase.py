"""Phase of precipitation over layered snow."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from noahpy_core.contract import Slot, by_column
from noahpy_core.physics.atmosphere import Air


class PhaseScheme(Protocol):
    """Share of precipitation that falls as snow."""

    def __call__(self, air: Air) -> Tensor: ...


SLOT = Slot(
    name="phase",
    contract=PhaseScheme,
    returns=(by_column("1", 0.0, 1.0, name="share of snow"),),
    trial=lambda made: (made.air,),
)
