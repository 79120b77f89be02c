"""What a caller may set: numbers of the right size, finite, within physical bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bmi_noahpy.component.layout import Layout
from bmi_noahpy.component.variables import Variable
from noahpy_core.constants import WATER_DENSITY
from noahpy_core.likely_units import likely_units
from noahpy_core.parameters import COVER, LAYERED_SNOW
from noahpy_core.state import SnowState

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
OF_COVER = tuple(f"vegetation.{name}" for name in COVER)
"""What lies on the soil: read by the closed surface balance alone."""

FOLLOWS_FROM_LAYERS = ("snow.water_equivalent", "snow.depth")
ROUND_OFF = 1.0e-9
"""Soil water that exceeds the porosity by no more is full. [m3 m-3]"""


class RefusedValue(ValueError):
    """A value that a variable cannot have.

    Parameters
    ----------
    name : Of the variable.
    reason : What is wrong, and what to do.
    index : Flat index of the first such value; None when it is not about one value.
    """

    def __init__(self, name: str, reason: str, index: int | None = None) -> None:
        super().__init__(f"{name}: {reason}")
        self.name, self.reason, self.index = name, reason, index


class ComputedValue(ValueError):
    """A variable that cannot be set.

    Parameters
    ----------
    name : Of the variable.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is computed by the model and cannot be set. Set an input, a state or a parameter.")
        self.name = name


def flat_values(variable: Variable, values: Any, size: int) -> Floats:
    """Values of any shape as a flat float64 array.

    Raises
    ------
    ValueError : when they are not `size` real numbers, all of them given.
    """
    if np.ma.is_masked(values):
        raise RefusedValue(variable.name, "some values are masked. Fill them, or set the others by their indices.")
    if np.iscomplexobj(values):
        raise RefusedValue(variable.name, "values must be real numbers, not complex ones.")
    try:
        flat = np.array(values, dtype=np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise RefusedValue(variable.name, f"values must be numbers. {error}") from error
    if flat.size != size:
        raise RefusedValue(variable.name, f"{flat.size} values given, {size} needed.")
    return flat


def check_values(variable: Variable, values: Floats, where: Mask) -> None:
    """Raise `RefusedValue` when a value in `where` is not finite, or out of bounds.

    A parameter so small that it has fewer digits than other numbers (below 2.2e-308) is none that anybody wrote: it is
    memory that a framework read beyond the end of its own array.
    """
    name, units = variable.name, variable.units
    found = np.flatnonzero(where & ~np.isfinite(values))
    if found.size:
        raise RefusedValue(name, f"value {values[found[0]]} at index {found[0]} is not finite.", int(found[0]))
    if variable.source.kind == "parameter":
        found = np.flatnonzero(where & (values != 0) & (np.abs(values) < np.finfo(np.float64).tiny))
        if found.size:
            raise RefusedValue(
                name,
                f"value {values[found[0]]} at index {found[0]} is memory that holds no number. Give {values.size} "
                "values, as many as the variable has.",
                int(found[0]),
            )
    if variable.bounds is None:
        return
    low, high = variable.bounds
    found = np.flatnonzero(where & ((values < low) | (values > high)))
    if found.size:
        raise RefusedValue(
            name,
            f"value {values[found[0]]:g} {units} at index {found[0]} is outside {low:g} to {high:g} {units}."
            f"{_likely(variable, values[where], len(found))}",
            int(found[0]),
        )


def _likely(variable: Variable, values: Floats, wrong: int) -> str:
    """A sentence about other units, when most values are impossible in those of the variable and possible in these."""
    if 2 * wrong < values.size:
        return ""
    path = variable.source.path
    found = likely_units(path, lambda low, high: bool(((values >= low) & (values <= high)).all()))
    return "" if found is None else f" The numbers look like {found.called}: convert them."


def check_snow(snow: SnowState, layout: Layout) -> None:
    """Raise `RefusedValue` when the depth of a snowpack cannot hold its water: no snow is as dense as that.

    Parameters
    ----------
    layout : Where the caller sees a column.
    """
    water, depth = snow.water_equivalent / WATER_DENSITY, snow.depth
    wrong = ((water > 0) & (depth < water)).nonzero()
    if len(wrong):
        column = int(wrong[0])
        raise RefusedValue(
            "snowpack__depth",
            f"{float(depth[column]):g} m at index {layout.index(column)} cannot hold the {float(water[column]):g} m of "
            "snowpack__leq_depth. Set both.",
            layout.index(column),
        )


def check_soil_water(name: str, total: Tensor, porosity: Tensor, where: Tensor, layout: Layout) -> None:
    """Raise `RefusedValue` when the soil cannot hold its water, which the next step would cut off.

    Parameters
    ----------
    name : Under which it was set.
    total : Liquid water and ice, ``[layer, column]``. [m3 m-3]
    porosity : Of the same shape. [m3 m-3]
    where : What was set, of bool.
    layout : Where the caller sees a column.
    """
    wrong = ((total > porosity + ROUND_OFF) & where).reshape(-1).nonzero()
    if len(wrong):
        index = int(wrong[0])
        held = float(torch.as_tensor(porosity).expand(total.shape).reshape(-1)[index])
        raise RefusedValue(
            name,
            f"{float(total.reshape(-1)[index]):g} m3 m-3 of water and ice at index {layout.index(index)} is more than "
            f"the porosity there, {held:g} m3 m-3. Set less, or a larger soil__porosity first.",
            layout.index(index),
        )


def check_effect(variable: Variable, *, layered: bool) -> None:
    """Raise `RefusedValue` for what would change nothing: it follows from others, or belongs to schemes not in use.

    Parameters
    ----------
    layered : Whether the run is that of the conservative column, with layers of snow.
    """
    kind, path = variable.source.kind, variable.source.path
    if layered and kind == "state" and path in FOLLOWS_FROM_LAYERS:
        raise RefusedValue(
            variable.name,
            "follows from the snow layers. Set snowpack_layer__mass-per-area_density, snowpack_layer__thickness and "
            "snowpack_layer__enthalpy-per-area_density.",
        )
    if not layered and kind == "parameter" and path.partition(".")[2] in LAYERED_SNOW and path.startswith("snow."):
        raise RefusedValue(
            variable.name,
            "belongs to snow of several layers, which this run has not. Use schemes: {preset: conservative}.",
        )
    if not layered and path in OF_COVER:
        raise RefusedValue(
            variable.name,
            "is read by the closed surface balance, which this run has not. Use schemes: {preset: conservative}.",
        )


def check_settable(variable: Variable) -> None:
    """Raise `ComputedValue` for what the model computes."""
    if not variable.settable:
        raise ComputedValue(variable.name)
