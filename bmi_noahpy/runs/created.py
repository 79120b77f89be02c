"""Water and heat that come from nowhere: they close the budgets of a run, and have to be told of when they are many."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from noahpy_core.leaves import array_of
from noahpy_core.state import Forcing

WATER, HEAT = "numerical_water_source", "numerical_heat_source"
SOURCES = (WATER, HEAT)
"""Names in `Fluxes`."""
NOTABLE_SHARE = 1e-3
"""Of the precipitation."""
NOTABLE_WATER = 0.01
"""Less does not count, however dry it is. [kg m-2]"""
NOTABLE_HEAT = 0.1
"""[W m-2]"""

Sums = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Created:
    """What came from nowhere over a run, in the column where that is most.

    Parameters
    ----------
    water, precipitation : In the column with the most created water. [kg m-2]
    heat : Mean over the run in the column where it is largest, with its sign. [W m-2]
    """

    water: float = 0.0
    precipitation: float = 0.0
    heat: float = 0.0

    @property
    def sentences(self) -> list[str]:
        """What to tell the user, with the remedy; nothing when it does not matter."""
        told = []
        if abs(self.water) > max(NOTABLE_SHARE * self.precipitation, NOTABLE_WATER):
            told.append(
                f"Water created by floors of the schemes (numerical_water_source): {self.water:.3g} mm, of "
                f"{self.precipitation:.3g} mm of precipitation. Coarse soil drains in less than a step: choose "
                "schemes: {preset: conservative}, or a shorter period.step."
            )
        if abs(self.heat) > NOTABLE_HEAT:
            told.append(
                f"Heat left over by the linearised surface balance (numerical_heat_source): {self.heat:.3g} W m-2 in "
                "the mean. Shorter steps hardly change it: choose schemes: {preset: conservative}."
            )
        return told


def most_created(parts: Sequence[Created]) -> Created:
    """Of the runs of several parts of a domain: the water where it is most, and the largest heat."""
    water = max(parts, key=lambda part: abs(part.water), default=Created())
    heat = max((part.heat for part in parts), key=abs, default=0.0)
    return dataclasses.replace(water, heat=heat)


class CreatedSums:
    """Adds up what comes from nowhere, step by step.

    Parameters
    ----------
    step : Length of a step. [s]
    """

    def __init__(self, step: float) -> None:
        self._step, self._steps = step, 0
        self._water: Sums | float = 0.0
        self._heat: Sums | float = 0.0
        self._precipitation: Sums | float = 0.0

    def add_block(self, outputs: dict[str, Sums], forcing: Forcing) -> None:
        """The results of some steps, ``[time, column]``."""
        self._steps += len(outputs[WATER])
        self._water = self._water + outputs[WATER].sum(axis=0) * self._step
        self._heat = self._heat + outputs[HEAT].sum(axis=0)
        self._precipitation = self._precipitation + array_of(forcing.precipitation).sum(axis=0) * self._step

    def summary(self) -> Created:
        """So far."""
        if not self._steps:
            return Created()
        water, heat, precipitation = (np.atleast_1d(sums) for sums in (self._water, self._heat, self._precipitation))
        most = int(np.argmax(np.abs(water)))
        mean = heat / self._steps
        largest = float(mean[int(np.argmax(np.abs(mean)))])
        return Created(float(water[most]), float(np.broadcast_to(precipitation, water.shape)[most]), largest)
