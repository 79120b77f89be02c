"""What a run says about permafrost: depth of thaw, ground temperature, days with snow."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

FREEZING_POINT = 273.15
DAYS_OF_A_YEAR = 365.25
SNOW_ON_THE_GROUND = 0.01
"""Depth from which a day counts as one with snow. [m]"""


def active_layer_thickness(temperature: ArrayLike, depth: ArrayLike, threshold: float = FREEZING_POINT) -> Floats:
    """Depth down to which the ground thaws at some time of a series, best a whole year. [m]

    The highest temperature of each layer, linear between the middles of layers and constant above the first one, is
    followed from the surface down to where it falls to the threshold.

    Parameters
    ----------
    temperature : ``[time, layer, ...]``, daily means or shorter. [K]
    depth : Middle of each layer, ``[layer]``, increasing. [m]
    threshold : Temperature above which the ground counts as thawed. [K]

    Returns
    -------
    ``[...]``; 0 where the top never thaws, NaN where all layers do (no permafrost within the layers) and where a
    temperature is missing.

    Raises
    ------
    ValueError : for a number of depths other than that of layers.
    """
    highest = np.max(np.asarray(temperature, dtype=np.float64), axis=0)
    depths = _depths(depth, highest.shape[0])
    frozen = highest <= threshold
    below = np.argmax(frozen, axis=0)
    above = np.maximum(below - 1, 0)
    warm, cold = (np.take_along_axis(highest, layer[None], axis=0)[0] for layer in (above, below))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (warm - threshold) / (warm - cold)
        crossing = depths[above] + share * (depths[below] - depths[above])
    thickness = np.where(below == 0, 0.0, crossing)
    return np.where(frozen.any(axis=0) & np.isfinite(highest).all(axis=0), thickness, np.nan)


def mean_ground_temperature(temperature: ArrayLike, depth: ArrayLike, at: float) -> Floats:
    """Mean of a series at a depth, linear between the middles of layers: of a year, the mean annual ground temperature.

    Parameters
    ----------
    temperature : ``[time, layer, ...]`` at equal intervals. [K]
    depth : Middle of each layer, ``[layer]``, increasing. [m]
    at : Depth asked for. [m]

    Raises
    ------
    ValueError : for a depth above the middle of the first layer or below that of the last one.
    """
    mean = np.mean(np.asarray(temperature, dtype=np.float64), axis=0)
    depths = _depths(depth, mean.shape[0])
    if not depths[0] <= at <= depths[-1]:
        raise ValueError(f"at: {at:g} m is not within the middles of the layers, {depths[0]:g} to {depths[-1]:g} m.")
    below = max(int(np.searchsorted(depths, at)), 1)
    share = (at - depths[below - 1]) / (depths[below] - depths[below - 1])
    return np.asarray(mean[below - 1] + share * (mean[below] - mean[below - 1]))


def snow_days(snow_depth: ArrayLike, threshold: float = SNOW_ON_THE_GROUND) -> Floats:
    """Days of a year on which snow lies at least as deep as a threshold.

    Parameters
    ----------
    snow_depth : ``[time, ...]`` at equal intervals, over whole years; NaN where there is no column. [m]
    threshold : [m]

    Returns
    -------
    ``[...]``: the share of the series with snow times the days of a year; NaN where a depth is missing.
    """
    depth = np.asarray(snow_depth, dtype=np.float64)
    days = DAYS_OF_A_YEAR * np.mean(depth >= threshold, axis=0)
    return np.where(np.isfinite(depth).all(axis=0), days, np.nan)


def _depths(depth: ArrayLike, layers: int) -> Floats:
    depths = np.asarray(depth, dtype=np.float64)
    if depths.shape != (layers,):
        raise ValueError(f"depth: {depths.size} depths for {layers} layers. Give the middle of each layer.")
    return depths
