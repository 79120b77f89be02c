"""Reading what others wrote: only files, of a size that makes sense, and one sentence for what cannot be read."""

from __future__ import annotations

import stat
from pathlib import Path

LARGEST_TEXT = 512 * 2**20
"""A configuration may be the header of a forcing file. [byte]"""
_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"PK\x03\x04": "zip",
    b"\x28\xb5\x2f\xfd": "zstd",
}


class UnreadableFile(ValueError):
    """A file that cannot be read; the message says why and what to do, and does not name the file."""


def expanded(folder: Path, name: str | Path) -> Path:
    """An absolute path: relative ones start from a folder, ``~`` is a home folder.

    Raises
    ------
    ValueError : for a user that does not exist, and characters that no path can have.
    """
    if "\0" in str(name):
        raise ValueError(f"{str(name)!r} is not a path. Give the name of a file.")
    try:
        return (folder / Path(name).expanduser()).absolute()
    except RuntimeError:
        raise ValueError(f"{str(name)!r}: there is no such home folder. Write the path out.") from None


def read_text(path: Path, largest: int = LARGEST_TEXT) -> str:
    """The text of a file, in UTF-8.

    Raises
    ------
    UnreadableFile : when it is none, or no file at all.
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            what = "a folder" if stat.S_ISDIR(about.st_mode) else "a device or a pipe"
            raise UnreadableFile(f"{what}, no file. Correct the path.")
        if about.st_size > largest:
            raise UnreadableFile(f"{about.st_size} bytes, more than any such file has. Correct the path.")
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableFile(f"{error.strerror}. Correct the path.") from None
    except ValueError as error:
        if isinstance(error, UnreadableFile):
            raise
        raise UnreadableFile(f"{error}. Correct the path.") from None
    for start, kind in _COMPRESSED.items():
        if content.startswith(start):
            raise UnreadableFile(f"compressed with {kind}. Unpack it first.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise UnreadableFile("not a text file in UTF-8. Give a YAML file.") from None
