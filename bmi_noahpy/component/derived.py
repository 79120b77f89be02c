"""Quantities computed from state and fluxes for other models: runoff depths, wind components, shallow soil layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor

from bmi_noahpy.gradient.taken_step import StepResult
from noahpy_core.column import SoilColumn
from noahpy_core.constants import WATER_DENSITY
from noahpy_core.quantities import Bounds
from noahpy_core.state import LAYER


@dataclasses.dataclass(frozen=True)
class Derived:
    """A derived quantity, with the same metadata as `noahpy_core.quantities.quantity`.

    Parameters
    ----------
    long_name : What it is, in words.
    averaged : Whether it is made of fluxes, and so a mean or a sum over the time they are the mean of.
    """

    units: str
    long_name: str
    read: Callable[[StepResult], Tensor]
    dims: tuple[str, ...] = ()
    bounds: Bounds | None = None
    averaged: bool = False


def subsurface_runoff(result: StepResult) -> Tensor:
    """All water leaving the lowest layer: gravity drainage and saturation excess (Noah: RUNOFF2). [kg m-2 s-1]"""
    return result.flux("drainage") + result.flux("saturation_excess")


def runoff_depth(result: StepResult) -> Tensor:
    """Surface and subsurface runoff of the last call, as a depth of water. [m]"""
    return (result.flux("surface_runoff") + subsurface_runoff(result)) * result.span / WATER_DENSITY


def snow_density(result: StepResult) -> Tensor:
    """Water equivalent over depth, 0 without snow. [kg m-3]"""
    snow = result.state.snow
    return torch.where(snow.depth > 0, snow.water_equivalent / torch.where(snow.depth > 0, snow.depth, 1.0), 0.0)


def overlap(column: SoilColumn, top: float, bottom: float) -> Tensor:
    """Thickness of the part of each layer between two depths. [m]"""
    lower = torch.clamp(column.bottom_depth, max=bottom)
    upper = torch.clamp(column.bottom_depth - column.thickness, min=top)
    return torch.clamp(lower - upper, min=0.0)


def depth_mean(values: Tensor, column: SoilColumn, top: float, bottom: float) -> Tensor:
    """Mean of a ``[layer, column]`` quantity between two depths [m], NaN where the soil column ends above `top`."""
    weights = overlap(column, top, bottom)
    return (weights * values).sum(0) / weights.sum(0)


def _mean_temperature(top: float, bottom: float) -> Derived:
    return Derived(
        "K",
        f"mean soil temperature between {top:g} and {bottom:g} m",
        lambda result: depth_mean(result.state.soil.temperature, result.column, top, bottom),
    )


def _mean_moisture(top: float, bottom: float) -> Derived:
    return Derived(
        "m3 m-3",
        f"mean soil water, liquid and frozen, between {top:g} and {bottom:g} m",
        lambda result: depth_mean(result.state.soil.moisture, result.column, top, bottom),
    )


def _mass(top: float, bottom: float) -> Derived:
    def read(result: StepResult) -> Tensor:
        return (overlap(result.column, top, bottom) * result.state.soil.moisture).sum(0) * WATER_DENSITY

    return Derived("kg m-2", f"soil water, liquid and frozen, between {top:g} and {bottom:g} m", read)


DERIVED: dict[str, Derived] = {
    "moisture": Derived(
        "m3 m-3",
        "volume fraction of water in soil, liquid and frozen",
        lambda result: result.state.soil.moisture,
        LAYER,
        (0.0, 1.0),
    ),
    "layer_thickness": Derived("m", "thickness of a soil layer", lambda result: result.column.thickness, LAYER),
    "snow_density": Derived("kg m-3", "density of the snowpack", snow_density),
    "subsurface_runoff": Derived("kg m-2 s-1", "water leaving the lowest soil layer", subsurface_runoff, averaged=True),
    "runoff_depth": Derived("m", "surface and subsurface runoff of the last call", runoff_depth, averaged=True),
    "temperature_0_10": _mean_temperature(0.0, 0.1),
    "temperature_10_40": _mean_temperature(0.1, 0.4),
    "temperature_40_100": _mean_temperature(0.4, 1.0),
    "temperature_100_200": _mean_temperature(1.0, 2.0),
    "moisture_0_10": _mean_moisture(0.0, 0.1),
    "moisture_10_40": _mean_moisture(0.1, 0.4),
    "moisture_40_100": _mean_moisture(0.4, 1.0),
    "moisture_100_200": _mean_moisture(1.0, 2.0),
    "moisture_0_100": _mean_moisture(0.0, 1.0),
    "mass_0_10": _mass(0.0, 0.1),
    "mass_10_40": _mass(0.1, 0.4),
    "mass_40_100": _mass(0.4, 1.0),
    "mass_100_200": _mass(1.0, 2.0),
}
