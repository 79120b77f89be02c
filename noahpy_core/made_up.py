"""Two made-up columns, one warm and one frozen under snow, to try a scheme on before it is part of a model."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from noahpy_core import tables
from noahpy_core.column import SoilColumn
from noahpy_core.parameters import Parameters
from noahpy_core.physics.atmosphere import Air, diagnose_air
from noahpy_core.physics.soil_heat import Coupling
from noahpy_core.physics.surface import Ground, snow_free_ground
from noahpy_core.state import Forcing, SoilState, SurfaceMemory, map_tensors

SANDY_LOAM, GRASSLAND = 3, 7
STEP = 3600.0
"""[s]"""


class MadeUpColumns:
    """What a scheme in any slot is given in one step of made-up columns.

    Parameters
    ----------
    column : Layers of the model. With one set of thicknesses there are two columns, otherwise as many as it has.
    """

    def __init__(self, column: SoilColumn) -> None:
        self.column = column
        self.layers = column.layers
        self.number = max(column.thickness.shape[1], 2)
        self.dtype, self.device = column.thickness.dtype, column.thickness.device
        self.parameters = self._parameters()
        self.forcing = self._forcing()
        self.soil = SoilState(
            temperature=self._profile(286.0, 268.0), liquid_water=self._profile(0.25, 0.1), ice=self._profile(0.0, 0.15)
        )
        self.air: Air = diagnose_air(self.forcing, self.parameters.general)
        self.ground: Ground = snow_free_ground(self.forcing, self.parameters.vegetation)

    def arguments(self, slot: str) -> tuple[Any, ...]:
        """Arguments of the scheme in a slot, in order."""
        soil, parameters, surface = self.soil, self.parameters, self._surface
        water = (soil.liquid_water, soil.ice)
        by_slot: dict[str, tuple[Any, ...]] = {
            "surface": (self.ground, surface(0.2, 0.7), surface(1.0e5, 5.0e5), parameters),
            "snow_cover": (surface(5.0, 60.0), parameters.snow),
            "thermal_roughness": (surface(0.02, 0.1), parameters.general),
            "turbulence": (self._memory(), surface(290.0, 262.0), self.air, parameters.general),
            "canopy_resistance": (
                soil, self.air, self.ground, self.forcing.shortwave_down, surface(0.02, 0.01), surface(0.97, 0.95),
                parameters,
            ),
            "evaporation": (
                soil, surface(0.1, 0.05), self.ground, surface(1.0e-4, 1.0e-5), surface(0.6, 0.1), parameters,
            ),
            "snow_melt": (surface(20.0, 150.0),),
            "infiltration": (*water, surface(1.0e-4, 1.0e-5), parameters.soil.wilting_point, parameters, STEP),
            "soil_hydraulics": (*water, parameters.soil),
            "soil_thermal": (*water, parameters.soil),
            "supercooled_water": (soil.temperature, *water, parameters.soil),
            "phase_change": (
                soil.temperature, *water, self._coupling(), self._profile(1.2, 1.8), parameters, STEP,
            ),
        }  # fmt: skip
        return by_slot[slot]

    def transitions(self) -> dict[str, tuple[Any, ...]]:
        """Arguments of the methods of transitions, by name."""
        across = (self._surface(274.0, 272.0), 273.15, 2.0)
        return {"rising": across, "falling": across, "amount": (self._surface(0.2, 5.0), 1.0)}

    def _surface(self, warm: float, frozen: float) -> Tensor:
        values = torch.tensor([warm, frozen], dtype=self.dtype, device=self.device)
        return values.repeat(-(-self.number // 2))[: self.number]

    def _profile(self, warm: float, frozen: float) -> Tensor:
        return self._surface(warm, frozen).expand(self.layers, self.number).clone()

    def _parameters(self) -> Parameters:
        plants = torch.full((self.number,), GRASSLAND)
        classes = torch.full((self.layers, self.number), SANDY_LOAM)
        parameters = Parameters(
            soil=tables.soil_parameters(classes, dtype=self.dtype).resolved(),
            vegetation=tables.vegetation_parameters(
                plants,
                minimum_fraction=self._surface(0.05, 0.05),
                maximum_fraction=self._surface(0.9, 0.9),
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
            air_temperature=self._surface(288.0, 264.0),
            air_pressure=self._surface(9.0e4, 6.0e4),
            specific_humidity=self._surface(6.0e-3, 1.0e-3),
            wind_speed=self._surface(3.0, 6.0),
            shortwave_down=self._surface(600.0, 80.0),
            longwave_down=self._surface(330.0, 220.0),
            precipitation=self._surface(1.0e-4, 1.0e-5),
            vegetation_fraction=self._surface(0.6, 0.2),
        )

    def _memory(self) -> SurfaceMemory:
        return SurfaceMemory(
            albedo=self._surface(0.2, 0.6),
            emissivity=self._surface(0.97, 0.95),
            roughness_length=self._surface(0.05, 0.01),
            snow_free_roughness_length=self._surface(0.05, 0.05),
            specific_humidity=self._surface(7.0e-3, 1.2e-3),
            aerodynamic_conductance=self._surface(0.02, 0.01),
            momentum_conductance=self._surface(0.02, 0.01),
        )

    def _coupling(self) -> Coupling:
        return Coupling(self._surface(292.0, 260.0), self._surface(1.5, 1.0), self._surface(1.0, 0.3))
