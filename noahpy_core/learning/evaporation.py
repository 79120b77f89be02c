"""Split of potential evaporation into soil, canopy and roots by a network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.learning.networks import BoundedNetwork
from noahpy_core.parameters import Parameters
from noahpy_core.physics.evaporation import Demand, NoahEvaporation, relative_availability
from noahpy_core.physics.surface import Ground
from noahpy_core.state import SoilState


class LearnedEvaporation(NoahEvaporation):
    """A network says which shares of the potential rate bare soil, wet leaves and dry leaves use.

    Inputs: saturation of the top layer, mean availability of water to roots (0 at the wilting point, 1 at field
    capacity), canopy water over its capacity, and the plant coefficient, all [1]. Outputs, all 0 to 1: the share used
    by bare soil, the wet share of the canopy, and the share the dry canopy transpires. Vegetation covers its fraction
    of the ground, so the parts never exceed the potential rate; roots draw from the layers as in the built-in scheme.

    Parameters
    ----------
    column : Soil layers; filled in by the model when built by name.
    hidden : Width of each hidden layer.
    seed : Of the random weights.
    """

    def __init__(self, column: SoilColumn, hidden: Sequence[int] = (12, 12), seed: int = 0) -> None:
        super().__init__(column)
        fraction = (0.0, 1.0)
        self.network = BoundedNetwork(
            dict.fromkeys(("saturation", "availability", "wetness", "plant_coefficient"), fraction),
            dict.fromkeys(("bare_soil", "wet_canopy", "dry_canopy"), fraction),
            hidden=hidden,
            seed=seed,
        )

    def shares(
        self, saturation: Tensor, availability: Tensor, wetness: Tensor, plant_coefficient: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Shares of the potential rate that bare soil, wet canopy and dry canopy use. [1]

        Parameters
        ----------
        saturation : Of the top layer. [1]
        availability : Of water to roots. [1]
        wetness : Canopy water over its capacity. [1]
        plant_coefficient : [1]
        """
        soil, wet, dry = self.network(saturation, availability, wetness, plant_coefficient)
        return soil, wet, dry

    def forward(
        self, soil: SoilState, canopy_water: Tensor, ground: Ground, potential: Tensor, plant_coefficient: Tensor,
        parameters: Parameters,
    ) -> Demand:  # fmt: skip
        """Demand of soil, canopy and roots; arguments as for the built-in scheme. [kg m-2 s-1]

        Parameters
        ----------
        soil : Liquid water is read, ``[layer, column]``. [m3 m-3]
        canopy_water : ``[column]``. [kg m-2]
        ground : Vegetation fraction is read.
        potential : Potential rate, not negative. [kg m-2 s-1]
        plant_coefficient : [1]
        parameters : Those of plants and soil are read.
        """
        roots = parameters.vegetation.root_fraction(self.column)
        availability = (roots * relative_availability(soil.liquid_water, parameters.soil)).sum(0)
        bare, wet, dry = self.shares(
            soil.liquid_water[0] / parameters.soil.porosity[0],
            availability,
            canopy_water / parameters.vegetation.canopy_capacity,
            plant_coefficient,
        )
        covered = ground.vegetation_fraction * potential
        return Demand(
            soil=bare * (potential - covered),
            canopy=wet * covered,
            roots=(1.0 - wet) * dry * covered * self._root_shares(soil, parameters),
        )
