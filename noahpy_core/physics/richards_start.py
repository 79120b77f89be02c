"""Where Newton's method for the Richards equation begins: full layers at rest."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.physics.retention import PoreSpace, Unknown
from noahpy_core.physics.richards import Flow

ABSENT = -1.0e9
"""Below every head. [m]"""


class Starts(NamedTuple):
    """First guesses of the unknowns, ``[layer, column]``: they differ in the pressure of full layers."""

    just_full: Tensor
    """The least with which all layers of a full stretch are full, so that one of them is at the edge."""
    pond: Tensor
    """That below a pond on the surface."""


def starts(pores: PoreSpace, flow: Flow, unknown: Unknown, depth: Tensor) -> Starts:
    """Both first guesses: the water of the start of the step, and pressures at rest.

    Parameters
    ----------
    pores, flow, unknown : As for `richards.equations`.
    depth : Of the middle of the layers, ``[layer, column]``. [m]

    Notes
    -----
    Below a pond all layers that drain are found at once. At the edge a layer that gives water, or gets none where its
    pores grow, is on the side of its kink where the equations say so: where nothing else fixes the pressure (a full
    column at rest, full layers between ice), the solution found is the one whose derivative keeps the water.
    """
    drawn = unknown.of(torch.clamp(flow.old / pores.room, max=1.0), pores.b)
    full = drawn >= unknown.full
    level = _level(full, -pores.suction - depth)
    lift = level + depth + pores.suction
    risen = unknown.of_pressure(lift - pores.suction, pores)
    edge = torch.where(lift > 1.0e-12 * pores.suction, risen, unknown.full)
    return Starts(torch.where(full, edge, drawn), torch.where(full, unknown.of_pressure(depth, pores), drawn))


def _level(full: Tensor, own: Tensor) -> Tensor:
    """The highest of the values of all full layers that hang together with a layer.

    Parameters
    ----------
    full : Which layers are, ``[layer, column]``.
    own : Values of the layers, ``[layer, column]``. [m]
    """
    # Two full layers hang together where as many that are not full lie above the one as above the other.
    gaps = torch.cumsum(torch.where(full, 0.0, 1.0).to(own.dtype), 0)
    highest = torch.where(full, own, ABSENT)
    reach, layers = 1, own.shape[0]
    # The reach doubles: 5 rounds for 20 layers, instead of one for each.
    while reach < layers:
        nothing = torch.full_like(own[:reach], ABSENT)
        above, below = torch.cat([nothing, highest[:-reach]]), torch.cat([highest[reach:], nothing])
        gaps_above, gaps_below = torch.cat([nothing, gaps[:-reach]]), torch.cat([gaps[reach:], nothing])
        from_above = torch.where(gaps_above == gaps, above, ABSENT)
        from_below = torch.where(gaps_below == gaps, below, ABSENT)
        highest = torch.maximum(highest, torch.maximum(from_above, from_below))
        reach *= 2
    return highest
