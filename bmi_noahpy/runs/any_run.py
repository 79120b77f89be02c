"""What the loop over the steps of a run, its output and its restart files know of the run."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.runs.numbering import warn_of_numbering
from bmi_noahpy.runs.physical_checks import check_physics
from noahpy_core.leaves import array_of

if TYPE_CHECKING:
    from typing_extensions import Self

    from bmi_noahpy.config import Configuration
    from bmi_noahpy.forcing import ForcingSeries
    from bmi_noahpy.region.domain import Domain
    from bmi_noahpy.runs.outline import Outline
    from noahpy_core.options import Options
    from noahpy_core.parameters import Parameters
    from noahpy_core.state import Forcing, State

Array = NDArray[Any]


class Taken(NamedTuple):
    """What steps gave: outputs of each, ``[time, ...]`` by name, and the state after the last."""

    outputs: dict[str, Array]
    final_state: State


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnyRun(ABC):
    """Everything a run needs, of tensors (`bmi_noahpy.runs.run.Run`) or arrays (`bmi_noahpy.runs.array_run.ArrayRun`).

    What looks at the numbers of its containers takes them with `noahpy_core.leaves.array_of`.

    Parameters
    ----------
    forcing : The forcing of each step; None when a framework supplies it.
    start : Time at which the first step begins, UTC.
    step : Length of a step. [s]
    steps : Number of steps.
    columns : Numbers of the columns among those of the configuration; None when all are run.
    device : Where steps are computed, "cpu" or a graphics processor.
    """

    configuration: Configuration
    parameters: Parameters
    initial_state: State
    forcing: ForcingSeries | None
    domain: Domain
    start: np.datetime64
    step: float
    steps: int
    columns: NDArray[np.int64] | None
    device: object = "cpu"

    @classmethod
    def of(cls, outline: Outline, **own: Any) -> Self:
        """The run of an outline, its numbers checked.

        Parameters
        ----------
        own : What the outline does not say, by field.

        Raises
        ------
        ConfigurationError : The numbers are such that no run can begin with them.
        """
        run = cls(
            configuration=outline.configuration,
            forcing=outline.forcing,
            domain=outline.domain,
            start=outline.start,
            step=outline.step,
            steps=outline.steps,
            columns=outline.columns,
            **own,
        )
        check_physics(outline, array_of(run.initial_state.soil.ice))
        warn_of_numbering(outline.configuration)
        return run

    @property
    @abstractmethod
    def thickness(self) -> Array:
        """Of the soil layers, ``[layer, 1]`` or ``[layer, column]``. [m]"""

    @property
    def schemes(self) -> Options:
        """The scheme of each slot."""
        return self.configuration.schemes

    @property
    def weights(self) -> Mapping[str, Any]:
        """Numbers that its schemes bring along; built-in ones bring none."""
        return {}

    @abstractmethod
    def block(self, first: int, last: int) -> Forcing:
        """The forcing of the steps from `first` up to, not including, `last`, ``[time, column]``."""

    @abstractmethod
    def take(self, state: State, forcing: Forcing, outputs: Sequence[str]) -> Taken:
        """Take steps without derivatives.

        Parameters
        ----------
        state : Before the first of them.
        forcing : Of these steps, as `block` gives it.
        outputs : Paths in `State` and names in `Fluxes`.

        Raises
        ------
        ConvergenceError : An equation was not solved.
        """
