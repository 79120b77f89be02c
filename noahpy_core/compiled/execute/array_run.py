"""Runs of arrays in a kernel of the cache: the same steps as those of tensors, and torch is not imported for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noahpy_core.compiled.execute.case import Case, Trees, read
from noahpy_core.compiled.execute.plan import Plan, assembled, results_for
from noahpy_core.compiled.execute.program import Program
from noahpy_core.compiled.execute.programs import program_at_hand
from noahpy_core.compiled.shape import STEP_LENGTH, THICKNESS, Shape
from noahpy_core.errors import ShapeError
from noahpy_core.options import Options
from noahpy_core.state import State

Array = NDArray[Any]
NUMBER = "float64"


def program_of_arrays(options: Options, thickness: Array, trees: Trees) -> Program | None:
    """The program of a run of arrays of float64; None where its steps are not in the cache.

    Parameters
    ----------
    options : Schemes, all of them built in.
    thickness : Of the soil layers, ``[layer, 1]``. [m]
    trees : State, forcing and parameters, whose columns there are as many of as the state has.
    """
    state = trees[0]
    absent, _, _ = read(trees)
    shape = Shape(options, len(thickness), NUMBER, absent, state.snow.layers)
    return program_at_hand(shape, single=state.skin_temperature.shape[-1] == 1)


def run_of_arrays(
    program: Program, trees: Trees, dt: float, thickness: Array, outputs: Sequence[str]
) -> tuple[State, dict[str, Array]]:
    """The state after all steps, and the outputs of each, ``[time, ...]`` by name.

    Parameters
    ----------
    program : As `program_of_arrays` found it for these containers.
    trees : State ``[column]``, forcing ``[time, column]``, parameters.
    dt : Length of a step. [s]
    thickness : Of the soil layers, ``[layer, 1]``. [m]
    outputs : Paths in `State` and names in `Fluxes`.

    Raises
    ------
    ShapeError : Something is not of float64, or of another shape than the kernel reads.
    ConvergenceError : An equation was not solved.
    """
    _, sources, leaves = read(trees)
    steps = len(trees[1].air_temperature)
    for (name, path), leaf in zip(sources, leaves, strict=True):
        if leaf.dtype != NUMBER or (name == "forcing" and len(leaf) != steps):
            raise ShapeError(f"{name}.{path}", f"is {leaf.dtype} of shape {leaf.shape}; {NUMBER} is needed, the same "
                             f"{steps} times in all series.")  # fmt: skip
    columns = trees[0].skin_temperature.shape[-1]
    case = Case(program, columns, steps, (*sources, STEP_LENGTH, THICKNESS), arrays=True)
    plan = Plan(case, results_for(outputs), spacing=1)
    results = plan.forward([*leaves, np.full(1, dt), thickness], None)
    final, series = assembled([path for path, _, _ in program.rows], outputs, results)
    return final, dict(zip(outputs, series, strict=True))
