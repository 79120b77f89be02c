"""The layered snowpack as stores of water, heat and thickness: snowfall, remapping, and what a layer is per patch.

A layer holds water [kg m-2], enthalpy counted from ice at the melting point [J m-2] and a thickness [m], all per square
metre of ground. Snow covers a share of it; per square metre of that patch a layer never vanishes, so a pack that comes
or goes is an ordinary pack with a share that tends to nothing: onset and end are continuous and have derivatives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.constants import FREEZING_POINT, GHOST_MASS, LATENT_HEAT_FUSION, SPECIFIC_HEAT_ICE, WATER_DENSITY
from noahpy_core.numerics import at_least, at_most, positive_part
from noahpy_core.physics.first_pack import divided

GHOST_DENSITY = 100.0
"""[kg m-3]"""
ICE_DENSITY = 917.0
"""[kg m-3]"""
SNOWFALL_PARTS = 2
"""Parts in which the snow of a step falls."""


class SnowLayers(NamedTuple):
    """Stores of each layer from the top down, ``[snow layer, column]``, per square metre of ground."""

    mass: Tensor
    """Ice and liquid water. [kg m-2]"""
    enthalpy: Tensor
    """Counted from ice at the melting point. [J m-2]"""
    thickness: Tensor
    """[m]"""

    @property
    def liquid(self) -> Tensor:
        """Liquid water. [kg m-2]"""
        return at_most(positive_part(self.enthalpy) / LATENT_HEAT_FUSION, self.mass)

    @property
    def ice(self) -> Tensor:
        """[kg m-2]"""
        return self.mass - self.liquid

    @property
    def wetness(self) -> Tensor:
        """Liquid share of the mass. [1]"""
        return self.liquid / (positive_part(self.mass) + GHOST_MASS)

    @property
    def density(self) -> Tensor:
        """[kg m-3]"""
        ghost = GHOST_MASS / self.mass.shape[0]
        return (self.mass + ghost) / (self.thickness + ghost / GHOST_DENSITY)


def snow_temperature(enthalpy: Tensor, mass: Tensor) -> Tensor:
    """Temperature of snow, up to the melting point. [K]

    Parameters
    ----------
    enthalpy : Counted from ice at the melting point. [J m-2]
    mass : Of the same area, not 0. [kg m-2]
    """
    return FREEZING_POINT + at_most(enthalpy, 0.0) / (SPECIFIC_HEAT_ICE * mass)


class Patch(NamedTuple):
    """Layers per square metre of snow-covered ground, never empty, ``[snow layer, column]``."""

    mass: Tensor
    enthalpy: Tensor
    thickness: Tensor
    density: Tensor
    scale: Tensor
    """Square metres of ground per square metre of snow, ``[column]``. [1]"""

    @property
    def temperature(self) -> Tensor:
        """Up to the melting point. [K]"""
        return snow_temperature(self.enthalpy, self.mass)


class Snowfall(NamedTuple):
    """New snow of a step, ``[column]``."""

    mass: Tensor
    """[kg m-2]"""
    temperature: Tensor
    """At most the melting point. [K]"""
    density: Tensor
    """[kg m-3]"""

    @property
    def enthalpy(self) -> Tensor:
        """[J m-2]"""
        return self.mass * SPECIFIC_HEAT_ICE * (self.temperature - FREEZING_POINT)


def target_thickness(depth: Tensor, layers: int) -> Tensor:
    """Thickness of each layer as a continuous function of snow depth, ``[snow layer, column]``. [m]"""
    return torch.stack(divided(depth, layers))


def with_snowfall(layers: SnowLayers, fallen: Snowfall, scale: Tensor) -> SnowLayers:
    """The pack with new snow on top, in as many layers as before.

    Parameters
    ----------
    scale : Square metres of ground per square metre of snow. [1]

    Notes
    -----
    Every division into layers mixes old snow with new, and many small snowfalls mix more than a large one. In two parts
    the difference is half as large, and with it most of what the length of the step changes in a pack.
    """
    part = fallen._replace(mass=fallen.mass / SNOWFALL_PARTS)
    for _ in range(SNOWFALL_PARTS):
        layers = _with_layer_on_top(layers, part, scale)
    return layers


def _with_layer_on_top(layers: SnowLayers, fallen: Snowfall, scale: Tensor) -> SnowLayers:
    """The pack divided anew.

    The new layers are sums of overlaps with the old ones; the lowest takes what round-off leaves, so water and heat
    are conserved.
    """
    mass = torch.cat([fallen.mass[None], layers.mass])
    enthalpy = torch.cat([fallen.enthalpy[None], layers.enthalpy])
    thickness = torch.cat([(fallen.mass / fallen.density)[None], layers.thickness])
    depth = thickness.sum(0)

    number = layers.mass.shape[0]
    # Layers go by the depth of the snow where it lies; what is shared out lies on a square metre of ground.
    wanted = target_thickness((depth + GHOST_MASS / GHOST_DENSITY) * scale, number)
    shrink = depth / wanted.sum(0)

    bottom = torch.cumsum(thickness, 0)
    top = torch.cat([torch.zeros_like(bottom[:1]), bottom[:-1]])

    upper, parts = torch.zeros_like(depth), []
    left = [mass, enthalpy, thickness]
    for k in range(number - 1):
        lower = upper + wanted[k] * shrink
        overlap = positive_part(torch.minimum(lower, bottom) - torch.maximum(upper, top))
        # An empty layer has nothing to share.
        share = overlap / (thickness + 1.0e-30)
        taken = share * mass, share * enthalpy, overlap
        left = [whole - part for whole, part in zip(left, taken, strict=True)]
        parts.append(tuple(part.sum(0) for part in taken))
        upper = lower

    # Of each layer what the others left: sums of the whole pack would cost the lowest layer digits of its own.
    rest = [part.sum(0) for part in left]
    mass, enthalpy, thickness = (torch.stack(store) for store in zip(*parts, tuple(rest), strict=True))
    return SnowLayers(mass, enthalpy, positive_part(thickness))


def with_rain(layers: SnowLayers, rain: Tensor, heat: Tensor) -> SnowLayers:
    """The pack with rain in its top layer, which melts there what it has the heat for.

    Parameters
    ----------
    rain : ``[column]``. [kg m-2]
    heat : Of the rain, counted from ice at the melting point, ``[column]``. [J m-2]
    """
    none = torch.zeros_like(layers.mass[1:])
    wet = SnowLayers(
        layers.mass + torch.cat([rain[None], none]), layers.enthalpy + torch.cat([heat[None], none]), layers.thickness
    )
    top = thinned(layers.thickness[0], layers.ice[0], wet.ice[0])
    # It holds its water until that has run off.
    top = torch.maximum(top, torch.minimum(layers.thickness[0], wet.liquid[0] / WATER_DENSITY))
    return wet._replace(thickness=torch.cat([top[None], layers.thickness[1:]]))


def patch_scale(cover: Tensor, cover_scale: Tensor) -> Tensor:
    """Square metres of ground per square metre of snow, finite without snow. [1]"""
    return 1.0 / (cover + GHOST_MASS / cover_scale)


def patch(layers: SnowLayers, scale: Tensor) -> Patch:
    """The layers per square metre of snow-covered ground."""
    ghost = GHOST_MASS / layers.mass.shape[0]
    mass = (layers.mass + ghost) * scale
    density = layers.density
    return Patch(mass, layers.enthalpy * scale, mass / density, density, scale)


def thinned(thickness: Tensor, ice_before: Tensor, ice: Tensor) -> Tensor:
    """Thickness of snow that has lost ice: in proportion, down to solid ice. [m]

    Parameters
    ----------
    thickness : Before. [m]
    ice_before, ice : Ice for which it stands, and what is left of it. [kg m-2]
    """
    # Without ice there is no thickness left that could hold water.
    kept = at_most(ice / (ice_before + 1.0e-12), 1.0)
    return at_least(thickness * kept, ice / ICE_DENSITY)


def drained(
    layers: SnowLayers, ice_before: Tensor, retention: Callable[[Tensor, Tensor], Tensor]
) -> tuple[SnowLayers, Tensor, Tensor]:
    """The pack after water beyond what its pores hold has run down, and what left it at the base.

    Parameters
    ----------
    ice_before : Ice of each layer for which its thickness stands. [kg m-2]
    retention : Water [kg m-2] that a layer of a thickness [m] and an amount of ice [kg m-2] holds against gravity.

    Returns
    -------
    The pack, water [kg m-2] and heat above the melting point [J m-2] leaving it.
    """
    water, heat = torch.zeros_like(layers.mass[0]), torch.zeros_like(layers.mass[0])
    parts = []
    for k in range(layers.mass.shape[0]):
        mass, enthalpy = layers.mass[k] + water, layers.enthalpy[k] + heat
        liquid = at_most(positive_part(enthalpy) / LATENT_HEAT_FUSION, mass)
        warm = positive_part(enthalpy - LATENT_HEAT_FUSION * mass)
        ice = positive_part(mass - liquid)
        thickness = thinned(layers.thickness[k], ice_before[k], ice)
        water = positive_part(liquid - retention(thickness, ice))
        heat = LATENT_HEAT_FUSION * water + warm
        parts.append((mass - water, enthalpy - heat, thickness))
    mass, enthalpy, thickness = (torch.stack(store) for store in zip(*parts, strict=True))
    return SnowLayers(mass, enthalpy, thickness), water, heat - LATENT_HEAT_FUSION * water
