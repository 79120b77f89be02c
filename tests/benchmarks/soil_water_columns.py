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
    count = torch.zeros_like(flow.supply)
    left = torch.arange(count.numel(), device=device)
    for limit in (*SOME, richards_solver.LIMIT):
        some, flow_of_some = [part[..., left] for part in primary], Flow(*(part[..., left] for part in flow))
        counted, solved = _counted(some, flow_of_some, limit)
        count[left] = counted
        left = left[~solved]
        if not left.numel():
            break
    unsolved = torch.zeros_like(count, dtype=torch.bool)
    unsolved[left] = True
    return count.cpu(), ~unsolved.cpu()


def _counted(primary: list[Tensor], flow: Flow, limit: int) -> tuple[Tensor, Tensor]:
    """At most `limit` rounds of the solver."""
    number = torch.zeros_like(flow.supply)

    def limited(body, carry, full_limit):
        nonlocal number
        for done in range(min(limit, full_limit)):
            carry = body(*carry)
            number = number + (~carry[-1]).to(number.dtype)
            if done % 8 == 7 and bool(carry[-1].all()):
                break
        return carry

    whole, richards_solver.iterate_until = richards_solver.iterate_until, limited
    try:
        with torch.no_grad():
            pores = pore_space(*primary)
            profile, unknown = profile_of(flow.old, pores, flow.thickness, flow.unfrozen), unknown_for(pores, flow)
            _, solved = richards_solver.newton(SharpLimits, *primary, *flow, *profile, *unknown)
    finally:
        richards_solver.iterate_until = whole
    return number + 1.0, solved


def main() -> None:
    """Print the distribution."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--columns", type=int, default=10_000)
    options.add_argument("--device", default="cpu")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--save", help="file for the numbers of the columns left unsolved, by seed")
    given = options.parse_args()
    parts, failed = [], {}
    for number in range(-(-given.columns // AT_ONCE)):
        seed = given.seed + number
        count, solved = solves(hard_columns(min(AT_ONCE, given.columns), seed=seed), given.device)
        parts.append(count)
        if not bool(solved.all()):
            failed[seed] = (~solved).nonzero().flatten().tolist()
            print(f"seed {seed}: unsolved {failed[seed]}", flush=True)
    ordered = torch.cat(parts).sort().values
    shares = {share: int(ordered[int(share * (len(ordered) - 1))]) for share in (0.5, 0.9, 0.99, 0.999, 0.9999, 1.0)}
    print(
        f"{len(ordered)} columns, {sum(map(len, failed.values()))} unsolved, mean {ordered.mean():.2f} solves, {shares}"
    )
    if given.save:
        torch.save(failed, given.save)


if __name__ == "__main__":
    main()
