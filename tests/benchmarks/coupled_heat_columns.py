"""Sweeps that the coupled system of skin, snow and soil heat needs for hard columns, and whether any is left unsolved.

python tests/benchmarks/coupled_heat_columns.py --columns 1000000
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "core"))

from test_coupled_solver import Systems, random_systems

from noahpy_core.physics import coupled_solver

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


def main() -> None:
    """Print the distribution."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--columns", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    parts, failed = [], 0
    for number in range(-(-given.columns // AT_ONCE)):
        seed, (layers, snow_layers) = given.seed + number, LAYERS[number % len(LAYERS)]
        systems = random_systems(min(AT_ONCE, given.columns), layers, snow_layers, seed, exact=True)
        count, solved = sweeps(systems)
        parts.append(count)
        if not bool(solved.all()):
            failed += int((~solved).sum())
            print(f"seed {seed}: unsolved {(~solved).nonzero().flatten().tolist()}", flush=True)
    ordered = torch.cat(parts).sort().values
    shares = {share: int(ordered[int(share * (len(ordered) - 1))]) for share in (0.5, 0.9, 0.99, 0.999, 0.9999, 1.0)}
    print(f"{len(ordered)} columns, {failed} unsolved, mean {ordered.mean():.2f} sweeps, {shares}")


if __name__ == "__main__":
    main()
