"""Whether the state after a step is finite and possible on Earth, asked in few operations: steps take microseconds."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bmi_noahpy.component.step_errors import ImpossibleStep, NonFiniteStep
from bmi_noahpy.runs.bounds import (
    COLDEST_SNOW,
    HOTTEST_SNOW,
    RANGES,
    SNOW_PATHS,
    WATER_PATHS,
    WATER_SLACK,
    checked_of,
    first_outside,
    room_for_water,
)
from noahpy_core.parameters import Parameters
from noahpy_core.physics.snow_layers import GHOST_MASS
from noahpy_core.quantities import get_quantity, quantities
from noahpy_core.state import State

Array = NDArray[np.floating]

STATE_PATHS = tuple(path for path, _ in quantities(State))
READERS = {path: operator.attrgetter(path) for path in STATE_PATHS}


class _Block(NamedTuple):
    """Memory that holds some quantities of a state, and between what each number in it has to be."""

    values: Array
    low: Array
    high: Array


_Views = tuple[list[_Block], tuple[Array, ...], tuple[Array, ...] | None]
"""Blocks of a state, its liquid water and ice, and enthalpy and mass of its layers of snow."""


class StateCheck:
    """Finds values of a state that are no numbers, infinite, or that no land surface has.

    The results of a compiled step share one block of memory or two, and after a few steps the same tensors are used
    again. The blocks of a state are kept, with bounds for each number in them, so that two comparisons of each block
    and one sum tell that all is well; what is wrong is looked for only then.
    """

    KEPT = 8
    """States at most."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[State, list[_Block], tuple[Array, ...], tuple[Array, ...] | None]] = {}
        self._room: tuple[Parameters, Tensor, Array] | None = None

    def __call__(self, state: State, parameters: Parameters, step: int) -> None:
        """Look at the state after a step.

        Parameters
        ----------
        state : With the column last.
        parameters : Of the step: water must fit into the pores.
        step : Number of the step, counted from 1.

        Raises
        ------
        NonFiniteStep : A value is infinite or no number.
        ImpossibleStep : A value is outside `bmi_noahpy.runs.bounds`.
        """
        blocks, (liquid, ice), snow = self._blocks_of(state)
        porosity, most = self._room_of(parameters)
        for values, low, high in blocks:
            if not (_all(values >= low) and _all(values <= high)):
                break
        else:
            if _all(liquid + ice <= most) and (snow is None or _is_possible(*snow)):
                return
        self._find(state, porosity, step)

    def _find(self, state: State, porosity: Tensor, step: int) -> None:
        """Raise for the first value that is wrong, if there is one."""
        for path, read in READERS.items():
            value = read(state)
            wrong = torch.zeros(0, 1) if value is None else (~torch.isfinite(value)).nonzero()
            if len(wrong):
                raise NonFiniteStep(step, path, int(wrong[0][-1]))
        found = first_outside(_as_series(state, checked_of(state)), porosity)
        if found is not None:
            raise ImpossibleStep(step, found.path, found.column, found.value, found.bounds)

    def _room_of(self, parameters: Parameters) -> tuple[Tensor, Array]:
        """What the pores hold, and the most that counts as no more."""
        if self._room is None or self._room[0] is not parameters:
            porosity = room_for_water(parameters)
            self._room = parameters, porosity, porosity.numpy() + WATER_SLACK
        return self._room[1:]

    def _blocks_of(self, state: State) -> _Views:
        known = self._known.get(id(state))
        if known is not None and known[0] is state:
            return known[1:]
        leaves = {path: leaf for path, read in READERS.items() if (leaf := read(state)) is not None}
        blocks = _blocks(leaves)
        water, snow = (
            tuple(leaves[path].detach().cpu().numpy() for path in paths) if paths[0] in leaves else None
            for paths in (WATER_PATHS, SNOW_PATHS)
        )
        assert water is not None
        if state.skin_temperature.device.type == "cpu":
            # Elsewhere these are copies, which do not follow what the next steps write there.
            if len(self._known) >= self.KEPT:
                self._known.clear()
            self._known[id(state)] = state, blocks, water, snow
        return blocks, water, snow


def _all(true: NDArray[np.bool_]) -> bool:
    # A count takes a fifth of the time of `ndarray.all`, which goes through Python.
    return int(np.count_nonzero(true)) == true.size


def _is_possible(enthalpy: Array, mass: Array) -> bool:
    """Whether layers have a temperature of snow, or of the water it becomes; it grows with the enthalpy."""
    held = np.maximum(mass, 0.0) + GHOST_MASS
    return _all(enthalpy >= COLDEST_SNOW * held) and _all(enthalpy <= HOTTEST_SNOW * held)


def _as_series(state: State, paths: Sequence[str]) -> dict[str, Tensor]:
    return {path: get_quantity(state, path)[None].cpu() for path in paths}


def _blocks(leaves: dict[str, Tensor]) -> list[_Block]:
    """The blocks of memory that quantities lie in."""
    found: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
    for path, leaf in leaves.items():
        base = leaf if leaf._base is None else leaf._base
        largest = torch.finfo(base.dtype).max
        if id(base) not in found:
            found[id(base)] = base, torch.full_like(base, -largest), torch.full_like(base, largest)
        bounds = RANGES.get(path)
        if bounds is None:
            continue
        for limits, limit in zip(found[id(base)][1:], bounds[:2], strict=True):
            part = limits.as_strided(leaf.shape, leaf.stride(), leaf.storage_offset() - base.storage_offset())
            part.fill_(min(max(limit, -largest), largest))
    return [_Block(*(tensor.detach().cpu().numpy() for tensor in tensors)) for tensors in found.values()]
