"""The step of a model recorded once as a graph of tensor operations and replayed: for runs without gradients.

The numbers are those of the model itself to the last bit; what is saved is the time Python takes to get from one
operation to the next, which for few columns is most of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from noahpy_core.model import NoahModel
from noahpy_core.parameters import Parameters
from noahpy_core.physics.soil_heat import HeatLimitedSoilHeat
from noahpy_core.processes import SCHEMES
from noahpy_core.state import Fluxes, Forcing, State

Step = Callable[[State, Forcing, Parameters, Any], tuple[State, Fluxes]]


def fastest_step(model: Step) -> Step:
    """The quickest way to step a model when no gradient is wanted.

    A `NoahModel` of built-in schemes is recorded at its first step. One with supplied processes, or with the enthalpy
    scheme, whose number of iterations depends on the state, steps as it is; so does any other callable.
    """
    if not isinstance(model, NoahModel):
        return model
    built_in = not model.supplied and all(getattr(model.options, slot) in SCHEMES[slot] for slot in SCHEMES)
    if built_in and isinstance(model.soil_heat, HeatLimitedSoilHeat):
        return RecordedStep(model)
    return model


class RecordedStep:
    """A model's step as a recorded graph, made anew when shapes, types, missing fields or the step length change."""

    def __init__(self, model: NoahModel) -> None:
        self._model = model
        self._key: Any = None
        self._graph: Any = None
        self._result: TreeSpec | None = None

    def __call__(self, state: State, forcing: Forcing, parameters: Parameters, dt: float) -> tuple[State, Fluxes]:
        leaves, spec = tree_flatten((state, forcing, parameters))
        tensors = [leaf for leaf in leaves if leaf is not None]
        key = (spec, dt, [leaf is None for leaf in leaves], [(leaf.shape, leaf.dtype, leaf.device) for leaf in tensors])
        with torch.no_grad():
            if key != self._key:
                self._record(leaves, spec, dt)
                self._key = key
            assert self._result is not None
            return tree_unflatten(list(self._graph(*tensors)), self._result)

    def _record(self, leaves: Sequence[Tensor | None], spec: TreeSpec, dt: float) -> None:
        def step(*tensors: Tensor) -> tuple[Tensor, ...]:
            given = iter(tensors)
            state, forcing, parameters = tree_unflatten([None if x is None else next(given) for x in leaves], spec)
            flat, self._result = tree_flatten(self._model(state, forcing, parameters, dt))
            return tuple(flat)

        with warnings.catch_warnings():
            # The recorder is frozen in torch, which it says at every use; torch's version is pinned.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._graph = torch.jit.trace(step, tuple(x for x in leaves if x is not None), check_trace=False)
