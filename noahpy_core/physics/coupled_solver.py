"""The root of the coupled system: Newton's method in the enthalpy of every layer, and what ends its cycles.

A soil layer that crosses its freezing point goes on beyond as far as the enthalpy of the step reaches with the slope of
that side, as if enthalpy were the unknown. Few columns go round in circles. For them turns follow in which a layer that
crosses a kink of its state function stops just beyond it, and at last the solution of a part of the time step leads to
that of the whole.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.numerics import at_most, between
from noahpy_core.physics.coupled_sweep import Sweep, smallest_step, sweep
from noahpy_core.physics.coupled_system import System, Unknowns, snow_temperature, soil_enthalpy, visible_skin
from noahpy_core.physics.freezing import FreezingCurve
from noahpy_core.recording import iterate_until

LARGEST_NUMBER_OF_SWEEPS = 400
TURN = 40.0
"""Sweeps of a strategy before the other takes its turn."""
TURNS = LARGEST_NUMBER_OF_SWEEPS // int(2 * TURN)
RESTART = 120.0
"""Sweeps after which a column starts again with a part of the step."""
FIRST_PART = 0.125
"""That part, which is doubled whenever it is solved. [1]"""
LARGEST_SOIL_STEP = 60.0
"""[K]"""
STOP_WIDTH = 1.0e-7
"""How far beyond a kink a snow layer stops, per kg m-2. [J m-2]"""
FIRST_ALTERNATION = 3.0
"""Sweeps after which steps are halved where the top soil layer goes to and fro."""


class Freezing(NamedTuple):
    """Where soil layers begin to freeze, ``[layer, column]``."""

    temperature: Tensor
    below: Tensor
    """The next temperature at which the curve has its slope. [K]"""
    store: Tensor
    """Enthalpy there. [J m-2]"""
    frozen_slope: Tensor
    thawed_slope: Tensor
    """[J m-2 K-1]"""


def solve(curve: FreezingCurve, system: System, guess: Unknowns) -> tuple[Unknowns, Tensor]:
    """Unknowns at the end of the step, and whether each column's were found.

    Parameters
    ----------
    curve : Liquid water of frozen soil by temperature.
    system : The equations, ``[row, column]``.
    guess : Where the iteration starts.
    """
    snow = system.snow
    kink = _freezing(curve, system)
    tolerance = smallest_step(guess.temperature)
    width = STOP_WIDTH * snow.mass
    kinks = (torch.zeros_like(snow.held), snow.held, snow.held + snow.largest_flow, snow.all_water())
    # A vanishing patch of snow matters as little as it weighs.
    weight = at_most(1.0e9 * system.cover, 1.0)

    def step(
        enthalpy: Tensor, temperature: Tensor, snow_skin: Tensor, bare_skin: Tensor, last: Tensor, count: Tensor,
        part: Tensor, done: Tensor,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        at = Unknowns(enthalpy, temperature, snow_skin, bare_skin)
        found = sweep(curve, system._replace(dt=system.dt * part), at)
        to = found.to
        stops, restarts = _stops(count), count == RESTART
        turn = to.temperature[0] - temperature[0]
        alternates = (turn * last < 0) & (turn.abs() > 0.2 * last.abs()) & (count > FIRST_ALTERNATION)
        length = torch.where(alternates, 0.5, torch.ones_like(turn))

        new_enthalpy, snow_stopped = _stopped(enthalpy, to.enthalpy, kinks, width, length, stops)
        new_temperature, crossing = _thawed(temperature, found, kink, length, stops)
        soil_change = (to.temperature - temperature).abs().amax(0)
        snow_change = ((to.enthalpy - enthalpy).abs() / kinks[3]).amax(0) * (0.1 * weight)
        settled = (soil_change <= tolerance) & (snow_change <= tolerance) & (~crossing).all(0)
        settled = settled & ((~snow_stopped).all(0) | (weight <= 1.0e-3)) & found.skins_found

        def chosen(old: Tensor, new: Tensor, first: Tensor) -> Tensor:
            # What is solved stays as it is: its digits must not depend on how long other columns take.
            return torch.where(done, old, torch.where(restarts, first, new))

        larger = torch.where(settled, at_most(2.0 * part, 1.0), part)
        return (
            chosen(enthalpy, new_enthalpy, guess.enthalpy),
            chosen(temperature, new_temperature, guess.temperature),
            chosen(snow_skin, to.snow_skin, guess.snow_skin),
            chosen(bare_skin, to.bare_skin, guess.bare_skin),
            torch.where(done, last, turn * length),
            count + 1.0,
            torch.where(restarts, FIRST_PART, larger),
            done | (settled & (part >= 1.0)),
        )

    none = torch.zeros_like(system.cover)
    carry = (*guess, none, none, none + 1.0, torch.zeros_like(none, dtype=torch.bool))
    found = iterate_until(step, carry, LARGEST_NUMBER_OF_SWEEPS)
    return Unknowns(*found[:4]), found[-1]


def _stops(count: Tensor) -> Tensor:
    """Whether steps end at kinks after a number of sweeps: every other turn.

    Parameters
    ----------
    count : ``[column]``.
    """
    place = count
    for _ in range(TURNS):
        place = torch.where(place >= 2.0 * TURN, place - 2.0 * TURN, place)
    return place >= TURN


def _freezing(curve: FreezingCurve, system: System) -> Freezing:
    point = curve.freezing_point(system.soil.store.total, system.soil.curve_parameters())
    # A few units of round-off below the freezing point the curve has its slope.
    below = point * (1.0 - 4.0 * torch.finfo(point.dtype).eps)
    store, thawed_slope = soil_enthalpy(curve, system.soil, point)
    return Freezing(point, below, store, soil_enthalpy(curve, system.soil, below)[1], thawed_slope)


def _thawed(start: Tensor, found: Sweep, kink: Freezing, length: Tensor, stops: Tensor) -> tuple[Tensor, Tensor]:
    """A step of soil temperature, and where it crosses the freezing point.

    There it ends just beyond, or else goes on as far as the enthalpy of the step reaches with the slope of that side.

    Parameters
    ----------
    start : Temperature before the step, ``[layer, column]``. [K]
    found : The whole step, and the enthalpy from which it starts.
    kink : Where soil begins to freeze.
    length : Share of a step that is not cut, ``[column]``. [1]
    stops : Whether steps end at the freezing point, ``[column]`` of bool.
    """
    end = found.to.temperature
    frozen, freezes = start < kink.temperature, end < kink.temperature
    crossing = ((frozen & ~freezes) | (freezes & ~frozen)) & ((end - start).abs() > 1.0e-9)
    moved = start + between(end - start, -LARGEST_SOIL_STEP, LARGEST_SOIL_STEP) * length
    stopped = torch.where(frozen, kink.temperature, kink.below)

    left = found.store + found.store_slope * (end - start) * length - kink.store
    slope = torch.where(left > 0, kink.thawed_slope, kink.frozen_slope)
    carried = torch.where(left > 0, kink.temperature, kink.below) + between(
        left / slope, -LARGEST_SOIL_STEP, LARGEST_SOIL_STEP
    )
    return torch.where(crossing, torch.where(stops, stopped, carried), moved), crossing


def _stopped(
    start: Tensor, end: Tensor, kinks: tuple[Tensor, ...], width: Tensor, length: Tensor, stops: Tensor
) -> tuple[Tensor, Tensor]:
    """A step of snow enthalpy that ends just beyond the first kink it crosses, and where it was cut.

    Parameters
    ----------
    start, end : Enthalpy before and after the whole step, ``[snow layer, column]``. [J m-2]
    kinks : Enthalpies at which slopes jump, from the lowest up. [J m-2]
    width : How far beyond a kink the step ends. [J m-2]
    length : Share of a step that is not cut, ``[column]``. [1]
    stops : Whether steps are cut, ``[column]`` of bool.
    """
    far = (end - start).abs() > 1.0e2 * width
    goal = end
    # The last one written stays: the lowest that is crossed on the way up, the highest on the way down.
    for kink in reversed(kinks):
        goal = torch.where((start < kink - 0.5 * width) & (end > kink + 0.5 * width), kink + width, goal)
    for kink in kinks:
        goal = torch.where((start > kink + 0.5 * width) & (end < kink - 0.5 * width), kink - width, goal)
    cut = far & (goal != end) & stops
    return torch.where(cut, goal, start + length * (end - start)), cut


def first_guess(system: System, temperature: Tensor, skin: Tensor) -> Unknowns:
    """Where the iteration starts: all that was before.

    Parameters
    ----------
    system : The equations; enthalpy of snow is that at the start.
    temperature : Of the soil, ``[layer, column]``. [K]
    skin : Temperature of the skin, ``[column]``. [K]
    """
    top_layer, _ = snow_temperature(system.snow, system.snow.start)
    return Unknowns(system.snow.start, temperature, visible_skin(skin, top_layer[0]), skin)
