"""Whether a supplied scheme fits its slot, asked on made-up columns before any time is spent on a run."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.limits import LIMITS
from noahpy_core.made_up import MadeUpColumns
from noahpy_core.physics.evaporation import Demand
from noahpy_core.physics.freezing import FreezingCurve
from noahpy_core.physics.soil_heat import SoilHeat


class SchemeWarning(UserWarning):
    """A supplied scheme whose proposals the model will not take as they are."""


class Returned(NamedTuple):
    """One tensor a scheme returns."""

    name: str
    limits: str
    """What the model enforces, in words."""
    layers: bool = False


_FRACTIONS = tuple(Returned(name, "0 to 1") for name in ("plant_coefficient", "light", "temperature", "humidity"))
RETURNED: dict[str, tuple[Returned, ...]] = {
    "surface": (Returned("albedo", "0 to 1"), Returned("emissivity", "0.5 to 1")),
    "snow_cover": (Returned("snow cover", "0 to 0.98"),),
    "thermal_roughness": (Returned("coefficient", "0 to 2"),),
    "turbulence": (
        Returned("heat", "1e-5 to 10 m s-1"),
        Returned("momentum", "1e-5 to 10 m s-1"),
        Returned("richardson", "none"),
    ),
    "canopy_resistance": (Returned("resistance", "0 s m-1 or more"), *_FRACTIONS, Returned("moisture", "0 to 1")),
    "evaporation": (
        Returned("soil", "0 kg m-2 s-1 or more"),
        Returned("canopy", "0 kg m-2 s-1 or more"),
        Returned("roots", "0 kg m-2 s-1 or more", layers=True),
    ),
    "snow_melt": (Returned("melt", "0 kg m-2 s-1 or more"),),
    "infiltration": (Returned("capacity", "0 kg m-2 s-1 or more"),),
    "soil_hydraulics": (
        Returned("diffusivity", "0 to 1 m2 s-1", layers=True),
        Returned("conductivity", "0 to 0.1 m s-1", layers=True),
    ),
    "soil_thermal": (Returned("conductivity", "0.01 to 10 W m-1 K-1", layers=True),),
    "supercooled_water": (Returned("liquid water", "0 to total water", layers=True),),
    "phase_change": (Returned("liquid water", "0 to total water", layers=True),),
}
"""Slot -> what its scheme returns, in order."""


def check_supplied(slot: str, scheme: Any, column: SoilColumn) -> None:
    """Call a scheme on made-up columns, one warm and one frozen, and check what comes back.

    Proposals of which none is within the limits of the slot are warned of: a network may be trained to come back.

    Raises
    ------
    ValueError : It fails, returns another type, shape or number type than its slot needs, a value that is not finite,
        or has a freezing curve the enthalpy step cannot solve: naming slot, scheme, what came back and the remedy.
    """
    columns = MadeUpColumns(column)
    try:
        with torch.no_grad():
            if slot == "transitions":
                _check_transitions(scheme, columns)
            elif isinstance(scheme, FreezingCurve):
                _check_curve(scheme, columns)
            else:
                _check_returned(slot, scheme, columns)
    except _Unfit as error:
        raise ValueError(f"{slot}: {_name(scheme)} {error}") from None


class _Unfit(ValueError):
    """What came back, and the remedy."""


def _name(scheme: Any) -> str:
    return str(getattr(scheme, "__qualname__", type(scheme).__qualname__))


def _called(what: str, scheme: Callable[..., Any], given: Sequence[Any]) -> Any:
    try:
        return scheme(*given)
    except Exception as error:
        kinds = ", ".join(type(argument).__name__ for argument in given)
        raise _Unfit(
            f"failed on made-up columns{what}: {type(error).__name__}: {error} Its arguments there are ({kinds}); "
            "tensors are [column] or [layer, column], in the number type of the model (.double() makes a module's "
            "weights double precision)."
        ) from error


def _check_returned(slot: str, scheme: Callable[..., Any], columns: MadeUpColumns) -> None:
    given, expected = columns.arguments(slot), RETURNED[slot]
    result = _called("", scheme, given)
    if isinstance(result, SoilHeat):
        result = result.liquid
    parts = (result,) if len(expected) == 1 else result
    names = ", ".join(part.name for part in expected)
    if len(expected) > 1 and (not isinstance(result, tuple) or len(result) != len(expected)):
        raise _Unfit(f"returned {_described(result)}. Return the tuple ({names}).")
    for part, value in zip(expected, parts, strict=True):
        _check_tensor(part.name, value, columns, part.layers)
    if slot in LIMITS:
        limited = Demand(*map(torch.relu, result)) if slot == "evaporation" else LIMITS[slot](result, *given)
        for part, value, kept in zip(expected, parts, (limited,) if len(expected) == 1 else limited, strict=True):
            if bool((value != kept).all()):
                warnings.warn(
                    f"{slot}: {_name(scheme)} returned {part.name} of {value.min():.4g} to {value.max():.4g} on "
                    f"made-up columns, all outside the limits the model enforces: {part.limits}. Check sign and units, "
                    "or bound its outputs as noahpy_core.learning.BoundedNetwork does: out there they have no "
                    "derivative.",
                    SchemeWarning,
                    stacklevel=6,
                )


def _check_tensor(name: str, value: Any, columns: MadeUpColumns, layers: bool) -> None:
    shape = (columns.layers, columns.number) if layers else (columns.number,)
    if not isinstance(value, Tensor):
        raise _Unfit(f"returned {_described(value)} for {name}. Return a tensor of shape {shape}.")
    if value.shape != shape:
        meaning = "[layer, column]" if layers else "[column]"
        raise _Unfit(f"returned {name} of shape {tuple(value.shape)} instead of {shape}. Return {meaning}.")
    if value.dtype != columns.dtype:
        raise _Unfit(f"returned {name} as {value.dtype}, the model computes in {columns.dtype}. Convert it with .to().")
    if not bool(torch.isfinite(value).all()):
        raise _Unfit(f"returned {name} {value.flatten().tolist()}. Keep it finite for warm and for frozen columns.")


def _check_transitions(scheme: Any, columns: MadeUpColumns) -> None:
    for method, given in columns.transitions().items():
        if not callable(getattr(scheme, method, None)):
            raise _Unfit(f"has no method {method}. Derive it from noahpy_core.physics.transitions.SmoothTransitions.")
        weight = _called(f" by {method}", getattr(scheme, method), given)
        _check_tensor(f"the weight {method}", weight, columns, layers=False)


def _check_curve(curve: FreezingCurve, columns: MadeUpColumns) -> None:
    temperature, liquid, ice, soil = columns.arguments("supercooled_water")
    for name, result in (
        ("exponent", _called(" by exponent", curve.exponent, (soil,))),
        ("ice_term", _called(" by ice_term", curve.ice_term, (ice,))),
        ("ice_term_slope", _called(" by ice_term_slope", curve.ice_term_slope, (ice,))),
    ):
        _check_tensor(name, result, columns, layers=True)
    if bool((curve.ice_term(0.0 * ice) != 0).any()) or bool((curve.ice_term_slope(ice) < 0).any()):
        raise _Unfit("has an ice_term that is not 0 without ice or falls with ice. Make it grow from 0.")
    if type(curve).forward is not torch.nn.Module.forward:
        _check_tensor("liquid water", _called("", curve, (temperature, liquid, ice, soil)), columns, layers=True)


def _described(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return f"{type(value).__name__} {value!r}"
