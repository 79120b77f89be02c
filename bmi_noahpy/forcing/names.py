"""Which variable of a file is which quantity, when the configuration does not say."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from bmi_noahpy.forcing.statistics import MEANS, left_out, other_statistic
from bmi_noahpy.forcing.table import (
    ALTERNATIVES,
    AmbiguousVariable,
    ForcingError,
    MissingQuantities,
    required_quantities,
)
from bmi_noahpy.tabular.header_units import split_name

# The model's own name first, then CF standard names, ALMA names and those of common station files.
NAMES: Mapping[str, tuple[str, ...]] = {
    "air_temperature": ("air_temperature", "Tair", "tas", "t2m", "TA", "TA_F", "AirTC", "AirT", "T2D"),
    "air_pressure": ("air_pressure", "surface_air_pressure", "PSurf", "ps", "sp", "PA", "PA_F", "PSFC", "BP"),
    "specific_humidity": ("specific_humidity", "Qair", "huss", "Q2D"),
    "relative_humidity": ("relative_humidity", "RH", "hurs"),
    "dewpoint_temperature": ("dewpoint_temperature", "dew_point_temperature", "d2m", "Tdew"),
    "vapour_pressure": ("vapour_pressure", "water_vapor_partial_pressure_in_air", "vapor_pressure"),
    "vapour_pressure_deficit": ("vapour_pressure_deficit", "water_vapor_saturation_deficit_in_air", "VPD", "VPD_F"),
    "mixing_ratio": ("mixing_ratio", "humidity_mixing_ratio"),
    "vapour_mole_fraction": ("vapour_mole_fraction", "mole_fraction_of_water_vapor_in_air"),
    "wind_speed": ("wind_speed", "Wind", "sfcWind", "WS", "WS_F", "WS_ms"),
    "wind_u": ("wind_u", "eastward_wind", "Wind_E", "uas", "u10", "U2D"),
    "wind_v": ("wind_v", "northward_wind", "Wind_N", "vas", "v10", "V2D"),
    "shortwave_down": (
        "shortwave_down",
        "surface_downwelling_shortwave_flux_in_air",
        "SWdown",
        "rsds",
        "ssrd",
        "SW_IN",
        "SW_IN_F",
        "SWDOWN",
        "SlrW",
    ),
    "shortwave_direct": ("shortwave_direct", "surface_direct_downwelling_shortwave_flux_in_air", "SWdown_direct"),
    "shortwave_diffuse": ("shortwave_diffuse", "surface_diffuse_downwelling_shortwave_flux_in_air", "SWdown_diffuse"),
    "longwave_down": (
        "longwave_down",
        "surface_downwelling_longwave_flux_in_air",
        "LWdown",
        "rlds",
        "strd",
        "LW_IN",
        "LW_IN_F",
    ),
    "precipitation": (
        "precipitation",
        "precipitation_flux",
        "precipitation_amount",
        "lwe_precipitation_rate",
        "Precip",
        "pr",
        "tp",
        "P_F",
        "RAINRATE",
        "Rain",
        "PSUM",
    ),
    "rainfall": ("rainfall", "rainfall_flux", "Rainf"),
    "snowfall": ("snowfall", "snowfall_flux", "Snowf", "prsn"),
    "vegetation_fraction": ("vegetation_fraction", "vegetation_area_fraction"),
    "leaf_area_index": ("leaf_area_index", "LAI"),
    "snow_free_albedo": ("snow_free_albedo", "surface_albedo_assuming_no_snow"),
}

_QUANTITIES: Mapping[str, str] = {alias.lower(): quantity for quantity, aliases in NAMES.items() for alias in aliases}
"""Recognised name, in lower case -> quantity."""

TIME_NAMES = ("time", "time_utc", "datetime", "datetime_utc", "timestamp", "date", "valid_time", "Times")

# Endings of column names, as in Tair_K or Precip_kg_m2_s.
SUFFIXES: Mapping[str, str] = {
    "K": "K", "degC": "degC", "C": "degC",
    "Pa": "Pa", "hPa": "hPa", "kPa": "kPa", "mbar": "mbar", "mb": "mbar",
    "frac": "1", "1": "1", "percent": "percent", "pct": "percent",
    "kg_kg": "1", "kg_kg-1": "1", "g_kg": "g kg-1",
    "m_s": "m s-1", "m_s-1": "m s-1", "km_h": "km h-1",
    "ms": "m s-1", "mph": "mph", "Wm2": "W m-2",
    "W_m2": "W m-2", "W_m-2": "W m-2", "J_m2": "J m-2", "MJ_m2": "MJ m-2", "MJ_m2_d": "MJ m-2 d-1",
    "kg_m2_s": "kg m-2 s-1", "kg_m-2_s-1": "kg m-2 s-1", "kg_m2": "kg m-2",
    "mm_s": "mm s-1", "mm_h": "mm h-1", "mm_d": "mm d-1", "mm_day": "mm d-1", "mm": "mm", "cm": "cm", "m": "m",
}  # fmt: skip

_PLACED = re.compile(r"_\d+$")

_NAMED = 2
"""Missing quantities up to which a message lists the names that are recognised."""


def split_units(column: str) -> tuple[str, str | None]:
    """Name and units of a column header such as ``Tair_K``, ``Tair [K]`` or ``Tair (K)``.

    The units are None when the header has none.
    """
    name, units = split_name(MEANS.sub("", column), SUFFIXES)
    # TA_1_1_1 is a sensor by its place, not a number without dimension.
    return (column.strip(), None) if units == "1" and _PLACED.search(name) else (name, units)


def choose_variables(
    labels: Mapping[str, str],
    explicit: Mapping[str, str],
    source: str,
    given: frozenset[str] = frozenset(),
    declared: Mapping[str, str] | None = None,
    hint: str = "",
) -> dict[str, str]:
    """Quantity -> variable for everything the model needs and the vegetation the file offers.

    Parameters
    ----------
    labels : Variable -> the label compared with `NAMES` (a header without its units, or a CF standard name).
    explicit : Quantity -> variable as configured; it goes before any recognised name, and a configured alternative
        (relative humidity, wind components, rain and snow) goes before a recognised quantity it replaces.
    source : File, for messages.
    given : Quantities that are derived on request, and need not be in the file.
    declared : Variables that the file declares an extreme or a spread -> which; they are not recognised.
    hint : What may help when a quantity is missing.

    Raises
    ------
    ForcingError : for a configured variable that the file does not have, for a quantity that is missing, and when two
        variables could be the same quantity.
    """
    for quantity, name in explicit.items():
        if name not in labels:
            raise ForcingError(
                f"{source}: forcing.variables.{quantity}.name: no variable {name!r} among {', '.join(labels)}."
            )
    for name in explicit.values():
        of = [quantity for quantity, named in explicit.items() if named == name]
        if len(of) > 1:
            raise ForcingError(f"{source}: {name!r} is named for {' and for '.join(of)}. Correct forcing.variables.")
    declared = declared or {}
    found = _recognise({name: label for name, label in labels.items() if name not in declared}, explicit, source)
    _refuse_rain_beside_snow(found, labels, explicit, source)
    for quantity, sets in ALTERNATIVES.items():
        asked = any(name in explicit for names in sets for name in names if name != "snowfall")
        if quantity not in explicit and asked:
            found.pop(quantity, None)
        for names in sets:
            if asked and not any(name in explicit for name in names):
                for name in names:
                    found.pop(name, None)
    found.update(explicit)
    told = left_out(statistics_among(labels, declared, explicit.values()))
    available = f"The file has {', '.join(labels)}. {''.join(f'{text}. ' for text in told)}"
    try:
        return {quantity: found[quantity] for quantity in required_quantities(set(found), source, available, given)}
    except MissingQuantities as error:
        # What helps goes first: the names of a file may be many.
        text = str(error).removeprefix(f"{source}: ").rstrip()
        raise MissingQuantities(f"{source}: {hint}{text} {_accepted(error.missing)}", error.missing) from None


def _accepted(missing: Sequence[str]) -> str:
    """How to name what is missing."""
    remedy = "Name them in forcing.variables as {quantity: {name: ..., units: ...}}"
    if len(missing) > _NAMED:
        return f"{remedy}."
    names = "; ".join(f"{each}: {', '.join(NAMES[each])}" for each in (text.split(" ")[0] for text in missing))
    return f"{remedy}, or use one of the recognised names ({names})."


def statistics_among(
    labels: Mapping[str, str], declared: Mapping[str, str] | None = None, taken: Collection[str] = ()
) -> dict[str, tuple[str, str]]:
    """Variables that are extremes or spreads of a quantity -> the quantity and which, by their names or as declared.

    Parameters
    ----------
    taken : Variables that are used all the same, which are none of them.
    """
    found: dict[str, tuple[str, str]] = {}
    for name, label in labels.items():
        if name in taken:
            continue
        parted = other_statistic(label)
        kind = (declared or {}).get(name) or (parted[1] if parted else None)
        stems = (label, *((parted[0], split_units(parted[0])[0]) if parted else ()))
        quantity = next((_QUANTITIES[stem.lower()] for stem in stems if stem.lower() in _QUANTITIES), None)
        if kind is not None and quantity is not None:
            found[name] = (quantity, kind)
    return found


def recognised(names: Iterable[str]) -> set[str]:
    """Quantities that some names are of, with or without units in them."""
    labels = {split_units(name)[0].lower() for name in names}
    return {_QUANTITIES[label] for label in labels if label in _QUANTITIES}


def _recognise(labels: Mapping[str, str], explicit: Mapping[str, str], source: str) -> dict[str, str]:
    """Quantity -> variable by name, for quantities and variables that are not configured."""
    claimed = set(explicit.values())
    found: dict[str, str] = {}
    for name, label in labels.items():
        quantity = _QUANTITIES.get(label.lower())
        if quantity is None or quantity in explicit or name in claimed:
            continue
        if quantity in found:
            raise AmbiguousVariable(
                f"{source}: both {found[quantity]!r} and {name!r} could be {quantity}. "
                f"Choose one with forcing.variables.{quantity}.name.",
                quantity,
                (found[quantity], name),
            )
        found[quantity] = name
    return found


def _refuse_rain_beside_snow(
    found: Mapping[str, str], labels: Mapping[str, str], explicit: Mapping[str, str], source: str
) -> None:
    """Rain stands for all precipitation where there is no snow; beside snow it may be either."""
    name = found.get("precipitation", "")
    if "precipitation" in explicit or labels.get(name, "").lower() != "rain":
        return
    snow = explicit.get("snowfall", found.get("snowfall"))
    if snow is not None and "rainfall" not in found and "rainfall" not in explicit:
        raise ForcingError(
            f"{source}: {name!r} beside {snow!r} may be all precipitation, or rain alone. Say which: "
            f"forcing.variables.precipitation.name or forcing.variables.rainfall.name: {name}."
        )


def find_time(names: Iterable[str], source: str) -> str:
    """The variable holding the time.

    Raises
    ------
    ForcingError : when no name is recognised; it lists those the file has.
    """
    available = list(names)
    for candidate in TIME_NAMES:
        for name in available:
            if name.strip().lower() == candidate.lower():
                return name
    raise ForcingError(
        f"{source}: no time among {', '.join(available)}. Name it in forcing.time.name, or call it {TIME_NAMES[0]!r}."
    )
