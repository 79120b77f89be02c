"""The command ``noahpy init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bmi_noahpy.cli.messages import error_console, output_console, reported
from bmi_noahpy.cli.options import Debug, Overwrite


def init(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="Configuration to write.")] = Path("noahpy.yaml"),
    source: Annotated[
        Path | None,
        typer.Option("--from", help="File of weather records (a table or netCDF) to look at, or a Noah ASCII file."),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="Convention that the records follow (`noahpy info presets`); else by their names."),
    ] = None,
    vegetation: Annotated[
        str | None,
        typer.Option(help="Land cover by name or number (`noahpy info tables`); tundra and taiga get organic soil."),
    ] = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Write a commented configuration to start from; from a file of records, with the mapping found in it."""
    with reported(debug=debug or context.obj):
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists. Use --overwrite to replace it, or give another name.")
        for guess in _write_configuration(path, source, preset, vegetation, overwrite):
            error_console().print(f"Guess: {guess}.", markup=False)
        console = output_console()
        console.print(f"Wrote {path}. See what it reads with: noahpy check {path}", markup=False)
        console.print(f"Run it with: noahpy run {path}", markup=False)


def _write_configuration(
    path: Path, source: Path | None, preset: str | None, vegetation: str | None, overwrite: bool
) -> tuple[str, ...]:
    """Write a configuration, and say what was guessed."""
    from bmi_noahpy.config.template import convert_namelist, write_template

    if source is None:
        write_template(path, overwrite=overwrite, vegetation=vegetation)
        return ()
    from bmi_noahpy.config.data_files import holds_namelist

    if preset is None and holds_namelist(source):
        if vegetation is not None:
            raise ValueError("--vegetation: a forcing file of Noah has its own. Leave it out.")
        convert_namelist(source, path, overwrite=overwrite)
        return ()
    from bmi_noahpy.config.from_records import write_from_records

    return write_from_records(source, path, preset=preset, overwrite=overwrite, vegetation=vegetation)[1]
