"""One compiled step at a time, for callers that see no further: couplers."""

from __future__ import annotations

import dataclasses
import functools
import operator
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from noahpy_core.compiled.emit.builder import ENTRY
from noahpy_core.compiled.execute.call import ForwardCall
from noahpy_core.compiled.execute.case import Trees, make_case, negated, unlike
from noahpy_core.compiled.execute.not_compiled import NotCompiled
from noahpy_core.compiled.execute.own import Watch
from noahpy_core.compiled.execute.plan import raise_failure
from noahpy_core.compiled.execute.tables import entry
from noahpy_core.compiled.record.step_graph import VARYING, Source
from noahpy_core.errors import ShapeError
from noahpy_core.model import NoahModel
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import quantities
from noahpy_core.run_checks import check_step_length
from noahpy_core.state import Fluxes, Forcing, State

Maker = Callable[[Iterator[Tensor]], Any]

_OPTIONAL_FORCING = operator.attrgetter(*(path for path, facts in quantities(Forcing) if facts["optional"]))


class CompiledStep:
    """The step of a model in a kernel; called like the model, without derivatives. One thread at a time may call it.

    What a call needs to know of its arguments is kept for the next one: parameters that are the same object have the
    same shapes.

    Parameters
    ----------
    model : Of built-in schemes.
    valid_for : A result is overwritten by so many calls after it, which saves most of the time a step of one column
        takes; None: never.
    strict : Refuse what cannot be compiled, such as tensors of different number types; else the model itself steps.
    """

    def __init__(self, model: NoahModel, valid_for: int | None = None, *, strict: bool = True) -> None:
        self._model, self._valid_for, self._strict = model, valid_for, strict
        self._key: Any = None
        self._prepared: _Prepared | None = None
        self._told = False

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, in this process or another, prepares itself."""
        # Pickling for another process moves tensors into shared memory: addresses that are known here end with it.
        self._key = self._prepared = None
        return functools.partial(CompiledStep, strict=self._strict), (self._model, self._valid_for)

    def __call__(
        self, state: State, forcing: Forcing, parameters: Parameters, dt: Tensor | float
    ) -> tuple[State, Fluxes]:
        """Advance the state by one step; see `NoahModel.forward`.

        Raises
        ------
        NotCompiled : Tensors of different number types.
        ConvergenceError : A column's equations were not solved.
        """
        try:
            return self._step(state, forcing, parameters, dt)
        except NotCompiled as reason:
            if self._strict:
                raise
            if not self._told:
                warnings.warn(f"{reason} Now stepping eagerly.", RuntimeWarning, stacklevel=2)
                self._told = True
        with torch.no_grad():
            after, fluxes = self._model(state, forcing, parameters, dt)
            return after, fluxes

    def _step(self, state: State, forcing: Forcing, parameters: Parameters, dt: Tensor | float) -> tuple[State, Fluxes]:
        prepared = self._prepared
        # What goes on as before has the shapes it had.
        same = prepared is not None and prepared.goes_on(state, forcing, dt)
        key = self._key if same else _key(state, forcing, dt)
        if prepared is None or key != self._key or not prepared.serves(parameters, dt):
            prepared = self._prepared = _Prepared(self._model, (state, forcing, parameters), dt, self._valid_for)
            self._key = key
        try:
            return prepared.step(state, forcing)
        except ShapeError:
            # Inputs of another number of columns than before; preparing anew refuses what does not go together.
            prepared = self._prepared = _Prepared(self._model, (state, forcing, parameters), dt, self._valid_for)
            return prepared.step(state, forcing)


def _key(state: State, forcing: Forcing, dt: Tensor | float) -> Any:
    """What two calls have in common that can be prepared together."""
    like, pack = state.skin_temperature, state.snow.layer_mass
    layers = None if pack is None else pack.shape[0]
    absent = tuple([value is None for value in _OPTIONAL_FORCING(forcing)]), layers
    # The step length by identity: `_Prepared` keeps it alive, so no other object can have its id.
    return like.shape, like.dtype, like.device, absent, id(dt)


class _Prepared:
    """A call of the kernel with everything in place that stays from step to step."""

    def __init__(self, model: NoahModel, trees: Trees, dt: Tensor | float, valid_for: int | None) -> None:
        check_step_length(dt)
        self.parameters, self.dt = trees[2], dt
        self._length = dt.detach().clone() if isinstance(dt, Tensor) else None
        self._watch = Watch(model)
        case, leaves = make_case(model, trees, dt, timed=False)
        self._case, program, self._columns = case, case.program, case.columns
        self._like = leaves[0].new_empty(0)
        pairs = zip(case.sources, leaves, strict=True)
        self._inputs = case.table([leaf[None] if source[0] == "forcing" else leaf for source, leaf in pairs])
        layers = dict(program.sources)
        moving = [source for source in case.sources if source[0] in VARYING]
        readers = [
            _Reader(k, source, operator.attrgetter(source[1]), layers[source]) for k, source in enumerate(moving)
        ]
        self._state_readers = [reader for reader in readers if reader.source[0] == "state"]
        self._forcing_readers = [reader for reader in readers if reader.source[0] == "forcing"]
        # Where a vector of numpy would take longer than all else: the same memory, number by number.
        self._words = self._inputs.reshape(-1).data
        self._layouts: dict[int, Any] = {}
        self._forcing: Forcing | None = None
        # One number has no layout: as long as it is where it was, it is the same.
        self._bare = case.columns == 1 and not any(reader.layers for reader in self._forcing_readers)
        self._forcing_parts: list[Tensor] = []
        self._forcing_places: list[int] = []
        self._pattern = [layers for _, layers in program.results]
        self._lengths = sorted(set(self._pattern))
        self._block = np.array([self._lengths.index(length) for length in self._pattern])
        self._rooms = [
            (self._pattern.count(length), *([length] if length else []), case.columns) for length in self._lengths
        ]
        self._outputs, self._offsets = self._output_table()
        self._call = ForwardCall(program, case.columns, self._inputs, self._outputs)
        self._states = len(program.rows)
        shape = program.shape
        self._make_state = _maker(State, {path for path, _ in shape.fields("state")})
        self._make_fluxes = _maker(Fluxes, {name for name, _ in shape.fluxes()})
        still = (leaf for source, leaf in zip(case.sources, leaves, strict=True) if source[0] not in VARYING)
        self._still = list(still)
        self._places = [tensor.data_ptr() for tensor in self._still]
        self._last: _Result | None = None
        self._own_state = False
        self._ring = [self._room() for _ in range(valid_for)] if valid_for else []
        self._turn = 0

    def _output_table(self) -> tuple[np.ndarray, np.ndarray]:
        """Table of results without addresses, and the distance of each from the start of its block."""
        pattern = self._pattern
        place = [max(length, 1) * pattern[:k].count(length) for k, length in enumerate(pattern)]
        table = np.zeros((len(pattern), 4), dtype=np.int64)
        table[:, 1], table[:, 2] = 1, self._columns
        return table, np.array(place) * self._columns * self._case.program.target.size

    def serves(self, parameters: Parameters, dt: Tensor | float) -> bool:
        """Whether parameters and step length are those it was prepared for, and where they were.

        Memory moves when a tensor is sent to another process. A step length of another number type was copied, and
        every new one is checked.
        """
        same = parameters is self.parameters and dt is self.dt and self._watch.same()
        if self._length is not None and not torch.equal(dt, self._length):  # type: ignore[arg-type]
            return False
        return same and list(map(Tensor.data_ptr, self._still)) == self._places

    def goes_on(self, state: State, forcing: Forcing, dt: Tensor | float) -> bool:
        """Whether the state is the one given back last, and forcing and step length are those of the last step."""
        last = self._last
        return last is not None and state is last.state and forcing is self._forcing and dt is self.dt

    def _room(self) -> _Result:
        """A result whose values are still to be computed."""
        blocks = [self._like.new_empty(room) for room in self._rooms]
        parts = {length: iter(block.unbind(0)) for length, block in zip(self._lengths, blocks, strict=True)}
        values = [next(parts[length]) for length in self._pattern]
        given, states = iter(values), len(self._case.program.rows)
        return _Result(self._make_state(given), self._make_fluxes(given), values[:states], blocks)

    def _addresses(self, result: _Result) -> np.ndarray:
        """Where each member of a result is."""
        start = [block.data_ptr() for block in result.blocks]
        if result.addresses is None or start != result.start:
            result.start = start
            result.addresses = self._offsets + np.array(start)[self._block]
            result.places = result.addresses[: self._states].tolist()
        return result.addresses

    def _is_whole(self, result: _Result) -> bool:
        """Whether the state is still where the kernel wrote it; not when data was replaced (``tensor.data = ...``)."""
        self._addresses(result)
        return list(map(Tensor.data_ptr, result.parts)) == result.places

    def step(self, state: State, forcing: Forcing) -> tuple[State, Fluxes]:
        """Take a step."""
        last, states = self._last, self._states
        # What couplers do: the state is the one given back last, and where it lies is known.
        if last is not None and last.state is state and self._is_whole(last):
            self._inputs[:states, 0] = self._addresses(last)[:states]
            if not self._own_state:
                # The distances between columns and layers are those of our own tensors.
                self._inputs[:states, 1:] = self._outputs[:states, 1:]
                self._own_state = True
        else:
            self._own_state = False
            for reader in self._state_readers:
                self._enter(reader, reader.read(state))
        if not (forcing is self._forcing and self._is_in_place()):
            self._enter_forcing(forcing)
        if self._ring:
            result = self._ring[self._turn]
            self._turn = (self._turn + 1) % len(self._ring)
        else:
            result = self._room()
        self._outputs[:, 0] = self._addresses(result)
        failures = self._call()
        if failures is not None:
            raise_failure(self._case.program, failures, numbered=False)
        self._last = result
        return result.state, result.fluxes

    def _enter_forcing(self, forcing: Forcing) -> None:
        # Until all of it is entered: an error half way leaves a table of two forcings.
        self._forcing = None
        parts = [reader.read(forcing) for reader in self._forcing_readers]
        for reader, part in zip(self._forcing_readers, parts, strict=True):
            self._enter(reader, part)
        self._forcing = forcing
        if self._bare:
            self._forcing_parts, self._forcing_places = parts, list(map(Tensor.data_ptr, parts))

    def _is_in_place(self) -> bool:
        """Whether the forcing of the last step is where it was; its data may have been replaced."""
        parts = self._forcing_parts
        return (
            bool(parts)
            and list(map(Tensor.data_ptr, parts)) == self._forcing_places
            and not any(map(Tensor.is_neg, parts))
        )

    def _enter(self, reader: _Reader, tensor: Tensor) -> None:
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
            self._inputs[place] = entry(tensor, reader.layers, self._columns, timed=False, name=".".join(reader.source))
            self._layouts[place] = layout


class _Reader(NamedTuple):
    """An input that may be another tensor in every step, and its place in the table."""

    place: int
    source: Source
    read: Callable[[Any], Tensor]
    layers: int


@dataclasses.dataclass
class _Result:
    """What a step leaves; its tensors are parts of a few blocks, ``[row, column]`` and ``[row, layer, column]``.

    Parameters
    ----------
    parts : The tensors of the state, in the order of the results.
    places : Where the kernel has written each.
    start : Where the blocks were when the addresses of the parts were found.
    """

    state: State
    fluxes: Fluxes
    parts: list[Tensor]
    blocks: list[Tensor]
    places: list[int] = dataclasses.field(default_factory=list)
    start: list[int] = dataclasses.field(default_factory=list)
    addresses: np.ndarray | None = None


def _maker(container: type, given: set[str], prefix: str = "") -> Maker:
    """Builds a container from its tensors in order; a field that is not given is None."""

    def absent(_: Iterator[Tensor]) -> None:
        return None

    members: list[Maker] = []
    for field in dataclasses.fields(container):
        path = prefix + field.name
        if "container" in field.metadata:
            members.append(_maker(field.metadata["container"], given, f"{path}."))
        else:
            members.append(next if path in given else absent)
    return lambda values: container(*[member(values) for member in members])
