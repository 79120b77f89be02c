"""What is made of the results of steps: means over a call, and a check that the state is finite."""

from __future__ import annotations

import dataclasses
import math
import operator

import torch
from torch import Tensor

from bmi_noahpy.component.sources import MEANS
from bmi_noahpy.component.step_errors import NonFiniteStep
from noahpy_core.quantities import quantities
from noahpy_core.state import Fluxes, State

STATE_PATHS = tuple(path for path, _ in quantities(State))
STATE_READERS = tuple(operator.attrgetter(path) for path in STATE_PATHS)


class MeanFluxes:
    """Mean of the fluxes of several steps. What is no rate is that of the last one."""

    def __init__(self) -> None:
        self.count = 0
        self._sums: dict[str, Tensor] = {}
        self._last: Fluxes | None = None

    def add(self, fluxes: Fluxes) -> None:
        """Add a step. Its tensors may be overwritten later."""
        given = {name: getattr(fluxes, name) for name in MEANS}
        rates = {name: rate for name, rate in given.items() if rate is not None}
        self._sums = {
            name: self._sums[name] + rate if name in self._sums else rate.clone() for name, rate in rates.items()
        }
        self.count, self._last = self.count + 1, fluxes

    def value(self) -> Fluxes:
        """The mean."""
        assert self._last is not None
        return dataclasses.replace(self._last, **{name: total / self.count for name, total in self._sums.items()})


class FiniteCheck:
    """Finds values of a state that are infinite or no numbers.

    One sum per block of memory tells that all is well. The results of a compiled step share two blocks, and after a few
    steps the same tensors are used again: which blocks a state lies in is kept.
    """

    KEPT = 8
    """States at most."""

    def __init__(self) -> None:
        self._blocks: dict[int, tuple[State, list[Tensor]]] = {}

    def __call__(self, state: State, step: int) -> None:
        """Raise NonFiniteStep naming the variable that became not finite in a step, counted from 1."""
        if math.isfinite(sum([block.sum().item() for block in self._blocks_of(state)])):
            return
        for path, read in zip(STATE_PATHS, STATE_READERS, strict=True):
            value = read(state)
            wrong = torch.zeros(0, 1) if value is None else (~torch.isfinite(value)).nonzero()
            if len(wrong):
                raise NonFiniteStep(step, path, int(wrong[0][-1]))

    def _blocks_of(self, state: State) -> list[Tensor]:
        known = self._blocks.get(id(state))
        if known is not None and known[0] is state:
            return known[1]
        leaves = [leaf for leaf in (read(state) for read in STATE_READERS) if leaf is not None]
        blocks = {id(block): block for block in (leaf if leaf._base is None else leaf._base for leaf in leaves)}
        if len(self._blocks) >= self.KEPT:
            self._blocks.clear()
        self._blocks[id(state)] = state, list(blocks.values())
        return self._blocks[id(state)][1]
