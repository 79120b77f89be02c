"""The reference of the slots as text, from their contracts."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor

from noahpy_core.contract import Slot, Values

HEADER = ("name", "units", "range", "shape")


def slot_reference(slots: Mapping[str, Slot]) -> str:
    """What every slot is given, returns and is held to, and its built-in schemes: a page in Markdown.

    Parameters
    ----------
    slots : By name, as `noahpy_core.slot_list.SLOTS`.
    """
    return "\n".join(line for slot in slots.values() for line in _section(slot))


def arguments_of(method: Callable[..., Any]) -> dict[str, Values | str]:
    """What the method of a contract is given: values of tensors, names of the types of others."""
    hints = typing.get_type_hints(method, include_extras=True)
    names = [name for name in inspect.signature(method).parameters if name != "self"]
    return {name: _described(hints[name]) for name in names}


def methods_of(contract: type) -> dict[str, Callable[..., Any]]:
    """The methods a contract asks for, by name."""
    return {
        name: member
        for name, member in vars(contract).items()
        if inspect.isfunction(member) and (name == "__call__" or not name.startswith("_"))
    }


def _described(hint: Any) -> Values | str:
    if typing.get_origin(hint) is typing.Annotated:
        return next(part for part in typing.get_args(hint)[1:] if isinstance(part, Values))
    kinds = typing.get_args(hint) or (hint,)
    return " or ".join("tensor" if kind is Tensor else kind.__name__ for kind in kinds)


def _section(slot: Slot) -> Iterator[str]:
    yield f"## {slot.name}\n"
    yield f"{inspect.getdoc(slot.contract)}\n"
    for name, method in methods_of(slot.contract).items():
        called = "Given" if name == "__call__" else f"`{name}` is given"
        yield f"{called}:\n"
        yield from _table(arguments_of(method).items())
    if slot.returns:
        yield "Returned:\n"
        yield from _table((value.name, value) for value in slot.returns)
    if slot.trial is None:
        yield "Only built-in schemes can stand here: the budget of the step is theirs.\n"
    else:
        also = f" Besides: {slot.enforced}." if slot.enforced else ""
        yield f"Of a scheme of one's own the model enforces the ranges of what is returned.{also}\n"
    yield "| scheme | |\n|---|---|"
    for name, scheme in slot.schemes.items():
        default = " (default)" if name == slot.default else ""
        yield f"| `{name}`{default} | {(inspect.getdoc(scheme) or '').splitlines()[0]} |"
    yield ""


def _table(rows: Any) -> Iterator[str]:
    yield "| " + " | ".join(HEADER) + " |\n|---|---|---|---|"
    for name, values in rows:
        if isinstance(values, Values):
            yield f"| {name} | {values.units} | {values.range} | {values.dimensions} |"
        else:
            yield f"| {name} | | | {values} |"
    yield ""
