"""An exchange scheme of one's own in the closed surface balance: its slope by the skin temperature is found for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor

from noahpy_core.parameters import GeneralParameters
from noahpy_core.physics.atmosphere import Air
from noahpy_core.physics.exchange_louis import Transfer
from noahpy_core.physics.turbulence import Conductance
from noahpy_core.state import SurfaceMemory
from noahpy_core.trees import register_pytree_node


@dataclasses.dataclass(frozen=True)
class SuppliedLayer:
    """The air over a surface, and the scheme that gives its conductance at a skin temperature.

    A scheme of one's own may let the heat flux fall where the surface cools, and then has several states; a column is
    solved in one of them.

    Parameters
    ----------
    scheme : Within the limits of its slot.
    memory, air, general : Its arguments, but for the skin temperature.
    """

    scheme: Callable[..., Conductance]
    memory: SurfaceMemory
    air: Air
    general: GeneralParameters

    @property
    def potential_temperature(self) -> Tensor:
        """Of the air. [K]"""
        return self.air.potential_temperature

    def transfer(self, skin: Tensor) -> Transfer:
        """Exchange at a skin temperature ``[column]`` [K], and its slope."""

        def conductance(temperature: Tensor) -> tuple[Tensor, Tensor]:
            found = self.scheme(self.memory, temperature, self.air, self.general)
            return found.heat + 0.0 * temperature, found.richardson + 0.0 * temperature

        # Columns are independent, so that one direction has the slopes of all.
        (heat, richardson), slopes, *_ = torch.func.jvp(conductance, (skin,), (torch.ones_like(skin),))
        return Transfer(self.air.density * heat, self.air.density * slopes[0], richardson)


register_pytree_node(
    SuppliedLayer,
    lambda layer: ([layer.memory, layer.air, layer.general], layer.scheme),
    lambda parts, scheme: SuppliedLayer(scheme, *parts),
)
