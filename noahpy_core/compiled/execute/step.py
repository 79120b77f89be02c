"""One compiled step at a time, for callers that see no further: couplers."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import torch
from torch import Tensor

from noahpy_core.compiled.execute.not_compiled import NotCompiled
from noahpy_core.compiled.execute.prepared_step import PreparedStep
from noahpy_core.errors import ShapeError
from noahpy_core.model import NoahModel
from noahpy_core.parameters import Parameters
from noahpy_core.state import Fluxes, Forcing, State
from noahpy_core.weather_rows import WeatherRow


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
        self._prepared: PreparedStep | None = None
        self._told = False

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, in this process or another, prepares itself."""
        # Pickling for another process moves tensors into shared memory: addresses that are known here end with it.
        self._prepared = None
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

    def again(self, state: State, forcing: Forcing | WeatherRow, parameters: Parameters) -> tuple[State, Fluxes] | None:
        """Take the step after the last one, without asking where its tensors are.

        The caller vouches that nobody else has ever had these tensors, so that nobody can have put other memory into
        them. The length of the step is that of the last one.

        Parameters
        ----------
        state : What the last call gave back.
        forcing, parameters : Of the step.

        Returns
        -------
        None, and nothing is done, where a call with all arguments is needed: state, parameters or the model are others,
        or the forcing has another shape.

        Raises
        ------
        ConvergenceError : A column's equations were not solved.
        """
        prepared = self._prepared
        return None if prepared is None else prepared.follow(state, forcing, parameters)

    def _step(self, state: State, forcing: Forcing, parameters: Parameters, dt: Tensor | float) -> tuple[State, Fluxes]:
        trees, prepared = (state, forcing, parameters), self._prepared
        if prepared is None or not prepared.serves(trees, dt):
            prepared = self._prepared = PreparedStep(self._model, trees, dt, self._valid_for)
        try:
            return prepared.step(state, forcing)
        except ShapeError:
            # Inputs of another number of columns than before; preparing anew refuses what does not go together.
            prepared = self._prepared = PreparedStep(self._model, trees, dt, self._valid_for)
            return prepared.step(state, forcing)
