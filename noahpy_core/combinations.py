"""Which schemes do not go together. All such rules are here, and are checked as the schemes of a model are built."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from noahpy_core.errors import SchemeError
from noahpy_core.options import SLOTS
from noahpy_core.physics.enthalpy import EnthalpySoilHeat
from noahpy_core.physics.freezing import FreezingCurve


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


RULES = (
    Rule(
        "phase_change", EnthalpySoilHeat, "supercooled_water", (FreezingCurve,),
        "It needs a freezing curve: derive one of your own from noahpy_core.physics.freezing.FreezingCurve.",
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
