"""A program that runs a configuration and kills itself at a chosen moment: ``killed_run.py site.yaml moment count``.

It writes a line when it is about to begin, so that it can also be killed from outside.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bmi_noahpy import atomic
from bmi_noahpy.config import load_configuration
from bmi_noahpy.output.journal import Journal
from bmi_noahpy.output.records import RecordRows
from bmi_noahpy.runs import blocks
from bmi_noahpy.runs.launch import Launch, launch

MOMENTS = ("journal", "publishing", "moving", "moved", "never")


def die() -> None:
    """No handler, no finally, no flushed buffer."""
    os.kill(os.getpid(), signal.SIGKILL)


def at_call(count: int, function: Callable[..., Any], before: Callable[..., None]) -> Callable[..., Any]:
    """A function that calls `before` and dies the count-th time it is called."""
    calls = iter(range(1, 10**9))

    def wrapped(*arguments: Any) -> Any:
        if next(calls) == count:
            before(*arguments)
            die()
        return function(*arguments)

    return wrapped


def half_a_record(journal: Journal, rows: Any) -> None:
    """What a kill within the writing of rows leaves."""
    os.write(journal._file.fileno(), rows.tobytes()[: rows.nbytes // 2 + 3])


def half_a_file(rows: RecordRows, file: Any, journal: Journal, begin: int) -> None:
    """What a kill within the writing of a netCDF file leaves."""
    file[rows.names[0]].resize(journal.records, axis=0)
    file[rows.names[0]][begin : journal.records] = 1.0
    file.flush()


def main() -> None:
    """Run, and die if there is a moment for it."""
    site, moment, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    blocks.FIRST_LENGTH, blocks.LARGEST_GROWTH = 5, 1.0
    if moment == "journal":
        Journal.append = at_call(count, Journal.append, half_a_record)
    elif moment == "publishing":
        RecordRows.write = at_call(count, RecordRows.write, half_a_file)
    elif moment == "moving":
        atomic.os.replace = at_call(count, os.replace, lambda *_: None)
    elif moment == "moved":
        atomic.os.replace = at_call(count, os.replace, os.replace)
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    launch(load_configuration(site), Launch(resume=True))


if __name__ == "__main__":
    main()
