"""What all containers of quantities can do: be shown, moved, cut into columns and joined again.

Their names and units are wanted where nothing is computed, so torch is imported where tensors are made.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from noahpy_core.quantities import quantities

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

Columns: TypeAlias = "int | slice | Sequence[int] | Tensor | NDArray[Any]"
Self = TypeVar("Self", bound="Container")


class Container:
    """A dataclass of tensors whose last dimension is the column."""

    def __setstate__(self, values: dict[str, Any]) -> None:
        # In another process nothing else may have told torch of containers. By name, as that module imports this one.
        importlib.import_module("noahpy_core.trees")
        self.__dict__.update(values)

    def __len__(self) -> int:
        """Number of columns."""
        return max((value.shape[-1] for _, value, _ in self._tensors() if value.ndim), default=1)

    def __repr__(self) -> str:
        """Shape, smallest and largest value, and units of each quantity, a line each."""
        rows = [(path, *_shown(value), metadata["units"]) for path, value, metadata in self._members()]
        widths = [max((len(row[k]) for row in rows), default=0) for k in range(3)]
        lines = ["  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[3]]) for row in rows]
        return "\n  ".join([f"{type(self).__name__} of {_counted(len(self), 'column')}", *lines])

    def to(self: Self, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> Self:
        """The same in another number type or on another device; what is not given stays."""
        return self._mapped(lambda value: value.to(dtype=dtype, device=device))

    def select(self: Self, columns: Columns) -> Self:
        """Some of the columns.

        Parameters
        ----------
        columns : A number, a slice, numbers, or a tensor or array of numbers or of truth values. The result of a number
            has one column. Values that are the same in all columns stay as they are.

        Raises
        ------
        IndexError : There is no such column.
        ValueError : What is given chooses none: None, a truth value, a text, numbers that are not whole.
        """
        import torch

        number = len(self)
        chosen = torch.arange(number)[_choice(columns, number)].reshape(-1)

        def cut(value: Tensor) -> Tensor:
            return value if value.shape[-1] == 1 < number else value[..., chosen.to(value.device)]

        return self._mapped(cut)

    def _mapped(self: Self, function: Callable[[Tensor], Tensor]) -> Self:
        changed: dict[str, Any] = {}
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, Container):
                changed[field.name] = value._mapped(function)
            elif value is not None:
                changed[field.name] = function(value)
        return dataclasses.replace(self, **changed)  # type: ignore[type-var]

    def _members(self) -> Iterator[tuple[str, Any, dict[str, Any]]]:
        """Path, value and metadata of every quantity that is there."""
        for path, metadata in quantities(type(self)):
            holder: Any = self
            for name in path.split("."):
                holder = getattr(holder, name, None)
            if holder is not None:
                yield path, holder, metadata

    def _tensors(self) -> Iterator[tuple[str, Tensor, dict[str, Any]]]:
        from torch import Tensor

        return ((path, value, metadata) for path, value, metadata in self._members() if isinstance(value, Tensor))


def map_leaves(function: Callable[[Any], Any], container: Self) -> Self:
    """A container with a function applied to everything in it, tensors or arrays (None is kept)."""
    return container._mapped(function)


def _choice(columns: Any, number: int) -> Any:
    """What columns are chosen by, as torch understands it."""
    import torch

    remedy = "Give a number, a slice, whole numbers, or a truth value for each column."
    if isinstance(columns, slice):
        return columns
    if columns is None or isinstance(columns, (bool, str, bytes)):
        # Torch would take the first two for all columns, or none.
        raise ValueError(f"select: {columns!r} chooses no columns. {remedy}")
    try:
        chosen = torch.as_tensor(list(columns) if isinstance(columns, (Sequence, range)) else columns)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"select: a {type(columns).__name__} chooses no columns. {remedy}") from None
    if chosen.numel() == 0:
        return chosen.long()
    if chosen.dtype == torch.bool:
        if chosen.shape != (number,):
            raise ValueError(f"select: {tuple(chosen.shape)} truth values for {number} columns. {remedy}")
        return chosen
    if chosen.is_floating_point() or chosen.is_complex():
        raise ValueError(f"select: numbers of {chosen.dtype}. {remedy}")
    # Torch would take whole numbers of one byte for truth values.
    return chosen.long()


def join_columns(containers: Sequence[Self]) -> Self:
    """Columns of several containers side by side.

    It is also what a `torch.utils.data.DataLoader` makes a batch with: its data set gives one column at a time, or
    several.

    Parameters
    ----------
    containers : Of one class, with the same optional quantities; at least one.

    Raises
    ------
    ValueError : There is none, they are of several classes, or a quantity is absent in some of them only.
    """
    import torch

    if not containers:
        raise ValueError("join_columns: no container. Give at least one.")
    kinds = sorted({type(container).__name__ for container in containers})
    if len(kinds) > 1 or not isinstance(containers[0], Container):
        raise ValueError(f"join_columns: of {', '.join(kinds)}. Give containers of one class, as State or Forcing.")
    sizes = [len(container) for container in containers]
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(containers[0]):  # type: ignore[arg-type]
        values = [getattr(container, field.name) for container in containers]
        if isinstance(values[0], Container):
            changed[field.name] = join_columns(values)
        elif all(value is None for value in values):
            changed[field.name] = None
        elif any(value is None for value in values):
            raise ValueError(
                f"join_columns: {field.name} of {type(containers[0]).__name__} is absent in some. Give it in all, or "
                "in none."
            )
        else:
            full = [value.expand(*value.shape[:-1], size) for value, size in zip(values, sizes, strict=True)]
            changed[field.name] = torch.cat(full, -1)
    return dataclasses.replace(containers[0], **changed)  # type: ignore[type-var]


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _shown(value: Any) -> tuple[str, str]:
    """Shape and range of a tensor, or what else stands in its place."""
    import torch

    if not isinstance(value, torch.Tensor):
        return type(value).__name__, "not a tensor"
    shape = str(tuple(value.shape))
    if value.numel() == 0:
        return shape, "empty"
    if torch._C._functorch.is_functorch_wrapped_tensor(value) or value.is_meta:
        return shape, "of a transformation"
    low, high = float(value.detach().min()), float(value.detach().max())
    return shape, f"{low:.5g}" if low == high else f"{low:.5g} to {high:.5g}"
