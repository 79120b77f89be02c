"""Whether steps are recorded, and what happens between them while they are: the one owner of both."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

from torch import Tensor

from bmi_noahpy.gradient.taken_step import TakenStep
from noahpy_core.state import State

if TYPE_CHECKING:
    from bmi_noahpy.gradient.engine import Engine
    from bmi_noahpy.gradient.window import Window
    from noahpy_core.parameters import Parameters


class Overwrite(Protocol):
    """Values put in the place of a state's between two steps, as an operation that can be repeated."""

    @property
    def name(self) -> str:
        """Under which they were set."""

    @property
    def path(self) -> str:
        """Of the state, or ``"@state"`` for all of it."""

    @property
    def value(self) -> Tensor:
        """What was set, in core units."""

    def apply(self, state: State, value: Tensor) -> State:
        """The state with the same values set, and with the derivative by `value`, a leaf equal to them."""


@dataclasses.dataclass(frozen=True)
class WholeState:
    """A state put in the place of the whole one."""

    value: Tensor
    name: str = "@state"
    path: str = "@state"

    def apply(self, state: State, value: Tensor) -> State:
        """The state that was set."""
        from bmi_noahpy.gradient.names import state_of

        return state_of(value, state)


class Recording:
    """Steps are recorded from `start` to `stop`; the window stays until the next `start`.

    Attributes
    ----------
    window : What is recorded; None before the first `start`.
    step_engine : What reverses single steps, and for which parameters.
    """

    def __init__(self) -> None:
        self.window: Window | None = None
        self.step_engine: tuple[Parameters, Engine] | None = None
        self._active = False
        self._call_begins = True
        self._overwrites: list[Overwrite] = []

    @property
    def active(self) -> bool:
        """Whether steps are recorded now."""
        return self._active

    @property
    def overwrites(self) -> tuple[Overwrite, ...]:
        """States that were set since the last step that is recorded."""
        return tuple(self._overwrites)

    def start(self, window: Window) -> None:
        """Record from now on, into an empty window."""
        self.window, self._active = window, True
        self._overwrites.clear()

    def stop(self) -> None:
        """Record no more. What was set after the last step is not part of the window."""
        self._active = False
        self._overwrites.clear()

    def begin_call(self) -> None:
        """The next step is the first one of an update() or update_until()."""
        self._call_begins = True

    def note(self, overwrite: Overwrite) -> None:
        """A state was set."""
        if self._active:
            self._overwrites.append(overwrite)

    def forget_after(self, count: int) -> None:
        """Take back all but the first `count` of `overwrites`, because what was set was refused."""
        del self._overwrites[count:]

    def step_taken(self, step: TakenStep, after: State) -> None:
        """A step was taken, and led to the state `after`."""
        if not self._active or self.window is None:
            return
        self.window.add(step, self.overwrites, after, begins=self._call_begins)
        self._call_begins = False
        self._overwrites.clear()
