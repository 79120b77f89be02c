"""What a caller may set: numbers of the right size, finite, within physical bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.component.variables import Variable
from noahpy_core.constants import WATER_DENSITY
from noahpy_core.state import SnowState

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def flat_values(variable: Variable, values: Any, size: int) -> Floats:
    """Values of any shape as a flat float64 array.

    Raises
    ------
    ValueError : when they are not `size` numbers.
    """
    try:
        flat = np.array(values, dtype=np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise ValueError(f"{variable.name}: values must be numbers. {error}") from error
    if flat.size != size:
        raise ValueError(f"{variable.name}: {flat.size} values given, {size} needed.")
    return flat


def check_values(variable: Variable, values: Floats, where: Mask) -> None:
    """Raise ValueError when a value in `where` is not finite or out of bounds."""
    name, units = variable.name, variable.units
    wrong = np.flatnonzero(where & ~np.isfinite(values))
    if wrong.size:
        raise ValueError(f"{name}: value {values[wrong[0]]} at index {wrong[0]} is not finite.")
    if variable.bounds is None:
        return
    low, high = variable.bounds
    wrong = np.flatnonzero(where & ((values < low) | (values > high)))
    if wrong.size:
        raise ValueError(
            f"{name}: value {values[wrong[0]]:g} {units} at index {wrong[0]} is outside {low:g} to {high:g} {units}."
        )


def check_snow(snow: SnowState) -> None:
    """Raise ValueError when the depth of a snowpack cannot hold its water: the density would not be that of snow."""
    water, depth = snow.water_equivalent / WATER_DENSITY, snow.depth
    wrong = ((water > 0) & (depth < water)).nonzero()
    if len(wrong):
        column = int(wrong[0])
        raise ValueError(
            f"snowpack__depth: {float(depth[column]):g} m at index {column} cannot hold the "
            f"{float(water[column]):g} m of snowpack__leq_depth. Set both."
        )


def check_settable(variable: Variable) -> None:
    """Raise ValueError for what the model computes."""
    if not variable.settable:
        raise ValueError(
            f"{variable.name} is computed by the model and cannot be set. Set an input, a state or a parameter."
        )
