"""Units of records to units of the model."""

from __future__ import annotations

from collections.abc import Mapping

from bmi_noahpy import units as scalar_units
from bmi_noahpy.forcing.table import RATES, UNITS, Array, ForcingError

# Spellings of the field, in lower case, that pint reads as something else, or not at all.
SPELLINGS = {
    **dict.fromkeys(
        ("c", "deg c", "deg_c", "degc", "°c", "celsius", "deg celsius", "degrees c", "degree_celsius"), "degC"
    ),
    **dict.fromkeys(("k", "degk", "deg k", "kelvin"), "K"),
    **dict.fromkeys(("mb", "millibar", "mbar"), "mbar"),
    **dict.fromkeys(("frac", "fraction", "-", "", "(0 - 1)", "0-1", "unitless", "dimensionless", "none"), "1"),
    **dict.fromkeys(("pct", "%", "percent", "per cent"), "percent"),
    **dict.fromkeys(("meters/second", "meters per second", "ms-1", "m.s-1"), "m s-1"),
    **dict.fromkeys(("wm-2", "w.m-2", "w/m2", "w/m^2", "w/m²", "watts m-2"), "W m-2"),
    **dict.fromkeys(("pa",), "Pa"),
    **dict.fromkeys(("hpa",), "hPa"),
    **dict.fromkeys(("kpa",), "kPa"),
    **dict.fromkeys(("mm/hr", "mm hr-1"), "mm h-1"),
    **dict.fromkeys(("mm/day", "mm day-1", "mm/d"), "mm d-1"),
    **dict.fromkeys(("m of water equivalent",), "m"),
    **dict.fromkeys(("kg m**-2 s**-1",), "kg m-2 s-1"),
    **dict.fromkeys(("vol%", "vol. %", "% vol"), "percent"),
}

KINDS: Mapping[str, frozenset[str]] = {
    "masses": frozenset({"kg kg-1", "kg/kg", "g kg-1", "g/kg", "kg kg**-1", "kg kg^-1"}),
    "amounts of substance": frozenset({"mol mol-1", "mol/mol", "mmol mol-1", "mmol/mol", "umol mol-1", "ppm", "ppt"}),
    "percent": frozenset({"percent"}),
    "areas": frozenset({"m2 m-2", "m2/m2", "m^2/m^2", "m**2 m**-2"}),
    "volumes": frozenset({"m3 m-3", "m3/m3", "m^3/m^3", "m³/m³", "m**3 m**-3"}),
}
"""Units without dimension are ratios of something: those of one thing do not pass for those of another."""

ACCEPTED_KINDS: Mapping[str, tuple[str, ...]] = {
    "specific_humidity": ("masses",),
    "mixing_ratio": ("masses",),
    "vapour_mole_fraction": ("amounts of substance",),
    "relative_humidity": ("percent",),
    "vegetation_fraction": ("percent", "areas"),
    "snow_free_albedo": ("percent",),
    "leaf_area_index": ("areas",),
}


def convert(values: Array, units: str, quantity: str, interval: float | None) -> Array:
    """Values of one quantity in the model's units.

    Parameters
    ----------
    values : In `units`.
    units : As the file or the configuration spells them: "degC", "hPa", "percent", "mm/h", "kg m-2 s-1", ...
    quantity : Name of the quantity, which decides the target units.
    interval : Time between records, for amounts per record (below); None for a single record. [s]

    Notes
    -----
    Precipitation given as a depth is water of 1000 kg m-3. Precipitation or radiation given as an amount (mm, kg m-2,
    J m-2) is the amount in the interval that starts at the record's time.

    Raises
    ------
    ForcingError : for units that are unknown or of another kind than the quantity.
    """
    target = UNITS[quantity]
    spelled = spelling(units)
    if spelled == target:
        return values
    refuse_other_kind(spelled, units, quantity, ACCEPTED_KINDS.get(quantity))
    try:
        offset, factor = _linear(spelled, target)
    except ValueError as error:
        amount = _amount_factor(spelled, target, interval) if quantity in RATES else None
        if amount is None:
            raise ForcingError(
                f"units {units!r} do not give {target!r}. Set forcing.variables.{quantity}.units to those of the file."
            ) from error
        offset, factor = 0.0, amount
    return values * factor + offset


def spelling(units: str) -> str:
    """Units as pint reads them."""
    plain = units.strip()
    return SPELLINGS.get(plain.lower(), plain)


def is_amount(units: str, quantity: str) -> bool:
    """Whether units are those of an amount (mm, J m-2) where the model has a rate."""
    return quantity in RATES and _amount_factor(spelling(units), UNITS[quantity], 1.0) is not None


def refuse_other_kind(spelled: str, units: str, quantity: str, accepted: tuple[str, ...] | None) -> None:
    """Refuse a ratio of another kind: kg/kg, mol/mol and % have no dimension, but do not convert to each other.

    Raises
    ------
    ForcingError : naming the units and what the quantity is a ratio of.
    """
    kind = next((kind for kind, spellings in KINDS.items() if spelled in spellings), None)
    if kind is not None and accepted is not None and kind not in accepted:
        raise ForcingError(
            f"units {units!r} are a ratio of {kind}, and {quantity} is one of {' or '.join(accepted)}. Name the "
            "variable as what it is (specific_humidity, relative_humidity, mixing_ratio, vapour_mole_fraction), or "
            f"correct forcing.variables.{quantity}.units."
        )


def _linear(units: str, target: str) -> tuple[float, float]:
    """Offset and factor of a conversion."""
    offset = scalar_units.convert(0.0, units, target)
    return offset, scalar_units.convert(1.0, units, target) - offset


def _amount_factor(units: str, target: str, interval: float | None) -> float | None:
    """Factor from an amount per record to a rate; None when the units are no such amount."""
    try:
        per_second = scalar_units.convert(1.0, f"{units} s-1", target)
    except ValueError:
        return None
    return None if interval is None else per_second / interval
