"""The command ``noahpy run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bmi_noahpy.cli.messages import (
    INTERRUPTED,
    output_console,
    print_paths,
    progress_console,
    reported,
    say,
)
from bmi_noahpy.cli.options import Debug, Execution, OutputFile, Overwrite, Settings

if TYPE_CHECKING:
    from bmi_noahpy.runs.execute import RunSummary
    from bmi_noahpy.runs.launch import Launch

EXAMPLE_FOLDER = Path("noahpy-example")


def run(
    context: typer.Context,
    source: Annotated[
        Path | None,
        typer.Argument(help="Configuration (YAML) or Noah ASCII forcing file. Without it: the built-in example."),
    ] = None,
    output: OutputFile = None,
    overwrite: Overwrite = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest restart file of a run that was cut short.")
    ] = False,
    restart_from: Annotated[
        Path | None, typer.Option(help="Begin with the state of this restart file, at its time.")
    ] = None,
    execution: Annotated[
        Execution | None, typer.Option(help="auto: the quickest way; eager: step by step; compiled: or not at all.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, or a graphics processor: cuda, cuda:1.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Run tiles of columns on so many processes of this machine (needs dask).")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Run tiles of columns on the workers of a Dask scheduler, tcp://host:8786.")
    ] = None,
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Draw figures beside the output file.")] = True,
    settings: Settings = None,
    debug: Debug = False,
) -> None:
    """Run the model and write netCDF output, or a Zarr store where the output ends in .zarr."""
    with reported(debug=debug or context.obj):
        from bmi_noahpy.runs.launch import Launch

        how = Launch(output, overwrite, resume, restart_from, execution and execution.value, device)
        path = source if source is not None else _example()
        summary = _run(path, settings or [], how, workers, scheduler)
        print_summary(summary)
        if plot and summary.steps_done:
            _plot_after_run(summary.path)
    if summary.interrupted:
        raise typer.Exit(INTERRUPTED)


def _example() -> Path:
    from bmi_noahpy.example import CONFIGURATION_FILE, write_example

    path = EXAMPLE_FOLDER / CONFIGURATION_FILE
    if path.exists():
        say(f"Running the example in {EXAMPLE_FOLDER} as it is; remove the folder for a fresh one.")
        return path
    say(f"No configuration given: writing the built-in example to {EXAMPLE_FOLDER}.")
    return write_example(EXAMPLE_FOLDER)


def _run(source: Path, settings: list[str], how: Launch, workers: int | None, scheduler: str | None) -> RunSummary:
    from bmi_noahpy.config import load_configuration
    from bmi_noahpy.runs.launch import launch
    from noahpy_core.presets import described

    configuration = load_configuration(source, settings)
    say(f"Schemes: {described(configuration.schemes)}.")
    common: dict[str, Any] = {
        "default_output": source.with_suffix(".nc"),
        "say": say,
        "progress": progress_console(),
    }
    path = how.output or (configuration.output.file if configuration.output else None)
    if workers is None and scheduler is None and (path is None or path.suffix != ".zarr"):
        return launch(configuration, how, **common)
    from bmi_noahpy.distributed import launch_tiles

    return launch_tiles(configuration, how, workers=workers, scheduler=scheduler, **common)


def print_summary(summary: RunSummary) -> None:
    """Say how far a run came, how long it took, how well its budgets close and where its output is."""
    console = output_console()
    if summary.interrupted:
        console.print(
            f"Interrupted after {summary.steps_done} of {summary.steps} steps, at {summary.reached}. "
            "The output file holds everything up to there.",
            markup=False,
        )
    console.print(f"{summary.steps_done} steps to {summary.reached}{_pace(summary)}", markup=False)
    for residual in summary.residuals:
        name = residual.name.replace("_", " ")
        console.print(
            f"Largest {name}: {residual.value:.2g} {residual.units} (column {residual.column}, {residual.at})",
            markup=False,
        )
    print_paths("Output", [summary.path])


def _pace(summary: RunSummary) -> str:
    """How long the steps took that were taken now: an earlier run may have taken others, or all."""
    taken = summary.steps_done - summary.first_step
    if not taken:
        return ", none of them now"
    some = f", {taken} of them now," if summary.first_step else ""
    return f"{some} in {summary.seconds:.1f} s ({1e3 * summary.seconds_per_step:.2f} ms a step)"


def _plot_after_run(path: Path) -> None:
    from bmi_noahpy.observations.simulated import PlotError
    from bmi_noahpy.plot import plot_output

    try:
        print_paths("Figures", plot_output(path))
    except PlotError as error:
        say(f"No figures: {error}")
