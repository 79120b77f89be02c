"""States that a caller sets between steps, as operations that can be repeated and differentiated."""

from __future__ import annotations

import dataclasses

from torch import Tensor

from bmi_noahpy.component.sources import StateSource
from noahpy_core.state import State


@dataclasses.dataclass(frozen=True)
class Overwrite:
    """Values put in the place of a state's.

    Parameters
    ----------
    name : Under which they were set.
    source : Which state.
    where : Elements that were set, of bool.
    value : Their values in core units.
    stored : What is stored then, in place of `value` where the two differ by the rounding of a change of units.
    """

    name: str
    source: StateSource
    where: Tensor
    value: Tensor
    stored: tuple[Tensor, ...]

    @property
    def path(self) -> str:
        """Of the state."""
        return self.source.path

    def apply(self, state: State, value: Tensor) -> State:
        """The state with the same values set again, and with the derivative by `value`.

        Parameters
        ----------
        state : Before.
        value : `self.value`, or a leaf equal to it.
        """
        return self.source.put_exactly(state, value, self.where, self.stored)
