"""Which object stands in which slot of the model: a built-in scheme by name, or a user's own."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from noahpy_core.column import SoilColumn
from noahpy_core.options import Options
from noahpy_core.physics.enthalpy import EnthalpySoilHeat
from noahpy_core.physics.evaporation import CANOPY_RESISTANCE_SCHEMES, EVAPORATION_SCHEMES
from noahpy_core.physics.freezing import SUPERCOOLED_WATER_SCHEMES
from noahpy_core.physics.infiltration import INFILTRATION_SCHEMES
from noahpy_core.physics.snow import SNOW_MELT_SCHEMES
from noahpy_core.physics.soil_heat import HeatLimitedSoilHeat
from noahpy_core.physics.soil_hydraulics import SOIL_HYDRAULICS_SCHEMES
from noahpy_core.physics.soil_thermal import SOIL_THERMAL_SCHEMES
from noahpy_core.physics.surface import SNOW_COVER_SCHEMES, SURFACE_SCHEMES
from noahpy_core.physics.transitions import TRANSITION_SCHEMES
from noahpy_core.physics.turbulence import THERMAL_ROUGHNESS_SCHEMES, TURBULENCE_SCHEMES

SCHEMES: dict[str, Mapping[str, Callable[..., nn.Module]]] = {
    "transitions": TRANSITION_SCHEMES,
    "surface": SURFACE_SCHEMES,
    "snow_cover": SNOW_COVER_SCHEMES,
    "thermal_roughness": THERMAL_ROUGHNESS_SCHEMES,
    "turbulence": TURBULENCE_SCHEMES,
    "canopy_resistance": CANOPY_RESISTANCE_SCHEMES,
    "evaporation": EVAPORATION_SCHEMES,
    "snow_melt": SNOW_MELT_SCHEMES,
    "infiltration": INFILTRATION_SCHEMES,
    "soil_hydraulics": SOIL_HYDRAULICS_SCHEMES,
    "soil_thermal": SOIL_THERMAL_SCHEMES,
    "supercooled_water": SUPERCOOLED_WATER_SCHEMES,
    "phase_change": {"heat_limited": HeatLimitedSoilHeat, "enthalpy": EnthalpySoilHeat},
}
"""Slot -> name -> scheme. A slot that another one uses comes before it."""


def build_processes(
    options: Options, column: SoilColumn, supplied: Mapping[str, Callable[..., Any]] | None = None
) -> dict[str, Callable[..., Any]]:
    """The object of every slot.

    Parameters
    ----------
    options : A scheme name for each slot; ``"package.module:Class"`` imports the user's own, called without arguments.
    column : Geometry, handed to schemes that need it.
    supplied : Objects that replace the named scheme of their slot.

    Raises
    ------
    ValueError : Unknown slot or scheme.
    """
    supplied = dict(supplied or {})
    unknown = set(supplied) - set(SCHEMES)
    if unknown:
        raise ValueError(f"processes: unknown slot {sorted(unknown)[0]!r}. Slots are {', '.join(SCHEMES)}.")
    parts: dict[str, Any] = {"column": column}
    for slot in SCHEMES:
        parts[slot] = supplied[slot] if slot in supplied else _build(slot, getattr(options, slot), parts)
    del parts["column"]
    return parts


def check_scheme(slot: str, name: str) -> None:
    """Raise ValueError, naming the valid choices, unless `name` can stand in `slot`."""
    if name in SCHEMES[slot] or ":" in name:
        return
    choices = ", ".join(SCHEMES[slot])
    near = difflib.get_close_matches(name, SCHEMES[slot], n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{slot}: unknown scheme {name!r}. Use {choices}, or 'package.module:Class'.{hint}")


def _build(slot: str, name: str, parts: Mapping[str, Any]) -> Any:
    check_scheme(slot, name)
    if name not in SCHEMES[slot]:
        return _import(slot, name)
    scheme = SCHEMES[slot][name]
    wanted = inspect.signature(scheme).parameters
    return scheme(**{key: parts[key] for key in wanted if key in parts})


def _import(slot: str, name: str) -> Any:
    module_name, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module_name), attribute)()
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{slot}: cannot import {name!r} ({error}). Give 'package.module:Class'.") from error


def default_schemes() -> dict[str, str]:
    """The default scheme of every slot."""
    return {field.name: str(field.default) for field in dataclasses.fields(Options)}
