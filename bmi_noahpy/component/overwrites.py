"""States that a caller sets between steps, as operations that can be repeated and differentiated."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from bmi_noahpy.component.variables import Variable
from noahpy_core.quantities import get_quantity, replace_quantity
from noahpy_core.state import State


@dataclasses.dataclass(frozen=True)
class Overwrite:
    """Values put in the place of a state's.

    Parameters
    ----------
    variable : Which: a state, or the total soil water.
    where : Elements that were set, of bool.
    value : Their values in core units.
    kept : What is stored then, in place of `value` where the two differ by the rounding of a change of units.
    """

    variable: Variable
    where: Tensor
    value: Tensor
    kept: tuple[Tensor, ...]

    @classmethod
    def recorded(cls, variable: Variable, where: Tensor, value: Tensor, after: State) -> Overwrite:
        """The operation that has just led to the state `after`."""
        soil = after.soil
        kept = (soil.liquid_water, soil.ice) if _is_total(variable) else (get_quantity(after, variable.path),)
        return cls(variable, where.to(value.device), value, kept)

    def apply(self, state: State, value: Tensor) -> State:
        """The state with the same values set again, and with the derivative by `value`.

        Parameters
        ----------
        state : Before.
        value : `self.value`, or a leaf equal to it.
        """
        if not _is_total(self.variable):
            return self._set(state, self.variable.path, value, self.kept[0])
        ice = torch.where(value < state.soil.ice, value, state.soil.ice)
        state = self._set(state, "soil.liquid_water", value - ice, self.kept[0])
        return self._set(state, "soil.ice", ice, self.kept[1])

    def _set(self, state: State, path: str, value: Tensor, kept: Tensor) -> State:
        # The bits that were stored, with the derivative of the rule that led to them.
        exact = kept + (value - value.detach())
        return replace_quantity(state, path, torch.where(self.where, exact, get_quantity(state, path)))


def _is_total(variable: Variable) -> bool:
    return variable.root == "derived"
