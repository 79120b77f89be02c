"""Two made-up columns, one warm and one frozen under snow, to try a scheme on before it is part of a model."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from noahpy_core import tables
from noahpy_core.column import SoilColumn
from noahpy_core.parameters import Parameters
from noahpy_core.physics.atmosphere import Air, diagnose_air
from noahpy_core.physics.surface import Ground, snow_free_ground
from noahpy_core.state import Forcing, SoilState, SurfaceMemory
from noahpy_core.trees import map_tensors

SANDY_LOAM, GRASSLAND = 3, 7
STEP = 3600.0
"""[s]"""


class TrialColumns:
    """What the schemes are given in one step of made-up columns.

    Parameters
    ----------
    column : Layers of the model. With one set of thicknesses there are two columns, otherwise as many as it has.
    """

    def __init__(self, column: SoilColumn) -> None:
        self.column = column
        self.layers = column.layers
        self.number = max(column.thickness.shape[1], 2)
        self.dtype, self.device = column.thickness.dtype, column.thickness.device
        self.parameters: Parameters = self._parameters()
        self.forcing: Forcing = self._forcing()
        self.soil: SoilState = SoilState(
            temperature=self.profile(286.0, 268.0), liquid_water=self.profile(0.25, 0.1), ice=self.profile(0.0, 0.15)
        )
        self.air: Air = diagnose_air(self.forcing, self.parameters.general)
        self.ground: Ground = snow_free_ground(self.forcing, self.parameters.vegetation)

    @property
    def water(self) -> tuple[Tensor, Tensor]:
        """Liquid water and ice, ``[layer, column]``. [m3 m-3]"""
        return self.soil.liquid_water, self.soil.ice

    def values(self, warm: float, frozen: float) -> Tensor:
        """A value of the warm and one of the frozen column, ``[column]``."""
        values = torch.tensor([warm, frozen], dtype=self.dtype, device=self.device)
        return values.repeat(-(-self.number // 2))[: self.number]

    def profile(self, warm: float, frozen: float) -> Tensor:
        """The same in every layer, ``[layer, column]``."""
        return self.values(warm, frozen).expand(self.layers, self.number).clone()

    def _parameters(self) -> Parameters:
        plants = torch.full((self.number,), GRASSLAND)
        classes = torch.full((self.layers, self.number), SANDY_LOAM)
        parameters = Parameters(
            soil=tables.soil_parameters(classes, dtype=self.dtype).resolved(),
            vegetation=tables.vegetation_parameters(
                plants,
                minimum_fraction=self.values(0.05, 0.05),
                maximum_fraction=self.values(0.9, 0.9),
                dtype=self.dtype,
            ),
            snow=tables.snow_parameters(plants, dtype=self.dtype),
            general=tables.general_parameters(
                self.number, deep_temperature=280.0, air_temperature_height=2.0, wind_height=10.0, dtype=self.dtype
            ),
        )
        roots = torch.full_like(parameters.vegetation.root_layers, min(3, self.layers))
        vegetation = dataclasses.replace(parameters.vegetation, root_layers=roots)
        return map_tensors(lambda x: x.to(self.device), dataclasses.replace(parameters, vegetation=vegetation))

    def _forcing(self) -> Forcing:
        return Forcing(
            air_temperature=self.values(288.0, 264.0),
            air_pressure=self.values(9.0e4, 6.0e4),
            specific_humidity=self.values(6.0e-3, 1.0e-3),
            wind_speed=self.values(3.0, 6.0),
            shortwave_down=self.values(600.0, 80.0),
            longwave_down=self.values(330.0, 220.0),
            precipitation=self.values(1.0e-4, 1.0e-5),
            vegetation_fraction=self.values(0.6, 0.2),
        )

    def surface_memory(self) -> SurfaceMemory:
        """The surface at the end of the step before."""
        return SurfaceMemory(
            albedo=self.values(0.2, 0.6),
            emissivity=self.values(0.97, 0.95),
            roughness_length=self.values(0.05, 0.01),
            snow_free_roughness_length=self.values(0.05, 0.05),
            specific_humidity=self.values(7.0e-3, 1.2e-3),
            aerodynamic_conductance=self.values(0.02, 0.01),
            momentum_conductance=self.values(0.02, 0.01),
        )
