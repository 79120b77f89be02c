"""Sweeps that the coupled system of skin, snow and soil heat needs for hard columns, and whether any is left unsolved.

python tests/benchmarks/coupled_heat_columns.py --columns 1000000

With ``--compiled`` each column takes one compiled step of the preset `conservative`, with the soil water of hard
columns: it tells what is not solved, not how many sweeps were needed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "core"))

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
    count, left = torch.zeros(columns, dtype=torch.float64), torch.arange(columns)
    for limit in (*SOME, coupled_solver.LARGEST_NUMBER_OF_SWEEPS):
        some = tree_map(lambda part, left=left: part[..., left], (system, guess))
        counted, solved = _counted((curve, *some), limit)
        count[left] = counted
        left = left[~solved]
        if not left.numel():
            break
    unsolved = torch.zeros(columns, dtype=torch.bool)
    unsolved[left] = True
    return count, ~unsolved


def _counted(systems: Systems, limit: int) -> tuple[Tensor, Tensor]:
    """At most `limit` sweeps of the solver."""
    number = torch.zeros_like(systems[2].snow_skin)

    def limited(body: Any, carry: tuple[Tensor, ...], full_limit: int) -> tuple[Tensor, ...]:
        nonlocal number
        for _ in range(min(limit, full_limit)):
            number = number + (~carry[-1]).to(number.dtype)
            carry = body(*carry)
            if bool(carry[-1].all()):
                break
        return carry

    whole, coupled_solver.iterate_until = coupled_solver.iterate_until, limited
    try:
        with torch.no_grad():
            solved = coupled_solver.solve(*systems)[1]
    finally:
        coupled_solver.iterate_until = whole
    return number, solved


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
    parts, failed = [], 0
    for number in range(-(-given.columns // AT_ONCE)):
        seed, (layers, snow_layers) = given.seed + number, LAYERS[number % len(LAYERS)]
        size = min(AT_ONCE, given.columns)
        if given.compiled:
            solved = stepped(whole_columns(size, seed))
            count = torch.zeros(size)
        else:
            count, solved = sweeps(systems(*random_columns(size, layers, snow_layers, seed, exact=True)))
        parts.append(count)
        if not bool(solved.all()):
            failed += int((~solved).sum())
            print(f"seed {seed}: unsolved {(~solved).nonzero().flatten().tolist()}", flush=True)
    if given.compiled:
        print(f"{sum(map(len, parts))} columns, {failed} unsolved")
        return
    ordered = torch.cat(parts).sort().values
    shares = {share: int(ordered[int(share * (len(ordered) - 1))]) for share in (0.5, 0.9, 0.99, 0.999, 0.9999, 1.0)}
    print(f"{len(ordered)} columns, {failed} unsolved, mean {ordered.mean():.2f} sweeps, {shares}")


if __name__ == "__main__":
    main()
