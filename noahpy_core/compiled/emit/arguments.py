"""What kernels are given: their arguments, the order of their inputs, and states in flat form.

A kernel takes one argument, the address of an array of 64-bit integers, laid out as `ARGUMENTS` says. Tables of
pointers have for each entry its address and the distances, in numbers, between columns, layers and times (`ENTRY`);
where an address is 0, zero is read, and nothing written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from noahpy_core.compiled.shape import STEP_LENGTH, THICKNESS, Shape, Source

if TYPE_CHECKING:
    from noahpy_core.compiled.execute.tables import Numbers

ARGUMENTS = (
    "columns", "begin", "end", "first_step", "last_step", "scratch", "inputs", "tables", "outputs", "states",
    "final", "failures", "gradients",
)  # fmt: skip
ENTRY = ("address", "column", "layer", "time")


def input_sources(shape: Shape, constants: Sequence[Numbers]) -> list[tuple[Source, int]]:
    """What the table of inputs points to, in order, with numbers of layers.

    Parameters
    ----------
    shape : Of the step.
    constants : Tables and the like that it reads; those of two dimensions are inputs.
    """
    sources: list[tuple[Source, int]] = []
    for name in ("state", "forcing", "parameters"):
        sources += [((name, path), layers) for path, layers in shape.fields(name)]
    sources += [(STEP_LENGTH, 0), (THICKNESS, shape.layers), *shape.weights()]
    for number, constant in enumerate(constants):
        if constant.ndim > 1:
            sources.append((("constant", number), constant.shape[0]))
    return sources


def state_rows(shape: Shape) -> list[tuple[str, int, int]]:
    """Path, number of layers and first row of each part of a state in flat form, ``[row, column]``."""
    rows, at = [], 0
    for path, layers in shape.fields("state"):
        rows.append((path, layers, at))
        at += max(layers, 1)
    return rows
