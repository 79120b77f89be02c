"""Units as configurations and files spell them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

FRACTIONS = frozenset({"1", "kg kg-1", "m3 m-3"})
"""Units without dimension, as the model and most files spell them."""
WATER_DENSITY = 1000.0
"""Turns depths of water into masses per area. [kg m-3]"""

# Spellings of the field, in lower case, that pint reads as something else, or not at all.
SPELLINGS = {
    **dict.fromkeys(
        (
            "c",
            "deg c",
            "deg_c",
            "degc",
            "°c",
            "ºc",
            "celsius",
            "deg celsius",
            "degrees c",
            "degree_celsius",
            "degrees_celsius",
            "degrees celsius",
        ),
        "degC",
    ),
    **dict.fromkeys(("k", "degk", "deg k", "kelvin"), "K"),
    **dict.fromkeys(("f", "°f", "degf", "deg f", "deg_f", "fahrenheit"), "degF"),
    **dict.fromkeys(("mb", "millibar", "mbar"), "mbar"),
    **dict.fromkeys(("frac", "fraction", "-", "", "(0 - 1)", "0-1", "unitless", "dimensionless", "none"), "1"),
    **dict.fromkeys(("pct", "%", "percent", "per cent"), "percent"),
    **dict.fromkeys(("meters/second", "meters per second", "ms-1", "m.s-1"), "m s-1"),
    **dict.fromkeys(("wm-2", "w.m-2", "w/m2", "w/m^2", "w/m²", "watts m-2", "watts/m2", "w m-2"), "W m-2"),
    **dict.fromkeys(("pa",), "Pa"),
    **dict.fromkeys(("hpa",), "hPa"),
    **dict.fromkeys(("kpa",), "kPa"),
    **dict.fromkeys(("mm/hr", "mm hr-1"), "mm h-1"),
    **dict.fromkeys(("mm/day", "mm day-1", "mm/d"), "mm d-1"),
    **dict.fromkeys(("m of water equivalent",), "m"),
    **dict.fromkeys(("kg m**-2 s**-1",), "kg m-2 s-1"),
    **dict.fromkeys(("vol%", "vol. %", "vol.%", "% vol", "vol.-%", "vol-%"), "percent"),
}

KINDS: Mapping[str, frozenset[str]] = {
    "masses": frozenset({"kg kg-1", "kg/kg", "g kg-1", "g/kg", "kg kg**-1", "kg kg^-1"}),
    "amounts of substance": frozenset({"mol mol-1", "mol/mol", "mmol mol-1", "mmol/mol", "umol mol-1", "ppm", "ppt"}),
    "percent": frozenset({"percent"}),
    "areas": frozenset({"m2 m-2", "m2/m2", "m^2/m^2", "m**2 m**-2"}),
    "volumes": frozenset({"m3 m-3", "m3/m3", "m^3/m^3", "m³/m³", "m**3 m**-3"}),
}
"""Units without dimension are ratios of something: those of one thing do not pass for those of another."""

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


def linear(units: str, target: str) -> tuple[float, float]:
    """Offset and factor of a conversion: ``value * factor + offset`` is a value in `target` units.

    Raises
    ------
    ValueError : as `convert`.
    """
    offset = convert(0.0, units, target)
    return offset, convert(1.0, units, target) - offset


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


def spelling(units: str) -> str:
    """Units as pint reads them."""
    plain = units.strip()
    return SPELLINGS.get(plain.lower(), plain)


def refuse_other_kind(units: str, accepted: tuple[str, ...] | None) -> None:
    """Refuse a ratio of another kind: kg/kg, mol/mol and % have no dimension, but do not convert to each other.

    Parameters
    ----------
    accepted : Names of `KINDS` that a quantity may be given as; None: it is no ratio.

    Raises
    ------
    ValueError : naming the units, and what the quantity is a ratio of.
    """
    kind = next((kind for kind, spellings in KINDS.items() if spelling(units) in spellings), None)
    if kind is not None and accepted is not None and kind not in accepted:
        raise ValueError(f"units {units!r} are a ratio of {kind}, and this is one of {' or '.join(accepted)}.")
