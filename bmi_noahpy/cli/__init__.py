"""The command ``noahpy``. Everything heavy is imported inside the commands, so that ``--help`` answers at once."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bmi_noahpy.cli.calibration import calibrate, sensitivity
from bmi_noahpy.cli.messages import FAILED, INTERRUPTED, error_console, output_console, reported
from bmi_noahpy.files.trust import own_code

if TYPE_CHECKING:
    from bmi_noahpy.runs.execute import RunSummary
    from bmi_noahpy.runs.launch import Launch

__all__ = ["app"]

EXAMPLE_FOLDER = Path("noahpy-example")

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_show_locals=False,
    help="Noah land surface model with permafrost physics: differentiable, batched, with a Basic Model Interface.",
)


app.command()(calibrate)
app.command()(sensitivity)


class Topic(str, enum.Enum):
    """What `noahpy info` can list."""

    variables = "variables"
    parameters = "parameters"
    schemes = "schemes"
    tables = "tables"
    presets = "presets"


class Mode(str, enum.Enum):
    """How `noahpy verify` compares."""

    steps = "steps"
    free = "free"


class Window(str, enum.Enum):
    """What the time stamp of an observation means."""

    auto = "auto"
    start = "start"
    centre = "centre"
    instant = "instant"


class Execution(str, enum.Enum):
    """How steps are taken."""

    auto = "auto"
    eager = "eager"
    compiled = "compiled"


Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="A key on top of the file, as period.end=2020-01-01; may be repeated.")
]


def _print_version(wanted: bool) -> None:
    if wanted:
        from noahpy_core import __version__

        typer.echo(f"noahpy {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Debug = False,
    no_own_code: Annotated[
        bool,
        typer.Option(
            "--no-own-code",
            envvar="NOAHPY_NO_OWN_CODE",
            help="Refuse configurations that name classes of their own: those of others are programs of others.",
        ),
    ] = False,
) -> None:
    context.obj = debug
    own_code.set(not no_own_code)


@app.command()
def run(
    context: typer.Context,
    source: Annotated[
        Path | None,
        typer.Argument(help="Configuration (YAML) or Noah ASCII forcing file. Without it: the built-in example."),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Output file instead of the configured one.")] = None,
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
        _print_summary(summary)
        if plot and summary.steps_done:
            _plot_after_run(summary.path)
    if summary.interrupted:
        raise typer.Exit(INTERRUPTED)


@app.command()
def init(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="Configuration to write.")] = Path("noahpy.yaml"),
    source: Annotated[
        Path | None,
        typer.Option("--from", help="File of weather records (a table or netCDF) to look at, or a Noah ASCII file."),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Convention that the records follow (`noahpy info presets`).")
    ] = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Write a commented configuration to start from; from a file of records, with the mapping found in it."""
    with reported(debug=debug or context.obj):
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists. Use --overwrite to replace it, or give another name.")
        for guess in _write_configuration(path, source, preset, overwrite):
            error_console().print(f"Guess: {guess}.", markup=False)
        console = output_console()
        console.print(f"Wrote {path}. See what it reads with: noahpy check {path}", markup=False)
        console.print(f"Run it with: noahpy run {path}", markup=False)


def _write_configuration(path: Path, source: Path | None, preset: str | None, overwrite: bool) -> tuple[str, ...]:
    """Write a configuration, and say what was guessed."""
    from bmi_noahpy.config.template import convert_namelist, write_template

    if source is None:
        write_template(path, overwrite=overwrite)
        return ()
    from bmi_noahpy.config.data_files import looks_like_records

    if preset is None and not looks_like_records(source):
        convert_namelist(source, path, overwrite=overwrite)
        return ()
    from bmi_noahpy.config.from_records import write_from_records

    return write_from_records(source, path, preset=preset, overwrite=overwrite)[1]


@app.command()
def check(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="Configuration (YAML) or Noah ASCII forcing file.")],
    settings: Settings = None,
    debug: Debug = False,
) -> None:
    """Read everything a run would read, and show it on one screen with what is doubtful; nothing is run."""
    with reported(debug=debug or context.obj):
        from bmi_noahpy.cli.check import check_file

        check_file(source, settings or [], output_console())


@app.command()
def schema(context: typer.Context, debug: Debug = False) -> None:
    """Print the JSON schema of configurations, for editors."""
    with reported(debug=debug or context.obj):
        import json

        from bmi_noahpy.config import Configuration

        typer.echo(json.dumps(Configuration.model_json_schema(by_alias=True), indent=2))


@app.command()
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


@app.command()
def plot(
    context: typer.Context,
    output: Annotated[Path, typer.Argument(help="Output file of a run.")],
    observations: Annotated[Path | None, typer.Option(help="Observations to compare with: a table or netCDF.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Where the figures go; default: beside the output file.")] = None,
    cell: Annotated[
        str | None, typer.Option(help="Row and column of a grid, from 0; default: the first that was computed.")
    ] = None,
    window: Annotated[
        Window,
        typer.Option(
            help="Time stamp of observations: start or centre of the interval they are means of, or an instant. "
            "auto: daily ones are means from their stamp on, finer ones instants."
        ),
    ] = Window.auto,
    debug: Debug = False,
) -> None:
    """Draw an output file as PNG figures, with scores where observations are given."""
    with reported(debug=debug or context.obj):
        from bmi_noahpy.plot import plot_output

        place = None if cell is None else _cell(cell)
        paths = plot_output(output, observations=observations, folder=folder, cell=place, window=window.value)
        _print_paths("Figures", paths)


