"""Which schemes do not go together. All such rules are here, and are checked as the schemes of a model are built."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from noahpy_core.errors import SchemeError
from noahpy_core.limited import Limited, LimitedScheme
from noahpy_core.physics.enthalpy import EnthalpySoilHeat
from noahpy_core.physics.exchange_louis import Louis1979
from noahpy_core.physics.freezing import FreezingCurve
from noahpy_core.physics.ice_impedance import NiuYang2006Impedance
from noahpy_core.physics.infiltration import Schaake1996
from noahpy_core.physics.snow import NoahSnow, NoahSnowMelt
from noahpy_core.physics.snow_layered import LayeredSnow
from noahpy_core.physics.snow_processes import LayeredPiece, NoahsOwn
from noahpy_core.physics.soil_hydraulics import Zhang2007
from noahpy_core.physics.soil_water import SoilWaterStep
from noahpy_core.physics.soil_water_richards import RichardsSoilWater
from noahpy_core.physics.surface import NoahSurface
from noahpy_core.physics.surface_resistance import NoSoilResistance
from noahpy_core.physics.transitions import SharpTransitions, SmoothTransitions
from noahpy_core.physics.turbulence import Zilitinkevich1995
from noahpy_core.slot_list import SLOTS
from noahpy_core.steps.conservative.step import ConservativeStep
from noahpy_core.steps.noah import NoahStep


@dataclasses.dataclass(frozen=True)
class Rule:
    """A scheme that needs another slot to hold certain schemes.

    Parameters
    ----------
    slot, scheme : The slot, and the class of scheme that has the need, subclasses included.
    needs, among : The other slot, and the classes of which its scheme must be.
    why : The reason, as a sentence.
    """

    slot: str
    scheme: type
    needs: str
    among: tuple[type, ...]
    why: str


SNOW_PIECES = ("phase", "fresh_density", "compaction", "snow_conductivity", "snow_albedo", "retention")
"""Slots of layered snow."""


def _closed(needs: str, among: tuple[type, ...], why: str) -> Rule:
    return Rule("surface_balance", ConservativeStep, needs, among, why)


RULES = (
    Rule(
        "phase_change", EnthalpySoilHeat, "supercooled_water", (FreezingCurve,),
        "It needs a freezing curve: derive one of your own from noahpy_core.physics.freezing.FreezingCurve.",
    ),
    _closed("snow", (LayeredSnow,), "Snow is part of its system of equations."),
    _closed("soil_water", (RichardsSoilWater,), "It needs water that is not created and keeps to its stores."),
    _closed(
        "turbulence", (Louis1979, LimitedScheme),
        "It solves the exchange with the skin temperature: one of your own must not remember that of the step before.",
    ),
    _closed(
        "supercooled_water", (FreezingCurve,),
        "It needs a freezing curve: derive one of your own from noahpy_core.physics.freezing.FreezingCurve.",
    ),
    _closed("phase_change", (EnthalpySoilHeat,), "Water freezes within its system of equations, by enthalpy."),
    _closed(
        "transitions", (SharpTransitions, SmoothTransitions),
        "Its limits are rounded by a width, which weights of one's own do not say.",
    ),
    _closed("surface", (NoahSurface, LimitedScheme), "It has a tile of snow and one of bare ground."),
    _closed("thermal_roughness", (Zilitinkevich1995,), "Louis 1979 takes a tenth of the roughness length."),
    _closed("snow_melt", (NoahSnowMelt,), "Snow melts by its enthalpy."),
    Rule(
        "surface_balance", NoahStep, "soil_resistance", (NoSoilResistance,),
        "Penman's potential is divided, and the wetness function of its evaporation holds the soil's water back.",
    ),
    Rule("snow", LayeredSnow, "surface_balance", (ConservativeStep,), "Layers are solved with the surface and soil."),
    *(
        Rule("snow", LayeredSnow, piece, (LayeredPiece, LimitedScheme), "Noah's own is part of its one-layer pack.")
        for piece in SNOW_PIECES
    ),
    *(Rule("snow", NoahSnow, piece, (NoahsOwn,), "Noah's one-layer pack has its own.") for piece in SNOW_PIECES),
    Rule(
        "soil_water", RichardsSoilWater, "soil_hydraulics", (Zhang2007,),
        "The Richards equation has its own conductivity and retention, with the default's effect of ice.",
    ),
    Rule(
        "soil_water", RichardsSoilWater, "phase_change", (EnthalpySoilHeat, Limited),
        "Ice is an obstacle to the water, and how much of it there is must not depend on the step.",
    ),
    Rule(
        "soil_water", SoilWaterStep, "ice_impedance", (NiuYang2006Impedance,),
        "Only the Richards equation reads it (soil_water: richards); what ice does to Noah's is in soil_hydraulics.",
    ),
    Rule(
        "soil_water", SoilWaterStep, "infiltration", (Schaake1996, LimitedScheme),
        "Noah's soil water has no limit of its own to what enters; the Richards equation has (soil_water: richards).",
    ),
)  # fmt: skip


def check_combination(schemes: Mapping[str, Any], slot: str) -> None:
    """Check what was built against the rules that concern a slot just built; the others wait for theirs.

    Parameters
    ----------
    schemes : Slot -> scheme, of the slots built so far.

    Raises
    ------
    SchemeError : A rule is broken: both slots, what stands there, what could, and why.
    """
    for rule in RULES:
        if slot not in (rule.slot, rule.needs) or not {rule.slot, rule.needs} <= schemes.keys():
            continue
        if isinstance(schemes[rule.slot], rule.scheme) and not isinstance(schemes[rule.needs], rule.among):
            fitting = [name for name, kind in SLOTS[rule.needs].schemes.items() if _is_among(kind, rule.among)]
            raise SchemeError(
                rule.slot,
                f"{_name(rule.slot, schemes)} does not go with {_name(rule.needs, schemes)} as {rule.needs}. "
                f"{rule.why} Built in are {', '.join(fitting)}.",
            )


def _is_among(scheme: Any, among: tuple[type, ...]) -> bool:
    return isinstance(scheme, type) and issubclass(scheme, among)


def _name(slot: str, schemes: Mapping[str, Any]) -> str:
    """Of a built-in scheme its name, of another one its class."""
    scheme = schemes[slot]
    for name, kind in SLOTS[slot].schemes.items():
        if type(scheme) is kind:
            return repr(name)
    return type(getattr(scheme, "scheme", scheme)).__name__
