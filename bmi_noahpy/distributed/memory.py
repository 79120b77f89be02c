"""How the processes of Dask handle memory between two blocks of steps."""

from __future__ import annotations

import ctypes
import functools
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Names of the settings of ``mallopt`` in the C library of GNU."""
LARGEST = 32 * 2**20
"""What malloc keeps at most, left to itself, once it was freed. [byte]"""


@functools.cache
def keep_memory() -> None:
    """Let malloc keep what a block of steps frees for the next one, as it does in a process of its own.

    Dask tells it to give everything back at once, so that tables which tasks leave behind take no room. A tile frees
    and asks for the same arrays in every block: their pages, made and cleared anew, cost as much as half of its steps.
    Does nothing where there is no such C library.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, LARGEST)
        mallopt(TRIM_THRESHOLD, 2 * LARGEST)
