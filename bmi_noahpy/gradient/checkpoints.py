"""Which states of a recording are kept, within a budget that holds whatever the number of steps."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

DEFAULT_MEMORY = 256 * 2**20
"""Memory for states. [byte]"""
FEWEST = 4
"""States that are kept however small the budget is."""


class Checkpoints:
    """States at the beginning of some steps, the others being computed from them again.

    With a budget, every state is kept until half of it is used up; then every other one is dropped, and so on. The
    other half is for the way back, where the states between two of them are computed when they are needed.

    Parameters
    ----------
    spacing : Steps from one kept state to the next; overrides the budget.
    memory : Budget. [byte]
    """

    def __init__(self, spacing: int | None = None, memory: int = DEFAULT_MEMORY) -> None:
        self._spacing, self._fixed, self._memory = spacing or 1, spacing is not None, memory
        self._kept: list[tuple[int, Tensor]] = []

    def __len__(self) -> int:
        return len(self._kept)

    def offer(self, number: int, state: Tensor) -> None:
        """Keep the flat state at the beginning of a step, counted from 0, if it is due."""
        if number % self._spacing:
            return
        if not self._fixed and len(self._kept) >= self._slots(state) // 2:
            self._spacing *= 2
            self._kept = [kept for kept in self._kept if kept[0] % self._spacing == 0]
            if number % self._spacing:
                return
        self._kept.append((number, state))

    def state_before(self, number: int, advance: Callable[[Tensor, int], Tensor]) -> Tensor:
        """The state at the beginning of a step; later ones are dropped.

        Parameters
        ----------
        number : Of the step, counted from 0.
        advance : (state before a step, its number) -> state before the next.
        """
        while self._kept[-1][0] > number:
            self._kept.pop()
        start, state = self._kept[-1]
        free = number if self._fixed else self._slots(state) - len(self._kept)
        spacing = -(-(number - start) // max(free, 1))
        for k in range(start, number):
            state = advance(state, k)
            if (k + 1 - start) % spacing == 0:
                self._kept.append((k + 1, state))
        return state

    def _slots(self, state: Tensor) -> int:
        return max(self._memory // (state.numel() * state.element_size()), FEWEST)
