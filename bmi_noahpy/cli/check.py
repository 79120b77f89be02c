"""The command ``noahpy check``."""

from __future__ import annotations

import typer

from bmi_noahpy.cli.messages import output_console, reported
from bmi_noahpy.cli.options import Debug, RunFile, Settings


def check(context: typer.Context, source: RunFile, settings: Settings = None, debug: Debug = False) -> None:
    """Read everything a run would read, and show it on one screen with what is doubtful; nothing is run."""
    with reported(debug=debug or context.obj):
        from bmi_noahpy.cli.check_report import check_file

        check_file(source, settings or [], output_console())
