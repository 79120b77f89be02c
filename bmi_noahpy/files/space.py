"""Disks that are full: said as such, with the place, what is needed, and where the results are kept."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

FULL = frozenset(getattr(errno, name) for name in ("ENOSPC", "EDQUOT") if hasattr(errno, name))
MEBIBYTE = 2**20


class FullDisk(OSError):
    """There is no room for what has to be written."""

    def __init__(self, message: str) -> None:
        super().__init__(errno.ENOSPC, message)

    def __str__(self) -> str:
        """The message alone."""
        return str(self.args[1])


class SpaceWarning(UserWarning):
    """There is less room than a run will need."""


def free_bytes(path: Path) -> int | None:
    """Free on the disk of a file that need not be there yet; None where that is not known."""
    folder = next((parent for parent in path.absolute().parents if parent.is_dir()), None)
    try:
        return None if folder is None else shutil.disk_usage(folder).free
    except OSError:
        return None


@contextlib.contextmanager
def told_when_full(path: Path, needed: int, kept: Callable[[], str]) -> Iterator[None]:
    """Say FullDisk, instead of what a library says, when the writing of a file fails and there is no room for it.

    Parameters
    ----------
    needed : About how large it becomes. [byte]
    kept : In words, where the results are meanwhile, and how to go on.
    """
    try:
        yield
    except FullDisk:
        raise
    except (OSError, RuntimeError) as error:
        free = free_bytes(path)
        # The netCDF library does not say why it failed.
        silent = not isinstance(error, OSError) or error.errno is None or error.errno < 0
        if not (getattr(error, "errno", None) in FULL or (silent and free is not None and free < needed)):
            raise
        raise FullDisk(
            f"{path}: no room on its disk, {_size(free)} are free and about {_size(needed)} needed. {kept()}"
        ) from error


def shortage(path: Path, needed: int) -> str | None:
    """What to say of a disk with less room than a run will need; None when there is enough, or nobody knows."""
    free = free_bytes(path)
    if free is None or free >= needed:
        return None
    return (
        f"{path}: about {_size(needed)} will be needed while it is written, but {_size(free)} are free on its disk. "
        "Make room, or write fewer variables (output.variables) or records (output.every, output.daily)."
    )


def _size(number: int | None) -> str:
    return "an unknown number of MiB" if number is None else f"{number / MEBIBYTE:.4g} MiB"
