"""The Noah land surface model in PyTorch: differentiable, batched, with permafrost physics.

What stands in ``__all__`` here and in the namespaces that it lists (`learning`, `schemes`, `tables`) is public; every
other path is private and may change. Names are imported when they are first asked for: those of schemes, units and
bounds do not need torch, which takes longer to import than everything else.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from noahpy_core import learning, schemes, tables
    from noahpy_core.column import SoilColumn
    from noahpy_core.errors import BoundsError, ConvergenceError, SchemeError, ShapeError
    from noahpy_core.execution import step_function
    from noahpy_core.model import NoahModel
    from noahpy_core.options import Options
    from noahpy_core.presets import preset
    from noahpy_core.simulation import Trajectory, equilibrium_liquid, initial_state, iterate, run
    from noahpy_core.trees import (
        Fluxes,
        Forcing,
        GeneralParameters,
        Parameters,
        SnowParameters,
        SnowState,
        SoilParameters,
        SoilState,
        State,
        VegetationParameters,
        join_columns,
        map_tensors,
    )

_HOMES = {
    "noahpy_core.column": ("SoilColumn",),
    "noahpy_core.errors": ("BoundsError", "ConvergenceError", "SchemeError", "ShapeError"),
    "noahpy_core.execution": ("step_function",),
    "noahpy_core.model": ("NoahModel",),
    "noahpy_core.options": ("Options",),
    "noahpy_core.presets": ("preset",),
    "noahpy_core.simulation": ("Trajectory", "equilibrium_liquid", "initial_state", "iterate", "run"),
    "noahpy_core.trees": (
        "Fluxes",
        "Forcing",
        "GeneralParameters",
        "Parameters",
        "SnowParameters",
        "SnowState",
        "SoilParameters",
        "SoilState",
        "State",
        "VegetationParameters",
        "join_columns",
        "map_tensors",
    ),
}
_NAMESPACES = ("learning", "schemes", "tables")
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "BoundsError",
    "ConvergenceError",
    "Fluxes",
    "Forcing",
    "GeneralParameters",
    "NoahModel",
    "Options",
    "Parameters",
    "SchemeError",
    "ShapeError",
    "SnowParameters",
    "SnowState",
    "SoilColumn",
    "SoilParameters",
    "SoilState",
    "State",
    "Trajectory",
    "VegetationParameters",
    "__version__",
    "equilibrium_liquid",
    "initial_state",
    "iterate",
    "join_columns",
    "learning",
    "map_tensors",
    "preset",
    "run",
    "schemes",
    "step_function",
    "tables",
]


def __getattr__(name: str) -> Any:
    """The public name, imported now and kept."""
    if name in _NAMESPACES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
