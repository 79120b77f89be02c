"""Where the state functions of snow and soil have kinks, and how far a step goes that meets one."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.numerics import between
from noahpy_core.physics.coupled_sweep import Sweep, smallest_step
from noahpy_core.physics.coupled_system import System, Unknowns, soil_enthalpy
from noahpy_core.physics.freezing import FreezingCurve

LARGEST_SOIL_STEP = 60.0
"""[K]"""
STOP_WIDTH = 1.0e-7
"""How far beyond a kink a snow layer stops, per kg m-2. [J m-2]"""


class Freezing(NamedTuple):
    """Where soil layers begin to freeze, ``[layer, column]``."""

    warmth: Tensor
    """Above the melting point. [K]"""
    below: Tensor
    """The next warmth at which the curve has its slope. [K]"""
    store: Tensor
    """Enthalpy there. [J m-2]"""
    frozen_slope: Tensor
    thawed_slope: Tensor
    """[J m-2 K-1]"""

    def beyond(self, warmth: Tensor) -> Tensor:
        """The warmth just on the other side, as seen from one, ``[layer, column]``. [K]"""
        return torch.where(warmth < self.warmth, self.warmth, self.below)


class Kinks(NamedTuple):
    """Of a column's rows."""

    freezing: Freezing
    snow: tuple[Tensor, ...]
    """Enthalpies at which slopes jump, ``[snow layer, column]`` each. [J m-2]"""
    width: Tensor
    """How far beyond them a step ends, ``[snow layer, column]``. [J m-2]"""
    weighty: Tensor
    """Whether the snow weighs enough for its kinks to matter, ``[column]`` of bool."""


def kinks_of(curve: FreezingCurve, system: System, weighty: Tensor) -> Kinks:
    """The kinks of a step.

    Parameters
    ----------
    curve : Liquid water of frozen soil by temperature.
    system : The equations, ``[row, column]``.
    weighty : Whether the snow weighs enough for its kinks to matter, ``[column]`` of bool.
    """
    snow = system.snow
    of_snow = (torch.zeros_like(snow.held), snow.held, snow.held + snow.largest_flow, snow.all_water())
    return Kinks(_freezing(curve, system), of_snow, STOP_WIDTH * snow.mass, weighty)


class Reach(NamedTuple):
    """How far a sweep is followed."""

    share: Tensor
    """Of its step, ``[column]``. [1]"""
    warmth: Tensor
    """Of the soil there, ``[layer, column]``. [K]"""
    whole: Tensor
    """Whether nothing held it back, ``[column]`` of bool."""


def reach(start: Unknowns, found: Sweep, kinks: Kinks, length: Tensor, stops: Tensor) -> Reach:
    """How far a sweep is followed: to its end, soil that freezes or thaws by its enthalpy, or to the first kink.

    Parameters
    ----------
    start : Where the sweep began.
    found : Where it leads.
    kinks : Of the column.
    length : Share of a step that meets no kink, ``[column]``. [1]
    stops : Whether the whole column stops at its first kink, ``[column]`` of bool.
    """
    freezing, old, new = kinks.freezing, start.warmth, found.to.warmth
    crossing = _crossing(old, new, freezing)
    until = _until_freezing(old, new, crossing, freezing)
    free = torch.where(kinks.weighty, _until_kink(start.enthalpy, found.to.enthalpy, kinks), 1.0)
    share = torch.where(stops, torch.minimum(torch.minimum(free, -(-until).amax(0)), length), length)

    moved = old + between(new - old, -LARGEST_SOIL_STEP, LARGEST_SOIL_STEP) * share
    # Exactly, whatever round-off does.
    stopped = torch.where(until <= share, freezing.beyond(old), moved)
    beyond = torch.where(stops, stopped, _carried(old, found, freezing, length))
    whole = (~crossing).all(0) & (share >= length)
    return Reach(share, torch.where(crossing, beyond, moved), whole)


def _freezing(curve: FreezingCurve, system: System) -> Freezing:
    point = curve.freezing_warmth(system.soil.store.total, system.soil.curve_parameters())
    below = curve.below_freezing(point)
    thawed, frozen = (soil_enthalpy(curve, system.soil, warmth) for warmth in (point, below))
    return Freezing(point, below, thawed.value, frozen.slope, thawed.slope)


def _crossing(start: Tensor, end: Tensor, kink: Freezing) -> Tensor:
    """Where a step of soil warmth [K] crosses the freezing point, ``[layer, column]`` of bool."""
    frozen, freezes = start < kink.warmth, end < kink.warmth
    return ((frozen & ~freezes) | (freezes & ~frozen)) & ((end - start).abs() > 0.1 * smallest_step(start))


def _carried(start: Tensor, found: Sweep, kink: Freezing, length: Tensor) -> Tensor:
    """Warmth beyond the freezing point: as far as the enthalpy of the step reaches with the slope of that side.

    Parameters
    ----------
    start : Warmth before the step, ``[layer, column]``. [K]
    found : The whole step, and the enthalpy from which it starts.
    kink : Where soil begins to freeze.
    length : Share of the step, ``[column]``. [1]
    """
    left = found.store + found.store_slope * (found.to.warmth - start) * length - kink.store
    slope = torch.where(left > 0, kink.thawed_slope, kink.frozen_slope)
    return torch.where(left > 0, kink.warmth, kink.below) + between(left / slope, -LARGEST_SOIL_STEP, LARGEST_SOIL_STEP)


def _until_freezing(start: Tensor, end: Tensor, crossing: Tensor, kink: Freezing) -> Tensor:
    """Share of a step of soil warmth with which a layer is just beyond its freezing point, at most 1.

    Parameters
    ----------
    start, end : Warmth before and after the whole step, ``[layer, column]``. [K]
    crossing : Which layers cross it.
    kink : Where soil begins to freeze.
    """
    change = torch.where(crossing, end - start, 1.0)
    return torch.where(crossing, (kink.beyond(start) - start) / change, 1.0)


def _until_kink(start: Tensor, end: Tensor, kinks: Kinks) -> Tensor:
    """Share of a step with which the first of all snow layers is just beyond a kink, at most 1, ``[column]``.

    Parameters
    ----------
    start, end : Enthalpy before and after the whole step, ``[snow layer, column]``. [J m-2]
    kinks : Of the column.
    """
    share, width = torch.ones_like(start), kinks.width
    change = end - start
    far = change.abs() > 1.0e2 * width
    for kink in kinks.snow:
        rises = far & (start < kink - 0.5 * width) & (end > kink + 0.5 * width)
        falls = far & (start > kink + 0.5 * width) & (end < kink - 0.5 * width)
        goal = torch.where(rises, kink + width, kink - width)
        met = rises | falls
        share = torch.minimum(share, torch.where(met, (goal - start) / torch.where(met, change, 1.0), 1.0))
    return -(-share).amax(0)
