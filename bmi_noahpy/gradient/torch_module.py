"""Any BMI component with the gradient extension as a PyTorch operation.

`ComponentModule` takes tensors, lets the component take its steps through BMI calls only, and gives tensors whose
backward pass is the reversed window of the component. The component itself may be written in anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from bmi_noahpy.gradient.protocol import STATE, SupportsTime, gradient_extension, value_size

Floats = NDArray[np.float64]


class ComponentModule(nn.Module):
    """A number of steps of a component, differentiable by inputs, parameters and the initial state.

    Parameters
    ----------
    model : Initialised BMI component with the gradient extension.
    inputs : Names of inputs, or of states that `set_value` accepts, given anew before every step.
    parameters : Names of parameters that are given.
    outputs : Names of the outputs returned.

    Notes
    -----
    A call goes on from where the component stands, or from the state and time given. The component holds one recorded
    window: when another call was recorded since, the backward pass of an earlier one takes its steps once more, and
    puts the component back where it stood. That needs `set_time` of components that depend on the time.
    """

    def __init__(
        self, model: Any, *, inputs: Sequence[str] = (), parameters: Sequence[str] = (), outputs: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.model, self.extension = model, gradient_extension(model)
        self.inputs, self.parameter_names, self.outputs = tuple(inputs), tuple(parameters), tuple(outputs)
        self.recorded: object = None

    def forward(
        self,
        inputs: Mapping[str, Tensor] | None = None,
        parameters: Mapping[str, Tensor] | None = None,
        state: Tensor | None = None,
        *,
        steps: int = 1,
        time: float | None = None,
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Let the component take its steps.

        Parameters
        ----------
        inputs : ``[step, value]`` for each name in `inputs`.
        parameters : ``[value]`` for each name in `parameters`.
        state : Initial state, flat; None for the component's own.
        steps : Number of steps.
        time : Time at which the first step begins; None for the component's own.

        Returns
        -------
        Outputs ``[step, value]`` by name, and the final state.

        Raises
        ------
        ValueError : A name is missing, unknown, or has another number of steps.
        """
        given, constants = dict(inputs or {}), dict(parameters or {})
        _require_names("inputs", given, self.inputs)
        _require_names("parameters", constants, self.parameter_names)
        for name, series in given.items():
            if series.shape[0] != steps:
                raise ValueError(f"{name}: {series.shape[0]} steps given, {steps} to take.")
        if time is not None:
            self.set_time(time)
        if state is None:
            state = torch.from_numpy(self.get_state())
        tensors = [state, *(constants[n] for n in self.parameter_names), *(given[n] for n in self.inputs)]
        apply: Callable[..., tuple[Tensor, ...]] = _ComponentRun.apply
        *outputs, final = apply(self, steps, *tensors)
        return dict(zip(self.outputs, outputs, strict=True)), final

    def set_time(self, time: float) -> None:
        """Set the time of the component.

        Raises
        ------
        TypeError : Its extension has no `set_time`.
        """
        if not isinstance(self.extension, SupportsTime):
            raise TypeError(f"{type(self.model).__name__}: the gradient extension has no set_time.")
        self.extension.set_time(time)

    def get_state(self) -> Floats:
        """The state of the component."""
        return self.extension.get_state(np.empty(self.extension.get_state_size()))

    def run(self, state: Floats, constants: Sequence[Floats], given: Sequence[Floats], steps: int) -> list[Floats]:
        """Record the steps; outputs ``[step, value]`` and the final state.

        Parameters
        ----------
        state : Before the first step, flat.
        constants : Values of the parameters, in the order of `parameter_names`.
        given : Values of the inputs, ``[step, value]``, in the order of `inputs`.
        steps : Number of steps.
        """
        model, extension = self.model, self.extension
        extension.set_state(state)
        for name, values in zip(self.parameter_names, constants, strict=True):
            extension.set_parameter(name, values)
        results = [np.empty((steps, value_size(model, name))) for name in self.outputs]
        extension.start_recording()
        try:
            for step in range(steps):
                for name, series in zip(self.inputs, given, strict=True):
                    model.set_value(name, series[step])
                model.update()
                for name, values in zip(self.outputs, results, strict=True):
                    model.get_value(name, values[step])
        finally:
            extension.stop_recording()
        return [*results, self.get_state()]

    def reverse(self, cotangents: Sequence[Floats | None], steps: int) -> list[Floats]:
        """Adjoints of the recorded steps: of the state, the parameters, and the inputs ``[step, value]``."""
        extension = self.extension
        *of_outputs, of_state = cotangents
        given = [np.empty((steps, value_size(self.model, name))) for name in self.inputs]
        if of_state is not None:
            extension.add_adjoint_seed(STATE, of_state)
        for step in reversed(range(steps)):
            for name, seed in zip(self.outputs, of_outputs, strict=True):
                if seed is not None:
                    extension.add_adjoint_seed(name, seed[step])
            extension.update_adjoint()
            for name, values in zip(self.inputs, given, strict=True):
                extension.get_adjoint(name, values[step])
        names = (STATE, *self.parameter_names)
        constants = [extension.get_adjoint(name, np.empty(value_size(self.model, name))) for name in names]
        return [*constants, *given]


class _ComponentRun(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, module: ComponentModule, steps: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.module, ctx.steps, ctx.time = module, steps, module.model.get_current_time()
        ctx.save_for_backward(*tensors)
        ctx.set_materialize_grads(False)
        results = module.run(*_arguments(module, tensors), steps)
        ctx.token = module.recorded = object()
        return tuple(torch.from_numpy(result).to(tensors[0]) for result in results)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Any, ...]:
        module, tensors = ctx.module, ctx.saved_tensors
        if module.recorded is not ctx.token:
            _repeat(ctx)
        module.recorded = None
        seeds = [None if cotangent is None else _numpy(cotangent) for cotangent in cotangents]
        found = module.reverse(seeds, ctx.steps)
        gradients = [torch.from_numpy(g).reshape(t.shape).to(t) for g, t in zip(found, tensors, strict=True)]
        return (None, None, *gradients)


def _repeat(ctx: Any) -> None:
    """Record the steps of an earlier call again, and put the component back where it stands."""
    module: ComponentModule = ctx.module
    model, extension = module.model, module.extension
    time, state = model.get_current_time(), module.get_state()
    names = module.parameter_names
    constants = [extension.get_parameter(name, np.empty(extension.get_parameter_size(name))) for name in names]
    timed = isinstance(extension, SupportsTime)
    if timed:
        module.set_time(ctx.time)
    module.run(*_arguments(module, ctx.saved_tensors), ctx.steps)
    for name, values in zip(names, constants, strict=True):
        extension.set_parameter(name, values)
    extension.set_state(state)
    if timed:
        module.set_time(time)


def _arguments(module: ComponentModule, tensors: Sequence[Tensor]) -> tuple[Floats, list[Floats], list[Floats]]:
    state, *others = (_numpy(tensor) for tensor in tensors)
    count = len(module.parameter_names)
    return state, others[:count], others[count:]


def _numpy(tensor: Tensor) -> Floats:
    return tensor.detach().to("cpu", torch.float64).numpy()


def _require_names(what: str, given: Mapping[str, Tensor], needed: Sequence[str]) -> None:
    wrong = sorted(set(given) ^ set(needed))
    if wrong:
        raise ValueError(f"{what}: {', '.join(wrong)} given and not declared, or declared and not given.")
