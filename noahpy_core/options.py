"""Which scheme stands in which slot."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Options:
    """Scheme names, straight from a configuration. The defaults are the standard permafrost setup.

    Each is the name of a built-in scheme or ``"package.module:Class"`` (see `noahpy_core.processes`).
    """

    transitions: str = "sharp"
    surface: str = "noah"
    snow_cover: str = "noah"
    turbulence: str = "chen1997"
    thermal_roughness: str = "zilitinkevich1995"
    canopy_resistance: str = "jarvis1976"
    evaporation: str = "noah"
    snow_melt: str = "noah"
    infiltration: str = "schaake1996"
    soil_hydraulics: str = "zhang2007"
    soil_thermal: str = "cote_konrad2005"
    supercooled_water: str = "koren1999"
    phase_change: str = "heat_limited"
