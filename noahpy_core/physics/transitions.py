"""What happens at the model's switches: a jump, as in the original, or a transition of finite width.

A switch is written as a weight between 0 and 1 and a `merge` of the two sides. With sharp transitions the weight is 0
or 1 and the result is exactly one side; with smooth ones it is differentiable and both sides contribute. The widths are
the constants of this module. Kinks, where the value is continuous, are left as they are, but for those of the
conservative column where a store gives all it has, a canopy is full or rain ponds.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

from noahpy_core.fixed import ModelPart
from noahpy_core.numerics import between
from noahpy_core.physics.limits import SHARP_LIMITS, Limits, SharpLimits, SmoothLimits
from noahpy_core.trees import tree_map

Tree = TypeVar("Tree")

SNOWFALL_RANGE = 2.0
"""Air temperatures, centred on freezing, over which rain turns to snow. [K]"""
FREEZING_RAIN_RANGE = 1.0
"""Skin temperatures, centred on freezing, over which rain starts to freeze on the surface. [K]"""
PRESENCE_SCALE = 1.0
"""Snow of which 63 % counts as a snowpack and the rest as bare ground. [kg m-2]"""
FRESH_SNOW_SCALE = 1.0
"""Snowfall in a step that resets 63 % of the age of the snow surface. [kg m-2]"""
MELT_RANGE = 0.2
"""Surface temperatures, centred on freezing, over which melt sets in. [K]"""
WET_SNOW_RANGE = 1.0
"""Snow temperatures, centred on freezing, over which settling becomes that of wet snow. [K]"""
FULL_COVER_RANGE = 0.02
"""Snow cover over which the conductivity of snow takes the place of the soil's. [1]"""
FROZEN_SOIL_RANGE = 1.0e-3
"""Ice content, centred on 5e-4, over which the Kersten number becomes that of frozen soil. [m3 m-3]"""
HEAVY_RAIN_RANGE = 0.5
"""Rain, relative to the amount that calls for two soil-water passes, over which they set in. [1]"""
SATURATION_RANGE = 0.1
"""Degree of saturation over which two soil-water passes set in. [1]"""
RICHARDSON_RANGE = 0.1
"""Richardson numbers over which frost on snow is reduced. [1]"""
RADIATION_RANGE = 50.0
"""Absorbed radiation over which frost on snow is reduced. [W m-2]"""
LIMIT_RANGE = 0.1
"""Around the limit of a store, a full canopy and rain that ponds, as a share of it: the conservative column. [1]"""


class SharpTransitions(ModelPart):
    """Jumps, and the small amounts of snow the original does away with. [kg m-2, m]"""

    negligible_snow = 1.0e-4
    smallest_pack = 1.0e-3
    thin_layer = 1.0e-5

    def rising(self, x: Tensor, threshold: Tensor | float, width: Tensor | float) -> Tensor:
        """1 above the threshold, else 0.

        Parameters
        ----------
        x, threshold : ``[column]`` or ``[layer, column]``, in any one unit.
        width : Not used.

        Returns
        -------
        The weight, of the shape of x. [1]
        """
        return (x > threshold).to(x.dtype)

    def falling(self, x: Tensor, threshold: Tensor | float, width: Tensor | float) -> Tensor:
        """1 below the threshold, else 0.

        Parameters
        ----------
        x, threshold : ``[column]`` or ``[layer, column]``, in any one unit.
        width : Not used.

        Returns
        -------
        The weight, of the shape of x. [1]
        """
        return (x < threshold).to(x.dtype)

    def amount(self, x: Tensor, scale: float) -> Tensor:
        """1 if there is any of an amount ``[column]`` in any unit, else 0. [1]"""
        return (x > 0).to(x.dtype)

    def merge(self, weight: Tensor, inside: Tree, outside: Tree) -> Tree:
        """`inside` where the weight is 1, else `outside`.

        Parameters
        ----------
        weight : Of the inside, ``[column]``. [1]
        inside, outside : Tensors, or containers of equal structure.
        """
        chosen = weight > 0
        merged: Tree = tree_map(lambda a, b: torch.where(chosen, a, b), inside, outside)
        return merged

    def limits(self, like: Tensor) -> SharpLimits:
        """How amounts are limited, for columns like a tensor ``[column]``."""
        return SHARP_LIMITS


class WeightedSides(ModelPart):
    """Both sides of a switch contribute; no amount of snow is too small. [kg m-2, m]"""

    negligible_snow = 0.0
    smallest_pack = 0.0
    thin_layer = 0.0

    def merge(self, weight: Tensor, inside: Tree, outside: Tree) -> Tree:
        """The weighted mean.

        Parameters
        ----------
        weight : Of the inside, ``[column]``. [1]
        inside, outside : Tensors, or containers of equal structure.
        """
        merged: Tree = tree_map(lambda a, b: weight * a + (1.0 - weight) * b, inside, outside)
        return merged

    def limits(self, like: Tensor) -> Limits:
        """How amounts are limited, for columns like a tensor ``[column]``: sharply, weights say nothing of it."""
        return SHARP_LIMITS


class SmoothTransitions(WeightedSides):
    """Cubic ramps of the widths given, exponential saturation for amounts, and rounded limits.

    Parameters
    ----------
    limit_range : Of the conservative column's limits, as a share of them, above 0 and at most 0.5. [1]
    """

    def __init__(self, limit_range: float = LIMIT_RANGE) -> None:
        super().__init__()
        if not 0.0 < limit_range <= 0.5:
            raise ValueError(f"transitions: limit_range is {limit_range}. Give a share above 0 and at most 0.5.")
        self.limit_range = float(limit_range)

    def rising(self, x: Tensor, threshold: Tensor | float, width: Tensor | float) -> Tensor:
        """0 to 1 across the threshold.

        Parameters
        ----------
        x, threshold : ``[column]`` or ``[layer, column]``, in any one unit.
        width : Of the transition, in the same unit.

        Returns
        -------
        The weight, of the shape of x. [1]
        """
        position = between((x - threshold) / width + 0.5, 0.0, 1.0)
        return position * position * (3.0 - 2.0 * position)

    def falling(self, x: Tensor, threshold: Tensor | float, width: Tensor | float) -> Tensor:
        """1 to 0 across the threshold.

        Parameters
        ----------
        x, threshold : ``[column]`` or ``[layer, column]``, in any one unit.
        width : Of the transition, in the same unit.

        Returns
        -------
        The weight, of the shape of x. [1]
        """
        return 1.0 - self.rising(x, threshold, width)

    def amount(self, x: Tensor, scale: float) -> Tensor:
        """1 - exp(-x/scale) of an amount ``[column]`` in the unit of the scale. [1]"""
        return -torch.expm1(-x / scale)

    def limits(self, like: Tensor) -> SmoothLimits:
        """How amounts are limited, for columns like a tensor ``[column]``."""
        return SmoothLimits(torch.full_like(like, self.limit_range))


Transitions = SharpTransitions | SmoothTransitions
SHARP = SharpTransitions()
