"""The Noah land surface model in PyTorch: differentiable, batched, with permafrost physics.

What stands in ``__all__`` here and in the namespaces that it lists (`learning`, `schemes`, `tables`) is public; every
other path is private and may change.
"""

__version__ = "0.1.0"

from noahpy_core.column import SoilColumn
from noahpy_core.containers import join_columns
from noahpy_core.errors import BoundsError, ConvergenceError, SchemeError, ShapeError
from noahpy_core.execution import step_function
from noahpy_core.model import NoahModel
from noahpy_core.options import Options
from noahpy_core.parameters import (
    GeneralParameters,
    Parameters,
    SnowParameters,
    SoilParameters,
    VegetationParameters,
)
from noahpy_core.presets import preset
from noahpy_core.simulation import Trajectory, equilibrium_liquid, initial_state, iterate, run
from noahpy_core.state import Fluxes, Forcing, SnowState, SoilState, State, map_tensors

from noahpy_core import learning, schemes, tables  # isort: skip - made of the modules above

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
