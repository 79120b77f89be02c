"""Water balance of a run as NextGen's mass balance protocol reads it."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from bmi_noahpy.component.weather import Weather
from noahpy_core.budget import water_storage
from noahpy_core.column import SoilColumn
from noahpy_core.constants import WATER_DENSITY
from noahpy_core.state import Fluxes, Forcing, State
from noahpy_core.weather_rows import WeatherRow

KEPT = 4
"""Results of steps at most whose memory is known."""


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
        return {**vars(self), "_gained": (None, 0.0), "_memory": {}}

    def _begin_reading(self) -> None:
        self._gained: tuple[Weather | None, float] = None, 0.0
        self._memory: dict[int, tuple[Fluxes, State, list[memoryview]]] = {}

    def add_step(self, before: State, after: State, fluxes: Fluxes, weather: Weather, step: float) -> None:
        """Book one step of `step` seconds, from the state it really started from."""
        if before is not self._known:
            self._leaked -= self._storage(before) - self._stored
        if weather is not self._gained[0]:
            self._gained = weather, _gained(weather)
        lost, created, stored = self._depths(after, fluxes)
        self._in += self._gained[1] * step
        self._out += lost * step
        self._leaked -= created * step
        self._stored = stored
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

    def _depths(self, after: State, fluxes: Fluxes) -> tuple[float, float, float]:
        """Water that was lost and created [m s-1], and that is stored [m].

        A compiled step gives the same objects back every few steps: of one column their memory is read as it is.
        """
        known = self._memory.get(id(fluxes))
        if known is None or known[0] is not fluxes or known[1] is not after:
            parts = (
                fluxes.evapotranspiration, fluxes.surface_runoff, fluxes.drainage, fluxes.saturation_excess,
                fluxes.numerical_water_source, fluxes.soil_water_storage, after.snow.water_equivalent,
                after.canopy_water,
            )  # fmt: skip
            if after.canopy_water.numel() > 1 or not after.canopy_water.is_cpu:
                return _depth(*parts[:4]), _depth(parts[4]), _depth(*parts[5:])
            if len(self._memory) >= KEPT:
                self._memory.clear()
            known = self._memory[id(fluxes)] = fluxes, after, [part.detach().numpy().data for part in parts]
        evaporated, ran_off, drained, exceeded, created, in_soil, in_snow, on_leaves = known[2]
        return (
            (evaporated[0] + ran_off[0] + drained[0] + exceeded[0]) / WATER_DENSITY,
            created[0] / WATER_DENSITY,
            (in_soil[0] + in_snow[0] + on_leaves[0]) / WATER_DENSITY,
        )

    def _storage(self, state: State) -> float:
        return _depth(water_storage(state, self._column))


def _gained(weather: Weather) -> float:
    """Precipitation and what was added besides. [m s-1]"""
    forcing = weather.source
    if isinstance(forcing, WeatherRow):
        return forcing.mean("precipitation") / WATER_DENSITY
    return _depth(forcing.precipitation, *_added(forcing))


def _added(forcing: Forcing) -> list[Tensor]:
    """Water that was added besides precipitation. [kg m-2 s-1]"""
    given = (forcing.irrigation, forcing.run_on, forcing.soil_water_source, forcing.bottom_water_inflow)
    return [part if part.ndim == 1 else part.sum(0) for part in given if part is not None]


def _depth(*parts: Tensor) -> float:
    """Mean over the columns, of the sum of stores [kg m-2 to m] or fluxes [kg m-2 s-1 to m s-1]."""
    return sum([(part if part.numel() == 1 else part.mean()).item() for part in parts]) / WATER_DENSITY
