"""What a step was computed from, for those who want to know after it."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from bmi_noahpy.component.weather import Weather
from bmi_noahpy.gradient.taken_step import TakenStep
from noahpy_core.parameters import Parameters
from noahpy_core.state import State


class StepCauses(NamedTuple):
    """The inputs of one step, of which nothing is put together before somebody asks.

    Parameters
    ----------
    state : At its beginning, with everything that was set.
    parameters, weather : As used.
    guessed : Columns whose surface humidity is a first guess that gives way to the humidity of the air; None: none.
    """

    state: State
    parameters: Parameters
    weather: Weather
    guessed: Tensor | None

    def taken(self) -> TakenStep:
        """The step as its derivative needs it."""
        weather = self.weather
        return TakenStep(self.state, weather.forcing, self.parameters, weather.wind, self.guessed)
