"""How far something has come: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

FIRST_LINE, NEXT_LINE = 30.0, 120.0
"""After so long the first line is written, and the next ones. [s]"""


class Shown(Protocol):
    """What tells somebody how far a task has come, as `rich.progress.Progress` does."""

    def add_task(self, description: str, *, total: float, completed: int = 0) -> TaskID:
        """Begin with a task."""

    def update(self, task_id: TaskID, *, completed: float, **fields: Any) -> None:
        """So much is done; ``status`` is shown beside it."""

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """So much more is done."""


@contextmanager
def shown_progress(console: Console | None) -> Iterator[Shown]:
    """Show progress on a console; nowhere without one."""
    if console is not None and not console.is_terminal:
        yield Lines(console)
        return
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[status]}"),
        console=console or Console(stderr=True),
        transient=True,
        disable=console is None,
    ) as bar:
        yield _Bar(bar)


class _Bar:
    """A bar whose tasks may have a status."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar

    def add_task(self, description: str, *, total: float, completed: int = 0) -> TaskID:
        return self._bar.add_task(description, total=total, completed=completed, status="")

    def update(self, task_id: TaskID, *, completed: float, **fields: Any) -> None:
        self._bar.update(task_id, completed=completed, **fields)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        self._bar.advance(task_id, advance)


class Lines:
    """Lines for a file or a pipe: the first after half a minute, then every two minutes, with what is left.

    Parameters
    ----------
    console : Where they go.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._description, self._total, self._done, self._first = "", 0.0, 0.0, 0.0
        self._begin = time.monotonic()
        self._due = self._begin + FIRST_LINE

    def add_task(self, description: str, *, total: float, completed: int = 0) -> TaskID:
        """Begin with a task, one after the other."""
        self._description, self._total = description, total
        self._done = self._first = completed
        return TaskID(0)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """So much more is done."""
        self.update(task_id, completed=self._done + advance)

    def update(self, task_id: TaskID, *, completed: float, **fields: Any) -> None:
        """So much is done; a line when it is time for one."""
        self._done = completed
        now = time.monotonic()
        if now < self._due or completed >= self._total:
            return
        self._due = now + NEXT_LINE
        share = (self._total - completed) / max(completed - self._first, 1.0)
        status = f", {fields['status']}" if fields.get("status") else ""
        text = f"{self._description}: {completed:g} of {self._total:g}, about {_span(share * (now - self._begin))} left"
        self._console.print(text + status, markup=False)


def _span(seconds: float) -> str:
    """A length of time in its usual unit."""
    for limit, unit, name in ((90.0, 1.0, "s"), (5400.0, 60.0, "min"), (172800.0, 3600.0, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86400.0:.1f} days"
