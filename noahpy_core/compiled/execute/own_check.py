"""Whether the recorded step of a model gives the numbers and the derivatives that the model gives itself.

What a scheme does outside of torch, with numpy for instance, leaves no trace in a recording; nor do random numbers, or
a way back of its own (``torch.autograd.Function``). Made-up columns bring it to light before a kernel is used.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from noahpy_core.compiled.graph.evaluate import evaluate
from noahpy_core.compiled.record.step_graph import StepGraph
from noahpy_core.compiled.shape import CONTAINERS, STEP_LENGTH, THICKNESS, WEIGHT, Shape
from noahpy_core.model import NoahModel
from noahpy_core.physics.snow_layered import layered_snow
from noahpy_core.quantities import get_quantity, quantities, replace_quantity
from noahpy_core.slots.trial_columns import STEP, TrialColumns
from noahpy_core.state import CLOSURES, SnowState, State

VARIANTS = 8
"""Columns made of each made-up one."""
SPREAD = 0.01
"""By so large a share they differ."""
TOLERANCE = 1.0e-5
"""Of values and derivatives, as a share of the largest: far above round-off, also that of a float32 network."""
SHARE = 0.75
"""Of the columns that must agree: the others may be at a switch, where round-off decides."""
CAUSES = (
    "does it use numpy, random numbers, variables that are changed elsewhere, or torch.autograd.Function? Kernels know "
    "only torch operations on what a scheme is given"
)
Trees = dict[str, Any]


def difference_from_model(model: NoahModel, shape: Shape, step: StepGraph, weights: dict[str, Tensor]) -> str | None:
    """What a recorded step computes otherwise than the model itself, in words; None where they agree.

    Parameters
    ----------
    shape : Of the step.
    step : The recording.
    weights : By name, those of the model.
    """
    trees = _made_up(model, shape)
    leaves = {
        (name, path): get_quantity(trees[name], path).requires_grad_()
        for name in CONTAINERS
        for path, _ in shape.fields(name)
    }
    columns = trees["state"].skin_temperature.shape[0]
    with torch.enable_grad():
        after, fluxes = model.step(trees["state"], trees["forcing"], trees["parameters"], STEP)
        eager = {path: get_quantity(after, path) for path, _ in shape.fields("state")}
        # What budgets leave over is round-off.
        eager |= {name: getattr(fluxes, name) for name, _ in shape.fluxes() if name not in CLOSURES}
        given = _inputs(step, leaves, model, weights, columns)
        values = evaluate(step.results.values(), given, step.constants, columns)
        recorded = {path: values[step.results[path].number].expand_as(value) for path, value in eager.items()}
    for path, value in eager.items():
        if not _agree(recorded[path].detach(), value.detach()):
            return f"its {path} is another when it is computed from the recorded operations; {CAUSES}"
    by = [*leaves.values(), *(weight for weight in weights.values() if weight.requires_grad)]
    one, other = (_derivatives(results, by) for results in (eager, recorded))
    for found, expected in zip(other, one, strict=True):
        if not _agree(found, expected):
            return f"its derivative is another when it is taken from the recorded operations; {CAUSES}"
    return None


def _derivatives(results: dict[str, Tensor], by: list[Tensor]) -> list[Tensor]:
    """Of a sum of all results, each weighted to be of order one."""
    terms = [
        (value / value.detach().abs().amax().clamp(min=1.0e-30)).sum()
        for value in results.values()
        if value.requires_grad
    ]
    return list(torch.autograd.grad(sum(terms), by, allow_unused=True, materialize_grads=True))  # type: ignore[arg-type]


def _agree(found: Tensor, expected: Tensor) -> bool:
    if not expected.numel():
        return True
    size = expected.abs().amax()
    near = (found - expected).abs() <= TOLERANCE * (expected.abs() + size) + 1.0e-12
    # What is no number in both is the same.
    near |= found.isnan() & expected.isnan()
    return bool(near.reshape(-1, near.shape[-1] if near.ndim else 1).all(0).double().mean() >= SHARE)


def _inputs(
    step: StepGraph, leaves: dict[tuple[str, str], Tensor], model: NoahModel, weights: dict[str, Tensor], columns: int
) -> dict[tuple[Any, Any], Tensor]:
    """Values of the inputs of a recording."""
    dtype = model.column.thickness.dtype
    found: dict[tuple[Any, Any], Tensor] = {(STEP_LENGTH, 0): torch.full((columns,), STEP, dtype=dtype)}
    thickness = model.column.thickness.expand(-1, columns)
    whole: dict[Any, Tensor] = {**leaves, THICKNESS: thickness}
    whole |= {(WEIGHT, name): weight.to(dtype).reshape(-1, 1).expand(-1, columns) for name, weight in weights.items()}
    whole |= {("constant", k): constant.to(dtype) for k, constant in enumerate(step.constants) if constant.ndim > 1}
    for source, value in whole.items():
        found[source, None] = value
        rows = value if value.ndim > 1 else value[None]
        found |= {(source, layer): row for layer, row in enumerate(rows)}
    return found


def _made_up(model: NoahModel, shape: Shape) -> Trees:
    """Columns in many conditions, with the fields that the shape has."""
    made = TrialColumns(dataclasses.replace(model.column, thickness=model.column.thickness[:, :1]))
    pack = SnowState(made.values(0.0, 30.0), made.values(0.0, 0.15), made.values(0.0, 2.0e5))
    skin = made.values(289.0, 263.0)
    state = State(made.soil, pack, made.surface_memory(), made.values(0.1, 0.0), skin)
    if shape.snow_layers:
        state = dataclasses.replace(state, snow=layered_snow(pack, skin, shape.snow_layers))
    trees: Trees = {"state": state, "forcing": made.forcing, "parameters": made.parameters}
    generator = torch.Generator().manual_seed(0)
    for name, container in CONTAINERS.items():
        for path, facts in quantities(container):
            value = get_quantity(trees[name], path)
            if (name, path) in shape.absent:
                value = None
            else:
                value = _usual(name, facts, shape, made.number) if value is None else value
                value = value.repeat(*(1,) * (value.ndim - 1), VARIANTS)
                if facts["differentiable"]:
                    value = value * (1.0 + SPREAD * torch.rand(value.shape, generator=generator, dtype=value.dtype))
            trees[name] = replace_quantity(trees[name], path, value)
    return trees


def _usual(container: str, facts: dict[str, Any], shape: Shape, columns: int) -> Tensor:
    """A value that a quantity may have: the middle of its bounds, or of what comes from outside as little as may be."""
    low, high = facts["bounds"]
    value = min(max(low, 0.0), high) if container == "forcing" else 0.5 * (low + high)
    layers = shape.length(facts["dims"])
    size = (layers, columns) if layers else (columns,)
    return torch.full(size, value, dtype=shape.dtype)
