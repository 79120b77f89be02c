"""What one update was computed from and what it gave, as its derivative needs both."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import replace_quantity
from noahpy_core.state import Fluxes, Forcing, State


class Part(NamedTuple):
    """A core quantity that changes with the value under a name.

    Parameters
    ----------
    path : Dotted, container first, as ``state.soil.temperature``.
    weight : Change of the core quantity for a change of the value.
    shape : Of the core quantity.
    """

    path: str
    weight: Tensor | float
    shape: torch.Size


@dataclasses.dataclass(frozen=True)
class TakenStep:
    """The inputs of one step.

    Parameters
    ----------
    state : At its beginning, with everything that was set.
    forcing, parameters : As used.
    wind : Components of the wind, ``[column]``; `forcing` has its speed. [m s-1]
    guessed : Columns whose surface humidity is a first guess that gives way to the humidity of the air; None: none.
    """

    state: State
    forcing: Forcing
    parameters: Parameters
    wind: tuple[Tensor, Tensor]
    guessed: Tensor | None = None

    @property
    def start(self) -> State:
        """The state the model is given: with the humidity of the air at the surface where that is a guess."""
        if self.guessed is None:
            return self.state
        humidity, air = self.state.surface.specific_humidity, self.forcing.specific_humidity
        # The number is that of the air. Its derivative is also that by the state, because a caller who sets the
        # surface humidity puts an end to the guess.
        followed = air + (humidity - humidity.detach())
        start: State = replace_quantity(
            self.state, "surface.specific_humidity", torch.where(self.guessed, followed, humidity)
        )
        return start


@dataclasses.dataclass(frozen=True)
class StepResult:
    """What outputs are read from: the state after one or more steps, and the mean fluxes over them.

    Parameters
    ----------
    state : At the end.
    fluxes : None before the first step.
    forcing : Of the last step; None before the first one, when no file gives it.
    column : Soil layers.
    span : Time that `fluxes` are the mean of. [s]
    """

    state: State
    fluxes: Fluxes | None
    forcing: Forcing | None
    column: SoilColumn
    span: float

    def flux(self, name: str) -> Tensor:
        """A member of `Fluxes`, zero before the first step."""
        if self.fluxes is None:
            return torch.zeros_like(self.state.skin_temperature)
        value: Tensor = getattr(self.fluxes, name)
        return value
