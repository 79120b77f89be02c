"""Closure of one step: what went in, minus what came out, minus what was stored."""

from __future__ import annotations

from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.constants import WATER_DENSITY
from noahpy_core.state import State


def soil_water_storage(moisture: Tensor, column: SoilColumn) -> Tensor:
    """Water in the soil column, liquid and frozen, ``[column]``. [kg m-2]"""
    return (moisture * column.thickness).sum(0) * WATER_DENSITY


def water_storage(state: State, column: SoilColumn) -> Tensor:
    """All water of the land: soil, snow and canopy, ``[column]``. [kg m-2]"""
    return soil_water_storage(state.soil.moisture, column) + state.snow.water_equivalent + state.canopy_water


def water_residual(
    before: State, after: State, column: SoilColumn, gained: Tensor, lost: Tensor, dt: Tensor | float
) -> Tensor:
    """Change of storage that the fluxes do not explain, ``[column]``. [kg m-2 s-1]

    The change is taken store by store, so that a large store does not hide a small one behind its round-off.

    Parameters
    ----------
    before, after : State at the start and end of the step.
    column : Soil layers.
    gained, lost : All water that came and went, ``[column]``. [kg m-2 s-1]
    dt : Length of the step. [s]
    """
    soil = ((after.soil.moisture - before.soil.moisture) * column.thickness).sum(0) * WATER_DENSITY
    snow = after.snow.water_equivalent - before.snow.water_equivalent
    canopy = after.canopy_water - before.canopy_water
    return (soil + snow + canopy) / dt - (gained - lost)
