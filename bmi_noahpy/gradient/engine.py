"""How recorded steps are taken again and reversed: what a window needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from torch import Tensor

from bmi_noahpy.gradient.names import Core
from bmi_noahpy.gradient.recorded import RecordedStep

Seeds = Sequence[tuple[str, Tensor]]
"""Derivative of the objective by outputs, flat, with their names."""


class Pulled(NamedTuple):
    """What reversing a step gives.

    Parameters
    ----------
    state : Derivative by the state before the step, flat.
    entered : Derivative by forcing and by states that were set, as ``forcing.air_temperature`` and ``set.0``.
    """

    state: Tensor
    entered: Core


class Engine(Protocol):
    """Takes recorded steps again, and back."""

    @property
    def by_parameters(self) -> Core:
        """Derivative by parameters in all steps reversed so far, by path; empty before the first."""

    def clear(self) -> None:
        """Forget the derivative by parameters."""

    def advance(self, record: RecordedStep, flat: Tensor) -> Tensor:
        """The flat state after a step, from that before it."""

    def push(self, record: RecordedStep, flat: Tensor, changes: Core, names: Sequence[str]) -> list[Tensor | None]:
        """Changes of outputs of a step, flat, that changes of what enters it make; None where there is none.

        Parameters
        ----------
        flat : State before the step.
        changes : By core path, as ``state.soil.temperature``.
        names : Of the outputs.
        """

    def reverse(self, record: RecordedStep, flat: Tensor, adjoint: Tensor, seeds: Seeds, span: float) -> Pulled:
        """Take a step back.

        Parameters
        ----------
        flat : State before the step.
        adjoint : Derivative by the state after it, flat.
        seeds : By outputs.
        span : Time that the call takes of which the step is a part. [s]
        """
