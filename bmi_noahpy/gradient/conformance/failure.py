"""How a check says that something is wrong."""

from __future__ import annotations

from collections.abc import Callable


class Failed(Exception):
    """A check was not passed.

    Parameters
    ----------
    what : What is wrong.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def require(condition: bool, otherwise: str) -> None:
    """Raise `Failed` when a condition is not fulfilled."""
    if not condition:
        raise Failed(otherwise)


def refused(call: Callable[[], object], what: str) -> None:
    """Raise `Failed` when a call goes through."""
    try:
        call()
    except Exception:
        return
    raise Failed(f"{what} is accepted")
