"""What the component holds between two steps: everything that the next one, or a getter, depends on."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from bmi_noahpy.component.framework_inputs import FrameworkInputs
from bmi_noahpy.component.mass_balance import MassBalance
from bmi_noahpy.component.weather import Weather
from bmi_noahpy.gradient.taken_step import StepResult
from noahpy_core.column import SoilColumn
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import replace_quantity
from noahpy_core.state import Fluxes, Forcing, State


@dataclasses.dataclass
class Contents:
    """State, parameters and inputs in force, and the results that are shown.

    Parameters
    ----------
    state, parameters : With one value for each column.
    column : Soil layers.
    inputs : What a framework has set.
    balance : Water since the start.
    guessed : Columns whose surface humidity is a first guess still, of bool; None when there are none.
    weather : Of the last step; of the first one before it, when a file gives it.
    fluxes : Mean over the last call; None before the first step.
    span : Length of that call. [s]
    cells : Place of each column in the flattened grid.
    snow_was_set : Whether depth and water of the snow have to be checked against each other before the next step.
    """

    state: State
    parameters: Parameters
    column: SoilColumn
    inputs: FrameworkInputs
    balance: MassBalance
    guessed: Tensor | None
    weather: Weather | None
    span: float
    cells: Tensor
    fluxes: Fluxes | None = None
    snow_was_set: bool = False

    @property
    def forcing(self) -> Forcing | None:
        """Of `weather`."""
        return None if self.weather is None else self.weather.forcing

    def result(self) -> StepResult:
        """What outputs are read from."""
        return StepResult(self.state, self.fluxes, self.forcing, self.column, self.span)

    def copy(self) -> Contents:
        """As it is now, to go back to when something that was set turns out to be unacceptable."""
        return dataclasses.replace(self, inputs=self.inputs.copy())

    def set_surface_humidity(self, where: Tensor) -> None:
        """The surface humidity of some columns is no guess any more."""
        if self.guessed is not None:
            left = self.guessed & ~where
            self.guessed = left if bool(left.any()) else None

    def follow_air_humidity(self) -> None:
        """Where the surface humidity is a guess, show that of the air as soon as it is given."""
        air = self.inputs.value("specific_humidity", None)
        if self.guessed is None or air is None:
            return
        humidity = self.state.surface.specific_humidity
        follows = self.guessed & ~air.isnan()
        self.state = replace_quantity(self.state, "surface.specific_humidity", torch.where(follows, air, humidity))
