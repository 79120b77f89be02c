"""What the names of the gradient extension stand for: parts of the model's state, forcing, parameters and results.

Derivatives live on the core quantities, by dotted path (``state.soil.temperature``). A name is a linear map to and from
them: a change of its BMI value is `weight` times as large a change of each of its `Part`s.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from bmi_noahpy.gradient.host import Floats, Named
from bmi_noahpy.gradient.protocol import STATE
from bmi_noahpy.gradient.taken_step import Part, StepResult, TakenStep
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import get_quantity, quantities, replace_quantity
from noahpy_core.state import Forcing, State

Core = dict[str, Tensor]
"""Tensors by path of their core quantity."""
Find = Callable[[str], Named]
"""The variable of a name."""

STATE_PATHS = tuple(path for path, _ in quantities(State))
STATE_READERS = tuple(operator.attrgetter(path) for path in STATE_PATHS)
FORCING_PATHS = tuple(path for path, _ in quantities(Forcing))
PARAMETER_PATHS = tuple(path for path, facts in quantities(Parameters) if facts["differentiable"])


def state_shapes(state: State) -> dict[str, torch.Size]:
    """Shapes of the parts a state has, by path."""
    found = ((path, read(state)) for path, read in zip(STATE_PATHS, STATE_READERS, strict=True))
    return {path: leaf.shape for path, leaf in found if leaf is not None}


def pack(state: State) -> Tensor:
    """The state as one flat tensor."""
    leaves = [leaf for leaf in (read(state) for read in STATE_READERS) if leaf is not None]
    return torch.cat([leaf if leaf.ndim == 1 else leaf.reshape(-1) for leaf in leaves])


def unpack(flat: Tensor, like: State) -> Core:
    """Tensors of a flat state by path of `State`, with the shapes of another."""
    shapes = state_shapes(like)
    pieces = flat.split([shape.numel() for shape in shapes.values()])
    return {
        path: piece if len(shape) == 1 else piece.view(shape)
        for (path, shape), piece in zip(shapes.items(), pieces, strict=True)
    }


def state_of(flat: Tensor, like: State) -> State:
    """The state that was packed, with the shapes of another."""
    state = like
    for path, value in unpack(flat, like).items():
        state = replace_quantity(state, path, value)
    return state


def to_numpy(tensor: Tensor) -> Floats:
    """Flat float64 array."""
    array: Floats = tensor.detach().reshape(-1).to("cpu", torch.float64).numpy()
    return array


def require_output(name: str, find: Find) -> None:
    """Raise ValueError for what is not a result of a step."""
    if name != STATE and find(name).role != "output":
        raise ValueError(f"{name} is not an output of the model. Use a name of get_output_var_names(), or {STATE!r}.")


def require_cause(name: str, find: Find, parameters: Sequence[str]) -> None:
    """Raise ValueError for what a step cannot be differentiated by."""
    if name == STATE:
        return
    kind = find(name).source.kind
    if kind == "parameter" and name not in parameters:
        raise ValueError(
            f"{name} cannot be differentiated by: it is a switch, or follows from other parameters until it is set "
            "with set_value. See get_parameter_names()."
        )
    if kind == "result":
        raise ValueError(
            f"{name} is computed by the model. Differentiate by an input, a state, a parameter, or {STATE!r}."
        )


def parameter_names(parameters: Parameters, names: Iterable[Named]) -> list[str]:
    """Names of the parameters that have a value of their own and can be differentiated by."""
    return [
        each.name
        for each in names
        if each.source.kind == "parameter"
        and each.source.path in PARAMETER_PATHS
        and get_quantity(parameters, each.source.path) is not None
    ]


def read_result(name: str, find: Find, result: StepResult) -> Tensor | None:
    """Value of an output in BMI units, flat, with its derivative; None where it has none."""
    if name == STATE:
        return pack(result.state)
    variable = find(name)
    value = variable.source.result(result)
    # The mean over a depth that the soil column does not reach is not a number, and has no derivative.
    if value is None or bool(value.isnan().all()):
        return None
    return value.reshape(-1) * variable.scale


# --- causes -----------------------------------------------------------------------------------------------------------


def core_changes(names: Sequence[str], find: Find, vectors: Sequence[Tensor], step: TakenStep) -> Core:
    """The change of core quantities that a change of the values under these names is: their sum."""
    changes: Core = {}
    for name, vector in zip(names, vectors, strict=True):
        start = 0
        for path, weight, shape in _parts(name, find, step):
            length = shape.numel()
            change = vector[start : start + length]
            change = change if len(shape) == 1 else change.reshape(shape)
            # The state is given in the model's own units.
            change = change if isinstance(weight, float) and weight == 1.0 else weight * change
            changes[path] = changes[path] + change if path in changes else change
            start += length
    return changes


def derivative_by(name: str, find: Find, gradients: Mapping[str, Tensor], step: TakenStep) -> Tensor:
    """Derivative by the values under a name, flat, from that by the core quantities: transpose of `core_changes`."""
    pieces = [
        (
            weight * gradients[path]
            if path in gradients
            else torch.zeros(shape, dtype=step.forcing.air_temperature.dtype)
        )
        for path, weight, shape in _parts(name, find, step)
    ]
    return torch.cat([piece.reshape(-1) for piece in pieces])


def _parts(name: str, find: Find, step: TakenStep) -> list[Part]:
    if name == STATE:
        return [Part(f"state.{path}", 1.0, shape) for path, shape in state_shapes(step.state).items()]
    variable = find(name)
    return variable.source.parts(name, variable.scale, step)
