"""Whether a supplied scheme fits its slot, asked on made-up columns before any time is spent on a run."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.errors import SchemeError
from noahpy_core.slots.trial_columns import TrialColumns
from noahpy_core.trees import tree_leaves

if TYPE_CHECKING:
    from noahpy_core.contract import Scheme, Slot


class SchemeWarning(UserWarning):
    """A supplied scheme whose proposals the model will not take as they are."""


class Unfit(ValueError):
    """What came back, and the remedy."""


def check_supplied(slot: Slot, scheme: Scheme, column: SoilColumn) -> None:
    """Call a scheme on made-up columns, one warm and one frozen, and check what comes back.

    Proposals of which none is within the limits of the slot are warned of: a network may be trained to come back.

    Parameters
    ----------
    slot : Where it is to stand.
    scheme : Any callable, or an object with the methods of the slot.
    column : Soil layers of the model.

    Raises
    ------
    SchemeError : It fails, returns another type, shape or number type than its slot needs, a value that is not finite,
        or has a freezing curve the enthalpy step cannot solve: naming slot, scheme, what came back and the remedy. Or
        only built-in schemes can stand in the slot.
    """
    if slot.trial is None:
        raise SchemeError(
            slot.name,
            f"{_name(scheme)} is not built in, and here only built-in schemes can stand, since the budget of the step "
            f"is theirs. Use {', '.join(slot.schemes)}.",
        )
    columns = TrialColumns(column)
    try:
        with torch.no_grad():
            if slot.check is None or not slot.check(scheme, columns):
                _check_returned(slot, scheme, columns, slot.trial(columns))
    except Unfit as error:
        raise SchemeError(slot.name, f"{_name(scheme)} {error}") from None


def _name(scheme: Any) -> str:
    return str(getattr(scheme, "__qualname__", type(scheme).__qualname__))


def called(what: str, scheme: Scheme, given: Sequence[Any]) -> Any:
    """What a scheme returns; `what` says how it was called, as in " by rising".

    Parameters
    ----------
    what : How it is called, for the message: `" by rising"`.
    scheme : A function of it, or itself.
    given : Arguments.
    """
    tensors = [leaf for leaf in tree_leaves(given) if isinstance(leaf, Tensor)]
    versions = [tensor._version for tensor in tensors]
    try:
        result = scheme(*given)
    except Exception as error:
        kinds = ", ".join(type(argument).__name__ for argument in given)
        raise Unfit(
            f"failed on made-up columns{what}: {type(error).__name__}: {error} Its arguments there are ({kinds}); "
            "tensors are [column] or [layer, column], in the number type of the model (.double() makes a module's "
            "weights double precision)."
        ) from error
    if [tensor._version for tensor in tensors] != versions:
        raise Unfit(
            f"changed its arguments in place on made-up columns{what}; they belong to the model and its caller. Make "
            "new tensors (x.mul(2.0), not x.mul_(2.0))."
        )
    return result


def _check_returned(slot: Slot, scheme: Scheme, columns: TrialColumns, given: tuple[Any, ...]) -> None:
    expected = slot.returns
    result = called("", scheme, given)
    if slot.unpack:
        result = slot.unpack(result)
    parts = (result,) if len(expected) == 1 else result
    names = ", ".join(part.name for part in expected)
    if len(expected) > 1 and (not isinstance(result, tuple) or len(result) != len(expected)):
        raise Unfit(f"returned {_described(result)}. Return the tuple ({names}).")
    for part, value in zip(expected, parts, strict=True):
        check_tensor(part.name, value, columns, part.layers)
    limited = slot.limited(result, *given)
    for part, value, kept in zip(expected, parts, (limited,) if len(expected) == 1 else limited, strict=True):
        if bool((value != kept).all()):
            limits = part.range + (f"; {slot.enforced}" if slot.enforced else "")
            warnings.warn(
                f"{slot.name}: {_name(scheme)} returned {part.name} of {value.min():.4g} to {value.max():.4g} on "
                f"made-up columns, all outside the limits the model enforces: {limits}. Check sign and units, "
                "or bound its outputs as noahpy_core.learning.BoundedNetwork does: out there they have no "
                "derivative.",
                SchemeWarning,
                stacklevel=6,
            )


def check_tensor(name: str, value: Any, columns: TrialColumns, layers: bool) -> None:
    """Raise `Unfit` unless a value is a finite tensor of the shape and number type of the columns.

    Parameters
    ----------
    name : Of the value, for the message.
    value : What was returned.
    columns : That it was made for.
    layers : Whether it should be ``[layer, column]``.
    """
    shape = (columns.layers, columns.number) if layers else (columns.number,)
    if not isinstance(value, Tensor):
        raise Unfit(f"returned {_described(value)} for {name}. Return a tensor of shape {shape}.")
    if value.shape != shape:
        meaning = "[layer, column]" if layers else "[column]"
        raise Unfit(f"returned {name} of shape {tuple(value.shape)} instead of {shape}. Return {meaning}.")
    if value.dtype != columns.dtype:
        raise Unfit(f"returned {name} as {value.dtype}, the model computes in {columns.dtype}. Convert it with .to().")
    if not bool(torch.isfinite(value).all()):
        raise Unfit(f"returned {name} {value.flatten().tolist()}. Keep it finite for warm and for frozen columns.")


def _described(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return f"{type(value).__name__} {value!r}"
