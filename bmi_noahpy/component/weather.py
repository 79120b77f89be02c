"""What drives one step of the component."""

from __future__ import annotations

import torch
from torch import Tensor

from noahpy_core.state import Forcing
from noahpy_core.weather_rows import WeatherRow

Wind = tuple[Tensor, Tensor]


class Weather:
    """Forcing of a step, and the wind by its components; the same object where nothing has changed since the last step.

    Parameters
    ----------
    source : The forcing, or the row of a file that it is: a compiled step reads the row itself, and tensors are made
        when somebody asks for them.
    wind : Components, ``[column]``; None where a speed is given, which blows along x. [m s-1]
    """

    __slots__ = ("_wind", "source")

    def __init__(self, source: Forcing | WeatherRow, wind: Wind | None = None) -> None:
        self.source, self._wind = source, wind

    @property
    def forcing(self) -> Forcing:
        """As the model reads it."""
        if isinstance(self.source, WeatherRow):
            self.source = self.source.forcing()
        return self.source

    @property
    def wind(self) -> Wind:
        """Components. [m s-1]"""
        if self._wind is None:
            speed = self.forcing.wind_speed
            self._wind = speed, torch.zeros_like(speed)
        return self._wind
