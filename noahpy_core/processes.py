"""Which object stands in which slot of the model: a built-in scheme by name, or a user's own.

A scheme of one's own is any callable, usually an ``nn.Module``, with the signature of its slot. It proposes; the model
enforces what the right column says, so that water and energy close whatever it proposes, and tries it on made-up
columns when it is built. ``[column]`` is the last dimension of every tensor, soil variables are ``[layer, column]``.

===================  ============================================================  ====================================
slot                 given -> proposed                                             enforced
===================  ============================================================  ====================================
transitions          rising(x, threshold, width), falling(x, threshold, width),    0..1; amount 0 where x is not
                     amount(x, scale) -> weights [1]                               positive; sides merged by weighted
                                                                                   mean
surface              ground, snow cover [1], snow age [s], parameters -> albedo,   albedo 0..1, emissivity 0.5..1
                     emissivity [1]
snow_cover           snow water equivalent [kg m-2], snow parameters -> cover [1]  0..0.98, 0 without snow
thermal_roughness    roughness length [m], general parameters -> coefficient of    0..2
                     the thermal roughness length [1]
turbulence           surface memory, skin temperature [K], air, general            heat, momentum 1e-5..10 m s-1
                     parameters -> Conductance: heat, momentum [m s-1],
                     Richardson number [1]
canopy_resistance    soil state, air, ground, shortwave [W m-2], conductance [m    resistance 0 or more, others 0..1
                     s-1], emissivity, parameters -> CanopyResistance: resistance
                     [s m-1], plant coefficient, four stresses [1]
evaporation          soil state, canopy water [kg m-2], ground, potential rate     each 0 or more, together at most the
                     [kg m-2 s-1], plant coefficient, parameters -> Demand: soil,  potential rate; soil and roots at
                     canopy, roots by layer [kg m-2 s-1]                           most the liquid water of the layer
                                                                                   above the floor of 0.02, canopy at
                                                                                   most its water
snow_melt            heat left at the surface [W m-2] -> melt [kg m-2 s-1]         0..heat over latent heat, and at
                                                                                   most the snow there is
infiltration         liquid, ice [m3 m-3], supply [kg m-2 s-1], wilting point,     at least the conductivity of the top
                     parameters, step [s] -> capacity [kg m-2 s-1]                 layer; the supply at most enters
soil_hydraulics      liquid, ice, soil parameters -> Hydraulics: diffusivity [m2   0..1 m2 s-1; 0..0.1 m s-1, and at
                     s-1], conductivity [m s-1]                                    most what drains the layer to the
                                                                                   floor in the step
soil_thermal         liquid, ice, soil parameters -> conductivity [W m-1 K-1]      0.01..10
supercooled_water    temperature [K], liquid, ice, soil parameters -> largest      0..total water; exponent of a curve
                     liquid water [m3 m-3]; with the enthalpy heat step a          1..30, its equation solved by the
                     `FreezingCurve`                                               model
phase_change         temperature, liquid, ice, coupling, conductivity,             0..total water, and the heat at
                     parameters, step -> liquid water at the end of the step [m3   hand; temperature and fluxes by
                     m-3], or a `SoilHeat` of which that is read                   implicit conduction
===================  ============================================================  ====================================

The limits of built-in schemes are those their publications have; a heat step derived from a built-in one keeps its own
balance. Units and references of what is given are at the built-in scheme of each slot.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import inspect
import pickle
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from noahpy_core.acceptance import check_supplied
from noahpy_core.column import SoilColumn
from noahpy_core.limits import LimitedCurve, LimitedPhaseChange, LimitedScheme, LimitedTransitions, LimitedWater
from noahpy_core.options import Options, OwnScheme
from noahpy_core.physics.enthalpy import EnthalpySoilHeat
from noahpy_core.physics.evaporation import CANOPY_RESISTANCE_SCHEMES, EVAPORATION_SCHEMES
from noahpy_core.physics.freezing import SUPERCOOLED_WATER_SCHEMES, FreezingCurve
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
    """The object of every slot; one that is not built in is checked on made-up columns and limited.

    Parameters
    ----------
    options : A scheme for each slot: a name, ``"package.module:Class"``, or an `OwnScheme` with arguments and weights.
    column : Geometry, handed to schemes that need it.
    supplied : Objects that replace the named scheme of their slot.

    Raises
    ------
    ValueError : Unknown slot or scheme, or one that does not fit its slot.
    """
    supplied = dict(supplied or {})
    unknown = set(supplied) - set(SCHEMES)
    if unknown:
        raise ValueError(f"processes: unknown slot {sorted(unknown)[0]!r}. Slots are {', '.join(SCHEMES)}.")
    parts: dict[str, Any] = {"column": column}
    for slot in SCHEMES:
        scheme = supplied[slot] if slot in supplied else _build(slot, getattr(options, slot), parts)
        parts[slot] = scheme if _is_the_models_own(slot, scheme) else _limited(slot, scheme, parts)
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


def _build(slot: str, choice: str | OwnScheme, parts: Mapping[str, Any]) -> Any:
    if isinstance(choice, OwnScheme):
        return _own(slot, choice, parts)
    check_scheme(slot, choice)
    if choice not in SCHEMES[slot]:
        return _own(slot, OwnScheme(choice), parts)
    scheme = SCHEMES[slot][choice]
    wanted = inspect.signature(scheme).parameters
    return scheme(**{key: parts[key] for key in wanted if key in parts})


def _own(slot: str, choice: OwnScheme, parts: Mapping[str, Any]) -> Any:
    """A user's scheme, in the number type of the model and with its learned weights."""
    module_name, _, attribute = choice.name.partition(":")
    try:
        scheme_class = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{slot}: cannot import {choice.name!r} ({error}). Give 'package.module:Class', of a module on the path of "
            "Python (PYTHONPATH)."
        ) from error
    try:
        wanted = inspect.signature(scheme_class).parameters
        given = {key: parts[key] for key in wanted if key in parts}
        scheme = scheme_class(**{**given, **choice.arguments})
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{slot}: {choice.name!r} cannot be built with arguments {dict(choice.arguments)} ({error}). "
            "Give the arguments of its constructor."
        ) from error
    if isinstance(scheme, nn.Module):
        scheme = scheme.to(parts["column"].thickness)
    if choice.weights is not None:
        _load_weights(slot, scheme, choice)
    return scheme


