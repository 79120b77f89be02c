"""Rounds that an iteration needs for many hard columns, each counted by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any
from unittest import mock

import torch
from torch import Tensor

SHARES = (0.5, 0.9, 0.99, 0.999, 0.9999, 1.0)


def parts(columns: int, at_once: int) -> Iterator[tuple[int, int]]:
    """Number and size of each part that columns are taken in."""
    for number, start in enumerate(range(0, columns, at_once)):
        yield number, min(at_once, columns - start)


def in_turns(
    counted: Callable[[Tensor, int], tuple[Tensor, Tensor]], columns: int, limits: Sequence[int], device: str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Rounds of each column, and whether it was solved.

    Parameters
    ----------
    counted : (places of columns, largest number of rounds) -> rounds of each, and whether it was solved.
    columns : Their number.
    limits : Rounds after which the columns solved are left out: the rest start again without them.
    device : Of the columns.
    """
    count, left = torch.zeros(columns, dtype=torch.float64, device=device), torch.arange(columns, device=device)
    for limit in limits:
        count[left], solved = counted(left, limit)
        left = left[~solved]
        if not left.numel():
            break
    unsolved = torch.zeros_like(count, dtype=torch.bool)
    unsolved[left] = True
    return count.cpu(), ~unsolved.cpu()


def rounds_of(module: ModuleType, solve: Callable[[], Tensor], limit: int) -> tuple[Tensor, Tensor]:
    """Rounds of each column in a solver, and whether it was solved.

    Parameters
    ----------
    module : That of the solver, which calls `iterate_until` once.
    solve : The call; gives whether each column was solved.
    limit : Largest number of rounds.
    """
    number = torch.zeros(())

    def limited(body: Any, carry: tuple[Tensor, ...], full_limit: int) -> tuple[Tensor, ...]:
        nonlocal number
        for _ in range(min(limit, full_limit)):
            number = number + (~carry[-1]).to(torch.float64)
            carry = body(*carry)
            if bool(carry[-1].all()):
                break
        return carry

    with mock.patch.object(module, "iterate_until", limited), torch.no_grad():
        solved = solve()
    return number, solved


def distribution(counts: Sequence[Tensor], failed: int, what: str) -> str:
    """Number of columns, how many were not solved, and rounds that shares of them needed."""
    ordered = torch.cat(list(counts)).sort().values
    shares = {share: int(ordered[int(share * (len(ordered) - 1))]) for share in SHARES}
    return f"{len(ordered)} columns, {failed} unsolved, mean {ordered.mean():.2f} {what}, {shares}"
