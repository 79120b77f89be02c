"""How commands speak: one line for an error, no traceback unless asked for."""

from __future__ import annotations

import contextlib
import enum
import errno
import warnings
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any, cast

import typer
from rich.console import Console
from rich.text import Text

from bmi_noahpy.cli.streams import standard_error, standard_output
from bmi_noahpy.files.brief import brief
from bmi_noahpy.runs.interrupts import stopped_by_requests

WIDTH_OF_FILES = 200
"""Width of tables that do not go to a terminal: nothing is cut that `grep` may look for."""

FAILED, REFUSED, INTERRUPTED = 1, 2, 130
"""Exit statuses: the run, the check or the machine failed, the input cannot be used, stopped by the user."""

MACHINE = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EIO", "EMFILE", "ENFILE", "ENOMEM", "EFBIG", "ESTALE", "ETIMEDOUT", "ENOLCK")
    if hasattr(errno, name)
)
"""Errors that no other input would mend."""


class LogLevel(str, enum.Enum):
    """What is said on standard error."""

    error = "error"
    warning = "warning"
    info = "info"
    debug = "debug"


LEVELS = tuple(LogLevel)
log_level: ContextVar[LogLevel] = ContextVar("log_level", default=LogLevel.info)
"""What the user wants to be told."""


def is_said(level: LogLevel) -> bool:
    """Whether the user wants to be told what is of this level."""
    return LEVELS.index(level) <= LEVELS.index(log_level.get())


def output_console() -> Console:
    """Console for results, as wide as the terminal, wide elsewhere. A stream that is closed or full does not matter."""
    stream = standard_output()
    return Console(file=cast(IO[str], stream), width=None if stream.isatty() else WIDTH_OF_FILES, highlight=False)


def error_console() -> Console:
    """Console for progress, warnings and errors."""
    return Console(file=cast(IO[str], standard_error()), highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Tell what happens, to whom wants to know."""
    if is_said(LogLevel.info):
        error_console().print(text, markup=False)


def progress_console() -> Console | None:
    """Where progress is shown; None for whom does not want to know."""
    return error_console() if is_said(LogLevel.info) else None


def print_paths(title: str, paths: Iterable[Path]) -> None:
    """Name files that were written, each on a line of its own that is not broken."""
    for path in paths:
        output_console().print(f"{title}: {path}", markup=False, soft_wrap=True)


@contextlib.contextmanager
def reported(*, debug: bool) -> Iterator[None]:
    """Turn every error into a message: exit status 2 for what a user can mend, 1 for failed computations and machines.

    With `debug` errors pass through with their traceback. A request to stop, by the user or the system, is the exit
    status 130. Warnings become a line, each once: a file may be read for checks, and again for what is done with it.
    """
    console, shown = error_console(), set[str]()

    def show(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any) -> None:
        if is_said(LogLevel.warning) and str(message) not in shown:
            shown.add(str(message))
            place = f" ({category.__name__}, {filename}, line {lineno})" if is_said(LogLevel.debug) else ""
            console.print(Text.assemble(("Warning: ", "yellow"), _brief(str(message)), place))

    with warnings.catch_warnings(), stopped_by_requests():
        warnings.showwarning = show
        try:
            yield
        except KeyboardInterrupt as stop:
            console.print(f"Interrupted. {stop}".rstrip(), markup=False)
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            if debug or isinstance(error, _PASSED_ON):
                raise
            console.print(Text.assemble(("Error: ", "bold red"), _brief(_told(error))))
            raise typer.Exit(_status(error)) from None


_PASSED_ON = (typer.Exit, typer.Abort, typer.BadParameter)


def _told(error: Exception) -> str:
    """What a user is told of an error; one that nobody foresaw is called so."""
    text = str(error)
    if isinstance(error, MemoryError):
        return "memory is full. Take fewer columns, layers or outputs at a time, or a machine with more of it."
    if isinstance(error, (ArithmeticError, ValueError, OSError)):
        return text or type(error).__name__
    return (
        f"{type(error).__name__}: {' '.join(text.split())[:300]} (not foreseen, a fault of this program: --debug shows "
        "where; please report it)"
    )


def _status(error: Exception) -> int:
    if isinstance(error, OSError):
        return FAILED if error.errno in MACHINE else REFUSED
    return REFUSED if isinstance(error, ValueError) else FAILED


def _brief(text: str) -> str:
    """No line of a message is longer than anybody reads."""
    return "\n".join(brief(line) for line in text.split("\n"))
