"""The program of a shape and a device, made once in a process."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from noahpy_core.compiled.execute.cache import kept
from noahpy_core.compiled.execute.dump import asked_for
from noahpy_core.compiled.execute.library import digest
from noahpy_core.compiled.execute.program import Program, vector_target
from noahpy_core.compiled.shape import Shape

if TYPE_CHECKING:
    import torch


@functools.lru_cache(maxsize=64)
def program(shape: Shape, *, single: bool, device: torch.device | None = None) -> Program:
    """The program of a shape: on the CPU for one column, with vectors over layers, or for many.

    Parameters
    ----------
    shape : Schemes, layers, number type.
    single : Whether there is one column.
    device : A graphics processor; None: the CPU.
    """
    if device is not None:
        from noahpy_core.compiled.execute.graphics import GraphicsProgram

        return GraphicsProgram(shape, device)
    return Program(shape, vector_target(shape.number, single=single))


def program_at_hand(shape: Shape, *, single: bool) -> Program | None:
    """The program of a shape on the CPU if its steps are in the cache, so that torch need not make them; else None.

    Parameters
    ----------
    shape : Schemes, all built in, layers, number type.
    single : Whether there is one column.
    """
    key = digest(shape.key(), vector_target(shape.number, single=single), None)
    # What is to be printed of a kernel is known while it is made.
    return None if asked_for() or kept(key) is None else program(shape, single=single)
