"""The conservative time step, read from top to bottom: nothing is created, and every flux is that of the step's end.

Surface, snow and soil exchange heat as one implicit system, evaporation being limited to what each store has. What
evaporated is taken from the stores; then rain that passed the canopy, and water that left the snow, move through the
soil and carry their heat. Each part closes by itself, so the whole does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.fixed import ModelPart
from noahpy_core.parameters import Parameters
from noahpy_core.physics.evaporation import CanopyResistance, Demand
from noahpy_core.physics.freezing import FreezingCurve
from noahpy_core.physics.snow_layered import LayeredSnow
from noahpy_core.physics.soil_water_richards import RichardsSoilWater
from noahpy_core.physics.transitions import Transitions
from noahpy_core.physics.turbulence import Conductance
from noahpy_core.state import Fluxes, Forcing, State
from noahpy_core.steps.conservative.fluxes import conservative_fluxes
from noahpy_core.steps.conservative.heat import heat_step
from noahpy_core.steps.conservative.parts import ConservativeParts, Schemes
from noahpy_core.steps.conservative.result import new_state
from noahpy_core.steps.conservative.surroundings import surroundings
from noahpy_core.steps.conservative.water import canopy_water, moved_water


class ConservativeStep(ModelPart):
    """The closed column: coupled heat, layered snow, Richards soil water.

    Parameters
    ----------
    column : Soil layers.
    transitions, turbulence, ... : The scheme of each slot.
    """

    def __init__(
        self,
        column: SoilColumn,
        transitions: Transitions,
        turbulence: Callable[..., Conductance],
        surface: Callable[..., tuple[Tensor, Tensor]],
        canopy_resistance: Callable[..., CanopyResistance],
        evaporation: Callable[..., Demand],
        soil_resistance: Callable[..., Tensor],
        soil_thermal: Callable[..., Tensor],
        supercooled_water: FreezingCurve,
        soil_water: RichardsSoilWater,
        snow: LayeredSnow,
    ) -> None:
        super().__init__()
        self.keeps_remainder = True
        self.column = column
        self.transitions = transitions
        self.turbulence = turbulence
        self.surface = surface
        self.canopy_resistance = canopy_resistance
        self.evaporation = evaporation
        self.soil_resistance = soil_resistance
        self.soil_thermal = soil_thermal
        self.curve = supercooled_water
        self.soil_water = soil_water
        self.snow = snow

    def forward(
        self, state: State, forcing: Forcing, parameters: Parameters, dt: Tensor | float
    ) -> tuple[State, Fluxes]:
        """Advance the state by one step.

        Parameters
        ----------
        state : At the start of the step, ``[column]``, ``[layer, column]`` and ``[snow layer, column]``.
        forcing : Air and vegetation during the step, ``[column]``.
        parameters : See `noahpy_core.parameters`.
        dt : Length of the step, one number or one per column. [s]

        Returns
        -------
        The state at the end of the step, and the mean fluxes over it. Each field says its units.

        Raises
        ------
        ValueError : the state has no snow layers.
        ConvergenceError : naming the columns whose equations were not solved.
        """
        schemes = self.schemes
        parameters = dataclasses.replace(parameters, soil=parameters.soil.resolved(), snow=parameters.snow.resolved())
        around = surroundings(schemes, state, forcing, parameters, dt)
        heat = heat_step(schemes, state, forcing, around, parameters, dt)
        canopy = canopy_water(schemes, state, around, heat, parameters, dt)
        moved = moved_water(schemes, state.soil, around, heat, canopy.throughfall, parameters, dt)

        parts = ConservativeParts(around, heat, canopy, moved)
        after = new_state(schemes, state, parts, parameters, dt)
        return after, conservative_fluxes(parts, state, after, forcing, parameters, self.column, dt)

    @property
    def schemes(self) -> Schemes:
        """What stands in the slots, as the functions of the step take it."""
        return Schemes(
            self.column, self.transitions, self.turbulence, self.surface, self.canopy_resistance, self.evaporation,
            self.soil_resistance, self.soil_thermal, self.curve, self.soil_water, self.snow,
        )  # fmt: skip