def _load_weights(slot: str, scheme: Any, choice: OwnScheme) -> None:
    try:
        scheme.load_state_dict(torch.load(str(choice.weights), map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, AttributeError, TypeError, pickle.UnpicklingError) as error:
        what = " ".join(str(error).split())
        raise ValueError(
            f"{slot}: cannot load weights {str(choice.weights)!r} into {choice.name!r} ({what}). "
            "Give a file written with torch.save(module.state_dict(), file), of a module with the same arguments."
        ) from error


def _is_the_models_own(slot: str, scheme: Any) -> bool:
    limited = (LimitedScheme, LimitedTransitions, LimitedCurve, LimitedPhaseChange)
    if slot == "phase_change" and isinstance(scheme, HeatLimitedSoilHeat | EnthalpySoilHeat):
        return True
    return type(scheme) in SCHEMES[slot].values() or isinstance(scheme, limited)


def _limited(slot: str, scheme: Any, parts: Mapping[str, Any]) -> nn.Module:
    """A user's scheme that fits its slot, held to the limits of the model."""
    column = parts["column"]
    check_supplied(slot, scheme, column)
    if slot == "transitions":
        return LimitedTransitions(scheme)
    if slot == "supercooled_water":
        return LimitedCurve(scheme) if isinstance(scheme, FreezingCurve) else LimitedWater(slot, scheme)
    if slot == "phase_change":
        return LimitedPhaseChange(scheme, column)
    return LimitedScheme(slot, scheme)


def default_schemes() -> dict[str, str]:
    """The default scheme of every slot."""
    return {field.name: str(field.default) for field in dataclasses.fields(Options)}
