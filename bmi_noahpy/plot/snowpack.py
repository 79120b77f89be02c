"""The layers of a snowpack over time and height."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from numpy.typing import NDArray

from bmi_noahpy.observations.simulated import ColumnOutput, Series
from bmi_noahpy.plot.figures import MELTING_POINT

HEIGHTS = 80
"""Levels between the ground and the top of the deepest pack."""
THICKNESS, TEMPERATURE = "snow_layer_thickness", "snow_temperature"


def layers_of(output: ColumnOutput) -> tuple[Series, Series] | None:
    """Daily thickness [m] and temperature [degC] of the layers, ``[time, snow layer]``; None without them."""
    thickness, temperature = output.series(THICKNESS), output.series(TEMPERATURE)
    if thickness is None or temperature is None or not (thickness.values > 0.0).any():
        return None
    return thickness.daily(), temperature.with_values(temperature.values - MELTING_POINT).daily()


def at_heights(
    thickness: NDArray[np.float64], values: NDArray[np.float64], heights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What the layers hold at heights above the ground, ``[time, height]``; nan above the snow.

    Parameters
    ----------
    thickness, values : Of the layers from the top down, ``[time, snow layer]``.
    heights : Above the ground. [m]
    """
    tops = np.cumsum(thickness[:, ::-1], axis=1)
    upward = values[:, ::-1]
    # The number of layers that end below a height is the number of the one it is in.
    below = (tops[:, :, None] <= heights[None, None, :]).sum(axis=1)
    inside = below < thickness.shape[1]
    chosen = np.take_along_axis(upward, np.minimum(below, thickness.shape[1] - 1), axis=1)
    return np.where(inside, chosen, np.nan)


def draw_snowpack(axes: Axes, thickness: Series, temperature: Series) -> QuadMesh:
    """Temperature of the layers over time and height above the ground.

    Parameters
    ----------
    axes : To draw on.
    thickness, temperature : See `layers_of`.
    """
    deepest = max(float(np.nanmax(thickness.values.sum(axis=1))), 1e-3)
    faces = np.linspace(0.0, deepest, HEIGHTS + 1)
    section = at_heights(thickness.values, temperature.values, 0.5 * (faces[1:] + faces[:-1]))
    edges = np.append(thickness.begin, thickness.end[-1:])
    mesh = axes.pcolormesh(edges, faces, section.T, shading="flat", rasterized=True, cmap="viridis", vmax=0.0)
    axes.set_ylabel("height in the snow [m]")
    return mesh
