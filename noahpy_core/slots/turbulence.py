"""Exchange of heat and momentum between surface and air."""

from __future__ import annotations

from typing import Annotated, Protocol

from torch import Tensor

from noahpy_core.contract import Slot, by_column
from noahpy_core.parameters import GeneralParameters
from noahpy_core.physics.atmosphere import Air
from noahpy_core.physics.turbulence import Conductance
from noahpy_core.state import SurfaceMemory

CONDUCTANCE = (1.0e-5, 10.0)
"""Of the air, for heat and for momentum. [m s-1]"""


class TurbulenceScheme(Protocol):
    """Conductances of the air between surface and the heights of measurement, and its bulk Richardson number."""

    def __call__(
        self,
        memory: SurfaceMemory,
        skin_temperature: Annotated[Tensor, by_column("K", 150.0, 400.0)],
        air: Air,
        parameters: GeneralParameters,
    ) -> Conductance: ...


SLOT = Slot(
    name="turbulence",
    contract=TurbulenceScheme,
    returns=(
        by_column("m s-1", *CONDUCTANCE, name="heat"),
        by_column("m s-1", *CONDUCTANCE, name="momentum"),
        by_column("1", name="richardson"),
    ),
    container=Conductance,
    trial=lambda made: (made.surface_memory(), made.values(290.0, 262.0), made.air, made.parameters.general),
)
