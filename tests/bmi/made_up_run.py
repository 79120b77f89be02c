"""A run whose states and fluxes are chosen by the test instead of computed, to test what is written of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from bmi_noahpy.region.domain import Domain
from bmi_noahpy.runs.run import Run
from noahpy_core.column import SoilColumn
from noahpy_core.options import Options
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import get_quantity, quantities
from noahpy_core.state import Fluxes, Forcing, State
from noahpy_core.trees import tree_flatten, tree_unflatten

THICKNESS = (0.1, 0.3, 0.6)


class MadeUpRun(SimpleNamespace):
    """A run whose steps are those of `simulation.run`, which tests replace."""

    block, take, _place = Run.block, Run.take, Run._place


def filled(cls: Any, columns: int, value: float, layers: int = len(THICKNESS)) -> Any:
    """A container in which the quantity number k of column j (and layer i) is ``value + k + 100 i + 1000 j``."""
    counter = iter(range(10_000))

    def build(kind: Any) -> Any:
        members = {}
        for field in dataclasses.fields(kind):
            if "container" in field.metadata:
                members[field.name] = build(field.metadata["container"])
                continue
            values = value + next(counter) + 1000.0 * torch.arange(columns, dtype=torch.float64)
            if field.metadata["dims"]:
                values = values + 100.0 * torch.arange(layers, dtype=torch.float64)[:, None]
            members[field.name] = values
        return kind(**members)

    return build(cls)


def made_up_run(
    *,
    latitude: Any = 33.0,
    longitude: Any = 92.0,
    start: str = "2007-04-01T00:00",
    step: float = 86400.0,
    steps: int = 10,
    thickness: Any = THICKNESS,
) -> MadeUpRun:
    """What `OutputWriter` and `execute` read of a prepared run."""
    grid = np.ndim(latitude) > 0
    columns = np.size(latitude) * np.size(longitude)
    settings = {"name": "Test site", "domain": {"latitude": np.asarray(latitude).tolist()}}
    model = SimpleNamespace(column=SoilColumn(torch.as_tensor(thickness, dtype=torch.float64)), options=Options())
    parameters = filled(Parameters, columns, 0.5, len(thickness))
    # Pores that hold made-up water: organic matter beyond 1 would leave none.
    none = torch.zeros_like(parameters.soil.porosity)
    mineral = dataclasses.replace(parameters.soil, organic_matter=none, organic_solids=none)
    parameters = dataclasses.replace(parameters, soil=mineral)
    return MadeUpRun(
        configuration=SimpleNamespace(
            name="Test site", soil=SimpleNamespace(table="noah"), model_dump=lambda mode: settings
        ),
        model=model,
        thickness=model.column.thickness.numpy(),
        schemes=model.options,
        weights={},
        parameters=parameters,
        placed=(model, parameters),
        device=torch.device("cpu"),
        forcing=SimpleNamespace(block=lambda first, last: forcing_of(columns, first, last)),
        domain=Domain(
            "grid" if grid else "column",
            np.atleast_1d(np.asarray(latitude, dtype=np.float64)),
            np.atleast_1d(np.asarray(longitude, dtype=np.float64)),
        ),
        start=np.datetime64(start),
        step=step,
        steps=steps,
        execution="eager",
        initial_state=filled(State, columns, 0.0, len(thickness)),
    )


def output_spec(**changes: Any) -> SimpleNamespace:
    """Output section of a configuration."""
    return SimpleNamespace(**({"variables": None, "every": 1, "daily": None, "compression": 4} | changes))


def state_and_fluxes(run: Any, number: int) -> tuple[State, Fluxes]:
    """Values of a step that grow by 1 from step to step."""
    columns, layers = run.domain.columns, run.model.column.layers
    return filled(State, columns, float(number), layers), filled(Fluxes, columns, float(number), layers)


def forcing_of(columns: int, first: int, last: int) -> Forcing:
    """Forcing of some steps that grows by 10 from step to step."""
    return stacked([filled(Forcing, columns, 10.0 * number) for number in range(first, last)])


def stacked(containers: Sequence[Any]) -> Any:
    """One container with a leading time dimension."""
    flat = [tree_flatten(container) for container in containers]
    series = [torch.stack(tensors) for tensors in zip(*(leaves for leaves, _ in flat), strict=True)]
    return tree_unflatten(series, flat[0][1])


Change = Callable[[int, State, Fluxes], tuple[State, Fluxes]]


def unchanged(number: int, state: State, fluxes: Fluxes) -> tuple[State, Fluxes]:
    """The values as they are."""
    return state, fluxes


def outputs_of(
    run: Any, first: int, count: int, paths: Iterable[str], change: Change = unchanged
) -> tuple[dict[str, torch.Tensor], State]:
    """What a block of steps gives for some paths, and the state after it."""
    results = [change(number, *state_and_fluxes(run, number)) for number in range(first, first + count)]
    states, fluxes = (stacked(containers) for containers in zip(*results, strict=True))
    known = {path for path, _ in quantities(State)}
    return {path: get_quantity(states if path in known else fluxes, path) for path in paths}, results[-1][0]


def write_steps(writer: Any, run: Any, count: int, *, block: int = 4, **change: Any) -> None:
    """Write the made-up steps of a run in blocks."""
    for first in range(0, count, block):
        steps = min(block, count - first)
        outputs, _ = outputs_of(run, first, steps, writer.outputs, **change)
        writer.write(first, steps, outputs, run.forcing.block(first, first + steps) if run.forcing else None)
