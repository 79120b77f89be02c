"""Standard output and error that may be closed, full or cut off: what was computed is computed all the same."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TextIO


class Patient(io.TextIOBase):
    """A stream that writes as long as it can; where it cannot, the first failure is kept in `failure`."""

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__()
        self._stream = stream
        self.failure: BaseException | None = None if stream is not None else OSError("it is closed")

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Of the stream behind it."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        try:
            return self._stream is not None and self._stream.isatty()
        except ValueError:
            return False

    def fileno(self) -> int:
        """Of the stream behind it."""
        if self._stream is None:
            raise io.UnsupportedOperation("fileno")
        return self._stream.fileno()

    def writable(self) -> bool:
        """True: what cannot be written is dropped."""
        return True

    def write(self, text: str) -> int:
        """Write, or drop the text when that fails."""
        if self._stream is not None and self.failure is None:
            try:
                self._stream.write(text)
            except (OSError, ValueError, UnicodeError) as error:
                self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Flush, or give up."""
        if self._stream is not None and self.failure is None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._give_up(error)

    def _give_up(self, error: BaseException) -> None:
        self.failure = error
        # What is left in its buffer would fail again at the end of the program, and change its exit status.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            if self._stream is not None:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)


def standard_output() -> Patient:
    """Standard output as it is now."""
    return Patient(sys.stdout)


def standard_error() -> Patient:
    """Standard error as it is now."""
    return Patient(sys.stderr)
