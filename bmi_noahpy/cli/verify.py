"""The command ``noahpy verify``."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from bmi_noahpy.cli.messages import FAILED, output_console, reported
from bmi_noahpy.cli.options import Debug, Execution


class Mode(str, enum.Enum):
    """How `noahpy verify` compares."""

    steps = "steps"
    free = "free"


def verify(
    context: typer.Context,
    references: Annotated[list[Path], typer.Argument(help="Reference files of the Fortran original (netCDF).")],
    mode: Annotated[
        Mode, typer.Option(help="Every step from the original's state, or a free run from the initial state.")
    ] = Mode.steps,
    forcing: Annotated[
        Path | None, typer.Option(help="Forcing file of the run that a reference of sensitivities belongs to.")
    ] = None,
    execution: Annotated[
        Execution, typer.Option(help="auto: single steps eager, free runs and sensitivities compiled if possible.")
    ] = Execution.auto,
    last_day: Annotated[
        int | None, typer.Option(help="Compare sensitivities up to this day; default: as long as they have a meaning.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the result to a JSON file (one reference only).")] = None,
    debug: Debug = False,
) -> None:
    """Compare the model or its gradients with those of the Fortran original; exit status 1 beyond the tolerances."""
    with reported(debug=debug or context.obj):
        from bmi_noahpy.verification import run_and_report
        from bmi_noahpy.verification.sensitivities import report_if_sensitivities

        if json is not None and len(references) > 1:
            raise ValueError(f"--json: one file for {len(references)} references. Verify them one by one.")
        console = output_console()
        failed = []
        for path in references:
            status = report_if_sensitivities(path, forcing, last_day=last_day, json=json, console=console)
            if status is None:
                status = run_and_report(path, mode=mode.value, execution=execution.value, json=json, console=console)
            failed += [path] if status else []
    if failed:
        raise typer.Exit(FAILED)
