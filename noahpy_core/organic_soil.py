"""Organic matter mixed into soil: properties of pure organic soil, and the mean of both by its share of the layer.

A layer is a share f of organic soil and 1 - f of its mineral class, and a property is the mean of both with these
weights [1]_ (eqs. 2 to 6 there). The share is the carbon density of the layer over that of peat, 130 kg m-3.

References
----------
.. [1] Lawrence and Slater 2008, Clim. Dyn. 30, doi:10.1007/s00382-007-0278-1; its peat follows Farouki 1981 and [2]_.
.. [2] Letts et al. 2000, Atmos.-Ocean 38, doi:10.1080/07055900.2000.9649643: fibric, hemic and sapric peat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

Numbers = TypeVar("Numbers", "Tensor", "NDArray[Any]")

ORGANIC_SOIL = {
    "clapp_hornberger_b": 2.7,
    "saturated_hydraulic_conductivity": 1.0e-4,
    "saturated_suction": 0.0103,
    "porosity": 0.9,
}
"""Table 1 of Lawrence and Slater 2008: b [1], K [m s-1], suction [m], porosity [m3 m-3]."""

ORGANIC_LIMITS = {"field_capacity": 0.275, "wilting_point": 0.04, "dry_limit": 0.04}
"""Water that fibric peat retains, and its residual water (Letts et al. 2000). [m3 m-3]"""

CARBON_DENSITY_OF_PEAT = 130.0
"""[kg m-3]"""


def organic_share(carbon_density: Tensor) -> Tensor:
    """Share of organic soil in a layer from its carbon density [kg m-3], at most 1. [1]"""
    return (carbon_density / CARBON_DENSITY_OF_PEAT).clamp(0.0, 1.0)


def mixture(mineral: Numbers, organic: float, share: Numbers) -> Numbers:
    """Mean of a property of both parts, by volume.

    Parameters
    ----------
    mineral, organic : The property of either.
    share : Of the organic, by volume. [1]
    """
    return mineral + share * (organic - mineral)
