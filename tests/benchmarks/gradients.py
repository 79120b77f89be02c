"""With respect to what benchmarks differentiate."""

from __future__ import annotations

import dataclasses

from noahpy_core import Parameters
from noahpy_core.trees import map_tensors


def requiring(parameters: Parameters, wanted: str) -> Parameters:
    """Copies that require a gradient: "all" of them, or those of the "soil"."""
    if wanted == "all":
        return map_tensors(lambda value: value.clone().requires_grad_(), parameters)
    if wanted == "soil":
        soil = map_tensors(lambda value: value.clone().requires_grad_(), parameters.soil)
        return dataclasses.replace(parameters, soil=soil)
    raise ValueError(f"benchmark: derivatives by {wanted!r} are unknown. Use 'all' or 'soil'.")
