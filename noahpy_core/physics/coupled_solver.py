"""The root of the coupled system: Newton's method in the enthalpy of every layer, and what ends its cycles.

A soil layer that crosses its freezing point goes on beyond as far as the enthalpy of the step reaches with the slope of
that side, as if enthalpy were the unknown. Few columns go round in circles. For them turns follow in which all of the
column stops together where the first layer is just beyond a kink of its state function, and at last the solution of a
part of the time step leads to that of the whole.

Between kinks the equations are nearly linear. A path that takes the slopes anew at each kink, and along which all
residuals fall in proportion, leads to their root.

References
----------
.. [1] Katzenelson 1965, Bell Syst. Tech. J. 44, doi:10.1002/j.1538-7305.1965.tb04195.x.
"""

from __future__ import annotations

import torch
from torch import Tensor

from noahpy_core.constants import FREEZING_POINT
from noahpy_core.numerics import at_most
from noahpy_core.physics.coupled_kinks import kinks_of, reach
from noahpy_core.physics.coupled_sweep import smallest_step, sweep
from noahpy_core.physics.coupled_system import System, Unknowns, snow_warmth, visible_skin
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
LATE = 16.0
"""Times the tolerance suffices in single precision after a turn: there round-off may leave no better, and what a layer
gains is counted by its fluxes."""
LENGTHENED = 1.5
"""Times a halved step is longer in the next sweep: at once whole again, it would lead to where it was halved before."""
FIRST_ALTERNATION = 3.0
"""Sweeps after which steps are halved where the top soil layer goes to and fro."""


def solve(curve: FreezingCurve, system: System, guess: Unknowns) -> tuple[Unknowns, Tensor]:
    """Unknowns at the end of the step, and whether each column's were found.

    Parameters
    ----------
    curve : Liquid water of frozen soil by temperature.
    system : The equations, ``[row, column]``.
    guess : Where the iteration starts.
    """
    tolerance, single = smallest_step(guess.warmth), guess.warmth.dtype == torch.float32
    # A thin layer between conductances that outweigh it has to be found more closely than its own heat asks for.
    in_snow = tolerance / LATE if single else tolerance
    # A vanishing patch of snow matters as little as it weighs.
    weight = at_most(1.0e9 * system.cover, 1.0)
    kinks, melted = kinks_of(curve, system, weight > 1.0e-3), system.snow.all_water()

    def step(
        enthalpy: Tensor, warmth: Tensor, snow_skin: Tensor, bare_skin: Tensor, last: Tensor, length: Tensor,
        count: Tensor, part: Tensor, done: Tensor,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        at = Unknowns(enthalpy, warmth, snow_skin, bare_skin)
        found = sweep(curve, system._replace(dt=system.dt * part), at)
        to = found.to
        stops = _stops(count)
        turn = to.warmth[0] - warmth[0]
        # A layer that is found goes to and fro by round-off while others are looked for.
        wide = (turn.abs() > 0.2 * last.abs()) & (turn.abs() > tolerance)
        alternates = (turn * last < 0) & wide & (count > FIRST_ALTERNATION)
        length = torch.where(alternates, 0.5 * length, at_most(LENGTHENED * length, 1.0))

        followed = reach(at, found, kinks, length, stops)
        share = followed.share
        # Skins are solved anew in each sweep: only those that stop with their column are shortened.
        for_skins = torch.where(stops, share, torch.ones_like(share))

        small = torch.where(count < TURN, tolerance, LATE * tolerance) if single else tolerance
        soil_change = (to.warmth - warmth).abs().amax(0)
        snow_change = ((to.enthalpy - enthalpy).abs() / melted).amax(0) * (0.1 * weight)
        settled = (soil_change <= small) & (snow_change <= in_snow) & followed.whole & found.skins_found
        solved = settled & (part >= 1.0)
        # What is solved in the very sweep that would restart it has no need to.
        restarts = (count == RESTART) & ~solved

        def chosen(old: Tensor, new: Tensor, first: Tensor) -> Tensor:
            # What is solved stays as it is: its digits must not depend on how long other columns take.
            return torch.where(done, old, torch.where(restarts, first, new))

        larger = torch.where(settled, at_most(2.0 * part, 1.0), part)
        return (
            chosen(enthalpy, enthalpy + share * (to.enthalpy - enthalpy), guess.enthalpy),
            chosen(warmth, followed.warmth, guess.warmth),
            chosen(snow_skin, snow_skin + for_skins * (to.snow_skin - snow_skin), guess.snow_skin),
            chosen(bare_skin, bare_skin + for_skins * (to.bare_skin - bare_skin), guess.bare_skin),
            torch.where(done, last, turn * length),
            torch.where(restarts, 1.0, length),
            count + 1.0,
            torch.where(restarts, FIRST_PART, larger),
            done | solved,
        )

    none = torch.zeros_like(system.cover)
    carry = (*guess, none, none + 1.0, none, none + 1.0, torch.zeros_like(none, dtype=torch.bool))
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


def first_guess(system: System, temperature: Tensor, skin: Tensor) -> Unknowns:
    """Where the iteration starts: all that was before.

    Parameters
    ----------
    system : The equations; enthalpy of snow is that at the start.
    temperature : Of the soil, ``[layer, column]``. [K]
    skin : Temperature of the skin, ``[column]``. [K]
    """
    top_layer, _ = snow_warmth(system.snow, system.snow.start)
    warm = skin - FREEZING_POINT
    return Unknowns(system.snow.start, temperature - FREEZING_POINT, visible_skin(warm, top_layer[0]), warm)
