"""The commands ``noahpy calibrate`` and ``noahpy sensitivity``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bmi_noahpy.cli.messages import INTERRUPTED, output_console, print_paths, progress_console, reported, say
from bmi_noahpy.cli.options import Debug, Settings

if TYPE_CHECKING:
    from bmi_noahpy.calibration import Outcome

File = Annotated[Path, typer.Argument(help="Calibration file (YAML).")]
Results = Annotated[Path | None, typer.Option(help="Results folder instead of the configured one.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Begin anew where there are results.")]


def calibrate(
    context: typer.Context,
    file: File,
    results: Results = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an earlier calibration ended, was interrupted or killed.")
    ] = False,
    overwrite: Overwrite = False,
    settings: Settings = None,
    debug: Debug = False,
) -> None:
    """Fit parameters, initial values and biases of the forcing to observations."""
    with reported(debug=debug or context.obj):
        from bmi_noahpy.calibration import calibrate_splits, load_calibration

        if resume and overwrite:
            raise ValueError("--resume and --overwrite: one goes on, the other begins anew. Give only one of them.")
        outcomes = calibrate_splits(
            load_calibration(file, settings or []).with_results(results),
            resume=resume,
            overwrite=overwrite,
            say=say,
            progress=progress_console(),
        )
        _print_outcomes(outcomes)
    if any(outcome.interrupted for outcome in outcomes.values()):
        raise typer.Exit(INTERRUPTED)


def sensitivity(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Calibration file, or the configuration of a run (YAML).")],
    results: Results = None,
    settings: Settings = None,
    debug: Debug = False,
) -> None:
    """Show which parameters matter for which depth and season."""
    with reported(debug=debug or context.obj):
        from bmi_noahpy.calibration.sensitivity.analysis import analyse, load_analysis
        from bmi_noahpy.calibration.sensitivity.report import print_tables, write_report

        calibration = load_analysis(file, settings or []).with_results(results)
        found = analyse(calibration, say=say)
        print_tables(found, output_console())
        print_paths("Sensitivity", write_report(found, calibration.results.folder))


def _print_outcomes(outcomes: dict[str, Outcome]) -> None:
    from bmi_noahpy.calibration.results.report import print_split_scores

    for name, outcome in outcomes.items():
        if name:
            output_console().print(f"Split {name}", markup=False)
        _print_outcome(outcome)
    if len(outcomes) > 1:
        print_split_scores(list(outcomes.values()), output_console())


def _print_outcome(outcome: Outcome) -> None:
    from bmi_noahpy.calibration.results.report import print_outcome

    console = output_console()
    if outcome.interrupted:
        console.print(
            f"Interrupted after iteration {outcome.iterations}. The best parameters so far are in "
            f"{outcome.folder / 'calibrated.yaml'}; go on with --resume.",
            markup=False,
            soft_wrap=True,
        )
    print_outcome(outcome, console)
