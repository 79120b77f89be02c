"""Which engine takes recorded steps again: kernels, or torch."""

from __future__ import annotations

from bmi_noahpy.gradient.engine import Engine
from bmi_noahpy.gradient.names import Find
from bmi_noahpy.gradient.torch_engine import TorchEngine
from noahpy_core.execution import is_compiled
from noahpy_core.model import NoahModel
from noahpy_core.parameters import Parameters
from noahpy_core.state import State
from noahpy_core.trees import tree_leaves


def engine_for(
    model: NoahModel, like: State, parameters: Parameters, dt: float, find: Find, execution: str = "auto"
) -> Engine:
    """Kernels if the model can be compiled, otherwise torch; arguments as for `TorchEngine` and `noahpy_core.run`."""
    leaves = [leaf for leaf in tree_leaves((like, parameters)) if leaf is not None]
    if not is_compiled(model, execution) or len({leaf.dtype for leaf in leaves}) > 1:
        return TorchEngine(model, like, parameters, dt, find)
    from bmi_noahpy.gradient.kernel_engine import KernelEngine

    return KernelEngine(model, like, parameters, dt, find)
