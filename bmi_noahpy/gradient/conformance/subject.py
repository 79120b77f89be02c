"""A component under examination: names, magnitudes, and the way back to where it was."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.gradient.conformance.failure import require
from bmi_noahpy.gradient.protocol import (
    STATE,
    DifferentiableComponent,
    SupportsTime,
    gradient_extension,
    value_size,
)

Floats = NDArray[np.float64]
Vectors = dict[str, Floats]

UNTOUCHED = -7.0e37
"""What an array holds before it is filled; no quantity has such a value."""


class Subject:
    """A component with a gradient extension, and what it was like at first.

    Every array that it hands over is checked: the same one must come back, with every element filled.

    Parameters
    ----------
    model : Initialised, with its inputs set, so that it can be updated.
    outputs, inputs, parameters : Names to examine; None for all.
    seed : Of the random vectors.

    Raises
    ------
    TypeError : The component has no gradient extension.
    """

    def __init__(
        self,
        model: DifferentiableComponent,
        *,
        outputs: Sequence[str] | None = None,
        inputs: Sequence[str] | None = None,
        parameters: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        self.model, self.extension = model, gradient_extension(model)
        self.outputs = list(model.get_output_var_names() if outputs is None else outputs)
        self.inputs = list(model.get_input_var_names() if inputs is None else inputs)
        self.parameters = list(self.extension.get_parameter_names() if parameters is None else parameters)
        self.results = [*self.outputs, STATE]
        self.causes = [*self.parameters, *self.inputs, STATE]
        self.random = np.random.default_rng(seed)
        self._time = model.get_current_time()
        self.start = {name: self._read(name, np.empty(self.size(name))) for name in self.causes}

    def size(self, name: str) -> int:
        """Number of values under a name."""
        return value_size(self.model, name)

    def filled(self, what: str, size: int, fill: Callable[[Floats], object]) -> Floats:
        """An array of the caller that a function fills and returns.

        Parameters
        ----------
        what : Function and name, for the message.
        fill : Called with the array.
        """
        dest = np.full(size, UNTOUCHED)
        returned = fill(dest)
        require(returned is dest, f"{what} does not return the array it was given")
        require(not (dest == UNTOUCHED).any(), f"{what} does not fill the array it was given")
        return dest

    def get(self, name: str) -> Floats:
        """The values under a name."""
        return self.filled(f"getting {name}", self.size(name), lambda dest: self._read(name, dest))

    def adjoint(self, name: str) -> Floats:
        """What `get_adjoint` gives."""
        return self.filled(
            f"get_adjoint of {name}", self.size(name), lambda dest: self.extension.get_adjoint(name, dest)
        )

    def _read(self, name: str, dest: Floats) -> Floats:
        if name == STATE:
            return self.extension.get_state(dest)
        if name in self.parameters:
            return self.extension.get_parameter(name, dest)
        return self.model.get_value(name, dest)

    def put(self, name: str, values: Floats) -> None:
        """Replace them, from an array that changes right afterwards: a component keeps a copy of its own."""
        given = values.copy()
        if name == STATE:
            self.extension.set_state(given)
        elif name in self.parameters:
            self.extension.set_parameter(name, given)
        else:
            self.model.set_value(name, given)
        given[:] = UNTOUCHED

    def back(self, changes: Vectors | None = None) -> None:
        """Everything as it was at first, plus changes."""
        for name, values in self.start.items():
            self.put(name, values + changes[name] if changes and name in changes else values)
        if isinstance(self.extension, SupportsTime):
            self.extension.set_time(self._time)

    def to(self, state: Floats, time: float) -> None:
        """Another state, and a time where the component depends on it."""
        self.put(STATE, state)
        if isinstance(self.extension, SupportsTime):
            self.extension.set_time(time)

    def stop_recording(self) -> None:
        """End the window that a failed check may have left open."""
        with contextlib.suppress(Exception):
            self.extension.stop_recording()

    def magnitudes(self) -> Vectors:
        """Typical size of the results, as they are now: the largest value of all outputs in the same units."""
        largest: dict[str, float] = {}
        for name in self.outputs:
            values = np.abs(self.get(name))
            units = self.model.get_var_units(name)
            largest[units] = max(largest.get(units, 0.0), float(np.nanmax(values, initial=0.0)))
        sizes = {
            name: np.full(self.size(name), largest[self.model.get_var_units(name)] or 1.0) for name in self.outputs
        }
        state = np.abs(self.get(STATE))
        return {**sizes, STATE: np.where(state > 0, state, 1.0)}

    def direction(self, name: str) -> Floats:
        """A random change of a cause, relative to its values, that stays clear of its bounds."""
        values = self.start[name]
        change = self.random.normal(size=values.size) * np.abs(values)
        if name in self.parameters:
            low, high = self.extension.get_parameter_bounds(name)
            margin = 5.0e-3 * np.abs(values)
            change[(values - margin < low) | (values + margin > high)] = 0.0
        return change

    def forward(self, of: Sequence[str], wrt: Sequence[str], vector: Floats) -> Vectors:
        """Directional derivative of the last update, by name of `of`."""
        sizes = [self.size(name) for name in of]
        function = self.extension.get_directional_derivative
        found = self.filled("get_directional_derivative", sum(sizes), lambda dest: function(of, wrt, vector, dest))
        return dict(zip(of, np.split(found, np.cumsum(sizes)[:-1]), strict=True))

    def backward(self, of: Sequence[str], wrt: Sequence[str], vector: Floats) -> Vectors:
        """Adjoint derivative of the last update, by name of `wrt`."""
        sizes = [self.size(name) for name in wrt]
        function = self.extension.get_adjoint_derivative
        found = self.filled("get_adjoint_derivative", sum(sizes), lambda dest: function(of, wrt, vector, dest))
        return dict(zip(wrt, np.split(found, np.cumsum(sizes)[:-1]), strict=True))
