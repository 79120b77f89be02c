"""A gradient extension of the Basic Model Interface, as a proposal that other components can adopt.

A component that has derivatives offers them as ``model.get_extension("gradient")``. Names are strings, arrays are flat
and of float64, the caller allocates them, and the functions that fill one return it. A framework that knows nothing but
BMI never notices. `bmi_noahpy.gradient.conformance.report.check_gradient_extension` puts a component through its paces.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

Array = NDArray[Any]

STATE = "@state"
"""Name of the complete prognostic state wherever the name of a variable is expected."""


@runtime_checkable
class SupportsGradient(Protocol):
    """The gradient extension.

    `of` are outputs or ``"@state"``; `wrt` are inputs, states that `set_value` accepts, parameters or ``"@state"``.
    """

    def get_parameter_names(self) -> Sequence[str]:
        """What can be differentiated by besides inputs and states."""

    def get_parameter_size(self, name: str) -> int:
        """Number of values of a parameter."""

    def get_parameter_units(self, name: str) -> str:
        """Units, as udunits reads them."""

    def get_parameter_bounds(self, name: str) -> tuple[float, float]:
        """Smallest and largest acceptable value, infinite where there is none."""

    def get_parameter_grid(self, name: str) -> int:
        """BMI grid the values are on."""

    def get_parameter(self, name: str, dest: Array) -> Array:
        """Copy the values of a parameter into `dest`."""

    def set_parameter(self, name: str, src: Array) -> None:
        """Replace the values; one outside the bounds, or a change while recording, is an error."""

    def get_state_size(self) -> int:
        """Number of values of the complete prognostic state."""

    def get_state(self, dest: Array) -> Array:
        """Copy the state into `dest`, so that setting it again and updating with the same inputs repeats a step."""

    def set_state(self, src: Array) -> None:
        """Go on from a state."""

    def get_adjoint_derivative(self, of: Sequence[str], wrt: Sequence[str], seed: Array, sensitivity: Array) -> Array:
        """sensitivity = seed^T d(of)/d(wrt) of the last update; several names follow one another in the arrays.

        Parameters
        ----------
        of : Outputs, or ``"@state"`` for the state after the step.
        wrt : Inputs, states, parameters, or ``"@state"`` for the state before the step.
        seed, sensitivity : Values of the names of `of` and of `wrt`, one name after the other.
        """

    def get_directional_derivative(
        self, of: Sequence[str], wrt: Sequence[str], seed: Array, sensitivity: Array
    ) -> Array:
        """sensitivity = d(of)/d(wrt) seed of the last update.

        Parameters
        ----------
        of, wrt : As in `get_adjoint_derivative`.
        seed, sensitivity : Values of the names of `wrt` and of `of`, one name after the other.
        """

    def start_recording(self) -> None:
        """Record the updates that follow. A second call before `stop_recording` is an error."""

    def stop_recording(self) -> None:
        """End the window."""

    def recorded_steps(self) -> int:
        """Steps that are recorded and not yet reversed."""

    def add_adjoint_seed(self, name: str, seed: Array) -> None:
        """Add dJ/d(output) of the last update (recording) or of the step about to be reversed (afterwards)."""

    def update_adjoint(self) -> None:
        """Reverse one step; with none left it is an error."""

    def get_adjoint(self, name: str, dest: Array) -> Array:
        """Copy dJ/d(name) into `dest`.

        An input: of the step just reversed. A state: by what `set_value` gave it before that step. A parameter: of all
        steps reversed so far. ``"@state"``: by the state before the step just reversed, in the end the initial state.
        """


@runtime_checkable
class SupportsTime(Protocol):
    """Of an extension whose component depends on the time: forcing from a file, seasons."""

    def set_time(self, time: float) -> None:
        """Make the step that begins at `time` the next one, in the units of `get_time_units`. The state stays."""


class DifferentiableComponent(Protocol):
    """What is needed of a BMI component besides its extension."""

    def update(self) -> None:
        """Take one step."""

    def get_current_time(self) -> float:
        """Time of the beginning of the next step."""

    def get_input_var_names(self) -> Sequence[str]:
        """Inputs."""

    def get_output_var_names(self) -> Sequence[str]:
        """Outputs."""

    def get_var_units(self, name: str) -> str:
        """Units of a variable."""

    def get_var_nbytes(self, name: str) -> int:
        """Bytes of all values of a variable."""

    def get_var_itemsize(self, name: str) -> int:
        """Bytes of one value."""

    def get_value(self, name: str, dest: Array) -> Array:
        """Copy the values of a variable into `dest`."""

    def set_value(self, name: str, src: Array) -> None:
        """Replace the values of an input or a state."""

    def get_extension(self, name: str) -> Any:
        """The extension of that name, or None."""


def gradient_extension(model: DifferentiableComponent) -> SupportsGradient:
    """The gradient extension of a component.

    Raises
    ------
    TypeError : It has none, or lacks some of its functions.
    """
    extension = model.get_extension("gradient") if hasattr(model, "get_extension") else None
    if extension is None:
        raise TypeError(f"{type(model).__name__}: the component has no gradient extension.")
    if not isinstance(extension, SupportsGradient):
        missing = [name for name in vars(SupportsGradient) if not name.startswith("_") and not hasattr(extension, name)]
        raise TypeError(f"{type(model).__name__}: its gradient extension lacks {', '.join(missing)}.")
    return extension


def value_size(model: DifferentiableComponent, name: str) -> int:
    """Number of values of a variable or of ``"@state"``, or of a parameter."""
    extension = gradient_extension(model)
    if name == STATE:
        return extension.get_state_size()
    if name in extension.get_parameter_names():
        return extension.get_parameter_size(name)
    return model.get_var_nbytes(name) // model.get_var_itemsize(name)
