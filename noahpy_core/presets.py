"""Sets of schemes that belong together, by name."""

from __future__ import annotations

import difflib

from noahpy_core.options import Options

PRESETS: dict[str, Options] = {
    "noah-permafrost": Options(),
    "noah-3.4.1": Options(
        turbulence="paulson1970",
        infiltration="koren1999",
        soil_hydraulics="noah",
        soil_thermal="peters_lidard1998",
    ),
    "conservative": Options(
        snow_cover="exponential",
        turbulence="louis1979",
        canopy_resistance="leuning2008",
        soil_resistance="sellers1992",
        soil_thermal="cote_konrad2005_continuous",
        supercooled_water="niu_yang2006",
        phase_change="enthalpy",
        ice_impedance="swenson2012",
        soil_water="richards",
        phase="jennings2018",
        fresh_density="pahaut1976",
        compaction="anderson1976",
        snow_conductivity="calonne2011",
        snow_albedo="douville1995",
        retention="pores",
        snow="layered",
        surface_balance="closed",
    ),
}
"""Name -> schemes."""
ABOUT: dict[str, str] = {
    "noah-permafrost": "Noah 3.4.1 with the frozen-soil hydraulics, conductivity and turbulence for permafrost",
    "noah-3.4.1": "Noah 3.4.1 as it was released; its lower boundary lies at 8 m (deep_temperature_depth)",
    "conservative": "nothing is created, fluxes are those of the end of the step, snow has layers",
}
"""Name -> what the preset stands for."""


def described(options: Options) -> str:
    """The preset that schemes are nearest to, what it stands for, and the schemes that are others."""
    chosen = vars(options)
    others = {
        name: [slot for slot, scheme in vars(given).items() if chosen[slot] != scheme]
        for name, given in PRESETS.items()
    }
    nearest = min(others, key=lambda name: len(others[name]))
    changes = ", ".join(f"{slot}: {getattr(chosen[slot], 'name', chosen[slot])}" for slot in others[nearest])
    return f"{nearest} ({ABOUT[nearest]})" + (f", but {changes}" if changes else "")


def preset(name: str) -> Options:
    """The schemes of a preset; ``dataclasses.replace(preset(name), slot=scheme)`` changes one.

    Raises
    ------
    ValueError : Unknown name; the message lists those there are.
    """
    if name in PRESETS:
        return PRESETS[name]
    near = difflib.get_close_matches(str(name), PRESETS, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"preset: {name!r} is unknown. Use {', '.join(PRESETS)}.{hint}")
