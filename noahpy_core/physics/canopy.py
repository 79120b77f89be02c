"""Interception of rain and dew by the canopy."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.numerics import at_most, positive_part

NEGLIGIBLE_WATER = 1.0e-17
"""Canopy water treated as none. [kg m-2]"""


class Interception(NamedTuple):
    """Canopy water at the end of the step [kg m-2], and rates [kg m-2 s-1], ``[column]``."""

    canopy_water: Tensor
    drip: Tensor
    throughfall: Tensor
    created: Tensor


def intercept(
    canopy_water: Tensor, supply: Tensor, evaporation: Tensor, vegetation_fraction: Tensor, capacity: Tensor,
    dt: Tensor | float,
) -> Interception:  # fmt: skip
    """Canopy water balance (Chen and Dudhia 2001, Mon. Wea. Rev. 129; Noah: first part of SMFLX).

    Parameters
    ----------
    canopy_water, capacity : ``[column]``. [kg m-2]
    supply : Rain, dew and snow melt arriving above the ground. [kg m-2 s-1]
    evaporation : Of canopy water. [kg m-2 s-1]
    vegetation_fraction : Share of the supply the canopy catches. [1]
    dt : Length of the step. [s]

    Returns
    -------
    New canopy water, drip from the full canopy, all water reaching the ground, and what the floor at zero created.
    """
    filled = canopy_water + dt * (vegetation_fraction * supply - evaporation)
    drip = positive_part(filled - capacity) / dt
    throughfall = (1.0 - vegetation_fraction) * supply + drip
    kept = torch.where(filled < NEGLIGIBLE_WATER, 0.0, filled)
    return Interception(at_most(kept, capacity), drip, throughfall, (kept - filled) / dt)
