"""The convention that files of records follow, by their names and by what their sums are."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from bmi_noahpy.forcing.accumulation import ENOUGH, looks_accumulated
from bmi_noahpy.forcing.build import build_table
from bmi_noahpy.forcing.contents import Source, contents
from bmi_noahpy.forcing.netcdf_fields import OpenFiles
from bmi_noahpy.forcing.presets import before_reading, find_preset, present, presets
from bmi_noahpy.forcing.recognition import fitting
from bmi_noahpy.forcing.spec import ForcingSpec
from bmi_noahpy.forcing.table import ForcingError
from bmi_noahpy.forcing.text import records_of
from bmi_noahpy.forcing.units import is_amount


def convention_of(source: Source, spec: ForcingSpec) -> tuple[str | None, list[str]]:
    """The convention that the names are of, and a sentence that says why; None and nothing where there is none.

    Parameters
    ----------
    spec : How to read the files, without a convention.

    Raises
    ------
    ForcingError : netCDF files that cannot be opened.
    """
    if not source.netcdf:
        try:
            layout = source.table(spec).layout
        except ForcingError:
            name = _without_header(source, spec)
            reason = f"preset {name}: the file has no header, and its numbers are as that convention has them"
            return name, [reason] if name else []
        if layout.kind == "SMET" and present(find_preset("smet"), layout.names):
            return "smet", []
        if layout.kind != "table":
            return None, []
        found = fitting(layout.names, "text")
    else:
        with OpenFiles() as opened:
            names = {str(name) for path in source.files for name in opened[path].data_vars}
        found = fitting(names, "netcdf")
    if not found:
        return None, []
    if len(found) == 1:
        return found[0], [f"preset {found[0]}: its variables are called as in that convention"]
    chosen, reason = _by_totals(source, spec, found)
    return chosen, [f"preset {chosen}: its variables are called as in {' and '.join(found)}, and {reason}"]


def _without_header(source: Source, spec: ForcingSpec) -> str | None:
    """The convention without a header by which all numbers of a table are possible."""
    for name, preset in presets().items():
        if preset.columns is None:
            continue
        asked = dataclasses.replace(spec, preset=name)
        try:
            build_table(records_of(source.table(asked), before_reading(asked)))
        except ForcingError:
            continue
        return name
    return None


def _by_totals(source: Source, spec: ForcingSpec, names: Sequence[str]) -> tuple[str, str]:
    """Of conventions with the same names, the one whose totals the values are; the first where too few values tell."""
    try:
        seen = contents(source, dataclasses.replace(spec, preset=names[0])).seen
    except ForcingError:
        return names[0], "nothing tells them apart"
    judged = {name: found.values for name, found in seen.items() if is_amount(found.units, name)}
    running = [looks_accumulated(values) for values in judged.values() if len(values) > ENOUGH]
    if not running:
        return names[0], "too few records tell them apart"
    grows = 2 * sum(running) > len(running)
    for name in names:
        totals = any("accumulated" in entry for entry in find_preset(name).variables.values())
        if totals == grows:
            return name, f"its sums are {'running totals' if grows else 'of one record each'}"
    return names[0], "nothing tells them apart"
