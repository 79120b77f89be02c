"""The program of a shape and a device, made once in a process."""

from __future__ import annotations

import functools

import torch

from noahpy_core.compiled.execute.graphics import GraphicsProgram
from noahpy_core.compiled.execute.program import CPU, Program, vector_target
from noahpy_core.compiled.record.step_graph import Shape


@functools.lru_cache(maxsize=64)
def program(shape: Shape, *, single: bool, device: torch.device = CPU) -> Program:
    """The program of a shape: on the CPU for one column, with vectors over layers, or for many.

    Parameters
    ----------
    shape : Schemes, layers, number type.
    single : Whether there is one column.
    device : The CPU, or a graphics processor.
    """
    if device.type == "cuda":
        return GraphicsProgram(shape, device)
    return Program(shape, vector_target(shape.dtype, single=single))
