"""What the names of the gradient extension stand for: parts of the model's state, forcing, parameters and results.

Derivatives live on the core quantities, by dotted path (``state.soil.temperature``). A name is a linear map to and from
them: a change of its BMI value is `weight / scale` times as large a change of each of its paths.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bmi_noahpy.component.derived import DERIVED, Moment
from bmi_noahpy.component.taken_step import TakenStep
from bmi_noahpy.component.variables import Variable, find_variable
from noahpy_core.numerics import safe_divide
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import get_quantity, quantities
from noahpy_core.state import Fluxes, Forcing, State

STATE = "@state"
"""Name of the complete prognostic state, in core units."""

Floats = NDArray[np.float64]
Core = dict[str, Tensor]
"""Tensors by path of their core quantity."""

CLOSURES = ("water_residual", "energy_residual", "soil_heat_residual")
"""What closes the budgets is round-off whatever the model is given, and counts as constant."""

STATE_PATHS = tuple(path for path, _ in quantities(State))
FORCING_PATHS = tuple(path for path, _ in quantities(Forcing))
PARAMETER_PATHS = tuple(path for path, facts in quantities(Parameters) if facts["differentiable"])


@dataclasses.dataclass(frozen=True)
class Result:
    """What a step gave, and the forcing it was computed from."""

    moment: Moment
    fluxes: Fluxes
    forcing: Forcing

    @property
    def state(self) -> State:
        """At the end of the step."""
        return self.moment.state


def pack(state: State) -> Tensor:
    """The state as one flat tensor."""
    return torch.cat([get_quantity(state, path).reshape(-1) for path in STATE_PATHS])


def unpack(flat: Tensor, like: State) -> Core:
    """Tensors of a flat state by path of `State`, with the shapes of another."""
    shapes = [get_quantity(like, path).shape for path in STATE_PATHS]
    pieces = flat.split([shape.numel() for shape in shapes])
    return {path: piece.reshape(shape) for path, piece, shape in zip(STATE_PATHS, pieces, shapes, strict=True)}


def to_numpy(tensor: Tensor) -> Floats:
    """Flat float64 array."""
    return tensor.detach().reshape(-1).to("cpu", torch.float64).numpy()


def require_output(name: str) -> None:
    """Raise ValueError for what is not a result of a step."""
    if name == STATE:
        return
    variable = find_variable(name)
    if variable.role != "output":
        raise ValueError(f"{name} is not an output of the model. Use a name of get_output_var_names(), or {STATE!r}.")


def require_cause(name: str, parameters: Sequence[str]) -> None:
    """Raise ValueError for what a step cannot be differentiated by."""
    if name == STATE:
        return
    variable = find_variable(name)
    if variable.role == "parameter" and name not in parameters:
        raise ValueError(
            f"{name} cannot be differentiated by: it is a switch, or follows from other parameters until it is set "
            "with set_value. See get_parameter_names()."
        )
    if not variable.settable:
        raise ValueError(
            f"{name} is computed by the model. Differentiate by an input, a state, a parameter, or {STATE!r}."
        )


def parameter_names(parameters: Parameters, rows: Iterable[Variable]) -> list[str]:
    """Names of the parameters that have a value of their own and can be differentiated by."""
    return [
        row.name
        for row in rows
        if row.role == "parameter" and row.path in PARAMETER_PATHS and get_quantity(parameters, row.path) is not None
    ]


def read_result(name: str, result: Result) -> Tensor | None:
    """Value of an output in BMI units, flat, with its derivative; None where it has none."""
    if name == STATE:
        return pack(result.state)
    variable = find_variable(name)
    if variable.path in CLOSURES:
        return None
    value = _result(variable, result)
    # The mean over a depth that the soil column does not reach is not a number, and has no derivative.
    if bool(value.isnan().all()):
        return None
    return value.reshape(-1) * variable.scale


def _result(variable: Variable, result: Result) -> Tensor:
    columns = result.state.skin_temperature
    if variable.root == "state":
        return get_quantity(result.state, variable.path)
    if variable.root == "derived":
        value = DERIVED[variable.path].read(result.moment)
        return value if variable.grid == 0 else value.expand(-1, *columns.shape)
    if variable.root == "forcing":
        given = getattr(result.forcing, variable.path)
        return getattr(result.fluxes, variable.path) if given is None else given.expand(columns.shape)
    return getattr(result.fluxes, variable.path)


# --- causes -----------------------------------------------------------------------------------------------------------


def spread(names: Sequence[str], vector: Tensor, step: TakenStep) -> Core:
    """The change of core quantities that a change of the values under these names is: their sum."""
    changes: Core = {}
    start = 0
    for name in names:
        for path, weight, shape in _parts(name, step):
            length = shape.numel()
            change = weight * vector[start : start + length].reshape(shape)
            changes[path] = changes[path] + change if path in changes else change
            start += length
    return changes


def gather(name: str, gradients: Mapping[str, Tensor], step: TakenStep) -> Tensor:
    """Derivative by the values under a name, flat: the transpose of `spread`."""
    parts = [
        (
            weight * gradients[path]
            if path in gradients
            else torch.zeros(shape, dtype=step.forcing.air_temperature.dtype)
        )
        for path, weight, shape in _parts(name, step)
    ]
    return torch.cat([part.reshape(-1) for part in parts])


def _parts(name: str, step: TakenStep) -> list[tuple[str, Tensor | float, torch.Size]]:
    """Core paths of a name one after the other, each with its weight and shape."""
    if name == STATE:
        return [(f"state.{path}", 1.0, get_quantity(step.state, path).shape) for path in STATE_PATHS]
    variable = find_variable(name)
    columns, share = step.state.skin_temperature.shape, 1.0 / variable.scale
    if variable.root == "wind":
        x, y = step.wind
        return [("forcing.wind_speed", safe_divide(x if variable.path == "x" else y, torch.hypot(x, y)), columns)]
    if variable.root == "derived":
        # A new total leaves the ice and changes the liquid water.
        return [("state.soil.liquid_water", 1.0, step.state.soil.liquid_water.shape)]
    if variable.root == "forcing":
        if getattr(step.forcing, variable.path) is None:
            raise ValueError(f"{name} follows from other inputs. Set it with set_value to differentiate by it.")
        return [(f"forcing.{variable.path}", share, columns)]
    holder = step.state if variable.root == "state" else step.parameters
    return [(f"{variable.root}.{variable.path}", share, get_quantity(holder, variable.path).shape)]
