"""A run whose states and fluxes are chosen by the test instead of computed, to test what is written of them."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from noahpy_core.column import SoilColumn
from noahpy_core.options import Options
from noahpy_core.parameters import Parameters
from noahpy_core.state import Fluxes, Forcing, State

THICKNESS = (0.1, 0.3, 0.6)


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
) -> SimpleNamespace:
    """What `OutputWriter` and `execute` read of a prepared run."""
    grid = np.ndim(latitude) > 0
    columns = np.size(latitude) * np.size(longitude)
    settings = {"name": "Test site", "domain": {"latitude": np.asarray(latitude).tolist()}}
    return SimpleNamespace(
        configuration=SimpleNamespace(name="Test site", model_dump=lambda mode: settings),
        model=SimpleNamespace(column=SoilColumn(torch.as_tensor(thickness, dtype=torch.float64)), options=Options()),
        parameters=filled(Parameters, columns, 0.5, len(thickness)),
        forcing=SimpleNamespace(at=lambda number: filled(Forcing, columns, 10.0 * number)),
        domain=SimpleNamespace(
            kind="grid" if grid else "column", latitude=latitude, longitude=longitude, columns=columns
        ),
        start=np.datetime64(start),
        step=step,
        steps=steps,
    )


def output_spec(**changes: Any) -> SimpleNamespace:
    """Output section of a configuration."""
    return SimpleNamespace(**({"variables": None, "every": 1, "daily": None, "compression": 4} | changes))


def state_and_fluxes(run: Any, number: int) -> tuple[State, Fluxes]:
    """Values of a step that grow by 1 from step to step."""
    columns, layers = run.domain.columns, run.model.column.layers
    return filled(State, columns, float(number), layers), filled(Fluxes, columns, float(number), layers)
