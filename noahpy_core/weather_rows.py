"""Forcing of several steps in one block of memory, where a step is a row."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from noahpy_core.state import Forcing

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class WeatherRows:
    """Forcing ``[step, field, column]`` on the processor; never written to once it is made.

    Parameters
    ----------
    series : ``[time, column]`` in every field that is given.
    """

    def __init__(self, series: Forcing) -> None:
        import torch

        given = {field.name: getattr(series, field.name) for field in dataclasses.fields(series)}
        found = {name: tensor for name, tensor in given.items() if tensor is not None}
        self.fields = tuple(found)
        # Memory of numpy: pickling for another process moves what belongs to torch.
        self.numbers: NDArray[Any] = np.stack([tensor.detach().numpy() for tensor in found.values()], axis=1)
        self._block: Tensor = torch.from_numpy(self.numbers)
        self.place: int = self.numbers.ctypes.data
        """Address of the first row."""
        self.row_bytes, self.field_bytes = (int(distance) for distance in self.numbers.strides[:2])
        """From one row, and from one field of it, to the next."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Addresses are those of this process.
        return type(self), (self._series(),)

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def dtype(self) -> torch.dtype:
        """Number type."""
        return self._block.dtype

    @property
    def columns(self) -> int:
        """Number of columns."""
        return int(self.numbers.shape[2])

    def at(self, row: int) -> Forcing:
        """The forcing of one step, tensors ``[column]`` in this memory."""
        return Forcing(**dict(zip(self.fields, self._block[row].unbind(0), strict=True)))

    def _series(self) -> Forcing:
        return Forcing(**dict(zip(self.fields, self._block.unbind(1), strict=True)))


class WeatherRow(NamedTuple):
    """Forcing of one step: a row of such memory."""

    rows: WeatherRows
    number: int

    def forcing(self) -> Forcing:
        """Tensors ``[column]``."""
        return self.rows.at(self.number)

    def mean(self, field: str) -> float:
        """Mean of a field over the columns."""
        numbers = self.rows.numbers
        place = self.rows.fields.index(field)
        if numbers.shape[2] == 1:
            return float(numbers.item(self.number, place, 0))
        found: float = getattr(self.forcing(), field).mean().item()
        return found
