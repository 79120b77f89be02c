"""Profiles of water within layers at the start of a step, which tell the conductivity at a layer's faces from its mean.

References
----------
.. [1] van Leer 1979, J. Comput. Phys. 32, doi:10.1016/0021-9991(79)90145-1 (linear profiles within layers).
.. [2] Roe 1986, Annu. Rev. Fluid Mech. 18, doi:10.1146/annurev.fl.18.010186.002005 (the lesser of two slopes).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.duals import Dual, choose
from noahpy_core.numerics import at_least, at_most, between, positive_part
from noahpy_core.physics.retention import TINY, PoreSpace

LEAST, MOST = -0.5, 1.0
"""Shares by which the conductivity at a face may differ from that of the layer. With less than -0.5 the flux of a layer
that dries would fall as it gets wetter."""


class Profile(NamedTuple):
    """Conductivity within layers at the start of a step, ``[layer, column]``."""

    conductivity: Tensor
    """Of the layer. [m s-1]"""
    top: Tensor
    """Share by which the conductivity at the upper face exceeds that of the layer. [1]"""
    bottom: Tensor
    """The same at the lower face. [1]"""


def profile_of(liquid: Tensor, pores: PoreSpace, thickness: Tensor, unfrozen: Tensor) -> Profile:
    """Linear in the logarithm of K, with the lesser of the slopes to both neighbours; even in the first and last layer.

    Parameters
    ----------
    liquid : At the start, ``[layer, column]``. [m3 m-3]
    pores : What holds and conducts it.
    thickness : ``[layer, column]``. [m]
    unfrozen : Share of the conductivity that ice leaves, ``[layer, column]``. [1]

    Notes
    -----
    A neighbour counts with the saturation that this layer's soil has at its head, so that horizons make no slope by
    themselves, and full layers have none. Where ice rules the conductivity its own profile would, which is not known:
    that of water fades with the share that ice leaves.
    """
    wet = _logarithm(torch.log(at_least(liquid / pores.room, pores.least)), pores)
    log_head = pores.log_suction - pores.b * wet
    distance = 0.5 * (thickness[1:] + thickness[:-1])
    upper, lower = pores.rows(None, -1), pores.rows(1, None)
    # Downward slopes of ln S between two layers, as the upper one sees them and as the lower one does.
    as_upper = (_logarithm((upper.log_suction - log_head[1:]) / upper.b, upper) - wet[:-1]) / distance
    as_lower = (wet[1:] - _logarithm((lower.log_suction - log_head[:-1]) / lower.b, lower)) / distance

    none = torch.zeros_like(wet[:1])
    above, below = torch.cat([none, as_lower]), torch.cat([as_upper, none])
    rises = at_most(positive_part(above), positive_part(below))
    falls = at_most(positive_part(-above), positive_part(-below))
    power = 2.0 * pores.b + 3.0
    change = 0.5 * thickness * power * (rises - falls)
    conductivity = pores.conductivity * positive_part(torch.exp(power * wet) - pores.least_conductance)
    return Profile(conductivity, _share(-change) * unfrozen, _share(change) * unfrozen)


def at_face(now: Dual, start: Tensor, excess: Tensor) -> Dual:
    """Conductivity at a face over that of its layer. [1]

    Parameters
    ----------
    now, start : Conductivity of the layer, and that at the start of the step. [m s-1]
    excess : Share by which the conductivity at the face was greater at the start. [1]

    Notes
    -----
    What the profile adds is the excess times the harmonic mean of both conductivities. So it fades where the layer
    fills, cannot outgrow twice that of the start, and leaves a flux that grows with the water of the layer.
    """
    # A layer with nothing to move conducts 0 less round-off, which in single precision can be as much as at the start.
    conducting = choose(now.value > 0.0, now, torch.zeros_like(now.value))
    return (conducting + (start + TINY)).over(2.0 * excess * (start + TINY)) + 1.0


def _logarithm(saturation: Tensor, pores: PoreSpace) -> Tensor:
    """ln S between the least that moves and 0.

    Parameters
    ----------
    saturation : ln S of a head or of a content, which may be beyond both.
    pores : Of the layer.
    """
    return at_most(at_least(saturation, pores.log_least), torch.zeros_like(saturation))


def _share(change: Tensor) -> Tensor:
    """e^x - 1 within its bounds.

    Parameters
    ----------
    change : Of the logarithm of conductivity from the middle of a layer to its face.
    """
    # Bounded before the exponential, which must stay finite.
    return between(torch.exp(at_most(change, 1.0)) - 1.0, LEAST, MOST)