@app.command()
def table(
    context: typer.Context,
    output: Annotated[Path, typer.Argument(help="Output file of a run with soil temperature, liquid water and ice.")],
    csv: Annotated[Path | None, typer.Option(help="Write the table to a CSV file.")] = None,
    xlsx: Annotated[Path | None, typer.Option(help="Write the table to a spreadsheet (needs openpyxl).")] = None,
    cell: Annotated[
        str | None, typer.Option(help="Row and column of a grid, from 0; default: the first that was computed.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Show permafrost year by year: active layer, ground temperature, dates of thaw and freezing, snow."""
    with reported(debug=debug or context.obj):
        from bmi_noahpy.observations.yearly import permafrost_table

        found = permafrost_table(output, cell=None if cell is None else _cell(cell))
        written = [path for path in (csv, xlsx) if path is not None]
        if csv is not None:
            found.to_csv(csv, index=False, float_format="%.6g")
        if xlsx is not None:
            _to_spreadsheet(found, xlsx)
        if not written:
            output_console().print(found.T.to_string(header=False), markup=False)
        _print_paths("Table", written)


def _to_spreadsheet(found: Any, path: Path) -> None:
    try:
        found.to_excel(path, index=False)
    except ModuleNotFoundError:
        raise ValueError("--xlsx: needs the package openpyxl. Install it, or use --csv.") from None


@app.command()
def info(
    context: typer.Context,
    topic: Annotated[Topic | None, typer.Argument(help="What to list; everything when left out.")] = None,
    debug: Debug = False,
) -> None:
    """List variables, parameters with their bounds, schemes, and soil and vegetation classes."""
    with reported(debug=debug or context.obj):
        from bmi_noahpy.cli.info import print_info

        console = output_console()
        for chosen in [topic] if topic else Topic:
            print_info(chosen.value, console)


def _example() -> Path:
    from bmi_noahpy.example import CONFIGURATION_FILE, write_example

    path = EXAMPLE_FOLDER / CONFIGURATION_FILE
    if path.exists():
        error_console().print(f"Running the example in {EXAMPLE_FOLDER} as it is; remove the folder for a fresh one.")
        return path
    error_console().print(f"No configuration given: writing the built-in example to {EXAMPLE_FOLDER}.")
    return write_example(EXAMPLE_FOLDER)


def _run(source: Path, settings: list[str], how: Launch, workers: int | None, scheduler: str | None) -> RunSummary:
    from bmi_noahpy.config import load_configuration
    from bmi_noahpy.runs.launch import launch

    console, configuration = error_console(), load_configuration(source, settings)
    common: dict[str, Any] = {
        "default_output": source.with_suffix(".nc"),
        "say": lambda text: console.print(text, markup=False),
        "progress": console,
    }
    path = how.output or (configuration.output.file if configuration.output else None)
    if workers is None and scheduler is None and (path is None or path.suffix != ".zarr"):
        return launch(configuration, how, **common)
    from bmi_noahpy.distributed import launch_tiles

    return launch_tiles(configuration, how, workers=workers, scheduler=scheduler, **common)


def _print_summary(summary: RunSummary) -> None:
    console = output_console()
    if summary.interrupted:
        console.print(
            f"Interrupted after {summary.steps_done} of {summary.steps} steps, at {summary.reached}. "
            "The output file holds everything up to there.",
            markup=False,
        )
    pace = f"{summary.seconds:.1f} s ({1e3 * summary.seconds_per_step:.2f} ms a step)"
    console.print(f"{summary.steps_done} steps to {summary.reached} in {pace}", markup=False)
    for residual in summary.residuals:
        name = residual.name.replace("_", " ")
        console.print(
            f"Largest {name}: {residual.value:.2g} {residual.units} (column {residual.column}, {residual.at})",
            markup=False,
        )
    for sentence in summary.created.sentences:
        console.print(sentence, markup=False)
    _print_paths("Output", [summary.path])


def _plot_after_run(path: Path) -> None:
    from bmi_noahpy.observations.simulated import PlotError
    from bmi_noahpy.plot import plot_output

    try:
        _print_paths("Figures", plot_output(path))
    except PlotError as error:
        error_console().print(f"No figures: {error}", markup=False)


def _print_paths(title: str, paths: list[Path]) -> None:
    console: Any = output_console()
    for path in paths:
        console.print(f"{title}: {path}", markup=False, soft_wrap=True)


def _cell(text: str) -> tuple[int, int]:
    try:
        row, column = (int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--cell: {text!r} is not a row and a column. Give two numbers, like 0,3.") from None
    if row < 0 or column < 0:
        raise ValueError(f"--cell: {text!r} is negative. Rows and columns count from 0.")
    return row, column
