"""Whether the profiles that a state is made of belong together, asked before numbers are combined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.differentiation import is_transformed
from noahpy_core.errors import ShapeError
from noahpy_core.shape_checks import check_number_type

ROUND_OFF = 1.0e-6
"""Liquid water that exceeds the moisture by no more is all of it, in float32 too. [m3 m-3]"""


def check_profiles(name: str, profiles: Mapping[str, Any], layers: int | None = None, columns: int = 1) -> int:
    """Check values by layer.

    Parameters
    ----------
    name : What is given them, for the message.
    profiles : ``[layer, column]`` by name; one column may stand for all.
    layers : How many there must be; None: as many as in the first.
    columns : How many are known already; 1 stands for any number.

    Returns
    -------
    Number of columns.

    Raises
    ------
    ShapeError : Naming what does not fit.
    """
    for key, value in profiles.items():
        columns = _columns(f"{name}: {key}", value, ("layer", "column"), columns)
        if layers is None:
            layers = value.shape[0]
        if value.shape[0] != layers:
            raise ShapeError(
                f"{name}: {key}", f"has {value.shape[0]} layers, where there are {layers}. Give one value per layer."
            )
    return columns


def check_initial(column: SoilColumn, profiles: Mapping[str, Any], surface: Mapping[str, Any]) -> None:
    """Check what an initial state is made of.

    Parameters
    ----------
    column : Soil layers of the model.
    profiles : ``[layer, column]``; among them ``soil_moisture`` and ``soil_liquid``.
    surface : ``[column]``.

    Raises
    ------
    ShapeError : Naming what does not fit.
    ValueError : More liquid water than moisture.
    """
    columns = check_profiles("initial state", profiles, column.layers, column.thickness.shape[1])
    for key, value in surface.items():
        columns = _columns(f"initial state: {key}", value, ("column",), columns)
    _check_liquid(profiles["soil_liquid"], profiles["soil_moisture"])


def _check_liquid(liquid: Tensor, moisture: Tensor) -> None:
    if is_transformed() or liquid.is_meta or moisture.is_meta:
        return  # There are no numbers to look at.
    wrong = torch.nonzero(liquid > moisture + ROUND_OFF)
    if len(wrong):
        layer, column = wrong[0].tolist()
        found, total = (value[layer, column if value.shape[1] > 1 else 0].item() for value in (liquid, moisture))
        raise ValueError(
            f"initial state: soil_liquid is {found:g} in layer {layer + 1}, column {column}, more than the "
            f"soil_moisture there, {total:g}, which is liquid water and ice. Give the total as soil_moisture."
        )


def _columns(key: str, value: Any, dimensions: tuple[str, ...], columns: int) -> int:
    """Number of columns, this value counted; ShapeError when it does not fit."""
    if not isinstance(value, Tensor):
        raise ShapeError(key, f"is a {type(value).__name__}, not a tensor. Convert it with torch.as_tensor.")
    check_number_type(key, value)
    wanted = f"[{', '.join(dimensions)}]"
    if value.ndim != len(dimensions):
        raise ShapeError(
            key,
            f"has the shape {tuple(value.shape)}, not {wanted}. Bring it into that shape; one column is a dimension of "
            "length 1.",
        )
    found = value.shape[-1]
    if 1 not in (found, columns) and found != columns:
        raise ShapeError(
            key,
            f"has the shape {tuple(value.shape)}, {found} columns, where others have {columns}. Give as many in all.",
        )
    return max(found, columns)
