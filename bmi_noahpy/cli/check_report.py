"""The command ``noahpy check``: everything a run would read and do, on one screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from bmi_noahpy.config import Configuration
    from bmi_noahpy.runs.run import Run

YEAR = 365.25 * 86400.0
MEBIBYTE = 2.0**20


def check_file(path: Path, settings: list[str], console: Console) -> None:
    """Read a configuration and everything it names, and print what would be done.

    Raises
    ------
    ConfigurationError : as a run would.
    """
    from bmi_noahpy.config import load_configuration
    from bmi_noahpy.runs.prepare import prepare
    from bmi_noahpy.runs.scheme_warnings import warn_before

    configuration = load_configuration(path, settings)
    run = prepare(configuration)
    warn_before(run)
    for line in _lines(configuration, run):
        console.print(line, markup=False)
    if run.forcing is not None:
        console.print(_forcing(configuration, run))


def _lines(configuration: Configuration, run: Run) -> Iterator[str]:
    from noahpy_core.presets import described

    period = configuration.period
    yield f"{configuration.name}: {run.domain.columns} column{'s' if run.domain.columns > 1 else ''}"
    yield f"Period: {period.start} to {period.end} UTC, {run.steps} steps of {run.step:g} s"
    if run.forcing is None:
        yield "Forcing: none; a framework has to supply it"
    else:
        yield from _records(run)
        yield from _corrections(configuration)
    yield f"Soil: {_soil(configuration, run)}"
    yield f"Vegetation: {_vegetation(configuration, run)}"
    yield f"Schemes: {described(configuration.schemes)}"
    yield from _output(configuration, run)


def _records(run: Run) -> Iterator[str]:
    assert run.forcing is not None
    table = run.forcing.table
    interval = "" if table.interval is None else f", every {table.interval / np.timedelta64(1, 's'):g} s"
    yield f"Forcing: {table.source}"
    yield f"  {table.records} records from {table.times[0]} to {table.times[-1]}{interval}, no gaps left"
    rate, snow = _precipitation(run)
    phase = "by the scheme of the phase" if snow is None else f"{100.0 * snow:.0f} % of it snow, as the file says"
    yield f"  {rate * YEAR:.0f} mm of precipitation a year, {phase}"
    sun = _sun(run)
    if sun is not None:
        yield f"  sun highest at {sun[0]:.1f} h UTC, expected {sun[1]:.1f} h"


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


def _precipitation(run: Run) -> tuple[float, float | None]:
    """Mean rate of the first column [kg m-2 s-1], and the share of snow where the records say."""
    window = _window(run)
    rate = float(window["precipitation"].mean())
    snow = window.get("snowfall")
    return rate, None if snow is None or rate == 0.0 else float(snow.mean()) / rate


def _sun(run: Run) -> tuple[float, float] | None:
    from bmi_noahpy.forcing.sun import expected_hour, hour_of_maximum

    assert run.forcing is not None
    table = run.forcing.table
    if table.interval is None or table.interval > np.timedelta64(3, "h"):
        return None
    latitude, longitude = (float(side.flat[0]) for side in (run.domain.latitude, run.domain.longitude))
    times = table.times[: len(_window(run)["shortwave_down"])]
    found = hour_of_maximum(times, _window(run)["shortwave_down"], table.interval, latitude)
    return None if found is None else (found, expected_hour(times, longitude))


def _window(run: Run) -> dict[str, Any]:
    """Records of the first column, as many as are judged."""
    from bmi_noahpy.forcing.judgement import RECORDS

    assert run.forcing is not None
    table = run.forcing.table
    return {name: values[:, 0] for name, values in table.window(0, min(table.records, RECORDS)).items()}


def _forcing(configuration: Configuration, run: Run) -> Table:
    from bmi_noahpy.forcing.table import UNITS

    table = Table(title="Records of the first column", title_justify="left", title_style="bold")
    for header in ("quantity", "units", "mean", "lowest", "highest", "is"):
        table.add_column(header)
    assert run.forcing is not None
    means = run.forcing.table.means
    for name, values in _window(run).items():
        kind = "mean of its interval" if name in means else "at the beginning of its interval"
        cells = (name, UNITS[name], *(f"{value:.6g}" for value in (values.mean(), values.min(), values.max())), kind)
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _soil(configuration: Configuration, run: Run) -> str:
    from bmi_noahpy.config.values import column_values
    from noahpy_core.tables import soil_class_names

    soil = configuration.soil
    names = soil_class_names(soil.table)
    layers = len(soil.thickness)
    numbers = (
        np.unique(column_values(_plain(soil.classes), 1, layers)) if not _is_map(soil.classes) else soil.classes.values
    )
    shown = ", ".join(f"{int(number)} {names[int(number)]}" for number in np.unique(numbers)[:12])
    return f"{layers} layers to {sum(soil.thickness):g} m; classes of table {soil.table}: {shown}"


def _vegetation(configuration: Configuration, run: Run) -> str:
    from noahpy_core.tables import vegetation_class_names

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


def _output(configuration: Configuration, run: Run) -> Iterator[str]:
    from bmi_noahpy.output.variables import choose_variables

    section = configuration.output
    if section is None:
        yield "Output: beside the configuration, with the usual variables"
        return
    variables = choose_variables(section.variables) if section.variables else choose_variables(None)
    layers = len(configuration.soil.thickness)
    records = run.steps // section.every if not section.daily else int(run.steps * run.step // 86400)
    numbers = sum(layers if "layer" in variable.dims else 1 for variable in variables)
    size = 8.0 * numbers * records * run.domain.columns * max(len(section.daily or []), 1)
    yield f"Output: {section.file}, {numbers} numbers in {records} records, up to {size / MEBIBYTE:.3g} MiB"
