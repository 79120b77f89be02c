"""Albedo of layered snow."""

from __future__ import annotations

from typing import Annotated, Protocol

from torch import Tensor

from noahpy_core.contract import Slot, by_column
from noahpy_core.parameters import SnowParameters


class SnowAlbedoScheme(Protocol):
    """Albedo of snow after `dt` seconds, from that before, how much of the surface melts, snowfall, skin and depth."""

    def __call__(
        self,
        albedo: Annotated[Tensor, by_column("1", 0.0, 1.0)],
        melting: Annotated[Tensor, by_column("1", 0.0, 1.0)],
        snowfall: Annotated[Tensor, by_column("kg m-2 s-1", 0.0)],
        skin_temperature: Annotated[Tensor, by_column("K", 150.0, 350.0)],
        depth: Annotated[Tensor, by_column("m", 0.0)],
        parameters: SnowParameters,
        dt: Tensor | float,
    ) -> Tensor: ...


SLOT = Slot(
    name="snow_albedo",
    contract=SnowAlbedoScheme,
    returns=(by_column("1", 0.0, 1.0, name="albedo"),),
    trial=lambda made: (
        made.values(0.6, 0.8),
        made.values(1.0, 0.0),
        made.values(0.0, 1.0e-4),
        made.values(273.15, 260.0),
        made.values(0.3, 1.0),
        made.parameters.snow.resolved(),
        3600.0,
    ),
)
