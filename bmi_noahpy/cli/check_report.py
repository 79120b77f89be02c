"""The command ``noahpy check``: everything a run would read and do, on one screen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from bmi_noahpy.cli.check_records import lines_of_records, table_of_records

if TYPE_CHECKING:
    from bmi_noahpy.config import Configuration
    from bmi_noahpy.config.sections import Output
    from bmi_noahpy.forcing.table import Array
    from bmi_noahpy.runs.outline import Outline
    from bmi_noahpy.runs.run import Run

MEBIBYTE = 2.0**20


def check_file(path: Path, settings: list[str], console: Console) -> None:
    """Read a configuration and everything it names, and print what would be done.

    Raises
    ------
    ConfigurationError, RestartError, ValueError : as a run would, before its first step.
    """
    from bmi_noahpy.config import load_configuration
    from bmi_noahpy.forcing.judgement import first_column
    from bmi_noahpy.output.variables import choose_variables
    from bmi_noahpy.runs.outline import snow_layers
    from bmi_noahpy.runs.scheme_warnings import warn_before
    from bmi_noahpy.runs.targets import check_targets, output_section

    configuration = load_configuration(path, settings)
    section, layers = output_section(configuration, path.with_suffix(".nc")), snow_layers(configuration)
    if section.file.suffix == ".zarr":
        from bmi_noahpy.distributed.tiles import check_tiled

        check_tiled(configuration, section.file)
    else:
        check_targets(configuration, section.file)
    variables = choose_variables(section.variables, snow_layers=layers > 0)
    run = _looked_at(configuration)
    warn_before(run)
    window = None if run.forcing is None else first_column(run.forcing.table)
    for line in _lines(configuration, run, window):
        console.print(line, markup=False)
    lengths = {"layer": len(configuration.soil.thickness), "snow_layer": layers}
    numbers = sum(math.prod(lengths[name] for name in variable.dims) for variable in variables)
    console.print(_output(configuration, section, run, numbers), markup=False)
    if window is not None:
        console.print(table_of_records(run, window))


def _looked_at(configuration: Configuration) -> Run | Outline:
    """A run with its model, or as much of it as checks the same where its schemes are known to go together."""
    from bmi_noahpy.runs.outline import checked_outline
    from bmi_noahpy.runs.snow_share import needs_model
    from noahpy_core.presets import PRESETS

    schemes, restart = configuration.schemes, configuration.restart
    state = None if restart is None else restart.from_
    known = schemes in PRESETS.values() and configuration.device == "cpu" and not needs_model(schemes)
    if known and state is None:
        return checked_outline(configuration)
    from bmi_noahpy.runs.prepare import prepare
    from bmi_noahpy.runs.restart import begin_from

    run = prepare(configuration)
    if restart is not None and state is not None:
        begin_from(state, run, only_state=restart.only_state)
    return run


def _lines(configuration: Configuration, run: Run | Outline, window: Mapping[str, Array] | None) -> Iterator[str]:
    from noahpy_core.presets import described

    period = configuration.period
    yield f"{configuration.name}: {run.domain.columns} column{'s' if run.domain.columns > 1 else ''}"
    yield f"Period: {period.start} to {period.end} UTC, {run.steps} steps of {run.step:g} s"
    if window is None:
        yield "Forcing: none; a framework has to supply it"
    else:
        yield from lines_of_records(configuration, run, window)
        yield from _corrections(configuration)
    yield f"Soil: {_soil(configuration)}"
    yield f"Vegetation: {_vegetation(configuration)}"
    yield f"Schemes: {described(configuration.schemes)}"


def _corrections(configuration: Configuration) -> Iterator[str]:
    """What is corrected, and what becomes of humidity and longwave radiation with the temperature."""
    from bmi_noahpy.forcing.corrections import KEEP, PAIRS

    given = {} if configuration.forcing is None else configuration.forcing.corrections
    for name, parts in given.items():
        shown = ", ".join(
            f"{key} {value:g}" if isinstance(value, (int, float)) else f"{key} by column"
            for key, value in parts.items()
            if key != "keep"
        )
        yield f"  {name}: {shown}"
        if name == "air_temperature":
            kept = parts.get("keep", ())
            rules = [KEEP[other if other in kept else usual] for usual, other in PAIRS if usual not in given]
            yield from (f"    {rule}" for rule in rules)


def _soil(configuration: Configuration) -> str:
    from bmi_noahpy.config.values import column_values
    from noahpy_core.class_values import soil_class_names

    soil = configuration.soil
    names = soil_class_names(soil.table)
    layers = len(soil.thickness)
    numbers = (
        np.unique(column_values(_plain(soil.classes), 1, layers)) if not _is_map(soil.classes) else soil.classes.values
    )
    shown = ", ".join(f"{int(number)} {names[int(number)]}" for number in np.unique(numbers)[:12])
    return f"{layers} layers to {sum(soil.thickness):g} m; classes of table {soil.table}: {shown}"


def _vegetation(configuration: Configuration) -> str:
    from noahpy_core.class_values import vegetation_class_names

    vegetation = configuration.vegetation
    names = vegetation_class_names(vegetation.table)
    given = vegetation.class_
    numbers = np.unique(given.values if _is_map(given) else np.asarray(given))
    shown = ", ".join(f"{int(number)} {names[int(number)]}" for number in numbers[:12])
    return f"classes of table {vegetation.table}: {shown}"


def _is_map(value: Any) -> bool:
    return hasattr(value, "values") and not isinstance(value, dict)


def _plain(value: Any) -> Any:
    """Classes of one column: those of a grid are reduced to the first one of each layer."""
    array = np.asarray(value)
    return tuple(array.reshape(array.shape[0], -1)[:, 0].tolist()) if array.ndim == 3 else value


def _output(configuration: Configuration, section: Output, run: Run | Outline, numbers: int) -> str:
    numbers *= max(len(section.daily or ()), 1)
    records = _days(run) if section.daily else -(-run.steps // section.every)
    size = 8.0 * numbers * records * run.domain.columns / MEBIBYTE
    given = configuration.output is not None
    where = section.file if given else "beside the configuration, with the usual variables"
    return f"Output: {where}, {numbers} numbers in {records} records, {size:.3g} MiB before compression"


def _days(run: Run | Outline) -> int:
    """Days in which steps begin; the first and the last may be parts."""
    last = run.start + np.timedelta64(round((run.steps - 1) * run.step), "s")
    return int((last.astype("datetime64[D]") - run.start.astype("datetime64[D]")) // np.timedelta64(1, "D")) + 1
