"""Tables of what can be named in a configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bmi_noahpy.forcing.presets import presets
from bmi_noahpy.output.layout import SOIL_NUMBERINGS
from bmi_noahpy.output.variables import output_variables
from noahpy_core.class_values import soil_class_names, vegetation_class_names
from noahpy_core.options import BUILT_IN
from noahpy_core.parameters import Parameters
from noahpy_core.presets import ABOUT
from noahpy_core.quantities import quantities
from noahpy_core.summaries import summary


def print_info(topic: str, console: Console) -> None:
    """Print the tables of a topic: variables, parameters, schemes or tables."""
    for table in TOPICS[topic]():
        console.print(table)


def _variables() -> Iterable[Table]:
    table = _table("Variables (output.variables)", "name", "units", "dimensions", "valid", "description")
    for variable in output_variables().values():
        dimensions = ", ".join(("time", *variable.dims))
        valid = "mean" if variable.mean else "end of step"
        _row(table, variable.path, variable.units, dimensions, valid, variable.long_name)
    yield table


def _parameters() -> Iterable[Table]:
    table = _table("Parameters (<section>.parameters)", "name", "units", "bounds", "description")
    for path, metadata in quantities(Parameters):
        low, high = metadata["bounds"]
        by_layer = " (by layer)" if metadata["dims"] else ""
        _row(table, path, metadata["units"], f"{low:g} to {high:g}", metadata["long_name"] + by_layer)
    yield table


def _schemes() -> Iterable[Table]:
    sets = _table("Sets of schemes (schemes.preset)", "name", "stands for")
    for name, about in ABOUT.items():
        _row(sets, name, about)
    yield sets
    table = _table("Schemes (schemes.<slot>); package.module:Class names one's own", "slot", "name", "description")
    for slot, schemes in BUILT_IN.items():
        for name in schemes.places:
            default = " (default)" if name == schemes.default else ""
            _row(table, slot, name + default, summary(*schemes.place(name)))
    yield table


def _tables() -> Iterable[Table]:
    classes = {
        f"Soil classes, soil.table: {table} ({numbering})": soil_class_names(table)
        for table, numbering in SOIL_NUMBERINGS.items()
    } | {f"Vegetation classes, vegetation.table: {table}": vegetation_class_names(table) for table in ("usgs", "modis")}
    for title, names in classes.items():
        table = _table(title, "class", "name")
        for number, name in names.items():
            _row(table, str(number), name)
        yield table


def _presets() -> Iterable[Table]:
    table = _table("Conventions of forcing files (forcing.preset)", "name", "stands for", "variables")
    for name, preset in presets().items():
        _row(table, name, preset.about, "; ".join(_named(entry) for entry in preset.variables.values()))
    yield table


def _named(entry: Mapping[str, Any]) -> str:
    """A variable of a preset: names, units, and what is not as usual."""
    names = " + ".join(entry["sum"]) if "sum" in entry else " or ".join(entry["names"])
    others = [str(entry[key]) for key in ("units", "label", "accumulated") if key in entry]
    return f"{names} [{', '.join(others)}]"


TOPICS: dict[str, Callable[[], Iterable[Table]]] = {
    "variables": _variables,
    "parameters": _parameters,
    "schemes": _schemes,
    "tables": _tables,
    "presets": _presets,
}


def _table(title: str, *headers: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for header in headers:
        table.add_column(header, no_wrap=header in ("name", "units", "slot"))
    return table


def _row(table: Table, *cells: str) -> None:
    # As text: units and names must not be read as markup.
    table.add_row(*(Text(cell) for cell in cells))
