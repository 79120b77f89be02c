"""Quantities computed from state and fluxes for other models: runoff depths, wind components, shallow soil layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.constants import WATER_DENSITY
from noahpy_core.quantities import Bounds
from noahpy_core.state import LAYER, Fluxes, State


@dataclasses.dataclass(frozen=True)
class Moment:
    """What a derived quantity may be computed from: the state after a step of `step` seconds and the step's fluxes."""

    state: State
    fluxes: Fluxes | None
    column: SoilColumn
    step: float

    def flux(self, name: str) -> Tensor:
        """A member of `Fluxes`, zero before the first step."""
        if self.fluxes is None:
            return torch.zeros_like(self.state.skin_temperature)
        return getattr(self.fluxes, name)


@dataclasses.dataclass(frozen=True)
class Derived:
    """A derived quantity, with the same metadata as `noahpy_core.quantities.quantity`."""

    units: str
    read: Callable[[Moment], Tensor]
    dims: tuple[str, ...] = ()
    bounds: Bounds | None = None


def subsurface_runoff(moment: Moment) -> Tensor:
    """All water leaving the lowest layer: gravity drainage and saturation excess (Noah: RUNOFF2). [kg m-2 s-1]"""
    return moment.flux("drainage") + moment.flux("saturation_excess")


def runoff_depth(moment: Moment) -> Tensor:
    """Surface and subsurface runoff of one step, as a depth of water. [m]"""
    return (moment.flux("surface_runoff") + subsurface_runoff(moment)) * moment.step / WATER_DENSITY


def snow_density(moment: Moment) -> Tensor:
    """Water equivalent over depth, 0 without snow. [kg m-3]"""
    snow = moment.state.snow
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
    return Derived("K", lambda moment: depth_mean(moment.state.soil.temperature, moment.column, top, bottom))


def _mean_moisture(top: float, bottom: float) -> Derived:
    return Derived("m3 m-3", lambda moment: depth_mean(moment.state.soil.moisture, moment.column, top, bottom))


def _mass(top: float, bottom: float) -> Derived:
    def read(moment: Moment) -> Tensor:
        return (overlap(moment.column, top, bottom) * moment.state.soil.moisture).sum(0) * WATER_DENSITY

    return Derived("kg m-2", read)


DERIVED: dict[str, Derived] = {
    "moisture": Derived("m3 m-3", lambda moment: moment.state.soil.moisture, LAYER, (0.0, 1.0)),
    "layer_thickness": Derived("m", lambda moment: moment.column.thickness, LAYER),
    "snow_density": Derived("kg m-3", snow_density),
    "subsurface_runoff": Derived("kg m-2 s-1", subsurface_runoff),
    "runoff_depth": Derived("m", runoff_depth),
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
