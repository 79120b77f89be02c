"""Compiled execution: the step of a model of built-in schemes as machine code, generated from the torch source.

A step passes through the sub-packages in this order: `record` takes notes of one step as a `graph` of operations of one
column, which is extended with the way back; `schedule` puts the operations in order, `emit` writes them as LLVM code
with loops over time and columns around, `execute` compiles, keeps and calls it: as a differentiable run, or as the step
of a coupler. Names are imported when they are first asked for: a kernel of the cache is called without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from noahpy_core.compiled.execute.collect import why_not_compiled
    from noahpy_core.compiled.execute.not_compiled import NotCompiled
    from noahpy_core.compiled.execute.pull import Pushed, StepPull
    from noahpy_core.compiled.execute.run import compiled_run
    from noahpy_core.compiled.execute.step import CompiledStep
    from noahpy_core.compiled.execute.transformed import transformed_run

_HOMES = {
    "CompiledStep": "step",
    "NotCompiled": "not_compiled",
    "Pushed": "pull",
    "StepPull": "pull",
    "compiled_run": "run",
    "transformed_run": "transformed",
    "why_not_compiled": "collect",
}

__all__ = [
    "CompiledStep",
    "NotCompiled",
    "Pushed",
    "StepPull",
    "compiled_run",
    "transformed_run",
    "why_not_compiled",
]


def __getattr__(name: str) -> Any:
    """The name, imported now and kept."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.execute.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
