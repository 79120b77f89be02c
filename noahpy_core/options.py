"""Which scheme stands in which slot: the built-in ones of each by name and place, and one's own.

Nothing is imported to know the names: classes are loaded when a model is built.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from noahpy_core.errors import SchemeError


@dataclasses.dataclass(frozen=True)
class OwnScheme:
    """A scheme of one's own, by the name of its class.

    Parameters
    ----------
    name : ``"package.module:Class"``.
    arguments : Of its constructor, by name. An argument called `column`, or as a slot built before it, is filled in by
        the model when it is not given.
    weights : File with the state of the module (``torch.save(module.state_dict(), file)``), as training leaves it.
    digest : SHA-256 of that file in hexadecimal digits, if another file must not be taken for it.
    """

    name: str
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)
    weights: str | Path | None = None
    digest: str | None = None

    def __str__(self) -> str:
        """The class, its arguments, and the name of the weights file wherever it is."""
        given = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.name}({given})" + (f" with {Path(self.weights).name}" if self.weights is not None else "")


Choice = str | OwnScheme


@dataclasses.dataclass(frozen=True)
class BuiltIn:
    """The built-in schemes of a slot.

    Parameters
    ----------
    default : Name of the scheme of the standard permafrost setup.
    places : Name of each scheme -> ``"module:Class"``, the module below `noahpy_core`.
    is_open : Whether a scheme of one's own can stand there too; where not, the budget of the step is that of these.
    """

    default: str
    places: Mapping[str, str]
    is_open: bool = True

    @property
    def choices(self) -> str:
        """The names that can be given, in words."""
        names = ", ".join(self.places)
        return f"{names}, or 'package.module:Class'" if self.is_open else names

    @functools.cached_property
    def classes(self) -> Mapping[str, Any]:
        """Name of each scheme -> its class, imported now."""
        places = ((name, *self.place(name)) for name in self.places)
        return {name: getattr(importlib.import_module(module), found) for name, module, found in places}

    def place(self, name: str) -> tuple[str, str]:
        """The module of a scheme, with its package, and the name of its class."""
        module, _, found = self.places[name].partition(":")
        return f"{__package__}.{module}", found


def _scheme_of(default: str, *, is_open: bool = True, **places: str) -> Any:
    """The field of a slot, with its schemes; arguments as of `BuiltIn`."""
    return dataclasses.field(default=default, metadata={"schemes": BuiltIn(default, places, is_open)})


@dataclasses.dataclass(frozen=True)
class Options:
    """Schemes, straight from a configuration. The defaults are the standard permafrost setup.

    Each is the name of a built-in scheme, ``"package.module:Class"``, or an `OwnScheme` with arguments and weights. A
    scheme may use those above it.
    """

    transitions: Choice = _scheme_of(
        "sharp", sharp="physics.transitions:SharpTransitions", smooth="physics.transitions:SmoothTransitions"
    )
    surface: Choice = _scheme_of("noah", noah="physics.surface:NoahSurface")
    snow_cover: Choice = _scheme_of(
        "noah", noah="physics.surface:NoahSnowCover", exponential="physics.snow_processes:ExponentialCover"
    )
    thermal_roughness: Choice = _scheme_of(
        "zilitinkevich1995",
        zilitinkevich1995="physics.turbulence:Zilitinkevich1995",
        chen_zhang2009="physics.turbulence:ChenZhang2009",
    )
    turbulence: Choice = _scheme_of(
        "chen1997",
        paulson1970="physics.turbulence:Paulson1970",
        chen1997="physics.turbulence:Chen1997",
        yang2008="physics.turbulence:Yang2008",
        louis1979="physics.exchange_louis:Louis1979",
    )
    canopy_resistance: Choice = _scheme_of(
        "jarvis1976", jarvis1976="physics.evaporation:Jarvis1976", leuning2008="physics.surface_resistance:Leuning2008"
    )
    evaporation: Choice = _scheme_of("noah", noah="physics.evaporation:NoahEvaporation")
    soil_resistance: Choice = _scheme_of(
        "none", none="physics.surface_resistance:NoSoilResistance", sellers1992="physics.surface_resistance:Sellers1992"
    )
    snow_melt: Choice = _scheme_of("noah", noah="physics.snow:NoahSnowMelt")
    infiltration: Choice = _scheme_of(
        "schaake1996",
        schaake1996="physics.infiltration:Schaake1996",
        koren1999="physics.infiltration:Koren1999Infiltration",
        ponding="physics.infiltration:Ponding",
    )
    soil_hydraulics: Choice = _scheme_of(
        "zhang2007", noah="physics.soil_hydraulics:NoahHydraulics", zhang2007="physics.soil_hydraulics:Zhang2007"
    )
    soil_thermal: Choice = _scheme_of(
        "cote_konrad2005",
        peters_lidard1998="physics.soil_thermal:PetersLidard1998",
        cote_konrad2005="physics.soil_thermal:CoteKonrad2005",
        cote_konrad2005_continuous="physics.soil_thermal:ContinuousCoteKonrad2005",
    )
    supercooled_water: Choice = _scheme_of(
        "koren1999", koren1999="physics.freezing:Koren1999", niu_yang2006="physics.freezing:NiuYang2006"
    )
    phase_change: Choice = _scheme_of(
        "heat_limited",
        heat_limited="physics.soil_heat:HeatLimitedSoilHeat",
        enthalpy="physics.enthalpy:EnthalpySoilHeat",
    )
    ice_impedance: Choice = _scheme_of(
        "niu_yang2006",
        niu_yang2006="physics.ice_impedance:NiuYang2006Impedance",
        swenson2012="physics.ice_impedance:Swenson2012",
        hansson2004="physics.ice_impedance:Hansson2004",
        zhao_gray1997="physics.ice_impedance:ZhaoGray1997",
    )
    soil_water: Choice = _scheme_of(
        "noah",
        is_open=False,
        noah="physics.soil_water:SoilWaterStep",
        richards="physics.soil_water_richards:RichardsSoilWater",
    )
    phase: Choice = _scheme_of(
        "noah",
        noah="physics.snow_processes:NoahsOwn",
        threshold="physics.snow_processes:ThresholdPhase",
        ramp="physics.snow_processes:RampPhase",
        jennings2018="physics.snow_processes:Jennings2018",
        wet_bulb="physics.snow_processes:WetBulbPhase",
    )
    fresh_density: Choice = _scheme_of(
        "noah",
        noah="physics.snow_processes:NoahsOwn",
        pahaut1976="physics.snow_processes:Pahaut1976",
        gottlib1980="physics.snow_processes:Gottlib1980",
    )
    compaction: Choice = _scheme_of(
        "noah",
        noah="physics.snow_processes:NoahsOwn",
        anderson1976="physics.snow_processes:Anderson1976",
        none="physics.snow_processes:NoSettling",
    )
    snow_conductivity: Choice = _scheme_of(
        "noah",
        noah="physics.snow_processes:NoahsOwn",
        calonne2011="physics.snow_processes:Calonne2011",
        sturm1997="physics.snow_processes:Sturm1997",
        yen1981="physics.snow_processes:Yen1981",
    )
    snow_albedo: Choice = _scheme_of(
        "noah", noah="physics.snow_processes:NoahsOwn", douville1995="physics.snow_processes:Douville1995"
    )
    retention: Choice = _scheme_of(
        "noah", noah="physics.snow_processes:NoahsOwn", pores="physics.snow_processes:PoreRetention"
    )
    snow: Choice = _scheme_of(
        "noah", is_open=False, noah="physics.snow:NoahSnow", layered="physics.snow_layered:LayeredSnow"
    )
    surface_balance: Choice = _scheme_of(
        "noah", is_open=False, noah="steps.noah:NoahStep", closed="steps.conservative.step:ConservativeStep"
    )


BUILT_IN: Mapping[str, BuiltIn] = {field.name: field.metadata["schemes"] for field in dataclasses.fields(Options)}
"""The built-in schemes by slot, in the order in which they are built."""


def is_built_in(options: Options) -> bool:
    """Whether every scheme is a built-in one, by name."""
    return all(isinstance(choice, str) and choice in BUILT_IN[slot].places for slot, choice in vars(options).items())


def check_scheme(slot: str, name: str) -> None:
    """Raise SchemeError, naming the valid choices, unless `name` can stand in `slot`."""
    schemes = BUILT_IN[slot]
    if name in schemes.places or (":" in name and schemes.is_open):
        return
    near = difflib.get_close_matches(name, schemes.places, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise SchemeError(slot, f"unknown scheme {name!r}. Use {schemes.choices}.{hint}")
