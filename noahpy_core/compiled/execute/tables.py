"""Addresses for kernels: where tensors or arrays lie, and how far apart their columns, layers and times are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from noahpy_core.errors import ShapeError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

Numbers: TypeAlias = "Tensor | NDArray[Any]"
"""What a kernel reads and writes: a tensor, or an array, for which torch need not be imported."""


def address_of(value: Any) -> int:
    """Where a tensor or array is; 0 for None, and a number as it is."""
    if value is None:
        return 0
    if isinstance(value, np.ndarray):
        return value.ctypes.data
    return int(value.data_ptr() if hasattr(value, "data_ptr") else value)


def distances(values: Numbers) -> tuple[int, ...]:
    """From one number to the next along each dimension, in numbers."""
    if isinstance(values, np.ndarray):
        return tuple(stride // values.itemsize for stride in values.strides)
    return values.stride()


def numbers_of(tensors: Iterable[Tensor | None]) -> list[Tensor | None]:
    """The tensors whose memory holds their numbers: zeros that take no memory have no address either."""
    return [None if tensor is None or tensor._is_zerotensor() else tensor.resolve_neg() for tensor in tensors]


def entry(tensor: Numbers, layers: int, columns: int, *, timed: bool, name: str) -> tuple[int, int, int, int]:
    """Address, and distances of columns, layers and times in numbers.

    Parameters
    ----------
    layers, columns : That the kernel will read; 0 layers for a quantity without.
    timed : Whether time is the first dimension.
    name : For the message of the error.

    Raises
    ------
    ShapeError : The kernel would read beyond the memory of the tensor.
    """
    strides = distances(tensor)
    expected = 1 + (layers > 0) + timed
    if tensor.ndim != expected:
        raise ShapeError(name, f"has the shape {tuple(tensor.shape)}, where {expected} dimensions are needed.")
    if tensor.shape[-1] not in (1, columns) or (layers and tensor.shape[-2] != layers):
        raise ShapeError(name, f"has the shape {tuple(tensor.shape)}, others {columns} columns, {layers} layers.")

    # One column for all: a distance of 0 reads it again and again.
    column = 0 if tensor.shape[-1] == 1 else strides[-1]
    return address_of(tensor), column, strides[-2] if layers else 0, strides[0] if timed else 0
