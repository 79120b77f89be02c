"""Numbers with units in configurations."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

FRACTIONS = frozenset({"1", "kg kg-1", "m3 m-3"})
"""Units without dimension, as the model and most files spell them."""
WATER_DENSITY = 1000.0
"""Turns depths of water into masses per area. [kg m-3]"""

_NUMBER = re.compile(r"\s*(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<units>.*?)\s*")
_EXPONENT = re.compile(r"(?<=[A-Za-z])\^?([-+]?\d+)")


def split_number(text: str) -> tuple[float, str] | None:
    """Number and units of a text such as ``"3.38e-6 m/s"``; None when it does not begin with a number."""
    match = _NUMBER.fullmatch(text)
    return (float(match["number"]), match["units"]) if match else None


def convert(number: float, units: str, target: str) -> float:
    """A number in `target` units.

    Parameters
    ----------
    number : Value in `units`.
    units : As pint or udunits write them: ``"m/s"``, ``"kg m-2"``, ``"degC"``, ``"%"``.
    target : Units of the model. A depth of water is accepted for a mass of water per area.

    Raises
    ------
    ValueError : for units that are unknown or of another dimension than `target`.
    """
    if units == target or (units in FRACTIONS and target in FRACTIONS):
        return number
    registry, unit, goal = _registry(), _unit(units), _unit(target)
    quantity = registry.Quantity(number, unit)
    if unit.dimensionality != goal.dimensionality:
        if "kg m-2" not in target or not (quantity * _water()).check(goal.dimensionality):
            raise ValueError(f"units {units!r} do not convert to {target!r}. Give a value in {_wanted(target)}")
        quantity = quantity * _water()
    return float(quantity.to(goal).magnitude)


def _wanted(target: str) -> str:
    return "plain numbers or %." if target in ("1", "m3 m-3", "kg kg-1") else f"{target}."


@cache
def _registry() -> Any:
    # Imported here because it takes half a second, and most configurations hold plain numbers.
    import pint

    return pint.UnitRegistry()


def _water() -> Any:
    return _registry().Quantity(WATER_DENSITY, "kg/m**3")


@cache
def _unit(units: str) -> Any:
    spelled = _EXPONENT.sub(r"**\1", units)
    try:
        return _registry().Unit("dimensionless" if spelled == "1" else spelled)
    except Exception as error:  # pint raises several unrelated types for units it cannot read
        raise ValueError(f"units {units!r} are unknown. Write them like 'm s-1', 'degC', '%'.") from error
