"""Properties of the surface: vegetation weighting, albedo, emissivity and roughness with and without snow."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.fixed import ModelPart
from noahpy_core.numerics import at_least, at_most, between, positive_part
from noahpy_core.parameters import Parameters, SnowParameters, VegetationParameters
from noahpy_core.state import Forcing

SNOW_EMISSIVITY = 0.95
SNOW_ROUGHNESS = 0.001
"""[m]"""
SECONDS_PER_DAY = 86400.0
LARGEST_COVER = 0.98


class Ground(NamedTuple):
    """Snow-free surface with its vegetation, ``[column]``."""

    vegetation_fraction: Tensor
    leaf_area_index: Tensor
    albedo: Tensor
    emissivity: Tensor
    roughness_length: Tensor


class Surface(NamedTuple):
    """Surface including snow, ``[column]``."""

    albedo: Tensor
    emissivity: Tensor
    roughness_length: Tensor
    snow_cover: Tensor
    snow_age: Tensor


def snow_free_ground(forcing: Forcing, parameters: VegetationParameters) -> Ground:
    """Ground without snow: class properties weighted with the seasonal vegetation fraction.

    Between its smallest and largest value of the year the fraction interpolates albedo, emissivity, leaf area index and
    roughness length (Noah 3.4.1). A prescribed leaf area index or albedo replaces the interpolated one.
    """
    p = parameters
    fraction = torch.where(p.bare > 0, 0.0, forcing.vegetation_fraction)
    span = p.maximum_fraction - p.minimum_fraction
    seasonal = (fraction - p.minimum_fraction) / torch.where(span > 0, span, 1.0)
    greenness = torch.where(fraction >= p.maximum_fraction, 1.0, between(seasonal, 0.0, 1.0))

    def weighted(at_minimum: Tensor, at_maximum: Tensor) -> Tensor:
        return (1.0 - greenness) * at_minimum + greenness * at_maximum

    leaf_area_index, albedo = forcing.leaf_area_index, forcing.snow_free_albedo
    if leaf_area_index is None:
        leaf_area_index = weighted(p.minimum_leaf_area_index, p.maximum_leaf_area_index)
    if albedo is None:
        albedo = weighted(p.maximum_albedo, p.minimum_albedo)
    return Ground(
        vegetation_fraction=fraction,
        leaf_area_index=leaf_area_index,
        albedo=albedo,
        emissivity=weighted(p.minimum_emissivity, p.maximum_emissivity),
        roughness_length=weighted(p.minimum_roughness_length, p.maximum_roughness_length),
    )


def snow_cover_fraction(water_equivalent: Tensor, full_cover: Tensor, shape: Tensor) -> Tensor:
    """Fraction of the ground hidden by snow (Noah: SNFRAC).

    Parameters
    ----------
    water_equivalent : Snow water equivalent. [kg m-2]
    full_cover : Water equivalent at which cover is complete (SNUP). [kg m-2]
    shape : Steepness of the depletion curve (SALP). [1]

    Returns
    -------
    Fraction between 0 and 1. [1]

    Notes
    -----
    1 - (exp(-s r) - r exp(-s)) with r = water equivalent / full cover, Koren et al. 1999 [1]_ and Anderson 1973.

    References
    ----------
    .. [1] Koren et al. 1999, J. Geophys. Res. 104(D16), doi:10.1029/1999JD900232.
    """
    ratio = at_most(water_equivalent / full_cover, 1.0)
    partial = 1.0 - (torch.exp(-shape * ratio) - ratio * torch.exp(-shape))
    return torch.where(water_equivalent < full_cover, partial, 1.0)


def aged_snow_albedo(age: Tensor, deep_snow_albedo: Tensor, weight: Tensor) -> Tensor:
    """Albedo of snow of a given age (Livneh et al. 2010).

    Parameters
    ----------
    age : Time since the last snowfall. [s]
    deep_snow_albedo : Of the land cover class. [1]
    weight : Of 0.85 in the albedo of fresh snow. [1]

    Notes
    -----
    a_fresh 0.94^(age_days^0.58) with a_fresh between the deep-snow albedo and 0.85 by `weight` (LVCOEF). The
    accumulation curve is used in all seasons, as in the original.
    """
    fresh = deep_snow_albedo + weight * (0.85 - deep_snow_albedo)
    days = age / SECONDS_PER_DAY
    aged = days > 0
    return torch.where(aged, fresh * 0.94 ** (torch.where(aged, days, 1.0) ** 0.58), fresh)


def roughness_over_snow(cover: Tensor, depth: Tensor, snow_free: Tensor) -> Tensor:
    """Momentum roughness length of partly buried vegetation (Noah: SNOWZ0). [m]

    Obstacles seven roughness lengths high stick out of the snow; buried ones leave the roughness of snow, 1 mm.

    Parameters
    ----------
    cover : Snow cover. [1]
    depth : Of the snow. [m]
    snow_free : Roughness length without snow. [m]
    """
    exposed = 7.0 * snow_free - depth
    buried = torch.where(exposed <= 7.0e-4, SNOW_ROUGHNESS, exposed / 7.0)
    return (1.0 - cover) * snow_free + cover * buried


class NoahSnowCover(ModelPart):
    """Snow cover from water equivalent, capped at 0.98 so that some ground always shows."""

    def forward(self, water_equivalent: Tensor, parameters: SnowParameters) -> Tensor:
        """Area fraction covered by snow, ``[column]``. [1]

        Parameters
        ----------
        water_equivalent : Of the snow, ``[column]``. [kg m-2]
        parameters : Full-cover snow and shape of the curve.
        """
        cover = snow_cover_fraction(water_equivalent, parameters.full_cover_snow, parameters.snow_cover_shape)
        return torch.where(water_equivalent > 0, at_most(cover, LARGEST_COVER), 0.0)


class NoahSurface(ModelPart):
    """Albedo and emissivity of the snow-covered surface (Noah: ALCALC)."""

    def forward(self, ground: Ground, cover: Tensor, age: Tensor, parameters: Parameters) -> tuple[Tensor, Tensor]:
        """Albedo and emissivity of the surface, ``[column]`` each. [1]

        Parameters
        ----------
        ground : Surface without snow, ``[column]``.
        cover : Snow cover, ``[column]``. [1]
        age : Of the snow surface, ``[column]``. [s]
        parameters : Those of snow are read.
        """
        snow = parameters.snow
        snow_albedo = at_least(aged_snow_albedo(age, snow.deep_snow_albedo, snow.snow_albedo_weight), ground.albedo)
        albedo = ground.albedo + cover * (snow_albedo - ground.albedo)
        emissivity = ground.emissivity + cover * (SNOW_EMISSIVITY - ground.emissivity)
        return albedo, emissivity


def snow_age(age: Tensor, fresh: Tensor, presence: Tensor, dt: Tensor | float) -> Tensor:
    """Time since the last snowfall; it stands still while there is no snow. [s]

    Parameters
    ----------
    fresh : How much of the surface is new snow: 1 resets the age. [1]
    presence : How much there is of a snowpack: 1 lets it age. [1]
    """
    return (age + dt * presence) * (1.0 - fresh)


def limited_fraction(x: Tensor) -> Tensor:
    """A proposed fraction limited to 0..1."""
    return at_most(positive_part(x), 1.0)
