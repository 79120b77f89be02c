"""Density of falling snow, over layered snow."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from noahpy_core.contract import Slot, by_column
from noahpy_core.physics.atmosphere import Air


class FreshDensityScheme(Protocol):
    """Density of falling snow."""

    def __call__(self, air: Air) -> Tensor: ...


SLOT = Slot(
    name="fresh_density",
    contract=FreshDensityScheme,
    returns=(by_column("kg m-3", 20.0, 500.0, name="density"),),
    trial=lambda made: (made.air,),
)
