"""A default profile of organic matter for tundra and taiga, for those who have not measured theirs.

The share of organic soil in a layer is its carbon density over that of peat, 130 kg m-3 [2]_. Carbon is the mean of all
soils of the northern permafrost region [1]_: 191.29 Pg in the upper 0.3 m, 495.80 Pg in 1 m and 1024.00 Pg in 3 m of
18.782e6 km2, tundra and taiga alike. Single soils differ from it by much.

References
----------
.. [1] Tarnocai et al. 2009, Global Biogeochem. Cycles 23, doi:10.1029/2008GB003327.
.. [2] Lawrence and Slater 2008, Clim. Dyn. 30, doi:10.1007/s00382-007-0278-1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from noahpy_core.organic_soil import CARBON_DENSITY_OF_PEAT

NORTHERN = {
    "usgs": frozenset({12, 14, 20, 21, 22, 23}),
    "modis": frozenset({1, 3, 18, 19, 20}),
}
"""Classes of tundra and of needleleaf forest, by table."""

AREA = 18.782e12
"""Of all soils of the northern permafrost region. [m2]"""
DEPTHS = (0.0, 0.3, 1.0, 3.0)
"""[m]"""
CARBON = (0.0, 191.29e12, 495.80e12, 1024.00e12)
"""Down to these depths. [kg]"""

MARK = (
    "default profile for tundra and taiga, the mean of the northern permafrost region (Tarnocai et al. 2009; Lawrence "
    "and Slater 2008), beside layers of an organic class: replace it with what was measured, or leave it out"
)


def default_profile(
    vegetation_class: int, thickness: Sequence[float], *, table: str = "usgs", organic: Sequence[bool] | None = None
) -> list[float] | None:
    """The share of organic soil in each layer; None for vegetation of other regions.

    Parameters
    ----------
    vegetation_class, table : Land cover.
    thickness : Of the layers from the top down. [m]
    organic : Which layers are of an organic class, and have no more organic matter mixed in.
    """
    if vegetation_class not in NORTHERN.get(table, ()):
        return None
    bottom = np.cumsum(thickness)
    top = bottom - np.asarray(thickness)
    carbon = np.interp(bottom, DEPTHS, CARBON) - np.interp(top, DEPTHS, CARBON)
    share = np.minimum(carbon / AREA / np.asarray(thickness) / CARBON_DENSITY_OF_PEAT, 1.0)
    kept = share if organic is None else np.where(organic, 0.0, share)
    return [round(float(value), 3) for value in kept]
