"""How Newton's method for the Richards equation goes on where whole steps cycle."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Strategy(NamedTuple):
    """Turns of steps that start short and become whole.

    Short steps end a cycle, whole ones converge, and those between lead over the kinks. What a layer passes on can set
    in within millimetres of head, which a step leaps over: then it stops there. Or else all layers stop together, where
    the first of them meets a kink, and go on with the slopes beyond it: a path along which every residual falls in the
    same proportion, which leads to the solution where the equations are linear between kinks (Katzenelson 1965).

    Parameters
    ----------
    rounds : After which the next strategy starts, from the beginning.
    whole : Rounds of whole steps at first.
    turn : Rounds of each turn; the last five are whole steps.
    share : Of the first step of the first turn.
    shorter : From the first step of one turn to that of the next.
    kinks : Whether layers stop at their own kinks on the way down (saturation, tops of the ranges of uptake).
    up, down, out : Whether such leaps are stopped, after the whole steps: upwards where a neighbour starts to conduct,
        downwards where one ceases to be full, and downwards where one ceases to conduct.
    together : Whether all layers take the same share of the step, that which leads the first of them over a kink.
    pond : Whether full layers start at rest below a pond, else just full.
    upstream : Whether gravity acts with the conductivity of the upper layer alone. Then a flux grows with the water
        above and falls with that below whatever the two soils are, which the fitted one does not between very
        different soils.

    References
    ----------
    .. [1] Katzenelson 1965, Bell Syst. Tech. J. 44, doi:10.1002/j.1538-7305.1965.tb04195.x.
    """

    rounds: int
    whole: int
    turn: int
    share: float
    shorter: float
    kinks: bool
    up: bool
    down: bool
    out: bool
    pond: bool
    upstream: bool
    together: bool = False


STRATEGIES = (
    Strategy(100, 12, 12, 0.3, 0.8, kinks=True, up=True, down=False, out=False, pond=False, upstream=False),
    Strategy(
        120, 30, 30, 0.1, 1.0,
        kinks=False, up=False, down=False, out=False, pond=True, upstream=False, together=True,
    ),
    Strategy(200, 5, 30, 0.1, 0.5, kinks=True, up=True, down=True, out=False, pond=True, upstream=False),
    Strategy(100, 5, 20, 0.2, 0.5, kinks=False, up=False, down=False, out=False, pond=False, upstream=False),
    Strategy(200, 5, 30, 0.1, 0.5, kinks=True, up=True, down=True, out=True, pond=False, upstream=False),
    Strategy(200, 5, 30, 0.1, 0.5, kinks=True, up=True, down=True, out=False, pond=True, upstream=True),
    Strategy(200, 5, 20, 0.2, 0.5, kinks=False, up=False, down=False, out=False, pond=False, upstream=True),
    Strategy(
        180, 30, 30, 0.1, 1.0,
        kinks=False, up=False, down=False, out=False, pond=True, upstream=True, together=True,
    ),
    # Turns that differ: where each one ends in the same cycle, another length of the steps leads out of it.
    Strategy(
        200, 5, 40, 0.03, 0.5,
        kinks=False, up=False, down=False, out=False, pond=False, upstream=False, together=True,
    ),
)  # fmt: skip
LIMIT = sum(strategy.rounds for strategy in STRATEGIES)
"""Largest number of tridiagonal solves of a step."""
WHOLE = 5.0
"""Rounds of whole steps at the end of a turn."""
SHORTEST = 1.0e-3
"""Share of the Newton step below which none is shortened."""


class Advice(NamedTuple):
    """What the strategies say for a round, ``[column]``."""

    share: Tensor
    """Of the Newton step."""
    kinks: Tensor
    up: Tensor
    down: Tensor
    out: Tensor
    upstream: Tensor
    together: Tensor
    again: Tensor
    """Whether to start again instead, with the next strategy."""
    pond: Tensor
    """From which start."""


def advice(count: Tensor) -> Advice:
    """By the number of rounds done, ``[column]``."""
    no = torch.zeros_like(count, dtype=torch.bool)
    yes = ~no
    given = Advice(torch.ones_like(count), yes, no, no, no, no, no, no, no)
    first = 0.0
    for strategy in STRATEGIES:
        late = count - (first + strategy.whole)
        turns = torch.clamp(late / strategy.turn, min=0.0).to(torch.int64).to(count.dtype)
        position = (late - strategy.turn * turns) / (strategy.turn - WHOLE)
        shortest = torch.clamp(strategy.share * strategy.shorter**turns, min=SHORTEST)
        short = torch.exp(torch.log(shortest) * torch.clamp(1.0 - position, min=0.0))
        now, turning = count >= first, late >= 0.0
        last = count == first - 1.0
        first += strategy.rounds
        given = Advice(
            share=torch.where(now, torch.where(turning, short, 1.0), given.share),
            kinks=torch.where(now, yes if strategy.kinks else no, given.kinks),
            up=torch.where(now, turning if strategy.up else no, given.up),
            down=torch.where(now, turning if strategy.down else no, given.down),
            out=torch.where(now, turning if strategy.out else no, given.out),
            upstream=torch.where(now, yes if strategy.upstream else no, given.upstream),
            together=torch.where(now, yes if strategy.together else no, given.together),
            again=given.again | last,
            pond=given.pond | last if strategy.pond else given.pond,
        )
    return given
