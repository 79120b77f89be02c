"""Control-C, or a request to end, between two pieces of work instead of within the writing of one."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any


class Interrupts:
    """Holds an interrupt by the user back while `held` is active, and lets it through everywhere else.

    Use it as a context manager. It does nothing where Python does not turn the signal into KeyboardInterrupt: outside
    the main thread, or in a program with a handler of its own.

    Parameters
    ----------
    terminate : Whether a request to end (SIGTERM) is taken as an interrupt by the user.
    """

    def __init__(self, *, terminate: bool = False) -> None:
        self._taken: dict[int, Any] = {signal.SIGINT: signal.default_int_handler}
        if terminate:
            self._taken[signal.SIGTERM] = signal.SIG_DFL
        self._previous: dict[int, Any] = {}
        self._holding = False
        self._waiting = False

    def __enter__(self) -> Interrupts:
        """Take over the signals that nobody else has taken."""
        if threading.current_thread() is threading.main_thread():
            for number, usual in self._taken.items():
                if signal.getsignal(number) == usual:
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
