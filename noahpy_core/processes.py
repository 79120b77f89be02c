"""The object that stands in each slot of a model: a built-in scheme by name, or a user's own, held to the limits."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from noahpy_core.column import SoilColumn
from noahpy_core.combinations import check_combination
from noahpy_core.contract import Scheme, Slot
from noahpy_core.errors import SchemeError
from noahpy_core.foreign import check_class, load_weights
from noahpy_core.limited import Limited, LimitedScheme
from noahpy_core.options import Choice, Options, OwnScheme, check_scheme
from noahpy_core.slot_list import SLOTS
from noahpy_core.slots.acceptance import check_supplied

SCHEMES: dict[str, Mapping[str, Callable[..., nn.Module]]] = {name: slot.schemes for name, slot in SLOTS.items()}
"""Slot -> name -> built-in scheme."""


def build_processes(
    options: Options, column: SoilColumn, supplied: Mapping[str, Scheme] | None = None
) -> dict[str, Any]:
    """The object of every slot; one that is not built in is checked on made-up columns and limited.

    Parameters
    ----------
    options : A scheme for each slot: a name, ``"package.module:Class"``, or an `OwnScheme` with arguments and weights.
    column : Geometry, handed to schemes that need it.
    supplied : Objects that replace the named scheme of their slot.

    Raises
    ------
    SchemeError : Unknown slot or scheme, one that does not fit its slot, or two that do not go together.
    """
    supplied = dict(supplied or {})
    unknown = set(supplied) - set(SCHEMES)
    if unknown:
        raise SchemeError("processes", f"unknown slot {sorted(unknown)[0]!r}. Slots are {', '.join(SLOTS)}.")
    parts: dict[str, Any] = {"column": column}
    for name, slot in SLOTS.items():
        scheme = supplied[name] if name in supplied else _build(name, getattr(options, name), parts)
        parts[name] = scheme if _is_the_models_own(slot, scheme) else _limited(slot, scheme, column)
        check_combination(parts, name)
    del parts["column"]
    return parts


def _build(slot: str, choice: Choice, parts: Mapping[str, Any]) -> Any:
    if isinstance(choice, str) and choice in SLOTS[slot].schemes:
        scheme = SLOTS[slot].schemes[choice]
        wanted = inspect.signature(scheme).parameters
        return scheme(**{key: parts[key] for key in wanted if key in parts})
    own = choice if isinstance(choice, OwnScheme) else OwnScheme(choice)
    check_scheme(slot, own.name)
    return _own(slot, own, parts)


def _own(slot: str, choice: OwnScheme, parts: Mapping[str, Any]) -> Any:
    """A user's scheme, in the number type of the model and with its learned weights."""
    module_name, _, attribute = choice.name.partition(":")
    try:
        scheme_class = getattr(importlib.import_module(module_name), attribute)
    except Exception as error:  # A module of one's own can fail in any way.
        raise SchemeError(
            slot,
            f"cannot import {choice.name!r} ({error}). Give 'package.module:Class', of a module on the path of Python "
            "(PYTHONPATH).",
        ) from error
    check_class(slot, choice.name, scheme_class)
    try:
        wanted = inspect.signature(scheme_class).parameters
        given = {key: parts[key] for key in wanted if key in parts}
        scheme = scheme_class(**{**given, **choice.arguments})
    except Exception as error:
        raise SchemeError(
            slot,
            f"{choice.name!r} cannot be built with arguments {dict(choice.arguments)} ({error}). Give the arguments "
            "of its constructor.",
        ) from error
    if isinstance(scheme, nn.Module):
        scheme = scheme.to(parts["column"].thickness)
    if choice.weights is not None:
        load_weights(slot, scheme, choice)
    return scheme


def _is_the_models_own(slot: Slot, scheme: Any) -> bool:
    """Whether it is built in, or holds itself to the limits already."""
    kinds = tuple(kind for kind in slot.schemes.values() if isinstance(kind, type))
    if type(scheme) in kinds or (slot.trusts_subclasses and isinstance(scheme, kinds)):
        return True
    return isinstance(scheme, Limited)


def _limited(slot: Slot, scheme: Any, column: SoilColumn) -> nn.Module:
    """A user's scheme that fits its slot, held to the limits of the model."""
    check_supplied(slot, scheme, column)
    return slot.hold(slot, scheme, column) if slot.hold else LimitedScheme(slot, scheme)
