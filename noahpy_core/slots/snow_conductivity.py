"""Thermal conductivity of layered snow."""

from __future__ import annotations

from typing import Annotated, Protocol

from torch import Tensor

from noahpy_core.contract import Slot, by_layer


class SnowConductivityScheme(Protocol):
    """Effective thermal conductivity of each snow layer; wetness is the liquid share of its mass."""

    def __call__(
        self,
        density: Annotated[Tensor, by_layer("kg m-3", 20.0, 917.0)],
        temperature: Annotated[Tensor, by_layer("K", 150.0, 273.15)],
        wetness: Annotated[Tensor, by_layer("1", 0.0, 1.0)],
    ) -> Tensor: ...


SLOT = Slot(
    name="snow_conductivity",
    contract=SnowConductivityScheme,
    returns=(by_layer("W m-1 K-1", 0.03, 3.0, name="conductivity"),),
    trial=lambda made: (made.profile(350.0, 150.0), made.profile(273.15, 260.0), made.profile(0.1, 0.0)),
)
