"""The gradient extension of the BMI component: derivatives through its parameters, inputs, states and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bmi_noahpy.gradient.access import Access, Array, WindowError, fill

if TYPE_CHECKING:
    from bmi_noahpy.gradient.step import StepDerivative
    from bmi_noahpy.gradient.window import Window

__all__ = ["GradientExtension", "WindowError"]


class GradientExtension(Access):
    """Parameters, complete state, one-step derivatives and recorded windows of a component.

    Arrays are flat and in BMI units; the caller allocates them and the functions that fill one return it. ``"@state"``
    is the complete prognostic state in the units of the model. Every function needs an initialised component and raises
    `RuntimeError` without one.
    """

    # --- one step ---------------------------------------------------------------------------------------------------

    def get_adjoint_derivative(self, of: Sequence[str], wrt: Sequence[str], seed: Array, sensitivity: Array) -> Array:
        """sensitivity = seed^T d(of)/d(wrt), for the last `update`.

        Parameters
        ----------
        of : Outputs, or ``"@state"`` for the state after the step.
        wrt : Inputs, states, parameters, or ``"@state"`` for the state before the step.
        seed, sensitivity : Values of the names of `of` and of `wrt`, one name after the other.
        """
        derivative = self._derivative("get_adjoint_derivative", of, wrt)
        sizes = [self._length(name) for name in of]
        seeds = self._vector("seed", seed, sum(sizes)).split(sizes)
        return fill("sensitivity", sensitivity, derivative.backward(of, wrt, seeds).detach().cpu().numpy())

    def get_directional_derivative(
        self, of: Sequence[str], wrt: Sequence[str], seed: Array, sensitivity: Array
    ) -> Array:
        """sensitivity = d(of)/d(wrt) seed, for the last `update`. Arguments as in `get_adjoint_derivative`."""
        derivative = self._derivative("get_directional_derivative", of, wrt)
        vector = self._vector("seed", seed, sum(self._length(name) for name in wrt))
        change = derivative.forward(of, wrt, vector, [self._length(name) for name in of])
        return fill("sensitivity", sensitivity, change.detach().cpu().numpy())

    # --- a window ---------------------------------------------------------------------------------------------------

    def start_recording(self, *, spacing: int | None = None, memory: int | None = None) -> None:
        """Record every `update` from now on, and forget what was recorded before.

        Parameters
        ----------
        spacing : Steps between the states that are kept, at least 1.
        memory : Instead of `spacing`, memory for states. The default is 256 MiB. [byte]

        Raises
        ------
        WindowError : Steps are being recorded.
        """
        from bmi_noahpy.gradient.checkpoints import DEFAULT_MEMORY, Checkpoints
        from bmi_noahpy.gradient.window import Window

        run = self._run("start_recording")
        self._not_recording("start_recording")
        if spacing is not None and spacing < 1:
            raise ValueError(f"start_recording: a spacing of {spacing} steps. Give at least 1.")
        run.values.absorb()
        checkpoints = Checkpoints(spacing, DEFAULT_MEMORY if memory is None else memory)
        values = run.values
        run.window = Window(run.run.model, values.state, values.parameters, run.run.step, checkpoints)
        values.overwrites = []

    def stop_recording(self) -> None:
        """End the window."""
        run = self._run("stop_recording")
        window = self._window("stop_recording")
        if not window.recording:
            raise WindowError("stop_recording: nothing is being recorded. Call start_recording() first.")
        run.values.absorb()
        window.recording, run.values.overwrites = False, None

    def recorded_steps(self) -> int:
        """Steps that are recorded and not yet reversed."""
        window = self._run("recorded_steps").window
        return 0 if window is None else len(window)

    def add_adjoint_seed(self, name: str, seed: Array) -> None:
        """Add to the derivative of the objective by an output, or by ``"@state"``.

        While recording, the output of the last `update`; afterwards, that of the step about to be reversed.

        Raises
        ------
        ValueError : It is not an output, or the size is wrong.
        WindowError : No step is recorded, or the states were set since the last `update`.
        """
        from bmi_noahpy.gradient.names import require_output

        run, window = self._run("add_adjoint_seed"), self._window("add_adjoint_seed")
        require_output(name)
        if not len(window):
            raise WindowError("add_adjoint_seed: no step is recorded. A seed belongs to the last update() recorded.")
        if window.recording:
            run.values.absorb()
        if run.values.overwrites:
            changed = run.values.overwrites[-1].variable.name
            raise WindowError(
                f"add_adjoint_seed: {changed} was set after the last update(), and a seed is for what the update gave. "
                f"Add the seed of {name} before set_value."
            )
        window.seed(name, self._vector(name, seed, self._length(name)))

    def update_adjoint(self) -> None:
        """Reverse the last step that is recorded and not yet reversed.

        Raises
        ------
        WindowError : Steps are still being recorded, or none is left.
        """
        window = self._window("update_adjoint")
        if window.recording:
            raise WindowError("update_adjoint: steps are being recorded. Call stop_recording() first.")
        if not len(window):
            raise WindowError("update_adjoint: no recorded step is left. Call start_recording() and update() first.")
        window.reverse()

    def get_adjoint(self, name: str, dest: Array) -> Array:
        """Copy the derivative of the objective into the caller's array.

        For an input, by its value in the step just reversed; for a state, by the value that `set_value` gave it before
        that step (0 where it gave none); for a parameter, by its value in all steps reversed so far; for ``"@state"``,
        by the state before the step just reversed, in the end the initial one.

        Raises
        ------
        WindowError : Steps are still being recorded, or nothing is.
        ValueError : The name cannot be differentiated by.
        """
        from bmi_noahpy.gradient.names import require_cause

        window = self._window("get_adjoint")
        if window.recording:
            raise WindowError("get_adjoint: steps are being recorded. Call stop_recording() first.")
        require_cause(name, self.get_parameter_names())
        return fill(name, dest, window.adjoint(name).detach().cpu().numpy())

    # --- inside -----------------------------------------------------------------------------------------------------

    def _window(self, function: str) -> Window:
        window = self._run(function).window
        if window is None:
            raise WindowError(f"{function}: nothing is recorded. Call start_recording() first.")
        return window

    def _derivative(self, function: str, of: Sequence[str], wrt: Sequence[str]) -> StepDerivative:
        from bmi_noahpy.gradient.names import require_cause, require_output
        from bmi_noahpy.gradient.step import StepDerivative

        run, parameters = self._run(function), self.get_parameter_names()
        for name in of:
            require_output(name)
        for name in wrt:
            require_cause(name, parameters)
        if run.last_step is None:
            raise WindowError(f"{function}: no step is taken yet. Call update() first.")
        return StepDerivative(run.run.model, run.last_step, run.run.step)
