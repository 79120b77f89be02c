"""The gradient extension of the BMI component: derivatives through its parameters, inputs, states and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bmi_noahpy.gradient.access import Access, Array, WindowError, fill

if TYPE_CHECKING:
    from bmi_noahpy.gradient.engine import Engine
    from bmi_noahpy.gradient.host import Host
    from bmi_noahpy.gradient.one_step import StepDerivative
    from bmi_noahpy.gradient.taken_step import TakenStep
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
        seeds = self._columns_of("seed", of, seed)
        return fill("sensitivity", sensitivity, self._cells_of(wrt, derivative.backward(of, wrt, seeds)))

    def get_directional_derivative(
        self, of: Sequence[str], wrt: Sequence[str], seed: Array, sensitivity: Array
    ) -> Array:
        """sensitivity = d(of)/d(wrt) seed, for the last `update`. Arguments as in `get_adjoint_derivative`."""
        derivative = self._derivative("get_directional_derivative", of, wrt)
        seeds = self._columns_of("seed", wrt, seed)
        change = derivative.forward(of, wrt, seeds, [self._packed_length(name) for name in of])
        return fill("sensitivity", sensitivity, self._cells_of(of, change))

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
        if run.recording.active:
            raise WindowError("start_recording", "steps are being recorded. Call stop_recording() first.")
        if spacing is not None and spacing < 1:
            raise ValueError(f"start_recording: a spacing of {spacing} steps. Give at least 1.")
        checkpoints = Checkpoints(spacing, DEFAULT_MEMORY if memory is None else memory)
        window = Window(run.model, run.state, run.parameters, run.step_length, checkpoints, run.find, run.execution)
        run.recording.start(window)

    def stop_recording(self) -> None:
        """End the window."""
        run = self._run("stop_recording")
        self._window("stop_recording")
        if not run.recording.active:
            raise WindowError("stop_recording", "nothing is being recorded. Call start_recording() first.")
        run.accept_written()
        run.recording.stop()

    def recorded_steps(self) -> int:
        """Calls of `update` or `update_until` that are recorded and not yet reversed."""
        window = self._run("recorded_steps").recording.window
        return 0 if window is None else len(window)

    def add_adjoint_seed(self, name: str, seed: Array) -> None:
        """Add to the derivative of the objective by an output, or by ``"@state"``.

        While recording, the output of the last `update` or `update_until`; afterwards, that of the one about to be
        reversed. A seed of a mean over several steps reaches all of them.

        Raises
        ------
        ValueError : It is not an output, or the size is wrong.
        WindowError : No step is recorded, or the states were set since the last `update`.
        """
        from bmi_noahpy.gradient.names import require_output

        run, window = self._run("add_adjoint_seed"), self._window("add_adjoint_seed")
        require_output(name, run.find)
        if not len(window):
            raise WindowError("add_adjoint_seed", "no step is recorded. A seed belongs to the last update() recorded.")
        if run.recording.active:
            run.accept_written()
        if run.recording.overwrites:
            changed = run.recording.overwrites[-1].name
            raise WindowError(
                "add_adjoint_seed",
                f"{changed} was set after the last update(), and a seed is for what the update gave. "
                f"Add the seed of {name} before it is set.",
            )
        window.seed(name, self._columns_of(name, [name], seed)[0])

    def update_adjoint(self) -> None:
        """Reverse the last `update` or `update_until` that is recorded and not yet reversed.

        Raises
        ------
        WindowError : Steps are still being recorded, or none is left.
        """
        window = self._closed_window("update_adjoint")
        if not len(window):
            raise WindowError("update_adjoint", "no recorded step is left. Call start_recording() and update() first.")
        window.reverse()

    def get_adjoint(self, name: str, dest: Array) -> Array:
        """Copy the derivative of the objective into the caller's array.

        For an input, by its value in the call just reversed; for a state, by the value that `set_value` gave it before
        that call (0 where it gave none); for a parameter, by its value in all steps reversed so far; for ``"@state"``,
        by the state before the call just reversed, in the end the initial one.

        Raises
        ------
        WindowError : Steps are still being recorded, or nothing is.
        ValueError : The name cannot be differentiated by.
        """
        from bmi_noahpy.gradient.names import require_cause

        window = self._closed_window("get_adjoint")
        require_cause(name, self._run("get_adjoint").find, self.get_parameter_names())
        return fill(name, dest, self._cells_of([name], window.adjoint(name)))

    # --- inside -----------------------------------------------------------------------------------------------------

    def _window(self, function: str) -> Window:
        window = self._run(function).recording.window
        if window is None:
            raise WindowError(function, "nothing is recorded. Call start_recording() first.")
        return window

    def _closed_window(self, function: str) -> Window:
        window = self._window(function)
        if self._run(function).recording.active:
            raise WindowError(function, "steps are being recorded. Call stop_recording() first.")
        return window

    def _derivative(self, function: str, of: Sequence[str], wrt: Sequence[str]) -> StepDerivative:
        from bmi_noahpy.gradient.names import require_cause, require_output
        from bmi_noahpy.gradient.one_step import StepDerivative
        from bmi_noahpy.gradient.protocol import STATE

        run = self._run(function)
        by_parameter = any(name != STATE and run.find(name).source.kind == "parameter" for name in wrt)
        # Looking through all of them takes longer than a step.
        parameters = self.get_parameter_names() if by_parameter else []
        for name in of:
            require_output(name, run.find)
        for name in wrt:
            require_cause(name, run.find, parameters)
        if not run.last_call:
            raise WindowError(function, "no step is taken yet. Call update() first.")
        if len(run.last_call) > 1:
            raise WindowError(
                function,
                "the last update_until() took several steps. Record a window, or take them with update().",
            )
        step = run.last_call[0]
        return StepDerivative(run.model, step, run.step_length, run.find, _engine_of(run, step))


def _engine_of(run: Host, step: TakenStep) -> Engine:
    """What reverses single steps, kept as long as the parameters are the same."""
    from bmi_noahpy.gradient.engines import engine_for

    kept = run.recording.step_engine
    if kept is None or kept[0] is not step.parameters:
        engine = engine_for(run.model, step.state, step.parameters, run.step_length, run.find, run.execution)
        kept = run.recording.step_engine = step.parameters, engine
    return kept[1]
