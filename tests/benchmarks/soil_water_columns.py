"""Solves that the implicit soil water step needs for hard columns, and whether any is left unsolved.

python tests/benchmarks/soil_water_columns.py --columns 1000000 --device cuda
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "core"))

from rounds import distribution, in_turns, parts, rounds_of
from water_columns import WaterCase, hard_columns

from noahpy_core.physics import richards_solver
from noahpy_core.physics.limits import SharpLimits
from noahpy_core.physics.retention import pore_space
from noahpy_core.physics.richards import Flow, unknown_for
from noahpy_core.physics.richards_profile import profile_of

AT_ONCE = 100_000
SOME = (4, 6, 9, 14, 25, 60)
"""Rounds after which the columns solved are left out: the rest start again without them."""


def solves(case: WaterCase, device: str) -> tuple[Tensor, Tensor]:
    """Number of solves of each column, and whether it was solved."""
    primary = [part.contiguous().to(device) for part in case.primary()]
    flow = Flow(*(part.contiguous().to(device) for part in case.flow()))

    def counted(left: Tensor, limit: int) -> tuple[Tensor, Tensor]:
        some, flow_of_some = [part[..., left] for part in primary], Flow(*(part[..., left] for part in flow))
        return rounds_of(richards_solver, lambda: _solved(some, flow_of_some), limit)

    return in_turns(counted, flow.supply.numel(), (*SOME, richards_solver.LIMIT), device)


def _solved(primary: list[Tensor], flow: Flow) -> Tensor:
    pores = pore_space(*primary)
    profile, unknown = profile_of(flow.old, pores, flow.thickness, flow.unfrozen), unknown_for(pores, flow)
    solved: Tensor = richards_solver.newton(SharpLimits, *primary, *flow, *profile, *unknown)[1]
    return solved


def main() -> None:
    """Print the distribution."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--columns", type=int, default=10_000)
    options.add_argument("--device", default="cpu")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--save", help="file for the numbers of the columns left unsolved, by seed")
    given = options.parse_args()
    counts, failed = [], {}
    for number, size in parts(given.columns, AT_ONCE):
        seed = given.seed + number
        count, solved = solves(hard_columns(size, seed=seed), given.device)
        counts.append(count)
        if not bool(solved.all()):
            failed[seed] = (~solved).nonzero().flatten().tolist()
            print(f"seed {seed}: unsolved {failed[seed]}", flush=True)
    print(distribution(counts, sum(map(len, failed.values())), "solves"))
    if given.save:
        torch.save(failed, given.save)


if __name__ == "__main__":
    main()
