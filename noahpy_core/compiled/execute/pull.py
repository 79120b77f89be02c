"""Single steps in kernels, their way back and their change, for callers that see one step at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from noahpy_core.compiled.execute.call import ForwardCall, ReverseCall, TangentCall
from noahpy_core.compiled.execute.case import Trees
from noahpy_core.compiled.execute.collect import make_case
from noahpy_core.compiled.execute.own import Watch
from noahpy_core.compiled.execute.plan import raise_failure
from noahpy_core.compiled.execute.shown import require_shown
from noahpy_core.compiled.record.step_graph import Wanted
from noahpy_core.compiled.shape import Source
from noahpy_core.model import NoahModel
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import quantities
from noahpy_core.state import CLOSURES

PARAMETERS = tuple(path for path, facts in quantities(Parameters) if facts["differentiable"])


class _Places:
    """Where results of a step lie among the rows of one tensor.

    Parameters
    ----------
    results : Their paths in order, with the number of layers (0 for none).
    """

    def __init__(self, results: Sequence[tuple[str, int]]) -> None:
        lengths = [max(layers, 1) for _, layers in results]
        self.starts = np.cumsum([0, *lengths[:-1]])
        self.rows = sum(lengths)
        self.of = {path: (int(start), layers) for (path, layers), start in zip(results, self.starts, strict=True)}


class Pushed:
    """Results of a step and their change, looked up one by one.

    Parameters
    ----------
    room : Rows of results, then of their changes, ``[2, row, column]``.
    places : Of results among the rows.
    states : Rows of the state, which come first.
    """

    def __init__(self, room: Tensor, places: _Places, states: int) -> None:
        self._room, self._places, self._states = room, places, states

    def __contains__(self, path: str) -> bool:
        return path in self._places.of

    @property
    def names(self) -> tuple[str, ...]:
        """Paths of the state after the step, and names of fluxes."""
        return tuple(self._places.of)

    @property
    def changed_state(self) -> Tensor:
        """Change of the state after the step, flat."""
        return self._room[1, : self._states].reshape(-1)

    def value(self, path: str) -> Tensor:
        """A part of the state or a flux, ``[column]`` or ``[layer, column]``."""
        return self._part(0, path)

    def change(self, path: str) -> Tensor:
        """Its change."""
        return self._part(1, path)

    def _part(self, which: int, path: str) -> Tensor:
        start, layers = self._places.of[path]
        return self._room[which, start : start + layers] if layers else self._room[which, start]


class StepPull:
    """One step of a model in kernels, again, back and with its change, from states and forcing in flat form.

    A state in flat form is ``[row, column]``: the parts of `State` in order, a row for each layer. Forcing in flat form
    likewise, of the fields that are there.

    Parameters
    ----------
    model : Of built-in schemes.
    trees : State, forcing and parameters of a step; only parameters, shapes and absent fields matter.
    dt : Length of the step. [s]

    Raises
    ------
    NotCompiled : Tensors of different number types or on different devices.
    """

    def __init__(self, model: NoahModel, trees: Trees, dt: Tensor | float) -> None:
        self._watch = Watch(model)
        case, leaves = make_case(model, trees, dt, timed=False)
        for kind in ("steps back", "changes"):
            require_shown(case.program.shape, kind, case.program.device)
        self._case, self._program, self.columns = case, case.program, case.columns
        # What does not change must stay where the table says it is.
        self._leaves = leaves
        pairs = list(zip(case.sources, leaves, strict=True))
        self._inputs = case.table([leaf[None] if source[0] == "forcing" else leaf for source, leaf in pairs])
        size = leaves[0].element_size()
        self.fields = tuple(source[1] for source in case.sources if source[0] == "forcing")
        self._states = len(self._program.rows)
        row = self.columns * size
        self._state_offsets = np.array([at * row for _, _, at in self._program.rows])
        self._inputs[: self._states, 1] = 1
        self._inputs[: self._states, 2] = [self.columns if layers else 0 for _, layers, _ in self._program.rows]
        self._forcing = slice(self._states, self._states + len(self.fields))
        lengths = [length for source, length in self._program.sources if source[0] == "forcing"]
        self._forcing_layout = np.array([[1, self.columns if length else 0] for length in lengths])
        self._inputs[self._forcing, 1:3] = self._forcing_layout
        rows = [max(length, 1) for length in lengths]
        self._forcing_rows = sum(rows)
        self._forcing_offsets = (np.cumsum(rows) - rows) * row
        self._outputs = self._program.output_table({}, self.columns)
        self._places = _Places(self._program.results)
        self._cotangents, self._gradients = self._outputs.copy(), np.zeros_like(self._inputs)
        self._advance = ForwardCall(self._program, self.columns, self._inputs, self._outputs)
        self._room: Mapping[str, Tensor] | None = None
        # One kernel serves any choice of seeds.
        seeds = tuple(sorted(name for name, _ in self._program.shape.fluxes() if name not in CLOSURES))
        wanted = Wanted(seeds, forcing=True, constants=("general", "snow", "soil", "vegetation"))
        self._back = (self._program, wanted, self.columns, self._inputs, self._cotangents, self._gradients)
        self._reverse: ReverseCall | None = None
        self._tangent: TangentCall | None = None

    def serves(self) -> bool:
        """Whether weights and schemes of the model are still those it was prepared with."""
        return self._watch.same()

    def room_for_parameters(self) -> dict[str, Tensor]:
        """Zeros of the shape of every parameter that can be differentiated by, for each column."""
        layers = {source[1]: number for source, number in self._program.sources if source[0] == "parameters"}
        paths = [path for path in PARAMETERS if path in layers]
        sizes = [max(layers[path], 1) for path in paths]
        # Parts of one tensor, so that a caller clears them at once.
        parts = self._leaves[0].new_zeros((sum(sizes), self.columns)).split(sizes)
        return {path: part if layers[path] else part[0] for path, part in zip(paths, parts, strict=True)}

    def advance(self, flat: Tensor, forcing: Tensor) -> Tensor:
        """The state after the step, in flat form.

        Raises
        ------
        ConvergenceError : A column's equations were not solved.
        """
        after = torch.empty_like(flat)
        self._outputs[:] = 0
        self._forward(flat, forcing, after.data_ptr())
        return after

    def results(self, flat: Tensor, forcing: Tensor) -> dict[str, Tensor]:
        """Parts of the state after the step and fluxes, by path. Raises as `advance`."""
        found = {
            path: flat.new_empty((1, *([layers] if layers else []), self.columns))
            for path, layers in self._program.results
        }
        self._outputs[:] = self._program.output_table(found, self.columns)
        self._forward(flat, forcing, 0)
        return {path: values[0] for path, values in found.items()}

    def pull(
        self,
        flat: Tensor,
        forcing: Tensor,
        adjoint: Tensor,
        cotangents: Mapping[str, Tensor],
        parameters: Mapping[str, Tensor],
    ) -> Tensor:
        """Take the step back. Returns the derivative by forcing, in flat form.

        Parameters
        ----------
        flat, forcing : Before and during the step.
        adjoint : Derivative by the state after it, in flat form; becomes that by the state before.
        cotangents : Derivative by fluxes, by name, ``[column]`` or ``[layer, column]``; budgets' residuals have none.
        parameters : Receive, on top of what they hold, derivatives by parameters (`room_for_parameters`).
        """
        # The kernel is made when it is first asked for.
        self._reverse = self._reverse or ReverseCall(*self._back)
        seeds = {name: seed.contiguous()[None] for name, seed in cotangents.items()}
        self._cotangents[:] = self._program.output_table(seeds, self.columns) if seeds else 0
        by_forcing = flat.new_zeros((self._forcing_rows, self.columns))
        self._make_room(parameters)
        self._gradients[self._forcing, 0] = by_forcing.data_ptr() + self._forcing_offsets
        self._point_to(flat, forcing)
        self._reverse(flat.data_ptr(), adjoint.data_ptr())
        return by_forcing

    def push(
        self, flat: Tensor, forcing: Tensor, change: Tensor, forcing_change: Tensor, parameters: Mapping[str, Tensor]
    ) -> Pushed:
        """Results of the step, and their change in one direction.

        Parameters
        ----------
        flat, forcing : Before and during the step.
        change, forcing_change : Of state and forcing, in flat form.
        parameters : Changes of parameters, by path; what is left out does not change.
        """
        if self._tangent is None:
            self._changes, self._both = np.zeros_like(self._inputs), np.zeros((2 * len(self._outputs), 4), np.int64)
            layers = [self.columns if length else 0 for _, length in self._program.results]
            self._both[:, 1], self._both[:, 2] = 1, np.tile(layers, 2)
            self._tangent = TangentCall(self._program, self.columns, self._inputs, self._changes, self._both)

        if parameters:
            given: dict[Source, Tensor] = {("parameters", path): value for path, value in parameters.items()}
            self._changes[:] = self._program.input_table(given, self.columns, own=False)
        else:
            self._changes[:] = 0
        self._changes[: self._states, 0] = change.data_ptr() + self._state_offsets
        self._changes[: self._states, 1:] = self._inputs[: self._states, 1:]
        self._changes[self._forcing, 0] = forcing_change.data_ptr() + self._forcing_offsets
        self._changes[self._forcing, 1:3] = self._forcing_layout

        places = self._places
        room = flat.new_empty((2, places.rows, self.columns))
        size = self.columns * room.element_size()
        self._both[:, 0] = room.data_ptr() + np.concatenate([places.starts, places.starts + places.rows]) * size
        self._point_to(flat, forcing)
        self._tangent()
        return Pushed(room, places, self._program.row_count)

    def _make_room(self, parameters: Mapping[str, Tensor]) -> None:
        """Tell where derivatives by parameters go; kept for the next call with the same room."""
        if self._room is not parameters:
            room: dict[Source, Tensor] = {("parameters", path): value for path, value in parameters.items()}
            self._gradients[:] = self._program.input_table(room, self.columns, own=False)
            self._gradients[self._forcing, 1:3] = self._forcing_layout
            self._room = parameters

    def _point_to(self, flat: Tensor, forcing: Tensor) -> None:
        self._inputs[: self._states, 0] = flat.data_ptr() + self._state_offsets
        self._inputs[self._forcing, 0] = forcing.data_ptr() + self._forcing_offsets

    def _forward(self, flat: Tensor, forcing: Tensor, final: int) -> None:
        self._point_to(flat, forcing)
        failures = self._advance(final)
        if failures is not None:
            raise_failure(self._program, failures, numbered=False)
