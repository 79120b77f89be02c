"""The command ``noahpy verify``: against the Fortran original, and a site against itself at other step lengths."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from bmi_noahpy.cli.messages import FAILED, output_console, reported, say
from bmi_noahpy.cli.options import Debug, Execution, Settings


class Mode(str, enum.Enum):
    """How `noahpy verify` compares."""

    steps = "steps"
    free = "free"


References = Annotated[
    list[Path],
    typer.Argument(help="Reference files of the Fortran original (netCDF); with --steps a configuration (YAML)."),
]


def verify(
    context: typer.Context,
    references: References,
    steps: Annotated[
        str | None,
        typer.Option(help="Run a configuration with steps of these lengths, as 300,3600,10800 [s], and compare."),
    ] = None,
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
    csv: Annotated[Path | None, typer.Option(help="Write the scores to a CSV file (one reference only).")] = None,
    settings: Settings = None,
    debug: Debug = False,
) -> None:
    """Compare with the Fortran original (exit status 1 beyond the tolerances), or a site at several step lengths."""
    with reported(debug=debug or context.obj):
        _check_one_target(references, json, csv)
        if steps is not None:
            if json is not None:
                raise ValueError("--json: not with --steps. Use --csv.")
            _verify_steps(references, steps, settings or [], execution.value, csv)
            return
        _refuse_configurations(references, settings)
        failed = _verify_references(references, mode.value, forcing, execution.value, last_day, json, csv)
    if failed:
        raise typer.Exit(FAILED)


def _check_one_target(references: list[Path], json: Path | None, csv: Path | None) -> None:
    from bmi_noahpy.files.targets import check_target

    for name, path in (("--json", json), ("--csv", csv)):
        if path is not None and len(references) > 1:
            raise ValueError(f"{name}: one file for {len(references)} references. Verify them one by one.")
        if path is not None:
            check_target(path, {"the reference": references}, key=name)


def _refuse_configurations(references: list[Path], settings: list[str] | None) -> None:
    if settings:
        raise ValueError("--set: only with --steps. A reference file brings its own settings.")
    for path in references:
        if path.suffix.lower() in (".yaml", ".yml"):
            raise ValueError(
                f"{path} is a configuration, no reference file. To compare step lengths: "
                f"noahpy verify --steps 300,3600,10800 {path}"
            )


def _verify_steps(sources: list[Path], steps: str, settings: list[str], execution: str, csv: Path | None) -> None:
    from bmi_noahpy.config import load_configuration
    from bmi_noahpy.config.named_files import files_read
    from bmi_noahpy.files.targets import check_target
    from bmi_noahpy.verification.step_length_report import print_step_lengths, write_step_lengths
    from bmi_noahpy.verification.step_lengths import compare_step_lengths

    if len(sources) > 1:
        raise ValueError(f"--steps: one configuration, not {len(sources)}. Compare them one by one.")
    configuration = load_configuration(sources[0], settings)
    if csv is not None:
        check_target(csv, files_read(configuration), key="--csv")
    found = compare_step_lengths(
        configuration,
        [part.strip() for part in steps.split(",")],
        execution=None if execution == "auto" else execution,
        say=say,
    )
    print_step_lengths(found, output_console())
    if csv is not None:
        write_step_lengths(found, csv)
        output_console().print(f"Differences: {csv}", markup=False, soft_wrap=True)


def _verify_references(
    references: list[Path],
    mode: str,
    forcing: Path | None,
    execution: str,
    last_day: int | None,
    json: Path | None,
    csv: Path | None,
) -> list[Path]:
    """The files that did not pass."""
    from bmi_noahpy.verification import run_and_report
    from bmi_noahpy.verification.sensitivities import report_if_sensitivities

    console = output_console()
    failed = []
    for path in references:
        status = report_if_sensitivities(path, forcing, last_day=last_day, json=json, csv=csv, console=console)
        if status is None:
            status = run_and_report(path, mode=mode, execution=execution, json=json, csv=csv, console=console)
        failed += [path] if status else []
    return failed
