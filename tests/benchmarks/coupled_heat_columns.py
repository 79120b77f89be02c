"""Sweeps that the coupled system of skin, snow and soil heat needs for hard columns, and whether any is left unsolved.

python tests/benchmarks/coupled_heat_columns.py --columns 1000000

With ``--compiled`` each column takes one compiled step of the preset `conservative`, with the soil water of hard
columns: it tells what is not solved, not how many sweeps were needed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "core"))

from rounds import distribution, in_turns, parts, rounds_of
from test_coupled_solver import Columns, Systems, random_columns, systems
from whole_columns import whole_columns

from noahpy_core import ConvergenceError, NoahModel, preset, run
from noahpy_core.physics import coupled_solver
from noahpy_core.trees import map_tensors, tree_map

AT_ONCE = 20_000
SOME = (5, 9, 14, 25, 60)
"""Sweeps after which the columns solved are left out: the rest start again without them."""
LAYERS = ((4, 1), (20, 2), (20, 3))
"""Of soil and of snow, in turn."""


def sweeps(systems: Systems) -> tuple[Tensor, Tensor]:
    """Number of sweeps of each column, and whether it was solved."""
    curve, system, guess = systems
    columns = guess.snow_skin.shape[0]
    system, guess = tree_map(lambda part: part.expand(*part.shape[:-1], columns), (system, guess))

    def counted(left: Tensor, limit: int) -> tuple[Tensor, Tensor]:
        some = tree_map(lambda part: part[..., left], (system, guess))
        return rounds_of(coupled_solver, lambda: coupled_solver.solve(curve, *some)[1], limit)

    return in_turns(counted, columns, (*SOME, coupled_solver.LARGEST_NUMBER_OF_SWEEPS))


def stepped(columns: Columns) -> Tensor:
    """Whether a compiled step of the preset solves each column."""
    column, state, forcing, parameters, dt = columns
    solved, series = torch.ones_like(dt, dtype=torch.bool), map_tensors(lambda value: value[None], forcing)
    model = NoahModel(column, preset("conservative"))
    try:
        run(model, state, series, parameters, dt, outputs=("skin_temperature",), execution="compiled", check=False)
    except ConvergenceError as error:
        print(error, flush=True)
        solved[torch.tensor(error.columns)] = False
    return solved


def main() -> None:
    """Print the distribution."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--columns", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--compiled", action="store_true")
    given = options.parse_args()
    counts, failed = [], 0
    for number, size in parts(given.columns, AT_ONCE):
        seed, (layers, snow_layers) = given.seed + number, LAYERS[number % len(LAYERS)]
        if given.compiled:
            solved = stepped(whole_columns(size, seed))
        else:
            count, solved = sweeps(systems(*random_columns(size, layers, snow_layers, seed, exact=True)))
            counts.append(count)
        if not bool(solved.all()):
            failed += int((~solved).sum())
            print(f"seed {seed}: unsolved {(~solved).nonzero().flatten().tolist()}", flush=True)
    if given.compiled:
        print(f"{given.columns} columns, {failed} unsolved")
        return
    print(distribution(counts, failed, "sweeps"))


if __name__ == "__main__":
    main()
