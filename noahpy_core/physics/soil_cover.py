"""What lies on bare soil and keeps its water from evaporating: litter and moss, as a resistance in series with the air.

Litter
    (1 - exp(-L))/(0.004 u*) with the area L of litter on the soil [1]_, as in the Community Land Model, which has 0.5
    for L.
Moss
    A resistance of its own. Measured in the laboratory it is small and constant down to 6 g of water per g of moss and
    climbs to 1500 s m-1 as it dries [2]_; here it is one number, for the state that matters at a site.

Both are none where they are not given. Dew and frost meet no resistance.

References
----------
.. [1] Sakaguchi and Zeng 2009, J. Geophys. Res. 114, doi:10.1029/2008JD010834.
.. [2] Bond-Lamberty, Gower, Amiro and Ewers 2011, Ecohydrology 4, doi:10.1002/eco.118.
"""

from __future__ import annotations

import torch
from torch import Tensor

from noahpy_core.constants import VON_KARMAN
from noahpy_core.parameters import COVER, VegetationParameters
from noahpy_core.physics.atmosphere import Air
from noahpy_core.physics.exchange_louis import GUSTINESS_SQUARED

LITTER_EXCHANGE = 0.004
"""Transfer coefficient of dense litter, over the friction velocity. [1]"""


def parameters_of_cover(vegetation: VegetationParameters) -> list[str]:
    """Names of those that are given."""
    return [name for name in COVER if getattr(vegetation, name) is not None]


def resistance_of_cover(vegetation: VegetationParameters, air: Air, roughness_length: Tensor) -> Tensor:
    """Resistance to evaporation of the soil, ``[column]``. [s m-1]

    Parameters
    ----------
    vegetation : Its litter and moss are read.
    air : For the friction velocity, that of neutral air.
    roughness_length : For momentum. [m]
    """
    resistance = torch.zeros_like(roughness_length)
    if vegetation.litter_area_index is not None:
        wind = torch.sqrt(air.wind_speed * air.wind_speed + GUSTINESS_SQUARED)
        friction_velocity = VON_KARMAN * wind / torch.log(air.wind_height / roughness_length)
        resistance = -torch.expm1(-vegetation.litter_area_index) / (LITTER_EXCHANGE * friction_velocity)
    if vegetation.moss_resistance is not None:
        resistance = resistance + vegetation.moss_resistance
    return resistance
