"""What the gradient extension needs of the run behind a component. The component knows of no more than this either."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from bmi_noahpy.gradient.recording import Recording
    from bmi_noahpy.gradient.taken_step import Part, StepResult, TakenStep
    from noahpy_core.model import NoahModel
    from noahpy_core.parameters import Parameters
    from noahpy_core.state import State

Floats = NDArray[np.float64]
Kind = Literal["input", "state", "parameter", "result"]
"""What a value is to a step; a result is computed by it and cannot be set."""


class Differentiable(Protocol):
    """Where the values under a name come from, and how a step depends on them."""

    @property
    def kind(self) -> Kind:
        """What they are to a step."""

    @property
    def path(self) -> str:
        """Dotted path inside its container."""

    @property
    def averaged(self) -> bool:
        """Whether it is a mean, or a sum, over the steps of a call; otherwise it is the value at its end."""

    def result(self, result: StepResult) -> Tensor | None:
        """Core value after a step, with its derivative; None where it has none."""

    def parts(self, name: str, scale: float, step: TakenStep) -> list[Part]:
        """Core quantities that change with the value; ValueError when a step does not depend on it."""


class Named(Protocol):
    """A name of a variable or parameter."""

    @property
    def name(self) -> str:
        """The name itself."""

    @property
    def role(self) -> str:
        """input, alternative, output, parameter or balance."""

    @property
    def units(self) -> str:
        """As udunits reads them."""

    @property
    def grid(self) -> int:
        """BMI grid."""

    @property
    def scale(self) -> float:
        """Value over core value."""

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Acceptable range."""

    @property
    def source(self) -> Differentiable:
        """Where its values come from."""


class Layout(Protocol):
    """Places of columns among the cells that a caller sees; see `bmi_noahpy.component.layout`."""

    @property
    def columns(self) -> int:
        """Number of columns."""

    @property
    def shown(self) -> int:
        """Numbers the caller sees of a quantity without layers."""

    def spread(self, values: Floats, missing: float = ...) -> Floats:
        """Flat values of columns as the caller sees them."""

    def gather(self, values: NDArray[Any]) -> NDArray[Any]:
        """Flat values of the columns from those of a caller."""

    def inside(self, name: str, values: Floats, given: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which of a caller's values are those of columns; ValueError for a number given for another cell."""


class Host(Protocol):
    """A run that is taken step by step, with values under names."""

    recording: Recording

    @property
    def last_call(self) -> tuple[TakenStep, ...]:
        """Steps of the last update() or update_until(); of a long call only the last two."""

    @property
    def model(self) -> NoahModel:
        """With its schemes."""

    @property
    def step_length(self) -> float:
        """Of a step. [s]"""

    @property
    def execution(self) -> str:
        """As for `noahpy_core.run`."""

    @property
    def state(self) -> State:
        """Now, with everything that was set."""

    @property
    def parameters(self) -> Parameters:
        """Now, with everything that was set."""

    def named(self) -> Iterable[Named]:
        """All names."""

    def find(self, name: str) -> Named:
        """The variable or parameter of that name; ValueError for an unknown one."""

    def size(self, grid: int) -> int:
        """Number of values on a grid."""

    def layout(self, grid: int) -> Layout:
        """Where a caller sees the values on a grid."""

    def get(self, name: str) -> Floats:
        """A copy of the values, flat."""

    def set(self, name: str, values: Any) -> None:
        """Replace the values; ValueError when they are not acceptable."""

    def accept_written(self) -> None:
        """Take over what was written through pointers; ValueError when it is not acceptable."""

    def replace_state(self, state: State) -> None:
        """Go on from another state."""

    def go_to(self, time: float) -> None:
        """Make the step that begins at `time` the next one; ValueError when none does."""
