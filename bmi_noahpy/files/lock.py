"""One writer for each output, restart folder, results folder and checkpoint."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import socket
from pathlib import Path
from types import TracebackType

import filelock


class InUse(ValueError):
    """A file that another process is writing."""


class NoPlace(ValueError):
    """A folder in which no file can be made."""


class SoleWriter:
    """The right to write a file or folder, which the system takes back when the process ends, however it ends.

    Use it as a context manager; the same object may be entered again within. The lock is the file ``.<name>.lock``
    beside what is written. It says who holds it, and is gone when nobody does.

    Parameters
    ----------
    path : What is written.
    remedy : What to do when another process writes it.
    wait : How long to wait for the other one. [s]
    """

    def __init__(self, path: Path, remedy: str = "Wait until it ends, or write elsewhere.", wait: float = 0.0) -> None:
        self.path = path
        self._remedy, self._wait = remedy, wait
        self._file = path.with_name(f".{path.name}.lock")
        self._lock: filelock.BaseFileLock = filelock.FileLock(self._file, on_acquired=_sign)

    def __enter__(self) -> SoleWriter:
        """Take the right.

        Raises
        ------
        InUse : Another process has it: host, process and since when.
        NoPlace : No file can be made there.
        """
        self._file.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._acquire()
        except filelock.Timeout:
            # Of a file that cannot be made, too, it is only said that it could not be had.
            self._require_place()
            raise InUse(f"{self.path}: {_holder(self._file)} is writing it. {self._remedy}") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the right back."""
        try:
            if self._lock.lock_counter == 1:
                # While it is held: whoever waits for it sees that the file is gone, and makes a new one.
                with contextlib.suppress(OSError):
                    self._file.unlink()
        finally:
            # After a request to stop too: a program that goes on may want to write again.
            self._lock.release()

    @property
    def held(self) -> bool:
        """Whether this object has the right."""
        return bool(self._lock.is_locked)

    def _require_place(self) -> None:
        try:
            os.close(os.open(self._file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
            self._file.unlink()
        except FileExistsError:
            return
        except OSError as error:
            reason = f"no file can be made in {self._file.parent} ({error.strerror}). Write elsewhere."
            raise NoPlace(f"{self.path}: {reason}") from None

    def _acquire(self) -> None:
        try:
            self._lock.acquire(timeout=self._wait)
        except NotImplementedError:
            # Some network file systems have no locks that the system takes back. A mark with host and process is
            # checked instead: it is passed over when that process is gone.
            self._lock = filelock.SoftFileLock(self._file)
            self._lock.acquire(timeout=self._wait)


def _sign(descriptor: int) -> None:
    """Write into the lock who holds it."""
    since = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    note = json.dumps({"host": socket.gethostname(), "process": os.getpid(), "since": since}).encode()
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, note, 0) if hasattr(os, "pwrite") else os.write(descriptor, note)


def _holder(lock: Path) -> str:
    try:
        note = json.loads(lock.read_text(encoding="utf-8"))
        return f"process {int(note['process'])} on {str(note['host'])[:64]}, since {str(note['since'])[:32]},"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
