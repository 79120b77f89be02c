"""Requests to stop, by the user or the system, between two blocks of steps instead of within the writing of one."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any

REQUESTS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Control-C; what a batch system sends when time is up; what a terminal sends when it is closed."""


class Interrupts:
    """Holds requests to stop back while `held` is active, and turns them into KeyboardInterrupt everywhere else.

    Use it as a context manager. It does nothing outside the main thread, and leaves a signal alone that the program has
    a handler of its own for, or ignores (as under nohup).
    """

    def __init__(self) -> None:
        self._previous: dict[int, Any] = {}
        self._holding = False
        self._waiting = False

    def __enter__(self) -> Interrupts:
        """Take over the signals."""
        if threading.current_thread() is threading.main_thread():
            for number in REQUESTS:
                if signal.getsignal(number) in (signal.default_int_handler, signal.SIG_DFL, _interrupt):
                    self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the signals back."""
        while self._previous:
            signal.signal(*self._previous.popitem())

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """What is done here is done completely; KeyboardInterrupt comes at its end."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
        if self._waiting:
            self._waiting = False
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self._holding:
            raise KeyboardInterrupt
        self._waiting = True


@contextlib.contextmanager
def stopped_by_requests() -> Iterator[None]:
    """Every request to stop comes as KeyboardInterrupt, so that what is open is closed and what is known is kept."""
    previous: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in REQUESTS:
            if number != signal.SIGINT and signal.getsignal(number) is signal.SIG_DFL:
                previous[number] = signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
