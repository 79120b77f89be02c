"""Units in headers: what is one, how it is spelled, and where it stands in the name of a column."""

from __future__ import annotations

import re
from collections.abc import Mapping

KNOWN = frozenset(
    part
    for line in (
        "deg c|deg celsius|kg kg-1|g kg-1|mmol mol-1|m s-1|w m-2|j m-2|mj m-2|mm h-1|mm d-1|mm s-1|kg m-2|kg m-2 s-1",
        "pa|hpa|kpa|mbar|mb|millibar|bar|%|percent|pct|frac|fraction|1|-|unitless|dimensionless|kg/kg|g/kg|mmol/mol",
        "mol/mol|m/s|m.s-1|ms-1|km/h|mph|knots|w/m2|w/m^2|w/m²|wm-2|w.m-2|j/m2|mj/m2|kj/m2|mm|mm/h|mm/hr|mm/d|mm/day",
        "mm/s|kg/m2|kg/m2/s|kg m^-2 s^-1|cm|m|in|inch|m3/m3|m3 m-3|m^3/m^3|m³/m³|vol%|v|volt|volts|mv|deg|ts|rn",
        "degrees|°",
        "ohm|ohms|yyyy-mm-dd|hh:mm|s|min|h|ppm|umol mol-1|k|degk|c|degc|°c|deg_c|celsius|f|degf|°f|w+1m-2|m+1s-1|#",
        "meters/second|meters per second|volts dc|rad|radians|kg m-2 h-1|kg/m^2|umol/m2/s|µmol/m²/s|umol m-2 s-1",
    )
    for part in line.split("|")
)
"""Spellings of units in headers and units lines, in lower case."""


_BRACKETS = re.compile(r"\s*(.+?)\s*[\[(]\s*(.*?)\s*[\])]\s*")
_INDEX = re.compile(r"(.+)\((?:(?<=_avg\()|(?<=_smp\()|(?<=_tot\()|(?=\d\d|[02-9]))\d+\)", re.IGNORECASE)
"""The number of an element of a logger's array, as in ``VWC_Avg(2)``, which is no units."""


def split_name(column: str, endings: Mapping[str, str], *, any_case: bool = False) -> tuple[str, str | None]:
    """Name and units of a column called like ``Tair_K``, ``Tair [K]`` or ``Tair (K)``; None: it says no units.

    Parameters
    ----------
    endings : What may stand after an underscore, and the units that it means; the longest that fits counts.
    any_case : Whether capitals in the name do not matter; `endings` are in lower case then.
    """
    bracketed = _BRACKETS.fullmatch(column)
    if bracketed and not _INDEX.fullmatch(column):
        return bracketed[1], bracketed[2] or None
    name = _INDEX.sub(r"\1", column.strip())
    for position, letter in enumerate(name):
        ending = name[position + 1 :].lower() if any_case else name[position + 1 :]
        if letter == "_" and position and ending in endings:
            return name[:position], endings[ending]
    return name, None


def plain_units(field: str) -> str:
    """A field of a units line without brackets."""
    return re.sub(r"^[\[(]\s*(.*?)\s*[\])]$", r"\1", field.strip())


def known_units(text: str) -> bool:
    """Whether a text is the spelling of a unit."""
    return text.strip().lower() in KNOWN
