"""What one update was computed from, as its derivative needs it."""

from __future__ import annotations

import dataclasses

from torch import Tensor

from noahpy_core.parameters import Parameters
from noahpy_core.quantities import replace_quantity
from noahpy_core.state import Forcing, State


@dataclasses.dataclass(frozen=True)
class TakenStep:
    """The inputs of one step.

    Parameters
    ----------
    state : At its beginning, with everything that was set.
    forcing, parameters : As used.
    wind : Components of the wind, ``[column]``; `forcing` has its speed. [m s-1]
    humid : Whether the surface humidity is a first guess that gives way to the humidity of the air.
    """

    state: State
    forcing: Forcing
    parameters: Parameters
    wind: tuple[Tensor, Tensor]
    humid: bool

    @property
    def start(self) -> State:
        """The state the model is given."""
        return started(self.state, self.forcing, self.humid)


def started(state: State, forcing: Forcing, humid: bool) -> State:
    """The state the model is given: with the humidity of the air at the surface where `humid`."""
    return replace_quantity(state, "surface.specific_humidity", forcing.specific_humidity) if humid else state
