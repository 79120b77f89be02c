"""The Noah land surface model in PyTorch: differentiable, batched, with permafrost physics."""

__version__ = "0.1.0"

from noahpy_core.column import SoilColumn
from noahpy_core.execution import step_function
from noahpy_core.model import NoahModel
from noahpy_core.options import Options
from noahpy_core.parameters import Parameters
from noahpy_core.presets import preset
from noahpy_core.simulation import Trajectory, equilibrium_liquid, initial_state, iterate, run
from noahpy_core.state import Fluxes, Forcing, State

__all__ = [
    "Fluxes",
    "Forcing",
    "NoahModel",
    "Options",
    "Parameters",
    "SoilColumn",
    "State",
    "Trajectory",
    "__version__",
    "equilibrium_liquid",
    "initial_state",
    "iterate",
    "preset",
    "run",
    "step_function",
]
