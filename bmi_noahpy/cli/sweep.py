"""The command ``noahpy sweep``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bmi_noahpy.cli.messages import INTERRUPTED, output_console, print_paths, progress_console, reported, say
from bmi_noahpy.cli.options import Debug, Overwrite, RunFile

if TYPE_CHECKING:
    from bmi_noahpy.runs.sweep import Sweep


def sweep(
    context: typer.Context,
    source: RunFile,
    settings: Annotated[
        list[str],
        typer.Option("--set", help="Values of a key, as soil.parameters.porosity=0.3,0.4,0.5; may be repeated."),
    ],
    output: Annotated[Path | None, typer.Option(help="Output file; default: <configuration>_sweep.nc.")] = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Run every combination of values, as columns of one batch where they differ in numbers only."""
    with reported(debug=debug or context.obj):
        from bmi_noahpy.runs.sweep import sweep as run_sweep

        found = run_sweep(source, settings, output=output, overwrite=overwrite, say=say, progress=progress_console())
        _print(found)
    if any(summary.interrupted for summary in found.summaries):
        raise typer.Exit(INTERRUPTED)


def _print(found: Sweep) -> None:
    console = output_console()
    where, last = "point" if found.together else "run", found.summaries[-1]
    if last.interrupted:
        run = "" if found.together else f" of run {len(found.summaries) - 1}, the last one begun"
        console.print(
            f"Interrupted after {last.steps_done} of {last.steps} steps{run}, at {last.reached}. What is written holds "
            "everything up to there. A sweep cannot be resumed: begin it anew with --overwrite.",
            markup=False,
        )
    for number, settings in enumerate(found.settings):
        shown = ", ".join(f"{key}={value}" for key, value in settings.items())
        console.print(f"{where} {number}: {shown}", markup=False)
    seconds = sum(summary.seconds for summary in found.summaries)
    console.print(f"{found.summaries[0].steps_done} steps each, in {seconds:.1f} s", markup=False)
    print_paths("Output", [summary.path for summary in found.summaries])
