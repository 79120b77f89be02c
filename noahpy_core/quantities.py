"""Metadata of model quantities: the only place where a unit or a CF name is written."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

Bounds = tuple[float, float]


def quantity(
    units: str,
    long_name: str,
    *,
    dims: tuple[str, ...] = (),
    standard_name: str | None = None,
    bounds: Bounds | None = None,
    differentiable: bool = True,
    optional: bool = False,
) -> Any:
    """A dataclass field holding a tensor of one physical quantity.

    Parameters
    ----------
    units : Units in the form udunits reads ("1" for a pure number).
    long_name : What it is, in words.
    dims : Dimensions before the column: ``("layer",)`` for soil variables.
    standard_name : CF standard name, when one fits exactly.
    bounds : Smallest and largest physically acceptable value, in `units`.
    differentiable : False for switches and class-like numbers.
    optional : True when the field may be None (the model then derives it).
    """
    metadata = {
        "units": units,
        "long_name": long_name,
        "dims": dims,
        "standard_name": standard_name,
        "bounds": bounds,
        "differentiable": differentiable,
        "optional": optional,
    }
    if optional:
        return dataclasses.field(default=None, metadata=metadata)
    return dataclasses.field(metadata=metadata)


def quantities(cls: Any, prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Dotted path and metadata of every quantity of a container class, nested ones included.

    ``dict(quantities(State))["soil.temperature"]["units"] == "K"``
    """
    return iter(_quantities(cls, prefix))


@functools.cache
def _quantities(cls: Any, prefix: str) -> tuple[tuple[str, dict[str, Any]], ...]:
    found: list[tuple[str, dict[str, Any]]] = []
    for field in dataclasses.fields(cls):
        if "units" in field.metadata:
            found.append((prefix + field.name, dict(field.metadata)))
        elif "container" in field.metadata:
            found += _quantities(field.metadata["container"], f"{prefix}{field.name}.")
    return tuple(found)


def container(cls: type) -> Any:
    """A dataclass field holding another container of quantities."""
    return dataclasses.field(metadata={"container": cls})


def get_quantity(holder: Any, path: str) -> Any:
    """The tensor at a dotted path: ``get_quantity(state, "soil.temperature")``."""
    for name in path.split("."):
        holder = getattr(holder, name)
    return holder


def members(holder: Any) -> dict[str, Any]:
    """Every quantity that a container has, by dotted path; those that are None are left out."""
    found = {path: get_quantity(holder, path) for path, _ in quantities(type(holder))}
    return {path: value for path, value in found.items() if value is not None}


def replace_quantity(holder: Any, path: str, value: Any) -> Any:
    """A copy of a container in which the tensor at a dotted path is `value`.

    Parameters
    ----------
    holder : A container of quantities.
    path : As ``soil.temperature``.
    value : The new tensor.
    """
    name, _, rest = path.partition(".")
    if rest:
        value = replace_quantity(getattr(holder, name), rest, value)
    return dataclasses.replace(holder, **{name: value})
