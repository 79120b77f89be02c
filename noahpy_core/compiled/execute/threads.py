"""Threads that the columns of a call are divided among, and the memory that each has to itself."""

from __future__ import annotations

import functools
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray


def thread_count() -> int:
    """How many threads columns are divided among: as torch has it, or would have it by its environment variable."""
    torch = sys.modules.get("torch")
    if torch is not None:
        return int(torch.get_num_threads())
    if _CHOSEN:
        return _CHOSEN[-1]
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(told) if told.isdecimal() and int(told) else _processors()


def set_thread_count(count: int) -> None:
    """Divide columns among so many threads from now on; torch is told too, if it is there already."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(count)
    _CHOSEN[:] = [count]


_CHOSEN: list[int] = []
"""What was set, if anything."""


def _processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_own = threading.local()


def scratch_memory(size: int) -> NDArray[np.uint8]:
    """Scratch memory of this thread. Fresh memory would cost a small kernel more time than its work."""
    kept: NDArray[np.uint8] | None = getattr(_own, "scratch", None)
    if kept is None or kept.size < size:
        kept = _own.scratch = np.empty(size, dtype=np.uint8)
    return kept


@functools.cache
def _pool_of(process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="noahpy")


def workers() -> ThreadPoolExecutor:
    """Threads of this process: a fork has none of its parent's."""
    return _pool_of(os.getpid())
