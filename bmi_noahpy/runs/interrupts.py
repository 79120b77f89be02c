"""Control-C between two blocks of steps instead of within the writing of one."""

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
    """

    def __init__(self) -> None:
        self._previous: Any = None
        self._holding = False
        self._waiting = False

    def __enter__(self) -> Interrupts:
        """Take over the signal."""
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the signal back."""
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self._previous = None

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
