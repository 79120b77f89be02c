"""A base for small components in plain numpy with BMI's functions and the gradient extension.

A component says what one step does and what its Jacobian is; everything the extension needs follows from that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Table = dict[str, tuple[int, str, float]]
STATE = "@state"


class SmallComponent:
    """Inputs, outputs and parameters are named; the state is one vector.

    Parameters
    ----------
    inputs, outputs : Size, units and first value by name.
    parameters : Size, units and first value by name.
    bounds : Smallest and largest value of each parameter.
    state : At the start.
    step : Length of a step. [s]
    """

    def __init__(
        self,
        *,
        inputs: Table,
        outputs: Table,
        parameters: Table,
        bounds: dict[str, tuple[float, float]],
        state: Floats,
        step: float,
    ) -> None:
        self.tables = {**inputs, **outputs, **parameters}
        self.inputs, self.outputs, self.parameters = tuple(inputs), tuple(outputs), tuple(parameters)
        self.bounds, self.state, self.step, self.time = bounds, state, step, 0.0
        self.values = {name: np.full(size, value) for name, (size, _, value) in self.tables.items()}
        self.last: tuple[Floats, dict[str, Floats]] | None = None
        self.window: list[tuple[Floats, dict[str, Floats], dict[str, Floats]]] = []
        self.recording = False

    # --- what a component is ----------------------------------------------------------------------------------------

    def compute(self, state: Floats, given: dict[str, Floats]) -> tuple[Floats, dict[str, Floats]]:
        """New state and outputs, from the state, inputs and parameters."""
        raise NotImplementedError

    def jacobian(self, state: Floats, given: dict[str, Floats]) -> dict[tuple[str, str], Floats]:
        """Matrices d(output or state) / d(state, input or parameter) that are not zero."""
        raise NotImplementedError

    # --- BMI --------------------------------------------------------------------------------------------------------

    def update(self) -> None:
        """Take one step."""
        given = {name: self.values[name].copy() for name in (*self.inputs, *self.parameters)}
        before = self.state
        self.state, results = self.compute(before, given)
        self.values.update(results)
        self.time += self.step
        self.last = before, given
        if self.recording:
            self.window.append((before, given, {}))

    def get_current_time(self) -> float:
        """Seconds since the start."""
        return self.time

    def get_time_step(self) -> float:
        """Length of a step. [s]"""
        return self.step

    def get_input_var_names(self) -> tuple[str, ...]:
        """Inputs."""
        return self.inputs

    def get_output_var_names(self) -> tuple[str, ...]:
        """Outputs."""
        return self.outputs

    def get_var_units(self, name: str) -> str:
        """Units."""
        return self.tables[name][1]

    def get_var_itemsize(self, name: str) -> int:
        """Bytes of one value."""
        return 8

    def get_var_nbytes(self, name: str) -> int:
        """Bytes of all values."""
        return 8 * self.tables[name][0]

    def get_value(self, name: str, dest: Floats) -> Floats:
        """Copy the values."""
        return _filled(name, dest, self.values[self._known(name)])

    def set_value(self, name: str, src: Floats) -> None:
        """Replace the values of an input."""
        if name not in self.inputs:
            raise ValueError(f"{name} is not an input.")
        self.values[name] = np.array(src, dtype=np.float64).reshape(self.tables[name][0])

    def get_extension(self, name: str) -> SmallComponent | None:
        """The component is its own gradient extension."""
        return self if name == "gradient" else None

    # --- parameters and state ---------------------------------------------------------------------------------------

    def get_parameter_names(self) -> tuple[str, ...]:
        """Parameters."""
        return self.parameters

    def get_parameter_size(self, name: str) -> int:
        """Number of values."""
        return self.tables[name][0]

    def get_parameter_units(self, name: str) -> str:
        """Units."""
        return self.tables[name][1]

    def get_parameter_bounds(self, name: str) -> tuple[float, float]:
        """Smallest and largest value."""
        return self.bounds[name]

    def get_parameter_grid(self, name: str) -> int:
        """There is one grid."""
        return 0

    def get_parameter(self, name: str, dest: Floats) -> Floats:
        """Copy the values."""
        if name not in self.parameters:
            raise ValueError(f"{name} is no parameter.")
        return self.get_value(name, dest)

    def set_parameter(self, name: str, src: Floats) -> None:
        """Replace the values."""
        values, (low, high) = np.array(src, dtype=np.float64).ravel(), self.bounds[name]
        if self.recording:
            raise RuntimeError(f"{name}: parameters cannot change while steps are recorded.")
        if values.size != self.tables[name][0]:
            raise ValueError(f"{name}: {values.size} values given, {self.tables[name][0]} needed.")
        if not ((values >= low) & (values <= high)).all():
            raise ValueError(f"{name}: {values} is outside {low} to {high} {self.tables[name][1]}.")
        self.values[name] = values

    def get_state_size(self) -> int:
        """Number of values of the state."""
        return self.state.size

    def get_state(self, dest: Floats) -> Floats:
        """Copy the state."""
        return _filled(STATE, dest, self.state)

    def set_state(self, src: Floats) -> None:
        """Replace the state."""
        new = np.array(src, dtype=np.float64).ravel()
        if new.size != self.state.size or not np.isfinite(new).all():
            raise ValueError(f"{STATE}: {self.state.size} finite values are needed.")
        if self.recording:
            raise RuntimeError(f"{STATE}: this component cannot replace its state while steps are recorded.")
        self.state = new

    # --- derivatives ------------------------------------------------------------------------------------------------

    def get_adjoint_derivative(
        self, of: Sequence[str], wrt: Sequence[str], seed: Floats, sensitivity: Floats
    ) -> Floats:
        """sensitivity = seed^T d(of)/d(wrt) of the last step."""
        return _filled("sensitivity", sensitivity, seed @ self._matrix(of, wrt))

    def get_directional_derivative(
        self, of: Sequence[str], wrt: Sequence[str], seed: Floats, sensitivity: Floats
    ) -> Floats:
        """sensitivity = d(of)/d(wrt) seed of the last step."""
        return _filled("sensitivity", sensitivity, self._matrix(of, wrt) @ seed)

    def start_recording(self) -> None:
        """Record the steps that follow."""
        if self.recording:
            raise RuntimeError("start_recording: steps are being recorded.")
        self.recording, self.window = True, []
        self.adjoint: dict[str, Floats] = {name: np.zeros(self._size(name)) for name in (*self.parameters, STATE)}

    def stop_recording(self) -> None:
        """End the window."""
        if not self.recording:
            raise RuntimeError("stop_recording: nothing is being recorded.")
        self.recording = False

    def recorded_steps(self) -> int:
        """Steps not yet reversed."""
        return len(self.window)

    def add_adjoint_seed(self, name: str, seed: Floats) -> None:
        """Add to dJ/d(output) of the last step not reversed."""
        if name not in (*self.outputs, STATE) or np.size(seed) != self._size(name):
            raise ValueError(f"{name} is not an output, or the seed has another size.")
        if not self.window:
            raise RuntimeError("add_adjoint_seed: no step is recorded.")
        seeds = self.window[-1][2]
        seeds[name] = seeds.get(name, 0.0) + np.asarray(seed, dtype=np.float64).ravel()

    def update_adjoint(self) -> None:
        """Reverse one step."""
        if self.recording or not self.window:
            raise RuntimeError("update_adjoint: no finished recording.")
        state, given, seeds = self.window.pop()
        seeds[STATE] = seeds.get(STATE, 0.0) + self.adjoint[STATE]
        found: dict[str, Any] = {name: np.zeros(self._size(name)) for name in (*self.inputs, *self.parameters, STATE)}
        for (of, wrt), matrix in self.jacobian(state, given).items():
            if of in seeds:
                found[wrt] = found[wrt] + seeds[of] @ matrix
        for name in self.parameters:
            found[name] = found[name] + self.adjoint[name]
        self.adjoint = found

    def get_adjoint(self, name: str, dest: Floats) -> Floats:
        """Copy dJ/d(name)."""
        if self.recording:
            raise RuntimeError("get_adjoint: steps are being recorded.")
        return _filled(name, dest, self.adjoint[self._known(name)])

    def _known(self, name: str) -> str:
        if name != STATE and name not in self.tables:
            raise ValueError(f"{name} is unknown.")
        return name

    def _size(self, name: str) -> int:
        return self.state.size if name == STATE else self.tables[self._known(name)][0]

    def _matrix(self, of: Sequence[str], wrt: Sequence[str]) -> Floats:
        if self.last is None:
            raise RuntimeError("no step is taken yet. Call update() first.")
        parts = self.jacobian(*self.last)
        return np.block([[parts.get((o, w), np.zeros((self._size(o), self._size(w)))) for w in wrt] for o in of])


def _filled(name: str, dest: Floats, values: Floats) -> Floats:
    """The caller's array with the values in it."""
    if dest.size != np.size(values):
        raise ValueError(f"{name}: the array given holds {dest.size} values, {np.size(values)} are needed.")
    dest[...] = np.reshape(values, dest.shape)
    return dest
