"""Any component with the gradient extension in a graph of dcoupler, and the basin of `train_river_basin.py` as a graph.

dcoupler (https://pypi.org/project/dcoupler/) couples differentiable components written in PyTorch. `Adapter` gives it
one of BMI: its torch operation calls BMI on the way forward and reverses a recorded window on the way back.

    pip install dcoupler
    python examples/dcoupler_adapter.py
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dcoupler import CouplingGraph
from dcoupler.core.component import DifferentiableComponent, FluxDirection, FluxSpec, GradientMethod, ParameterSpec
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent))

import train_river_basin as basins

from bmi_noahpy import ComponentModule


class Adapter(DifferentiableComponent):
    """A component of BMI as one of dcoupler, run over the whole series at once.

    Parameters
    ----------
    name : In the graph.
    model : Initialised, with the gradient extension.
    inputs, outputs, parameters : Names that the graph sees.
    """

    def __init__(
        self, name: str, model: Any, *, inputs: Sequence[str], outputs: Sequence[str], parameters: Sequence[str]
    ) -> None:
        self._name, self._model = name, model
        self.module = ComponentModule(model, inputs=inputs, parameters=parameters, outputs=outputs)
        extension = self.module.extension
        values = {p: extension.get_parameter(p, np.empty(extension.get_parameter_size(p))) for p in parameters}
        self.values = {p: nn.Parameter(torch.from_numpy(value)) for p, value in values.items()}

    name = property(lambda self: self._name)
    gradient_method = property(lambda self: GradientMethod.ADJOINT)
    requires_batch = property(lambda self: True)
    state_size = property(lambda self: self.module.extension.get_state_size())
    input_fluxes = property(lambda self: [self._flux(n, FluxDirection.INPUT) for n in self.module.inputs])
    output_fluxes = property(lambda self: [self._flux(n, FluxDirection.OUTPUT) for n in self.module.outputs])

    @property
    def parameters(self) -> list[ParameterSpec]:
        """Names and bounds."""
        bounds = {name: self.module.extension.get_parameter_bounds(name) for name in self.values}
        return [ParameterSpec(name, *bounds[name], True, value.numel()) for name, value in self.values.items()]

    def get_torch_parameters(self) -> list[nn.Parameter]:
        """What an optimiser changes."""
        return list(self.values.values())

    def get_physical_parameters(self) -> dict[str, Tensor]:
        """The same: nothing is transformed."""
        return dict(self.values)

    def get_initial_state(self) -> Tensor:
        """The state the component is in."""
        return torch.from_numpy(self.module.get_state())

    def step(self, inputs: Mapping[str, Tensor], state: Tensor, dt: float) -> tuple[dict[str, Tensor], Tensor]:
        """One step."""
        outputs, after = self.run({name: value[None] for name, value in inputs.items()}, state, dt, 1)
        return {name: value[0] for name, value in outputs.items()}, after

    def run(
        self, inputs: Mapping[str, Tensor], state: Tensor, dt: float, n_timesteps: int
    ) -> tuple[dict[str, Tensor], Tensor]:
        """A series ``[step, value]``, from where the component stands in time."""
        if dt != self._model.get_time_step():
            raise ValueError(f"{self._name}: steps of {dt} s asked for, it takes {self._model.get_time_step()} s.")
        return self.module(inputs, self.values, state, steps=n_timesteps)

    def _flux(self, name: str, direction: FluxDirection) -> FluxSpec:
        step = float(self._model.get_time_step())
        return FluxSpec(name, self._model.get_var_units(name), direction, "cells", step, ("time", "cell"))


def graph_of(basin: basins.Basin) -> CouplingGraph:
    """Land and river of a basin, runoff flowing from one to the other."""
    graph = CouplingGraph()
    outflows = (basins.QUICK, basins.SLOW)
    graph.add_component(
        Adapter("land", basin.land, inputs=[basins.RAIN], outputs=outflows, parameters=[basins.CONDUCTIVITY])
    )
    graph.add_component(
        Adapter("river", basin.river, inputs=[basins.RUNOFF], outputs=[basins.DISCHARGE], parameters=[basins.ROUGHNESS])
    )
    for name in outflows:
        graph.connect("land", name, "river", basins.RUNOFF)
    return graph


def objective(graph: CouplingGraph, basin: basins.Basin, observed: np.ndarray) -> Tensor:
    """As `train_river_basin.objective`, through the graph."""
    basin.extensions[0].set_time(0.0)
    states = {name: torch.from_numpy(state) for name, state in zip(("land", "river"), basin.start, strict=True)}
    rain = {"land": {basins.RAIN: torch.from_numpy(basin.rain)}}
    flow = graph.forward(rain, states, n_timesteps=len(basin.rain), dt=basins.STEP)["river"][basins.DISCHARGE]
    seen, scale = torch.from_numpy(observed[:, :-1]), torch.from_numpy(observed[:, :-1].var(0) * len(observed))
    return ((flow[:, basin.gauges[:-1]] - seen) ** 2 / scale).sum()


def compare(folder: Path, cells: int, steps: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Derivative by the parameters of both components: through the graph, and by calls of the extension."""
    basin = basins.open_basin(folder, cells, steps)
    basin.set_factors(basins.TRUTH)
    observed = basin.forward()
    basin.set_factors(dict.fromkeys(basin.zones, 1.0))
    graph = graph_of(basin)
    objective(graph, basin, observed).backward()
    basin.gradient(basins.objective(basin.forward(record=True), observed)[1])
    found = {}
    for number, (component, name) in enumerate((("land", basins.CONDUCTIVITY), ("river", basins.ROUGHNESS))):
        value = graph.components[component].values[name]
        found[name] = value.grad.numpy(), basin.extensions[number].get_adjoint(name, np.empty(value.numel()))
    return found


def main(cells: int = 50, steps: int = 96) -> None:
    """Print the agreement."""
    with tempfile.TemporaryDirectory() as folder:
        for name, (graph, direct) in compare(Path(folder), cells, steps).items():
            print(f"{name:<58}{np.abs(graph - direct).max() / np.abs(direct).max():.1e} apart")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
