"""Arguments and options that several commands have."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="A key on top of the file, as period.end=2020-01-01; may be repeated.")
]
RunFile = Annotated[Path, typer.Argument(help="Configuration (YAML) or Noah ASCII forcing file.")]
OutputFile = Annotated[Path | None, typer.Option(help="Output file instead of the configured one.")]
Cell = Annotated[
    str | None, typer.Option(help="Row and column of a grid, from 0; default: the first that was computed.")
]
Reading = Annotated[
    list[str] | None,
    typer.Option(
        "--read",
        help="How observations are read, by the keys of a calibration's observations: time.utc_offset=1, "
        "time.zone=Europe/Zurich, time.format=day-first, missing=6999, text.decimal=',', "
        "'variables={T_3: {quantity: soil_temperature, depth: 5 cm, units: degC}}'; may be repeated.",
    ),
]


class Execution(str, enum.Enum):
    """How steps are taken."""

    auto = "auto"
    eager = "eager"
    compiled = "compiled"


def read_cell(text: str | None) -> tuple[int, int] | None:
    """Row and column of a grid.

    Raises
    ------
    ValueError : not two numbers from 0 on.
    """
    if text is None:
        return None
    try:
        row, column = (int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--cell: {text!r} is not a row and a column. Give two numbers, like 0,3.") from None
    if row < 0 or column < 0:
        raise ValueError(f"--cell: {text!r} is negative. Rows and columns count from 0.")
    return row, column
