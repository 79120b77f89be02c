"""What a configuration brings from outside: classes by name, and files of weights. Both are looked at before use."""

from __future__ import annotations

import hashlib
import inspect
import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from noahpy_core.errors import SchemeError
from noahpy_core.options import OwnScheme
from noahpy_core.slot_list import SLOTS

_UNREADABLE = (OSError, RuntimeError, AttributeError, TypeError, ValueError, LookupError, EOFError)


def check_class(slot: str, name: str, found: Any) -> None:
    """Raise SchemeError unless a thing that a configuration names is a class whose objects can be schemes of a slot.

    Nothing is called: a name like ``subprocess:check_output`` is refused, not tried. (The module it is in has been
    imported by then. A configuration that names a class is as trusted as a program.)

    Parameters
    ----------
    slot : Name of the slot.
    name : What the configuration says, for the message.
    found : What was found under the name.
    """
    if not isinstance(found, type):
        raise SchemeError(slot, f"{name!r} is not a class. Give the class of a torch.nn.Module.")
    if issubclass(found, nn.Module):
        return
    call = vars(found).get("__call__")
    wanted = _positional(SLOTS[slot].contract.__call__)
    if not inspect.isfunction(call) or _positional(call) != wanted:
        raise SchemeError(
            slot,
            f"{name!r} is no torch.nn.Module, and its objects cannot be called with the {wanted - 1} arguments of this "
            "slot. Give a class derived from torch.nn.Module.",
        )


def _positional(function: Any) -> int:
    """Number of arguments by position, 0 when there can be any number."""
    kinds = [parameter.kind for parameter in inspect.signature(function).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return 0
    return sum(kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD) for kind in kinds)


def load_weights(slot: str, scheme: Any, choice: OwnScheme) -> None:
    """Load the weights of a scheme: tensors only, of the file that was meant, finite and of the kind of the module's.

    Parameters
    ----------
    slot : Name of the slot.
    scheme : The module that gets them.
    choice : What the configuration says: the file, and its digest where one is given.

    Raises
    ------
    SchemeError : naming file, tensor and remedy.
    """
    path, remedy = Path(str(choice.weights)), "Give a file written with torch.save(module.state_dict(), file)"
    try:
        content = path.read_bytes()
        if choice.digest is not None and hashlib.sha256(content).hexdigest() != choice.digest.lower():
            raise SchemeError(slot, f"{str(path)!r} is not the file whose digest is given. Correct one of them.")
        weights = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        _check_weights(slot, scheme, path, weights)
        scheme.load_state_dict(weights)
    except SchemeError:
        raise
    except (*_UNREADABLE, pickle.UnpicklingError) as error:
        what = " ".join(str(error).split())[:160]
        raise SchemeError(
            slot,
            f"cannot load weights {str(path)!r} into {choice.name!r} ({what}). {remedy}, of a module with the same "
            "arguments.",
        ) from error


def _check_weights(slot: str, scheme: Any, path: Path, weights: Any) -> None:
    own: dict[str, Any] = scheme.state_dict() if isinstance(scheme, nn.Module) else {}
    if not isinstance(weights, Mapping):
        raise TypeError(f"it holds a {type(weights).__name__}")
    for name, value in weights.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} is a {type(value).__name__}")
        floating = not isinstance(own.get(name), Tensor) or own[name].is_floating_point()
        if floating and not value.is_floating_point():
            kind = str(value.dtype).removeprefix("torch.")
            raise SchemeError(slot, f"{str(path)!r}: {name} holds numbers of type {kind}. Train in real numbers.")
        if not bool(torch.isfinite(value).all()):
            raise SchemeError(slot, f"{str(path)!r}: {name} is not finite. Train it again, or take an earlier file.")
