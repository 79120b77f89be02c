"""Times of things done side by side in one process."""

from __future__ import annotations

import time
from collections.abc import Callable

Action = Callable[[], object]
Clock = Callable[[], float]


def seconds(action: Action, clock: Clock = time.process_time) -> float:
    """Of a call: processor time, which other work on the machine lengthens little, or by another clock."""
    begin = clock()
    action()
    return clock() - begin


def side_by_side(*actions: Action, rounds: int = 3, clock: Clock = time.process_time) -> list[float]:
    """The shortest time of each action, taken in turns so that the machine is in the same mood for all."""
    for action in actions:
        action()
    found = [[seconds(action, clock) for action in actions] for _ in range(rounds)]
    return [min(times) for times in zip(*found, strict=True)]
