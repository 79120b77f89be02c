"""Whether the state after a step is finite and possible on Earth, asked in few operations: steps take microseconds."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

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
from noahpy_core.constants import GHOST_MASS
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import get_quantity, quantities
from noahpy_core.state import State

Array = NDArray[np.floating]

STATE_PATHS = tuple(path for path, _ in quantities(State))
READERS = {path: operator.attrgetter(path) for path in STATE_PATHS}


class _Block(NamedTuple):
    """Memory that holds some quantities of a state, between what each number in it has to be, and room for answers."""

    values: Array
    low: Array
    high: Array
    above: NDArray[np.bool_]
    below: NDArray[np.bool_]


class _View(NamedTuple):
    """What is looked at of a state: the memory of its tensors, so that numbers computed into it are seen.

    Parameters
    ----------
    liquid, ice, total, fits : Water of the layers, and room for its sum and whether the pores hold it.
    answers : All answers together.
    snow : Enthalpy and mass of its layers.
    """

    blocks: list[_Block]
    liquid: Array
    ice: Array
    total: Array
    fits: NDArray[np.bool_]
    answers: NDArray[np.bool_]
    snow: tuple[Array, ...] | None


class StateCheck:
    """Finds values of a state that are no numbers, infinite, or that no land surface has.

    The results of a compiled step share one block of memory or two, and after a few steps the same tensors are used
    again. The blocks of a state are kept, with bounds for each number in them, so that two comparisons of each block,
    one sum and one count tell that all is well; only else what is wrong is looked for.
    """

    KEPT = 8
    """States at most."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[State, _View]] = {}
        self._room: tuple[Parameters, Array, Array] | None = None

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
        view = self._view_of(state)
        porosity, most = self._room_of(parameters)
        for values, low, high, above, below in view.blocks:
            np.greater_equal(values, low, out=above)
            np.less_equal(values, high, out=below)
        np.less_equal(np.add(view.liquid, view.ice, out=view.total), most, out=view.fits)
        if _all(view.answers) and (view.snow is None or _is_possible(*view.snow)):
            return
        self._find(state, porosity, step)

    def _find(self, state: State, porosity: Array, step: int) -> None:
        """Raise for the first value that is wrong, if there is one."""
        for path, read in READERS.items():
            value = read(state)
            wrong = torch.zeros(0, 1) if value is None else (~torch.isfinite(value)).nonzero()
            if len(wrong):
                raise NonFiniteStep(step, path, int(wrong[0][-1]))
        found = first_outside(_as_series(state, checked_of(state)), porosity)
        if found is not None:
            raise ImpossibleStep(step, found.path, found.column, found.value, found.bounds)

    def _room_of(self, parameters: Parameters) -> tuple[Array, Array]:
        """What the pores hold, and the most that counts as no more."""
        if self._room is None or self._room[0] is not parameters:
            porosity = room_for_water(parameters)
            self._room = parameters, porosity, porosity + WATER_SLACK
        return self._room[1:]

    def _view_of(self, state: State) -> _View:
        known = self._known.get(id(state))
        if known is not None and known[0] is state:
            return known[1]
        view = _view(state)
        if state.skin_temperature.device.type == "cpu":
            # Elsewhere these are copies, which do not follow what the next steps write there.
            if len(self._known) >= self.KEPT:
                self._known.clear()
            self._known[id(state)] = state, view
        return view

    def __getstate__(self) -> dict[str, Any]:
        # In a copy the arrays would not be the memory of its tensors.
        return {**vars(self), "_known": {}, "_room": None}


def _view(state: State) -> _View:
    leaves = {path: leaf for path, read in READERS.items() if (leaf := read(state)) is not None}
    liquid, ice = (_array(leaves[path]) for path in WATER_PATHS)
    snow = tuple(_array(leaves[path]) for path in SNOW_PATHS) if SNOW_PATHS[0] in leaves else None
    memory = _memory(leaves)
    sizes = [liquid.size, *(values.size for values, _, _ in memory for _ in range(2))]
    answers = np.zeros(sum(sizes), dtype=np.bool_)
    rooms = iter(np.split(answers, np.cumsum(sizes)[:-1]))
    fits = next(rooms).reshape(liquid.shape)
    blocks = [_Block(*part, *(next(rooms).reshape(part[0].shape) for _ in range(2))) for part in memory]
    return _View(blocks, liquid, ice, np.empty_like(liquid), fits, answers, snow)


def _array(leaf: Tensor) -> Array:
    found: Array = leaf.detach().cpu().numpy()
    return found


def _all(true: NDArray[np.bool_]) -> bool:
    # A count takes a fifth of the time of `ndarray.all`, which goes through Python.
    return int(np.count_nonzero(true)) == true.size


def _is_possible(enthalpy: Array, mass: Array) -> bool:
    """Whether layers have a temperature of snow, or of the water it becomes; it grows with the enthalpy."""
    held = np.maximum(mass, 0.0) + GHOST_MASS
    return _all(enthalpy >= COLDEST_SNOW * held) and _all(enthalpy <= HOTTEST_SNOW * held)


def _as_series(state: State, paths: Sequence[str]) -> dict[str, Array]:
    return {path: _array(get_quantity(state, path)[None]) for path in paths}


def _memory(leaves: dict[str, Tensor]) -> list[tuple[Array, Array, Array]]:
    """The blocks of memory that quantities lie in, with the smallest and largest acceptable value of each number."""
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
    return [(_array(values), _array(low), _array(high)) for values, low, high in found.values()]
