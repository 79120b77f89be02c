"""One compiled step at a time, for callers that see no further: couplers."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from noahpy_core.compiled.program import entry
from noahpy_core.compiled.run import Case, Trees, build, make_case, raise_failure
from noahpy_core.compiled.step_graph import Source
from noahpy_core.model import NoahModel
from noahpy_core.parameters import Parameters
from noahpy_core.state import Fluxes, Forcing, State


class CompiledStep:
    """The step of a model in a kernel; called like the model, without derivatives.

    What a call needs to know of its arguments is kept for the next one: parameters that are the same object are taken
    to be at the same place, and the number of columns, the number type and what is absent to be the same until a
    container says otherwise.
    """

    def __init__(self, model: NoahModel) -> None:
        self._model = model
        self._key: Any = None
        self._parameters: Parameters | None = None
        self._dt: Tensor | float | None = None

    def __call__(
        self, state: State, forcing: Forcing, parameters: Parameters, dt: Tensor | float
    ) -> tuple[State, Fluxes]:
        """Advance the state by one step; see `NoahModel.forward`.

        Raises
        ------
        NotCompiled : Tensors of different number types.
        ConvergenceError : A column's equations were not solved.
        """
        like = state.skin_temperature
        key = (like.shape, like.dtype, forcing.leaf_area_index is None, forcing.snow_free_albedo is None)
        if key != self._key or parameters is not self._parameters or dt is not self._dt:
            self._prepare((state, forcing, parameters), dt)
            self._key, self._parameters, self._dt = key, parameters, dt
        case, table = self._case, self._table
        for tree, getters, first in ((state, self._state, 0), (forcing, self._forcing, len(self._state))):
            for k, (get, layers) in enumerate(getters, first):
                table[k] = entry(get(tree), layers, case.columns, timed=False)
        columns = torch.empty((self._column_count, case.columns), dtype=like.dtype)
        soil = torch.empty((self._layer_count, case.program.shape.layers, case.columns), dtype=like.dtype)
        outputs = self._outputs.copy()
        outputs[:, 0] += np.where(self._layered, soil.data_ptr(), columns.data_ptr())
        failures = case.program.forward(table, outputs, case.columns, 1)
        if failures is not None:
            raise_failure(case.program, failures)
        flat, profiles = iter(columns.unbind(0)), iter(soil.unbind(0))
        values = [next(profiles) if layered else next(flat) for layered in self._layered]
        count = len(case.program.rows)
        return self._build_state(values[:count]), Fluxes(*values[count:])

    def _prepare(self, trees: Trees, dt: Tensor | float) -> None:
        case, leaves = make_case(self._model, trees, dt, timed=False)
        self._case: Case = case
        pairs = zip(case.sources, leaves, strict=True)
        self._table = case.table([leaf[None] if source[0] == "forcing" else leaf for source, leaf in pairs])
        self._state = _getters(case, "state")
        self._forcing = _getters(case, "forcing")
        self._layered = np.array([layers > 0 for _, layers in case.program.results])
        self._column_count, self._layer_count = int((~self._layered).sum()), int(self._layered.sum())
        size, columns, layers = leaves[0].element_size(), case.columns, case.program.shape.layers
        place = np.where(self._layered, np.cumsum(self._layered) - 1, np.cumsum(~self._layered) - 1)
        self._outputs = np.zeros((len(self._layered), 4), dtype=np.int64)
        self._outputs[:, 0] = place * np.where(self._layered, layers, 1) * columns * size
        self._outputs[:, 1] = 1
        self._outputs[:, 2] = columns
        self._paths = [path for path, _, _ in case.program.rows]

    def _build_state(self, values: list[Tensor]) -> State:
        state: State = build(State, dict(zip(self._paths, values, strict=True)))
        return state


def _getters(case: Case, container: str) -> list[tuple[Callable[[Any], Tensor], int]]:
    layers = dict(case.program.shape.fields(container))
    chosen: list[Source] = [source for source in case.sources if source[0] == container]
    return [(operator.attrgetter(path), layers[path]) for _, path in chosen]
