"""The built-in schemes, and what a scheme of your own is given, returns and inherits from.

A scheme of your own is any callable with the contract of its slot. Many are a built-in one with one method replaced:
subclass it. Every built-in scheme is here by the name of its class; those of the standard setup are spelled out for
type checkers.
"""

from typing import Any

from noahpy_core.contract import Slot
from noahpy_core.parameters import MINERAL
from noahpy_core.physics.enthalpy import EnthalpySoilHeat
from noahpy_core.physics.evaporation import Demand, Jarvis1976, NoahEvaporation, Potential
from noahpy_core.physics.freezing import Koren1999, NiuYang2006
from noahpy_core.physics.infiltration import Koren1999Infiltration, Schaake1996
from noahpy_core.physics.snow import NoahSnow, NoahSnowMelt
from noahpy_core.physics.soil_heat import HeatLimitedSoilHeat
from noahpy_core.physics.soil_hydraulics import NoahHydraulics, Zhang2007
from noahpy_core.physics.soil_thermal import CoteKonrad2005, PetersLidard1998, unfrozen_kersten_number
from noahpy_core.physics.soil_water import SoilDemand, SoilWaterStep
from noahpy_core.physics.soil_water_richards import RichardsSoilWater
from noahpy_core.physics.surface import Ground, NoahSnowCover, NoahSurface
from noahpy_core.physics.transitions import SharpTransitions, SmoothTransitions
from noahpy_core.physics.turbulence import Chen1997, ChenZhang2009, Paulson1970, Yang2008, Zilitinkevich1995
from noahpy_core.processes import SCHEMES
from noahpy_core.slot_list import SLOTS
from noahpy_core.slots.acceptance import SchemeWarning
from noahpy_core.steps.noah import NoahStep

__all__ = [
    "MINERAL",
    "SCHEMES",
    "SLOTS",
    "Chen1997",
    "ChenZhang2009",
    "CoteKonrad2005",
    "Demand",
    "EnthalpySoilHeat",
    "Ground",
    "HeatLimitedSoilHeat",
    "Jarvis1976",
    "Koren1999",
    "Koren1999Infiltration",
    "NiuYang2006",
    "NoahEvaporation",
    "NoahHydraulics",
    "NoahSnow",
    "NoahSnowCover",
    "NoahSnowMelt",
    "NoahStep",
    "NoahSurface",
    "Paulson1970",
    "PetersLidard1998",
    "Potential",
    "RichardsSoilWater",
    "Schaake1996",
    "SchemeWarning",
    "SharpTransitions",
    "Slot",
    "SmoothTransitions",
    "SoilDemand",
    "SoilWaterStep",
    "Yang2008",
    "Zhang2007",
    "Zilitinkevich1995",
    "unfrozen_kersten_number",
]

_BUILT_IN = {scheme.__name__: scheme for slot in SCHEMES.values() for scheme in slot.values()}
__all__ += sorted(set(_BUILT_IN) - set(__all__))


def __getattr__(name: str) -> Any:
    if name not in _BUILT_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _BUILT_IN[name]
