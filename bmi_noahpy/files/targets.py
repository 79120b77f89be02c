"""What a program may write over: files it wrote itself, never what it reads, a device or somebody else's folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

LARGEST_NAME = 200
"""What is written beside a file has a longer name than it, and file systems allow 255 bytes. [byte]"""
ZARR_MARKS = (".zgroup", ".zmetadata", "zarr.json")
_KINDS = {
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
    stat.S_ISFIFO: "a pipe",
    stat.S_ISSOCK: "a socket",
}


class RefusedTarget(ValueError):
    """A path that must not be written to."""


def check_target(path: Path, inputs: Mapping[str, Iterable[Path]] | None = None, *, key: str = "output.file") -> None:
    """Raise RefusedTarget, naming path and remedy, unless a file may be written under `path`.

    Parameters
    ----------
    path : File to write, or Zarr store where it ends in ``.zarr``.
    inputs : What is read, by the key that names it: none of it may be the target, or lie within it.
    key : What names the target.
    """
    if len(path.name.encode()) > LARGEST_NAME:
        raise RefusedTarget(f"{key}: a name of {len(path.name.encode())} bytes. Use at most {LARGEST_NAME}.")
    for name, files in (inputs or {}).items():
        for file in files:
            if _same(path, file):
                raise RefusedTarget(f"{key}: {path} is the file of {name}, and would be lost. Write elsewhere.")
            if path.is_dir() and file.resolve().is_relative_to(path.resolve()):
                raise RefusedTarget(f"{key}: {name} lies in {path}, and would be lost. Write elsewhere.")
    if path.is_symlink():
        raise RefusedTarget(f"{key}: {path} is a symbolic link. Give the file it stands for, or remove it.")
    if not os.path.lexists(path):
        return
    mode = path.lstat().st_mode
    for is_kind, kind in _KINDS.items():
        if is_kind(mode):
            raise RefusedTarget(f"{key}: {path} is {kind}, no file. Give the path of a file.")
    if stat.S_ISDIR(mode) and not is_zarr(path):
        raise RefusedTarget(f"{key}: {path} is a folder. Give the path of a file.")


def is_zarr(path: Path) -> bool:
    """Whether a folder is an empty one or a Zarr store, by name and content, which a new store may replace."""
    if path.suffix != ".zarr" or not path.is_dir():
        return False
    return any((path / mark).is_file() for mark in ZARR_MARKS) or not any(path.iterdir())


def _same(one: Path, other: Path) -> bool:
    if os.path.abspath(one) == os.path.abspath(other):
        return True
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
