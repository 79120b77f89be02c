"""Albedo and emissivity of the surface with its snow."""

from __future__ import annotations

from typing import Annotated, Protocol

from torch import Tensor

from noahpy_core.contract import Slot, by_column
from noahpy_core.parameters import Parameters
from noahpy_core.physics.surface import Ground

SMALLEST_EMISSIVITY = 0.5
"""A surface that hardly emits, in calm air, has no way to lose the heat of the sun. [1]"""


class SurfaceScheme(Protocol):
    """Albedo and emissivity of the ground, with snow of some age on part of it."""

    def __call__(
        self,
        ground: Ground,
        snow_cover: Annotated[Tensor, by_column("1", 0.0, 1.0)],
        snow_age: Annotated[Tensor, by_column("s", 0.0)],
        parameters: Parameters,
    ) -> tuple[Tensor, Tensor]: ...


SLOT = Slot(
    name="surface",
    contract=SurfaceScheme,
    returns=(by_column("1", 0.0, 1.0, name="albedo"), by_column("1", SMALLEST_EMISSIVITY, 1.0, name="emissivity")),
    trial=lambda made: (made.ground, made.values(0.2, 0.7), made.values(1.0e5, 5.0e5), made.parameters),
)
