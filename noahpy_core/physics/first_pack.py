"""Snow divided into layers for the first time: plain arithmetic, of tensors and arrays alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from noahpy_core.constants import FREEZING_POINT, SPECIFIC_HEAT_ICE
from noahpy_core.parameters import LAYERED_SNOW
from noahpy_core.state import SnowState

SNOW_TARGETS = (0.1, 0.3)
"""Thickness that the upper layers of a deep pack tend to, from the top; the lowest takes the rest. [m]"""
LAYERS_OF_ARRAYS = 5
"""Layers up to which sums over layers have the same digits in both: those of more are taken in another order."""


class Functions(NamedTuple):
    """What a first state is made with: of one kind of leaf each, tensors or arrays."""

    full_like: Callable[[Any, float], Any]
    positive_part: Callable[[Any], Any]
    at_least: Callable[[Any, float], Any]
    at_most: Callable[[Any, float], Any]
    stack: Callable[[list[Any]], Any]
    """Layers one above the other."""


ARRAYS = Functions(np.full_like, lambda values: np.maximum(values, 0.0), np.maximum, np.minimum, np.stack)


def divided(depth: Any, layers: int) -> list[Any]:
    """Thickness of each layer as a continuous function of snow depth, from the top. [m]

    Parameters
    ----------
    depth : Of the snow. [m]
    layers : Number of layers.

    Notes
    -----
    Every layer takes an even share s of what is left, reduced to s/(1 + s/d): even layers in a thin pack, d and the
    rest in a deep one.
    """
    left, targets = depth, []
    for number in range(layers - 1):
        share = left / (layers - number)
        targets.append(share / (1.0 + share / SNOW_TARGETS[min(number, len(SNOW_TARGETS) - 1)]))
        left = left - targets[-1]
    return [*targets, left]


def first_pack(snow: SnowState, temperature: Any, layers: int, functions: Functions) -> SnowState:
    """A pack without layers, given some: dry, of one density and temperature, its albedo that of fresh snow.

    Parameters
    ----------
    snow : Water equivalent, depth and age.
    temperature : Of the pack, up to melting. [K]
    layers : Number of layers, 1 or more.
    functions : Of what is given.
    """
    if layers < 1:
        raise ValueError(f"initial state: snow_layers is {layers}. Give 1 or more.")
    thickness = functions.stack(divided(snow.depth, layers))
    upper = (thickness / functions.at_least(snow.depth, 1.0e-30))[:-1]
    mass = functions.stack([*upper, 1.0 - upper.sum(0)]) * snow.water_equivalent
    cold = functions.at_most(temperature, FREEZING_POINT) - FREEZING_POINT
    return dataclasses.replace(
        snow,
        layer_mass=mass,
        layer_enthalpy=mass * (SPECIFIC_HEAT_ICE * cold),
        layer_thickness=thickness,
        albedo=functions.full_like(snow.depth, LAYERED_SNOW["fresh_albedo"]),
    )
