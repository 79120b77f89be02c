"""States that no land surface has: a run that comes there stops, instead of going on with numbers that mean nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

TEMPERATURES = (120.0, 400.0)
"""No soil, snow or skin on Earth is colder or warmer. [K]"""
WATER_SLACK = 1e-4
"""Rounding, and the storage of saturated soil under pressure. [m3 m-3]"""
TEMPERATURE_PATHS = ("soil.temperature", "skin_temperature")
WATER_PATHS = ("soil.liquid_water", "soil.ice")
CHECKED = (*TEMPERATURE_PATHS, *WATER_PATHS)
"""Paths in `State` of what is checked: after every step where it is written, else after every block of steps."""


class Outside(NamedTuple):
    """Where a state left its bounds: what, value, step (from 0), place ``(layer,) column``, and the bounds in words."""

    path: str
    value: float
    step: int
    place: tuple[int, ...]
    bounds: str


def first_outside(series: Mapping[str, Tensor], porosity: Tensor) -> Outside | None:
    """The first step in which a state is outside what is possible; None when none is.

    Parameters
    ----------
    series : Paths in `State` -> ``[time, ..., column]``. What is not there is not checked.
    porosity : ``[layer, column]``.
    """
    found: list[Outside] = []
    for path in TEMPERATURE_PATHS:
        if path in series:
            found += _outside(path, series[path], *TEMPERATURES, f"{TEMPERATURES[0]:g} to {TEMPERATURES[1]:g} K")
    for path in WATER_PATHS:
        if path in series:
            found += _outside(path, series[path], -WATER_SLACK, math.inf, "0 m3 m-3 or more")
    if all(path in series for path in WATER_PATHS):
        water = series[WATER_PATHS[0]] + series[WATER_PATHS[1]] - porosity
        found += _outside("soil.moisture - porosity", water, -math.inf, WATER_SLACK, "0 m3 m-3 or less")
    return min(found, key=lambda one: one.step, default=None)


def _outside(path: str, values: Tensor, low: float, high: float, bounds: str) -> list[Outside]:
    # Two numbers to look at; what is not a number is neither, and found by others.
    lowest, highest = torch.aminmax(values) if values.numel() else (torch.tensor(0.0), torch.tensor(0.0))
    if bool(lowest >= low) and bool(highest <= high):
        return []
    wrong = torch.nonzero((values < low) | (values > high))
    if not len(wrong):
        return []
    step, *place = wrong[0].tolist()
    return [Outside(path, float(values[tuple(wrong[0])]), step, tuple(place), bounds)]
