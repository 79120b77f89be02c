"""Operations that a compiled kernel has a form of its own for: where a step is being recorded, they go to the recorder.

Everything else the recorder sees as torch operations. Here are the ones it could not make sense of: an iteration whose
length depends on the values, and a solver that is a loop over layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from torch import Tensor

Carry = tuple[Tensor, ...]


class Recorder(Protocol):
    """What takes notes of a step."""

    order: int
    """Order of the derivatives that will be taken of what is noted."""

    def tridiagonal(self, lower: Tensor, diagonal: Tensor, upper: Tensor, right: Tensor) -> Tensor | None:
        """The solution of a tridiagonal system per column; None to have its operations recorded one by one."""

    def loop(self, body: Callable[..., Carry], carry: Carry, limit: int) -> Carry:
        """The result of `iterate_until`."""

    def attach(self, value: Tensor, step: Tensor) -> Tensor:
        """The first value with the derivative of the sum of both."""

    def require(self, fulfilled: Tensor, what: str) -> None:
        """Note a condition, per column, without which the step named has failed."""


_active: ContextVar[Recorder | None] = ContextVar("recorder", default=None)


def recorder() -> Recorder | None:
    """The recorder at work, if any."""
    return _active.get()


@contextmanager
def recorded_by(new: Recorder | None) -> Iterator[None]:
    """Send operations to a recorder."""
    token = _active.set(new)
    try:
        yield
    finally:
        _active.reset(token)


def iterate_until(body: Callable[..., Carry], carry: Carry, limit: int) -> Carry:
    """Apply ``carry = body(*carry)`` until its last member is true in every column, at most `limit` times.

    A column that is done must stay as it is while others go on, so that results do not depend on the company.

    Parameters
    ----------
    body : Takes and returns tensors of the same shapes and types.
    carry : First values; the last one is a bool per column.
    """
    recording = recorder()
    if recording is not None:
        # The number of rounds depends on values, which are not known while a step is recorded.
        return recording.loop(body, carry, limit)
    for _ in range(limit):
        if bool(carry[-1].all()):
            break
        carry = body(*carry)
    return carry
