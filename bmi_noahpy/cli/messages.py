"""How commands speak: one line for an error, no traceback unless asked for."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

WIDTH_OF_FILES = 200
"""Width of tables that do not go to a terminal: nothing is cut that `grep` may look for."""

FAILED, REFUSED, INTERRUPTED = 1, 2, 130
"""Exit statuses: the run or the check failed, the input cannot be used, stopped by the user."""


def output_console() -> Console:
    """Console for results, as wide as the terminal, wide elsewhere."""
    return Console(width=None if sys.stdout.isatty() else WIDTH_OF_FILES, highlight=False)


def error_console() -> Console:
    """Console for progress, warnings and errors."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


@contextlib.contextmanager
def reported(*, debug: bool) -> Iterator[None]:
    """Turn errors a user can mend into a message and exit status 2, failed computations into 1, warnings into a line.

    With `debug` errors pass through with their traceback.
    """
    console = error_console()

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        console.print(Text.assemble(("Warning: ", "yellow"), str(message)))

    with warnings.catch_warnings():
        warnings.showwarning = show
        try:
            yield
        except (ArithmeticError, ValueError, OSError) as error:
            if debug:
                raise
            console.print(Text.assemble(("Error: ", "bold red"), str(error) or type(error).__name__))
            raise typer.Exit(FAILED if isinstance(error, ArithmeticError) else REFUSED) from None
