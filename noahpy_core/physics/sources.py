"""Water and heat that others add to a column: irrigation, run-on, boreholes, groundwater, geothermal heat."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.constants import WATER_DENSITY
from noahpy_core.numerics import at_least, at_most, positive_part
from noahpy_core.physics.soil_water import removable_water
from noahpy_core.state import Forcing


class Sources(NamedTuple):
    """What is added in a step; None where nothing of its kind is."""

    ground: Tensor | None
    """Water at the ground, under canopy and snow, ``[column]``. [kg m-2 s-1]"""
    water: Tensor | None
    """Water in each soil layer, negative where it is taken, ``[layer, column]``. [kg m-2 s-1]"""
    heat: Tensor | None
    """Heat in each soil layer, negative where it is taken, ``[layer, column]``. [W m-2]"""

    @property
    def all_water(self) -> Tensor | None:
        """Water added in all, ``[column]``. [kg m-2 s-1]"""
        parts = [self.ground] if self.water is None else [self.ground, self.water.sum(0)]
        return _sum([part for part in parts if part is not None])


def sources(forcing: Forcing, like: Tensor) -> Sources:
    """What the forcing adds besides weather.

    Parameters
    ----------
    forcing : Of the step. A flux at the lower boundary counts as added to the lowest layer.
    like : Of the shape ``[layer, column]``.
    """
    ground = _sum([part for part in (forcing.irrigation, forcing.run_on) if part is not None])
    water = _by_layer(forcing.soil_water_source, forcing.bottom_water_inflow, like)
    return Sources(ground, water, _by_layer(forcing.soil_heat_source, forcing.bottom_heat_inflow, like))


class PlacedWater(NamedTuple):
    """Where water that others add ends up. [kg m-2 s-1]"""

    source: Tensor
    """Of each layer, ``[layer, column]``."""
    surplus: Tensor
    """What finds no room in the soil and rises to the ground, ``[column]``."""
    missing: Tensor
    """What a sink asked for and did not find, ``[column]``. It is booked as created."""


def placed_water(
    source: Tensor, liquid: Tensor, ice: Tensor, porosity: Tensor, thickness: Tensor, dt: Tensor | float
) -> PlacedWater:
    """Water added to soil layers, as far as there is room for it and water to take.

    What finds no room in a layer rises to the one above, in the end to the ground. A layer gives liquid water down to
    the smallest total the model allows.

    Parameters
    ----------
    source : ``[layer, column]``, negative where water is taken. [kg m-2 s-1]
    liquid, ice, porosity : ``[layer, column]``. [m3 m-3]
    thickness : Of the layers. [m]
    dt : Length of the step. [s]
    """
    rate = thickness * WATER_DENSITY / dt
    given = at_least(source, -removable_water(liquid, ice) * rate)
    room = positive_part(porosity - liquid - ice) * rate

    rising = torch.zeros_like(given[0])
    placed = []
    for layer, most in zip(reversed(given.unbind(0)), reversed(room.unbind(0)), strict=True):
        arriving = layer + rising
        kept = at_most(arriving, most)
        placed.append(kept)
        rising = arriving - kept
    return PlacedWater(torch.stack(placed[::-1]), rising, (given - source).sum(0))


def _by_layer(layered: Tensor | None, lowest: Tensor | None, like: Tensor) -> Tensor | None:
    if lowest is None:
        return layered
    bottom = torch.cat([torch.zeros_like(like[:-1]), lowest.expand_as(like[-1])[None]])
    return bottom if layered is None else layered + bottom


def _sum(parts: list[Tensor]) -> Tensor | None:
    total = None
    for part in parts:
        total = part if total is None else total + part
    return total
