"""Work on one thing after the other, a few of them side by side in threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


def mapped(work: Callable[[Given], Made], things: Iterable[Given], threads: int) -> Iterator[Made]:
    """What `map` gives, made in so many threads; no more than one result each waits to be taken.

    Parameters
    ----------
    threads : 1 or less: everything is made in this one, when its turn comes.
    """
    if threads <= 1:
        yield from map(work, things)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Made]] = deque()
        for thing in things:
            waiting.append(pool.submit(work, thing))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
