"""Water balance of a run as NextGen's mass balance protocol reads it."""

from __future__ import annotations

from torch import Tensor

from noahpy_core.budget import water_storage
from noahpy_core.column import SoilColumn
from noahpy_core.constants import WATER_DENSITY
from noahpy_core.state import Fluxes, Forcing, State


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
        self._stored = self._storage(state)
        self._in = self._stored
        self._out = 0.0
        self._leaked = 0.0

    def add_step(self, before: State, after: State, fluxes: Fluxes, forcing: Forcing, step: float) -> None:
        """Book one step of `step` seconds, from the state it really started from."""
        if before is not self._known:
            self._leaked -= self._storage(before) - self._stored
        lost = fluxes.evapotranspiration, fluxes.surface_runoff, fluxes.drainage, fluxes.saturation_excess
        self._in += _depth(forcing.precipitation, *_added(forcing)) * step
        self._out += _depth(*lost) * step
        self._leaked -= _depth(fluxes.numerical_water_source) * step
        self._stored = _depth(fluxes.soil_water_storage, after.snow.water_equivalent, after.canopy_water)
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
        other._in, other._out, other._stored, other._leaked = (terms[k] for k in ("in", "out", "stored", "leaked"))
        return other

    def value(self, term: str) -> float:
        """``in``, ``out``, ``stored`` or ``leaked``. [m]"""
        return self.terms()[term]

    def _storage(self, state: State) -> float:
        return _depth(water_storage(state, self._column))


def _added(forcing: Forcing) -> list[Tensor]:
    """Water that was added besides precipitation. [kg m-2 s-1]"""
    given = (forcing.irrigation, forcing.run_on, forcing.soil_water_source, forcing.bottom_water_inflow)
    return [part if part.ndim == 1 else part.sum(0) for part in given if part is not None]


def _depth(*parts: Tensor) -> float:
    """Mean over the columns, of the sum of stores [kg m-2 to m] or fluxes [kg m-2 s-1 to m s-1]."""
    return sum([(part if part.numel() == 1 else part.mean()).item() for part in parts]) / WATER_DENSITY
