"""The commands ``noahpy info`` and ``noahpy schema``: what can be written into a configuration."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from bmi_noahpy.cli.messages import output_console, reported
from bmi_noahpy.cli.options import Debug


class Topic(str, enum.Enum):
    """What `noahpy info` can list."""

    variables = "variables"
    parameters = "parameters"
    schemes = "schemes"
    tables = "tables"
    presets = "presets"


def info(
    context: typer.Context,
    topic: Annotated[Topic | None, typer.Argument(help="What to list; everything when left out.")] = None,
    debug: Debug = False,
) -> None:
    """List variables, parameters with their bounds, schemes, and soil and vegetation classes."""
    with reported(debug=debug or context.obj):
        from bmi_noahpy.cli.info_tables import print_info

        console = output_console()
        for chosen in [topic] if topic else Topic:
            print_info(chosen.value, console)


def schema(context: typer.Context, debug: Debug = False) -> None:
    """Print the JSON schema of configurations, for editors."""
    with reported(debug=debug or context.obj):
        import json

        from bmi_noahpy.config import Configuration

        typer.echo(json.dumps(Configuration.model_json_schema(by_alias=True), indent=2))
