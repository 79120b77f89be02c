"""Where the inputs of single steps lie: tensors told to the kernel one by one, or a row of weather at once."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from noahpy_core.compiled.emit.arguments import ENTRY
from noahpy_core.compiled.execute.collect import negated, unlike
from noahpy_core.compiled.execute.tables import entry
from noahpy_core.compiled.shape import Source
from noahpy_core.quantities import quantities
from noahpy_core.state import Forcing, State
from noahpy_core.weather_rows import WeatherRow, WeatherRows

_OPTIONAL_OF_STATE, _OPTIONAL_OF_FORCING = (
    operator.attrgetter(*(path for path, facts in quantities(container) if facts["optional"]))
    for container in (State, Forcing)
)


def absent_of(given: State | Forcing) -> tuple[bool, ...]:
    """Whether each field that may be absent is so."""
    optional = _OPTIONAL_OF_STATE if isinstance(given, State) else _OPTIONAL_OF_FORCING
    return tuple([value is None for value in optional(given)])


class Reader(NamedTuple):
    """An input that may be another tensor in every step, and its place in the table."""

    place: int
    source: Source
    read: Callable[[Any], Tensor]
    layers: int


class StepInputs:
    """The part of a kernel's table of inputs that may change from step to step.

    Parameters
    ----------
    table : Of all inputs, ``[input, entry]``; those of `readers` come first in it.
    readers : State and forcing.
    columns : Number of columns.
    like : Of the number type of all inputs, on their device.
    absent : What the forcing leaves out (`absent_of`).
    """

    def __init__(
        self,
        table: NDArray[np.int64],
        readers: list[Reader],
        columns: int,
        like: Tensor,
        absent: tuple[bool, ...],
    ) -> None:
        self.absent = absent
        self._table, self._columns, self._like = table, columns, like
        self._state_readers = [reader for reader in readers if reader.source[0] == "state"]
        self._forcing_readers = [reader for reader in readers if reader.source[0] == "forcing"]
        # Where a vector of numpy would take longer than all else: the same memory, number by number.
        self._words = table.reshape(-1).data
        self._layouts: dict[int, Any] = {}
        self._own_state = False
        self._state_words = table[: len(self._state_readers), 0]
        # One number has no layout: as long as it is where it was, it is the same.
        self._bare = columns == 1 and not any(reader.layers for reader in self._forcing_readers)
        self.forcing: Forcing | None = None
        """What the table has the addresses of; None while it has those of a row, or of nothing whole."""
        self._parts: list[Tensor] = []
        self._places: list[int] = []
        self._fields = {reader.source[1]: reader.place for reader in self._forcing_readers}
        self._rows: WeatherRows | None = None
        """What the table has the distances of; None while it has those of a forcing."""
        self._row_words, self._row_offsets = table[:0, 0], np.empty(0, dtype=np.int64)

    def enter_state(self, state: State) -> None:
        """Tell the kernel where a state is."""
        self._own_state = False
        for reader in self._state_readers:
            self._enter(reader, reader.read(state))

    def enter_result(self, addresses: NDArray[np.int64], results: NDArray[np.int64]) -> None:
        """Tell the kernel that the state is a result of its own.

        Parameters
        ----------
        addresses : Of its parts.
        results : Table of results, with the distances between columns and layers.
        """
        self._state_words[:] = addresses
        if not self._own_state:
            count = len(addresses)
            self._table[:count, 1:] = results[:count, 1:]
            self._layouts.clear()
            self._own_state = True

    def enter_forcing(self, forcing: Forcing) -> None:
        """Tell the kernel where the forcing is."""
        if forcing is self.forcing and self._is_in_place():
            return
        # Until all of it is entered: an error half way leaves a table of two forcings, or of one and a row.
        self.forcing, self._rows = None, None
        parts = [reader.read(forcing) for reader in self._forcing_readers]
        for reader, part in zip(self._forcing_readers, parts, strict=True):
            self._enter(reader, part)
        self.forcing = forcing
        if self._bare:
            self._parts, self._places = parts, list(map(Tensor.data_ptr, parts))

    def reads_rows(self, weather: WeatherRows) -> bool:
        """Whether rows of this memory have all the forcing, in the shape that the kernel reads."""
        return weather is self._rows or (
            weather.columns == self._columns
            and weather.dtype is self._like.dtype
            and self._like.is_cpu
            and set(weather.fields) == set(self._fields)
        )

    def enter_row(self, row: WeatherRow) -> None:
        """Tell the kernel that the forcing is a row of memory that it reads (`reads_rows`)."""
        rows, number = row
        if rows is not self._rows:
            self._begin_rows(rows)
        np.add(self._row_offsets, rows.place + number * rows.row_bytes, out=self._row_words)

    def _begin_rows(self, weather: WeatherRows) -> None:
        self.forcing, self._rows = None, weather
        self._layouts.clear()
        places = [self._fields[field] for field in weather.fields]
        first, last = min(places), max(places) + 1
        self._table[first:last, 1:] = (1 if self._columns > 1 else 0), 0, 0
        self._row_words = self._table[first:last, 0]
        self._row_offsets = np.empty(last - first, dtype=np.int64)
        self._row_offsets[np.array(places) - first] = np.arange(len(places)) * weather.field_bytes

    def _is_in_place(self) -> bool:
        """Whether the forcing of the last step is where it was; its data may have been replaced."""
        parts = self._parts
        return bool(parts) and list(map(Tensor.data_ptr, parts)) == self._places and not any(map(Tensor.is_neg, parts))

    def _enter(self, reader: Reader, tensor: Tensor) -> None:
        """Tell the kernel where an input is."""
        like = self._like
        # Asking for the device takes longer than asking whether it is the processor.
        if tensor.dtype is not like.dtype or not (tensor.is_cpu if like.is_cpu else tensor.device == like.device):
            raise unlike(reader.source, tensor, like)
        if tensor.is_neg():
            raise negated(reader.source)
        place, layout = reader.place, (tensor.shape, tensor.stride())
        # Shaped as last time: only the address is new.
        if layout == self._layouts.get(place):
            self._words[place * len(ENTRY)] = tensor.data_ptr()
        else:
            self._table[place] = entry(tensor, reader.layers, self._columns, timed=False, name=".".join(reader.source))
            self._layouts[place] = layout
