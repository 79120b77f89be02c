"""Compiled kernels on disk, for the next process: nothing is run from a file that another user could have written.

A file of the cache holds one kernel, or numbers that took long to find, behind a digest of its name and of every byte
of it. Files appear complete or not at all, so any number of processes may write them at once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import io
import json
import os
import stat
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CACHE_VARIABLE = "NOAHPY_CACHE"
"""Environment variable with the folder of the cache; empty for none."""
MAGIC = b"noahpy kernel 2\n"
SUFFIX = ".kernel"
LARGEST = 2**30
"""No kernel is that large. [byte]"""
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class CacheWarning(UserWarning):
    """A cache that is not used, since others could write to it."""


@dataclasses.dataclass(frozen=True)
class Artefact:
    """A compiled kernel.

    Parameters
    ----------
    name : Of its function.
    code : Object file.
    scratch : Numbers of scratch memory it needs.
    constants : Tables it reads.
    messages : What to say of a step that failed.
    """

    name: str
    code: bytes
    scratch: int
    constants: list[np.ndarray]
    messages: list[str]


def cache_folder() -> Path | None:
    """Where compiled kernels are kept; None when the environment says not to.

    Without the variable: the user's folder for caches, and a folder of the user among the temporary ones where there is
    no home, as in many containers.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen is not None:
        try:
            return _absolute(chosen) if chosen else None
        except OSError:
            return None  # Relative to a working directory that is gone.
    base = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(base):
        return Path(base) / "noahpy"
    try:
        return Path.home() / ".cache" / "noahpy"
    except RuntimeError:
        return _temporary()


def kept(key: str) -> Artefact | None:
    """The kernel of a key; None where there is none that is whole and the user's own."""
    folder = _usable_folder()
    if folder is None:
        return None
    try:
        content = _content(folder / f"{key}{SUFFIX}")
    except OSError:
        return None
    return None if content is None else _unpacked(key, content)


def keep(key: str, artefact: Artefact) -> None:
    """Put a kernel there, as far as the disk allows: a full or unwritable one must not stop a run."""
    with contextlib.suppress(OSError):
        folder = _usable_folder()
        if folder is not None:
            _write(folder / f"{key}{SUFFIX}", _packed(key, artefact))


def kept_numbers(key: str) -> NDArray[Any] | None:
    """The numbers of a key that `keep_numbers` put there, None where there are none."""
    found = kept(key)
    return None if found is None else found.constants[0]


def keep_numbers(key: str, numbers: NDArray[Any]) -> None:
    """Put numbers there, as a kernel without code."""
    keep(key, Artefact("numbers", b"", 0, [numbers], []))


@functools.cache
def _absolute(chosen: str) -> Path:
    # From the working directory in which it was first looked at: later changes of directory do not move the cache.
    return Path(os.path.expanduser(chosen)).absolute()


def _temporary() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    return Path(tempfile.gettempdir()) / f"noahpy-cache-{user}"


def _usable_folder() -> Path | None:
    for folder in _candidates():
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            about = folder.stat()
        except OSError:
            continue
        if stat.S_ISDIR(about.st_mode) and is_ours(about):
            return folder
        _warn(str(folder))
    return None


def _candidates() -> Iterator[Path]:
    folder = cache_folder()
    if folder is None:
        return
    yield folder
    # A folder that was asked for has no substitute; a home that cannot be written to has.
    if CACHE_VARIABLE not in os.environ and folder != _temporary():
        yield _temporary()


def is_ours(about: os.stat_result) -> bool:
    """Whether nobody but the user, and root, could have written a file or to a folder."""
    if os.name == "nt":
        return True  # Windows keeps other users out of a user's folders by lists of its own.
    return about.st_uid in (os.geteuid(), 0) and not about.st_mode & OTHERS_MAY_WRITE


@functools.cache
def _warn(what: str) -> None:
    warnings.warn(
        f"{CACHE_VARIABLE}: {what} belongs to another user, or others may write to it, so no compiled kernel is taken "
        "from there. Use a folder of your own, and take the right to write from others: chmod go-w.",
        CacheWarning,
        stacklevel=2,
    )


def _content(path: Path) -> bytes | None:
    # Not through a link, which may lead to a file of somebody else; a pipe must not be waited for.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    # What is looked at and what is read is the same open file, whatever happens to the name meanwhile.
    with os.fdopen(os.open(path, flags), "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode) or about.st_size > LARGEST:
            return None
        if not is_ours(about):
            _warn(str(path))
            return None
        return file.read()


def _sum(key: str, payload: bytes) -> bytes:
    # With the key: a whole file under a wrong name is no kernel of this key.
    return hashlib.sha256(key.encode() + b"\n" + payload).hexdigest().encode() + b"\n"


def _packed(key: str, artefact: Artefact) -> bytes:
    about = {"name": artefact.name, "scratch": artefact.scratch, "messages": artefact.messages}
    arrays: dict[str, Any] = {f"constant_{k}": constant for k, constant in enumerate(artefact.constants)}
    content = io.BytesIO()
    np.savez(
        content,
        about=np.frombuffer(json.dumps(about).encode(), dtype=np.uint8),
        code=np.frombuffer(artefact.code, dtype=np.uint8),
        **arrays,
    )
    return MAGIC + _sum(key, content.getvalue()) + content.getvalue()


def _unpacked(key: str, content: bytes) -> Artefact | None:
    """What a file holds, or None when a single bit of it is not what was written for this key."""
    start = len(MAGIC) + len(_sum(key, b""))
    payload = content[start:]
    if content[:start] != MAGIC + _sum(key, payload):
        return None
    # Arrays of numbers only: a pickle is a program.
    with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
        about = json.loads(arrays["about"].tobytes())
        count = sum(name.startswith("constant_") for name in arrays.files)
        constants = [arrays[f"constant_{k}"] for k in range(count)]
        return Artefact(about["name"], arrays["code"].tobytes(), about["scratch"], constants, about["messages"])


def _write(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        # Complete under its name or not there at all: other processes may be looking for it.
        os.replace(name, path)
    # An interrupt leaves no part of a file either.
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
