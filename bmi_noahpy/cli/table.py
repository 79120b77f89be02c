"""The command ``noahpy table``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bmi_noahpy.cli.messages import output_console, print_paths, reported
from bmi_noahpy.cli.options import Cell, Debug, Reading, read_cell


def table(
    context: typer.Context,
    output: Annotated[Path, typer.Argument(help="Output file of a run with soil temperature, liquid water and ice.")],
    csv: Annotated[Path | None, typer.Option(help="Write the table to a CSV file.")] = None,
    xlsx: Annotated[
        Path | None, typer.Option(help="Write the table to a spreadsheet (needs noahpy[spreadsheet]).")
    ] = None,
    observations: Annotated[
        Path | None, typer.Option(help="Observed depths of thaw, as of CALM sites, for a column beside the simulated.")
    ] = None,
    read: Reading = None,
    cell: Cell = None,
    debug: Debug = False,
) -> None:
    """Show permafrost year by year: active layer, ground temperature, dates of thaw and freezing, snow."""
    with reported(debug=debug or context.obj):
        from bmi_noahpy.config.observation_section import read_reading, refuse_without_file
        from bmi_noahpy.files.targets import check_target
        from bmi_noahpy.observations.thaw import read_thaw_depths
        from bmi_noahpy.observations.yearly import permafrost_table

        written = [path for path in (csv, xlsx) if path is not None]
        for path in written:
            check_target(path, {"the output": [output]}, key="--csv" if path == csv else "--xlsx")
        reading = read_reading(read or [])
        refuse_without_file(read, observations)
        depths = None if observations is None else read_thaw_depths(observations, reading)
        found = permafrost_table(output, cell=read_cell(cell), observations=depths)
        if csv is not None:
            found.to_csv(csv, index=False, float_format="%.6g")
        if xlsx is not None:
            _to_spreadsheet(found, xlsx)
        if not written:
            output_console().print(found.T.to_string(header=False), markup=False)
        print_paths("Table", written)


def _to_spreadsheet(found: Any, path: Path) -> None:
    try:
        found.to_excel(path, index=False)
    except ModuleNotFoundError:
        raise ValueError("--xlsx: needs the package openpyxl. Install noahpy[spreadsheet], or use --csv.") from None
