"""Files that appear whole or not at all, whatever happens to the program that writes them."""

from __future__ import annotations

import contextlib
import ctypes
import glob
import os
import shutil
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

SUFFIX = ".partial"
ON_WINDOWS = os.name == "nt"
AT_WORKING_FOLDER, EXCHANGE = -100, 2
"""Arguments of Linux's ``renameat2``: relative paths begin at the working folder; both paths change places."""
PATIENCE = 10.0
"""How long a file that a reader has open on Windows is tried again. [s]"""
FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.5
"""Between two tries. [s]"""


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A path to write to; what is there at the end takes the place of `path` in one move, after it reached the disk.

    An error leaves `path` as it was. No two programs ever write to the same temporary file; what a killed program left
    is removed by `clear_leftovers`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_path(path)
    # Made here and now, and only if nothing is there, so that whoever opens it follows no link that somebody planted.
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield partial
        bring_to_disk(partial)
        take_place(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    bring_to_disk(path.parent)


def take_place(partial: Path, path: Path) -> None:
    """Move a file to where another one is, or none.

    Windows refuses while a reader has the other one open, and readers close their files: it is tried again for a while.
    """
    end, pause = time.monotonic() + PATIENCE, FIRST_PAUSE
    while True:
        try:
            os.replace(partial, path)
            return
        except PermissionError:
            # Elsewhere a reader does not matter, and a refusal is one for good.
            if not ON_WINDOWS or time.monotonic() >= end:
                raise
        time.sleep(pause)
        pause = min(2.0 * pause, LONGEST_PAUSE)


def partial_path(path: Path) -> Path:
    """A name beside `path`, used by nobody else, for what is going to take its place."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}{SUFFIX}")


def replace_folder(partial: Path, path: Path) -> None:
    """Put a complete folder in the place of another one, or of none.

    Where the system cannot exchange two folders in one move, the old one is moved aside first, and back if the new one
    cannot take its place: at every moment a complete folder is beside the name or under it.
    """
    old = partial_path(path)
    if path.exists():
        if _exchanged(partial, path):
            bring_to_disk(path.parent)
            shutil.rmtree(partial, ignore_errors=True)
            return
        os.replace(path, old)
    try:
        os.replace(partial, path)
    except BaseException:
        if old.exists():
            os.replace(old, path)
        raise
    bring_to_disk(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Whether two folders could be exchanged in one move: Linux, on most file systems."""
    exchange = getattr(ctypes.CDLL(None), "renameat2", None) if sys.platform == "linux" else None
    if exchange is None:
        return False
    status: int = exchange(AT_WORKING_FOLDER, os.fsencode(one), AT_WORKING_FOLDER, os.fsencode(other), EXCHANGE)
    return status == 0


def clear_leftovers(folder: Path, name: str = "") -> None:
    """Remove what killed programs left of files in a folder whose names begin with `name`.

    Only for whoever is the only one to write these files.
    """
    for left in folder.glob(f".{glob.escape(name)}*{SUFFIX}"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def bring_to_disk(path: Path) -> None:
    """Return when the file, or the list of files of a folder, would survive a loss of power."""
    if ON_WINDOWS and path.is_dir():
        return  # Windows does not open folders, and keeps their lists itself.
    descriptor = os.open(path, os.O_RDWR if ON_WINDOWS else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
