"""Water balance of a run as NextGen's mass balance protocol reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from noahpy_core.budget import water_storage
from noahpy_core.column import SoilColumn
from noahpy_core.constants import WATER_DENSITY
from noahpy_core.state import Fluxes, Forcing, State

KEPT = 4
"""Results of steps at most whose memory is known."""
_Values = Tensor | NDArray[Any]


class MassBalance:
    """Depths of water since the start, means over the columns, so that in - out - stored - leaked is round-off.

    ``in`` is the water stored at the start, all precipitation and what was added besides; ``out`` evapotranspiration
    and runoff; ``stored`` the water in soil, snow and canopy. ``leaked`` is what neither explains: minus the water that
    the floors of the original model created, or a sink asked for in vain, and minus the water that a caller added by
    setting states.

    Parameters
    ----------
    state : At the start.
    column : Soil layers.
    """

    def __init__(self, state: State, column: SoilColumn) -> None:
        self._column = column
        self._known: State | None = state
        self._begin_reading()
        self._stored = self._storage(state)
        self._in = self._stored
        self._out = 0.0
        self._leaked = 0.0

    def __getstate__(self) -> dict[str, Any]:
        # In a copy the arrays would not be the memory of its tensors.
        return {**vars(self), "_gained": (None, 0.0), "_parts": {}}

    def _begin_reading(self) -> None:
        self._gained: tuple[Forcing | None, float] = None, 0.0
        self._parts: dict[int, tuple[Fluxes, State, tuple[Sequence[_Values], ...]]] = {}

    def add_step(self, before: State, after: State, fluxes: Fluxes, forcing: Forcing, step: float) -> None:
        """Book one step of `step` seconds, from the state it really started from."""
        if before is not self._known:
            self._leaked -= self._storage(before) - self._stored
        if forcing is not self._gained[0]:
            self._gained = forcing, _depth(forcing.precipitation, *_added(forcing))
        lost, created, stored = self._parts_of(after, fluxes)
        self._in += self._gained[1] * step
        self._out += _depth(*lost) * step
        self._leaked -= _depth(*created) * step
        self._stored = _depth(*stored)
        self._known = after

    def knows(self, state: State) -> bool:
        """Whether a state is the one after the last step, so that nobody has set any of it since."""
        return state is self._known

    def terms(self) -> dict[str, float]:
        """All terms. [m]"""
        return {"in": self._in, "out": self._out, "stored": self._stored, "leaked": self._leaked}

    def with_terms(self, terms: dict[str, float], known: State | None) -> MassBalance:
        """A balance that goes on from others.

        Parameters
        ----------
        terms : As `terms` gives them. [m]
        known : The state after the last step; None when some of it was set since.
        """
        other = object.__new__(MassBalance)
        other._column, other._known = self._column, known
        other._begin_reading()
        other._in, other._out, other._stored, other._leaked = (terms[k] for k in ("in", "out", "stored", "leaked"))
        return other

    def value(self, term: str) -> float:
        """``in``, ``out``, ``stored`` or ``leaked``. [m]"""
        return self.terms()[term]

    def _parts_of(self, after: State, fluxes: Fluxes) -> tuple[Sequence[_Values], ...]:
        """Water that was lost, created and is stored, of one column as numpy reads them: the same memory.

        A compiled step gives the same objects back every few steps.
        """
        known = self._parts.get(id(fluxes))
        if known is not None and known[0] is fluxes and known[1] is after:
            return known[2]
        parts: tuple[Sequence[_Values], ...] = (
            (fluxes.evapotranspiration, fluxes.surface_runoff, fluxes.drainage, fluxes.saturation_excess),
            (fluxes.numerical_water_source,),
            (fluxes.soil_water_storage, after.snow.water_equivalent, after.canopy_water),
        )
        if after.canopy_water.numel() > 1 or not after.canopy_water.is_cpu:
            return parts
        parts = tuple([part.detach().numpy() for part in group if isinstance(part, Tensor)] for group in parts)
        if len(self._parts) >= KEPT:
            self._parts.clear()
        self._parts[id(fluxes)] = fluxes, after, parts
        return parts

    def _storage(self, state: State) -> float:
        return _depth(water_storage(state, self._column))


def _added(forcing: Forcing) -> list[Tensor]:
    """Water that was added besides precipitation. [kg m-2 s-1]"""
    given = (forcing.irrigation, forcing.run_on, forcing.soil_water_source, forcing.bottom_water_inflow)
    return [part if part.ndim == 1 else part.sum(0) for part in given if part is not None]


def _depth(*parts: _Values) -> float:
    """Mean over the columns, of the sum of stores [kg m-2 to m] or fluxes [kg m-2 s-1 to m s-1]."""
    return sum([(part if len(part) == 1 else part.mean()).item() for part in parts]) / WATER_DENSITY
