"""Files that appear whole or not at all, whatever happens to the program that writes them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

SUFFIX = ".partial"


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A path to write to; what is there at the end takes the place of `path` in one move, after it reached the disk.

    An error leaves `path` as it was. The name is always the same, so what a killed program left is written over.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + SUFFIX)
    try:
        yield partial
        bring_to_disk(partial)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    bring_to_disk(path.parent)


def bring_to_disk(path: Path) -> None:
    """Return when the file, or the list of files of a folder, would survive a loss of power."""
    if os.name == "nt" and path.is_dir():
        return  # Windows does not open folders, and keeps their lists itself.
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
