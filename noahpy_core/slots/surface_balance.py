"""How surface, snow and soil are solved together: the order of a step."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from noahpy_core.contract import Slot
from noahpy_core.parameters import Parameters
from noahpy_core.state import Fluxes, Forcing, State


class SurfaceBalanceScheme(Protocol):
    """One step of the model, of `dt` seconds, made of the schemes of all other slots."""

    def __call__(
        self, state: State, forcing: Forcing, parameters: Parameters, dt: Tensor | float
    ) -> tuple[State, Fluxes]: ...


SLOT = Slot(
    name="surface_balance",
    contract=SurfaceBalanceScheme,
    returns=(),
)
