"""Parameters, state and time of the gradient extension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.component.variables import Variable, find_variable, variables

if TYPE_CHECKING:
    from torch import Tensor

    from bmi_noahpy.component.bmi import BmiNoahPy
    from bmi_noahpy.component.stepped_run import SteppedRun

Array = NDArray[Any]


class WindowError(RuntimeError):
    """A call does not fit the recording: nothing recorded, already recording, or still recording."""


class Access:
    """Parameters, complete state and time of a component.

    Parameters
    ----------
    model : The component.
    """

    def __init__(self, model: BmiNoahPy) -> None:
        self._model = model

    # --- parameters -------------------------------------------------------------------------------------------------

    def get_parameter_names(self) -> tuple[str, ...]:
        """Parameters to differentiate by: all but switches, and but those that now follow from other parameters."""
        from bmi_noahpy.gradient.names import parameter_names

        return tuple(parameter_names(self._run("get_parameter_names").values.parameters, variables().values()))

    def get_parameter_size(self, name: str) -> int:
        """Number of values: one for each column, or for each layer of each column (layer slowest)."""
        return self._size(self._parameter(name, "get_parameter_size"))

    def get_parameter_units(self, name: str) -> str:
        """Units, as udunits reads them."""
        return self._parameter(name, "get_parameter_units").units

    def get_parameter_bounds(self, name: str) -> tuple[float, float]:
        """Smallest and largest acceptable value."""
        bounds = self._parameter(name, "get_parameter_bounds").bounds
        return (-np.inf, np.inf) if bounds is None else (float(bounds[0]), float(bounds[1]))

    def get_parameter_grid(self, name: str) -> int:
        """Identifier of the BMI grid the values are on."""
        return self._parameter(name, "get_parameter_grid").grid

    def get_parameter(self, name: str, dest: Array) -> Array:
        """Copy the values into the caller's array."""
        self._parameter(name, "get_parameter")
        return fill(name, dest, self._run("get_parameter").values.get(name))

    def set_parameter(self, name: str, src: Array) -> None:
        """Replace the values.

        Raises
        ------
        ValueError : A value is outside the bounds, or steps are being recorded.
        """
        self._parameter(name, "set_parameter")
        self._run("set_parameter").values.set(name, src)

    # --- state and time ---------------------------------------------------------------------------------------------

    def get_state_size(self) -> int:
        """Number of values of the complete prognostic state."""
        return int(self._flat_state("get_state_size").numel())

    def get_state(self, dest: Array) -> Array:
        """Copy the state, bit by bit, into the caller's array."""
        from bmi_noahpy.gradient.names import to_numpy

        return fill("@state", dest, to_numpy(self._flat_state("get_state")))

    def set_state(self, src: Array) -> None:
        """Go on from a state that `get_state` gave. Time and inputs stay as they are.

        Raises
        ------
        WindowError : Steps are being recorded.
        ValueError : It has another size, or a value is not finite.
        """
        from bmi_noahpy.gradient.names import STATE_PATHS, unpack
        from noahpy_core.quantities import replace_quantity

        run = self._run("set_state")
        self._not_recording("set_state")
        flat = self._vector("@state", src, self.get_state_size())
        wrong = (~flat.isfinite()).nonzero()
        if len(wrong):
            raise ValueError(f"@state: value {float(flat[wrong[0]])} at index {int(wrong[0])} is not finite.")
        state = run.values.state
        pieces = unpack(flat.to(state.skin_temperature), state)
        for path in STATE_PATHS:
            state = replace_quantity(state, path, pieces[path])
        run.values.replace_state(state)

    def set_time(self, time: float) -> None:
        """Make the step that begins at `time`, in seconds since the start, the next one. The state stays.

        With `set_state`, this repeats steps whose inputs come from a file, or depend on the season.

        Raises
        ------
        WindowError : Steps are being recorded.
        ValueError : No step begins then.
        """
        run = self._run("set_time")
        self._not_recording("set_time")
        run.go_to(time)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _run(self, function: str) -> SteppedRun:
        return self._model._active(function)

    def _not_recording(self, function: str) -> None:
        window = self._run(function).window
        if window is not None and window.recording:
            raise WindowError(f"{function}: steps are being recorded. Call stop_recording() first.")

    def _parameter(self, name: str, function: str) -> Variable:
        self._run(function)
        variable = find_variable(name)
        if name not in self.get_parameter_names():
            raise ValueError(f"{function}: {name} is no parameter to differentiate by. See get_parameter_names().")
        return variable

    def _size(self, variable: Variable) -> int:
        return self._run(variable.name).grids[variable.grid].values

    def _length(self, name: str) -> int:
        return self.get_state_size() if name == "@state" else self._size(find_variable(name))

    def _flat_state(self, function: str) -> Tensor:
        from bmi_noahpy.gradient.names import pack

        values = self._run(function).values
        values.absorb()
        return pack(values.state)

    def _vector(self, what: str, values: Array, size: int) -> Tensor:
        """Numbers of a caller as a flat tensor of the right size."""
        import torch

        flat = np.asarray(values, dtype=np.float64).reshape(-1)
        if flat.size != size:
            raise ValueError(f"{what}: {flat.size} values given, {size} needed.")
        return torch.from_numpy(flat.copy())


def fill(what: str, dest: Array, values: Array) -> Array:
    """Copy values into the caller's array, which is returned; ValueError when the sizes differ."""
    if dest.size != values.size:
        raise ValueError(f"{what}: the array given holds {dest.size} values, {values.size} are needed.")
    dest[...] = values.reshape(dest.shape)
    return dest
