"""Random columns for a whole step of the preset `conservative`, hard for heat and for soil water."""

from __future__ import annotations

import dataclasses

from test_coupled_solver import Columns, random_columns
from water_columns import hard_columns

from noahpy_core.trees import map_tensors

LAYERS = (20, 3)
"""Of soil and of snow."""


def whole_columns(columns: int, seed: int) -> Columns:
    """Random columns of 20 layers with 3 of snow, over mixed horizons, full, dry, with ice and on thresholds."""
    column, state, forcing, parameters, dt = random_columns(columns, *LAYERS, seed, exact=True)
    water = hard_columns(columns, seed=seed)
    moist = {"liquid_water": water.liquid, "ice": water.ice}
    return (
        column,
        dataclasses.replace(state, soil=dataclasses.replace(state.soil, **moist)),
        dataclasses.replace(forcing, precipitation=water.supply),
        dataclasses.replace(parameters, soil=water.parameters.soil, general=water.parameters.general),
        dt,
    )


def some_of(columns: Columns, places: list[int]) -> Columns:
    """Those at some places."""
    column, state, forcing, parameters, dt = columns
    state, forcing = (map_tensors(lambda value: value[..., places], part) for part in (state, forcing))
    return column, state, forcing, parameters.select(places), dt[places]
