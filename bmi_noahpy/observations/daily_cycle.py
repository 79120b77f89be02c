"""Whether an observed daily cycle keeps the time of the simulated one: clocks are local more often than files say."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bmi_noahpy.observations.observed import Pairs
from bmi_noahpy.observations.simulated import DAY_SECONDS, SECOND

ALLOWED: Mapping[str, float] = {
    "net_radiation": 1.75,
    "skin_temperature": 4.0,
    "sensible_heat_flux": 4.0,
    "latent_heat_flux": 4.0,
}
"""Quantity -> how far both cycles may be apart: the sun sets that of radiation, the others follow it loosely. [h]"""
FEWEST_DAYS = 5.0
"""Days of pairs from which on a cycle is known."""
FEWEST_A_DAY = 6.0
"""Pairs a day that show it."""
STRENGTH = 0.35
"""Least share of the spread of values that the cycle has, where it is judged."""


def clock_doubt(quantity: str, pairs: Pairs) -> str | None:
    """A sentence where the observed daily cycle is earlier or later than it can be; None where nothing says so."""
    allowed = ALLOWED.get(quantity)
    shift = None if allowed is None else hours_later(pairs)
    if shift is None or allowed is None or abs(shift) <= allowed:
        return None
    when, where = ("after", "ahead of") if shift > 0.0 else ("before", "behind")
    return (
        f"its daily cycle comes {abs(shift):.1f} h {when} the simulated one, as if its clock were {where} what is said "
        "of it: check time.utc_offset, time.zone and time.label"
    )


def hours_later(pairs: Pairs) -> float | None:
    """How much later the observed cycle of 24 hours is than the simulated one, from -12 to 12. [h]

    Returns
    -------
    None where too few pairs, or a cycle of either that is too weak, do not tell.
    """
    if pairs.times.size < 2:
        return None
    seconds = (pairs.times - pairs.times[0]) / SECOND
    days = float(seconds[-1]) / DAY_SECONDS
    if days < FEWEST_DAYS or pairs.times.size < FEWEST_A_DAY * days:
        return None
    turning = np.exp(2j * np.pi * seconds / DAY_SECONDS)
    phases = []
    for values in (pairs.simulated, pairs.observed):
        change = values - values.mean()
        wave = complex(np.mean(change * turning.conj()))
        if abs(wave) < STRENGTH * float(change.std()) / np.sqrt(2.0) or abs(wave) == 0.0:
            return None
        phases.append(np.angle(wave))
    turn = (phases[0] - phases[1] + np.pi) % (2.0 * np.pi) - np.pi
    return float(turn) / (2.0 * np.pi) * 24.0
