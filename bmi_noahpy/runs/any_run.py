"""What the loop over the steps of a run, its output and its restart files know of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from bmi_noahpy.config import Configuration
    from bmi_noahpy.forcing import ForcingSeries
    from bmi_noahpy.region.domain import Domain
    from noahpy_core.options import Options
    from noahpy_core.parameters import Parameters
    from noahpy_core.state import Forcing, State

Array = NDArray[Any]


class Taken(NamedTuple):
    """What steps gave: outputs of each, ``[time, ...]`` by name, and the state after the last."""

    outputs: dict[str, Array]
    final_state: State


class AnyRun(Protocol):
    """A run of tensors (`bmi_noahpy.runs.run.Run`), or of arrays (`bmi_noahpy.runs.array_run.ArrayRun`).

    Its containers hold tensors or arrays; what looks at their numbers takes them with `noahpy_core.leaves.array_of`.
    """

    @property
    def configuration(self) -> Configuration:
        """What it was made of."""

    @property
    def parameters(self) -> Parameters:
        """Parameters of the columns."""

    @property
    def initial_state(self) -> State:
        """The state before the first step."""

    @property
    def forcing(self) -> ForcingSeries | None:
        """The forcing of each step; None when a framework supplies it."""

    @property
    def domain(self) -> Domain:
        """Where the columns are."""

    @property
    def start(self) -> np.datetime64:
        """Time at which the first step begins, UTC."""

    @property
    def step(self) -> float:
        """Length of a step. [s]"""

    @property
    def steps(self) -> int:
        """Number of steps."""

    @property
    def device(self) -> object:
        """Where steps are computed, "cpu" or a graphics processor."""

    @property
    def thickness(self) -> Array:
        """Of the soil layers, ``[layer, 1]`` or ``[layer, column]``. [m]"""

    @property
    def schemes(self) -> Options:
        """The scheme of each slot."""

    @property
    def weights(self) -> Mapping[str, Any]:
        """Numbers that its schemes bring along."""

    def block(self, first: int, last: int) -> Forcing:
        """The forcing of the steps from `first` up to, not including, `last`, ``[time, column]``."""

    def take(self, state: State, forcing: Forcing, outputs: Sequence[str]) -> Taken:
        """Take steps.

        Parameters
        ----------
        state : Before the first of them.
        forcing : Of these steps, as `block` gives it.
        outputs : Paths in `State` and names in `Fluxes`.

        Raises
        ------
        ConvergenceError : An equation was not solved.
        """
