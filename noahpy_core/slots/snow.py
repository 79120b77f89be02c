"""The snowpack."""

from __future__ import annotations

from typing import Annotated, Protocol

from torch import Tensor

from noahpy_core.contract import Slot, by_column
from noahpy_core.physics.snow import PackBalance, Precipitation, Snowpack
from noahpy_core.state import Forcing, SnowState


class SnowScheme(Protocol):
    """The pack of Noah's step: snow on it before the surface balance, losses after it, settling at the end."""

    def precipitation(
        self, forcing: Forcing, skin_temperature: Annotated[Tensor, by_column("K", 150.0, 400.0)]
    ) -> Precipitation: ...

    def snowed_on(
        self, snow: SnowState, precipitation: Precipitation, air_temperature: Tensor, dt: Tensor | float
    ) -> Snowpack: ...

    def deplete(
        self,
        pack: Snowpack,
        loss: Annotated[Tensor, by_column("kg m-2")],
        heat: Annotated[Tensor, by_column("W m-2", 0.0)],
        skin_temperature: Annotated[Tensor, by_column("K", 150.0, 400.0)],
        dt: Tensor | float,
    ) -> PackBalance: ...

    def settled(
        self,
        pack: Snowpack,
        left: PackBalance,
        skin_temperature: Annotated[Tensor, by_column("K", 150.0, 400.0)],
        base_temperature: Annotated[Tensor, by_column("K", 150.0, 400.0)],
        age: Annotated[Tensor, by_column("s", 0.0)],
        dt: Tensor | float,
    ) -> SnowState: ...


SLOT = Slot(
    name="snow",
    contract=SnowScheme,
    returns=(
        by_column("kg m-2", 0.0, name="water_equivalent"),
        by_column("m", 0.0, name="depth"),
        by_column("s", 0.0, name="age"),
    ),
    container=SnowState,
)
