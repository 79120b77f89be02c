"""What a column of observations is: its quantity, depth and units, out of its name."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from bmi_noahpy.observations.depths import LENGTHS, Depth, find_depth
from bmi_noahpy.observations.notes import Notes
from bmi_noahpy.observations.quantities import QUANTITIES
from bmi_noahpy.observations.simulated import PlotError
from bmi_noahpy.observations.spec import ColumnSpec
from bmi_noahpy.observations.words import AIR, CHANGES, MODELS, NOT_SOIL, NOT_VALUES, OF_UNITS, PARTS, PLAIN_WORDS
from bmi_noahpy.tabular.header_units import split_name

UNITS: Mapping[str, str] = {
    "soil_temperature": "K",
    "soil_liquid_water": "m3 m-3",
    "soil_moisture": "m3 m-3",
    "snow_depth": "m",
    "snow_water_equivalent": "kg m-2",
    "skin_temperature": "K",
    "albedo": "1",
    "net_radiation": "W m-2",
    "sensible_heat_flux": "W m-2",
    "latent_heat_flux": "W m-2",
    "ground_heat_flux": "W m-2",
}
"""Quantity -> its units in an output file."""

BOUNDS: Mapping[str, tuple[float, float]] = {
    "soil_temperature": (190.0, 350.0),
    "soil_liquid_water": (0.0, 1.0),
    "soil_moisture": (0.0, 1.0),
    "snow_depth": (0.0, 30.0),
    "snow_water_equivalent": (0.0, 20000.0),
    "skin_temperature": (150.0, 400.0),
    "albedo": (0.0, 1.0),
    **dict.fromkeys(("net_radiation", "sensible_heat_flux", "latent_heat_flux", "ground_heat_flux"), (-2000.0, 2000.0)),
}
"""Quantity -> lowest and highest value that can be observed, in these units."""

# Buried probes measure the dielectric permittivity, which ice hardly changes: they see liquid water only.
NAMES: Mapping[str, tuple[str, ...]] = {
    "soil_temperature": ("tsoil", "soil_temperature", "soiltemp", "soil_temp", "soiltemperature", "t_soil", "tsoi",
                         "ts", "st", "stemp", "tg", "ground_temperature", "t"),
    "soil_moisture": ("theta_total", "soil_moisture", "total_soil_water"),
    "soil_liquid_water": ("theta", "theta_liq", "swc", "vwc", "soil_water_content", "soilmoisture", "sm",
                          "soil_liquid_water", "water_content", "liquid_water"),
    "snow_depth": ("snow_depth", "snowdepth", "hs", "snod", "d_snow", "snd", "surface_snow_thickness"),
    "snow_water_equivalent": ("swe", "snow_water_equivalent", "wteq", "snw", "surface_snow_amount",
                              "lwe_thickness_of_surface_snow_amount"),
    "skin_temperature": ("tskin", "tsurf", "skin_temperature", "surface_temperature", "tss"),
    "albedo": ("albedo", "alb", "surface_albedo"),
    "net_radiation": ("rnet", "net_radiation", "netrad", "rn"),
    "sensible_heat_flux": ("hflux", "sensible_heat_flux", "qh", "h", "h_f_mds", "surface_upward_sensible_heat_flux"),
    "latent_heat_flux": ("leflux", "latent_heat_flux", "qle", "le", "le_f_mds", "surface_upward_latent_heat_flux"),
    "ground_heat_flux": ("gflux", "ground_heat_flux", "qg", "g", "g_f_mds"),
}  # fmt: skip
"""Quantity -> names of columns and variables, in lower case, without depth, units and statistics."""

AT_DEPTHS = ("soil_temperature", "soil_moisture", "soil_liquid_water")
ENDINGS: Mapping[str, str] = {
    "kg_m2": "kg m-2", "kg_m-2": "kg m-2", "kg/m2": "kg m-2", "m3_m3": "m3 m-3", "m3_m-3": "m3 m-3", "m3/m3": "m3 m-3",
    "m3m3": "m3 m-3", "m3m-3": "m3 m-3", "cm3_cm3": "m3 m-3", "cm3_cm-3": "m3 m-3", "cm3/cm3": "m3 m-3",
    "w_m2": "W m-2", "w_m-2": "W m-2", "w/m2": "W m-2", "wm2": "W m-2", "wm-2": "W m-2",
    "mj_m2_d": "MJ m-2 d-1", "mj_m-2_d-1": "MJ m-2 d-1", "mj/m2/d": "MJ m-2 d-1", "mj_m2_day": "MJ m-2 d-1",
    "percent": "percent", "pct": "percent", "perc": "percent", "%": "percent", "vol": "percent", "vol%": "percent",
    "frac": "1", "fraction": "1", "degc": "degC", "deg_c": "degC", "celsius": "degC", "c": "degC", "k": "K",
    "kelvin": "K", "degf": "degF", "deg_f": "degF", "fahrenheit": "degF",
    "mm": "mm", "cm": "cm", "m": "m", "mm_we": "mm", "mmwe": "mm", "inch": "inch", "inches": "inch",
}  # fmt: skip
"""What may stand after an underscore at the end of a name, in lower case -> units."""
NOT_THE_VALUES = "quality, spread, extremes or numbers of values, not the values"
SCREEN = 1.5
"""From this height on a temperature of nothing in particular is as well one of the air. [m]"""

_STATISTICS = re.compile(r"_(?:avg|smp|med)(?=$|[\[( ])", re.IGNORECASE)
_BARE = re.compile(r"-?\d+(?:\.\d+)?")
_REPLICATE = re.compile(r"(?:_\d+){1,3}$")
_PERCENTILE = re.compile(r"(?:p|q|pct)\d{1,2}")
_CORRECTED_PERCENTILE = re.compile(r"_corr_?(?:25|75)$")
"""FLUXNET gives quartiles of corrected fluxes."""


@dataclasses.dataclass(frozen=True)
class Column:
    """What a column holds.

    Parameters
    ----------
    depth : Below the surface; None for what has none. [m]
    units : As the name states them; None where it does not.
    layer : Faces of the layer whose middle is the depth, where the name says a layer. [m]
    words : Words of its name that say nothing here.
    note : What is assumed of its depth.
    """

    quantity: str
    depth: float | None
    units: str | None
    layer: tuple[float, float] | None = None
    words: str = dataclasses.field(default="", compare=False)
    note: str = dataclasses.field(default="", compare=False)


def read_name(name: str, *, depth_elsewhere: bool = False) -> Column | str | None:
    """What a name says; a sentence when it says too little, or something else; None when it says nothing.

    A depth carries its unit (``Tsoil_5cm``, ``theta_0.10m_m3_m3``, ``soil_temperature_50mm [degC]``), a word may stand
    before or after it. Of a layer (``theta_0-10cm``) the depth is the middle.

    Parameters
    ----------
    depth_elsewhere : Whether a name of soil may lack its depth, as the file may say it otherwise.
    """
    plain, units = split_name(_STATISTICS.sub("", name.strip()), ENDINGS, any_case=True)
    rest, depth = find_depth(plain)
    plain = re.sub(r"[\s_-]+", "_", rest.lower()).strip("_")
    words = plain.split("_")
    spoken = [word for word in words if word not in NOT_VALUES and not _PERCENTILE.fullmatch(word)]
    quantity = _quantity_of("_".join(spoken), depth is not None)
    if quantity is None:
        return None
    if len(spoken) < len(words) or _CORRECTED_PERCENTILE.search(plain):
        return NOT_THE_VALUES
    others = _others(plain, quantity)
    if (reason := _another_thing(others, plain, quantity)) is not None:
        return reason
    kept = "_".join(word for word in others if len(word) > 1 and not word.isdigit() and word not in PLAIN_WORDS)
    if (strange := _units_among(words, kept, quantity)) is not None:
        return f"units {strange!r} in its name are not understood; write them in brackets"
    if quantity not in AT_DEPTHS:
        if quantity == "ground_heat_flux" and isinstance(depth, Depth) and depth.metres > 0.0:
            return f"at {depth.metres:g} m, not at the surface; write Gflux_W_m2 if it is corrected to it"
        return Column(quantity, None, units, words=kept)
    if isinstance(depth, str):
        return depth
    if depth is None and depth_elsewhere:
        return Column(quantity, None, units, words=kept)
    if depth is None:
        return f"no depth with its unit in its name (write {name.split()[0]}_0.10m)"
    if words[0] == "t" and depth.metres >= SCREEN and "soil" not in words:
        return f"of air or of soil? Write Tsoil_{depth.metres:g}m if it is of soil"
    return Column(quantity, depth.metres, units, depth.layer, kept, depth.note)


def note_assumptions(name: str, column: Column, notes: Notes) -> None:
    """Tell what is assumed of a column by its name."""
    if column.note:
        notes.add(f"{name}: {column.note}")
    if column.layer is not None:
        upper, lower = column.layer
        text = f"of the layer from {upper:g} to {lower:g} m; its middle, {column.depth:g} m, is the depth"
        notes.of_columns(name, text)
    if column.words:
        notes.of_columns(name, "taken by the first words of the name, whatever the others mean")


def as_asked(read: Column | str | None, name: str, asked: ColumnSpec, where: str, has_depths: bool = False) -> Column:
    """A column as it is asked for, and as its name says where nothing is asked.

    Parameters
    ----------
    read : What its name says.
    where : File and column, for messages.
    has_depths : Whether the file says its depths otherwise.

    Raises
    ------
    PlotError : neither says the quantity, or the depth of one of soil.
    """
    known = read if isinstance(read, Column) else None
    quantity = asked.quantity or (known.quantity if known else None)
    if quantity is None:
        raise PlotError(f"{where}: its name says no quantity. Add variables.{name}.quantity: {', '.join(QUANTITIES)}.")
    plain, named_units = split_name(name.strip(), ENDINGS, any_case=True)
    named = find_depth(plain)[1]
    depth = asked.depth if asked.depth is not None else known.depth if known else None
    layer = None if asked.depth is not None or known is None else known.layer
    if depth is None and isinstance(named, Depth):
        depth, layer = named.metres, named.layer
    units = asked.units or (known.units if known else named_units)
    if quantity not in AT_DEPTHS:
        return Column(quantity, None, units)
    if depth is None and not has_depths:
        raise PlotError(f"{where}: no depth in its name. Add variables.{name}.depth: 0.05 (in m), or '5 cm'.")
    return Column(quantity, depth, units, layer)


def _units_among(words: list[str], kept: str, quantity: str) -> str | None:
    """Words that are of units, where those at the end of the name are not known."""
    if words[-1] == "f" and quantity in ("soil_temperature", "skin_temperature"):
        return "F"
    return next((word for word in kept.split("_") if word in OF_UNITS), None)


def _others(name: str, quantity: str) -> list[str]:
    """The words of a name after that of the quantity itself."""
    known = max((alias for alias in NAMES[quantity] if f"{name}_".startswith(f"{alias}_")), key=len, default="")
    return [word for word in name[len(known) :].split("_") if word]


def _another_thing(words: list[str], name: str, quantity: str) -> str | None:
    """The reason why words say that a column is not of the quantity."""
    if quantity in AT_DEPTHS:
        elsewhere = AIR if "soil" in name else NOT_SOIL
        if (other := next((word for word in words if word in elsewhere), None)) is not None:
            return f"of {other}, not of soil"
    for word in words:
        if word in MODELS:
            return f"{word!r}: of a model, not observed"
        if word in CHANGES or word in PARTS.get(quantity, ()):
            return f"{word!r}: a change or a part of it, or something else"
    return None


def depth_of_bare_number(name: str) -> float | None:
    """The depth of a column whose name is a number, as in tables of boreholes. [m]"""
    plain, units = split_name(name.strip(), ENDINGS, any_case=True)
    plain = plain.replace(",", ".")
    if not _BARE.fullmatch(plain):
        return None
    return abs(float(plain)) * LENGTHS.get((units or "m").lower(), 1.0)


def _quantity_of(name: str, at_depth: bool) -> str | None:
    """The quantity of the longest known name that a name is, or begins with before a word of the site's own."""
    name = _REPLICATE.sub("", name) if not _known(name) else name
    if quantity := _known(name):
        return quantity if at_depth or quantity not in AT_DEPTHS or len(name) > 2 else None
    parts = name.split("_")
    for count in range(len(parts) - 1, 0, -1):
        start = "_".join(parts[:count])
        if len(start) > 1 and (quantity := _known(start)) and (at_depth or quantity not in AT_DEPTHS):
            return quantity
    return None


def _known(name: str) -> str | None:
    return next((quantity for quantity, names in NAMES.items() if name in names), None)
