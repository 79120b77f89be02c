"""All inputs of a run as changes ``[input, column]``, for derivatives and differences by each of them."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core import Forcing, Parameters, State
from noahpy_core.quantities import get_quantity, quantities, replace_quantity

LITTER, MOSS, ORGANIC = 0.5, 100.0, 0.1
"""Area of litter [1], resistance of moss [s m-1] and organic matter [1], where none was given: derivatives by all."""


class Inputs(NamedTuple):
    """What a run begins with and is given."""

    state: State
    forcing: Forcing
    parameters: Parameters


def with_every_parameter(parameters: Parameters) -> Parameters:
    """Published values in place of those left out, and a little litter, moss and organic matter."""
    like = parameters.snow.full_cover_snow
    plants = dataclasses.replace(
        parameters.vegetation,
        litter_area_index=torch.full_like(like, LITTER),
        moss_resistance=torch.full_like(like, MOSS),
    )
    soil = dataclasses.replace(parameters.soil, organic_matter=torch.full_like(parameters.soil.porosity, ORGANIC))
    return dataclasses.replace(parameters, soil=soil, vegetation=plants, snow=parameters.snow.resolved())


def names_of(inputs: Inputs) -> list[str]:
    """Paths of all that a derivative can be asked for, as ``parameters.soil.porosity``."""
    return [
        f"{kind}.{path}"
        for kind, tree in zip(Inputs._fields, inputs, strict=True)
        for path, metadata in quantities(type(tree))
        if metadata["differentiable"] and get_quantity(tree, path) is not None
    ]


def changed(inputs: Inputs, names: list[str], change: Tensor) -> Inputs:
    """The inputs with each of the named ones changed, in all layers and at all times alike.

    Parameters
    ----------
    change : Share of the value, kelvins for temperatures, and units of what is zero, ``[input, column]``.
    """
    trees = dict(zip(Inputs._fields, inputs, strict=True))
    for name, by in zip(names, change, strict=True):
        kind, _, path = name.partition(".")
        value: Tensor = get_quantity(trees[kind], path)
        units = dict(quantities(type(trees[kind])))[path]["units"]
        added = units == "K" or (kind == "parameters" and not bool(value.any()))
        trees[kind] = replace_quantity(trees[kind], path, value + by if added else value * (1.0 + by))
    return Inputs(**trees)
