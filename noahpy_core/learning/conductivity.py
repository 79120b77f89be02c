"""Thermal conductivity of soil with a learned dependence on saturation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from noahpy_core.learning.networks import BoundedNetwork
from noahpy_core.parameters import MINERAL, SoilParameters
from noahpy_core.physics.soil_thermal import CoteKonrad2005
from noahpy_core.physics.transitions import SHARP, Transitions

SHAPE = (0.02, 50.0)
"""Bounds of the shape factor. [1]"""


class LearnedThermalConductivity(CoteKonrad2005):
    """Dry and saturated conductivity as built in, and a network for the weight between them (the Kersten number).

    Notes
    -----
    K_e = k S/(1 + (k - 1) S), the form of Cote and Konrad 2005 (eq. 17), whose factor k is a network of saturation S
    and of whether the soil is frozen. Whatever its weights, K_e is 0 when dry, 1 when saturated and between them
    otherwise, and any relation between these points can be written so. Gravel and bedrock keep the built-in relation.

    Parameters
    ----------
    hidden : Width of each hidden layer.
    seed : Of the random weights.
    """

    def __init__(self, hidden: Sequence[int] = (12, 12), seed: int = 0, transitions: Transitions = SHARP) -> None:
        super().__init__(transitions)
        self.network = BoundedNetwork(
            {"saturation": (0.0, 1.0), "frozen": (0.0, 1.0)},
            {"shape": SHAPE},
            hidden=hidden,
            logarithmic=("shape",),
            seed=seed,
        )

    def kersten_number(self, saturation: Tensor, frozen: Tensor) -> Tensor:
        """Weight of the saturated against the dry conductivity.

        Parameters
        ----------
        saturation : Share of the pores filled with water and ice. [1]
        frozen : 1 for frozen soil, 0 for unfrozen. [1]
        """
        shape: Tensor
        (shape,) = self.network(saturation, frozen)
        return shape * saturation / (1.0 + (shape - 1.0) * saturation)

    def _kersten(self, saturation: Tensor, frozen: Tensor, soil: SoilParameters) -> Tensor:
        built_in = super()._kersten(saturation, frozen, soil)
        return torch.where(soil.material == MINERAL, self.kersten_number(saturation, frozen), built_in)
