"""The same run with several values of some keys, as columns of one batch where that is possible."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import torch
import yaml
from rich.console import Console

from bmi_noahpy.config import Configuration, ConfigurationError, Problem, load_configuration
from bmi_noahpy.config.merging import split_setting
from bmi_noahpy.config.named_files import files_read
from bmi_noahpy.files.targets import check_target
from bmi_noahpy.forcing import ForcingSeries, PrescribedVegetation
from bmi_noahpy.forcing.corrections import Correction
from bmi_noahpy.forcing.table import VEGETATION
from bmi_noahpy.output import OutputWriter
from bmi_noahpy.region.domain import Domain
from bmi_noahpy.runs.execute import Beginning, RunSummary, execute, require_forcing
from bmi_noahpy.runs.launch import run_spin_up
from bmi_noahpy.runs.prepare import prepare
from bmi_noahpy.runs.run import Run
from bmi_noahpy.runs.scheme_warnings import warn_before, warn_of_created
from bmi_noahpy.runs.targets import output_section
from noahpy_core.containers import join_columns

Say = Callable[[str], None]
MOST_RUNS = 100_000
PREFIX = "sweep_"
"""Before the names of variables of the output that hold what was set."""
TOGETHER = ("name", "period", "schemes", "execution", "device", "restart", "spin_up", "output")
"""What columns of one batch have in common, beside their layers and their records."""


@dataclasses.dataclass(frozen=True)
class Sweep:
    """What became of a sweep.

    Parameters
    ----------
    settings : Of each run: key -> the value that was set.
    summaries : Of the runs: one of all where they were columns of one batch.
    together : Whether they were: run number `n` is then point `n` of the output.
    """

    settings: list[dict[str, Any]]
    summaries: list[RunSummary]
    together: bool


def sweep(
    path: str | Path,
    settings: Sequence[str],
    *,
    output: Path | None = None,
    overwrite: bool = False,
    say: Say = lambda text: None,
    progress: Console | None = None,
) -> Sweep:
    """Run a configuration once for each combination of values.

    Runs that differ in numbers of their column only, as parameters, initial values, vegetation or corrections of the
    forcing, are columns of one batch: one output file, with the dimension ``point`` and a variable for each key that is
    set. Others are run one after the other, each with an output file of its own.

    Parameters
    ----------
    path : Configuration of a single column.
    settings : Keys with their values, as ``"soil.parameters.porosity=0.3,0.4,0.5"``; every combination is run.
    output : Output file, instead of ``<configuration>_sweep.nc``. Of runs one after the other, it gets their number.
    overwrite : Replace existing files.
    say : Told in sentences what happens.
    progress : Where to show it.

    Raises
    ------
    ConfigurationError, FileExistsError, ValueError : before anything is computed.
    NonFiniteState, ConvergenceError : a run failed.
    """
    combinations = _combinations(settings)
    configurations = [load_configuration(path, _as_settings(one)) for one in combinations]
    runs = _prepared(configurations)
    target = Path(output) if output is not None else Path(path).with_name(f"{Path(path).stem}_sweep.nc")
    apart = _why_apart(runs)
    if apart is None:
        say(f"{len(runs)} runs as columns of one batch.")
        summary = _execute(_joined(runs), target, overwrite, say, progress)
        _write_settings(target, combinations)
        return Sweep(combinations, [summary], True)
    say(f"{len(runs)} runs one after the other: they differ in {apart}.")
    targets = [target.with_name(f"{target.stem}_{number}{target.suffix}") for number in range(len(runs))]
    for place in targets:
        if place.exists() and not overwrite:
            raise FileExistsError(f"output {place} exists. Use --overwrite to replace it, or --output elsewhere.")
    summaries = []
    for run, place in zip(runs, targets, strict=True):
        summaries.append(_execute(run, place, overwrite, say, progress))
        if summaries[-1].interrupted:
            break
    return Sweep(combinations, summaries, False)


def _combinations(settings: Sequence[str]) -> list[dict[str, Any]]:
    """Every combination of the values of all keys."""
    keys: dict[str, list[Any]] = {}
    for setting in settings:
        key, text = split_setting(setting)
        try:
            values = yaml.safe_load(f"[{text}]")
        except yaml.YAMLError:
            raise ConfigurationError([Problem("--set", f"{setting!r}: its values are not valid YAML.")]) from None
        if not values:
            raise ConfigurationError([Problem("--set", f"{setting!r} has no value. Write {key}=0.3,0.4.")])
        keys[key] = values
    if not keys:
        raise ConfigurationError([Problem("--set", "missing. Say what varies: --set soil.parameters.porosity=0.3,0.4")])
    count = int(np.prod([len(values) for values in keys.values()], dtype=np.float64))
    if count > MOST_RUNS:
        raise ConfigurationError([Problem("--set", f"asks for {count} runs. Take at most {MOST_RUNS}.")])
    return [dict(zip(keys, values, strict=True)) for values in itertools.product(*keys.values())]


def _as_settings(combination: Mapping[str, Any]) -> list[str]:
    return [f"{key}={yaml.safe_dump(value, default_flow_style=True).removesuffix('...' + chr(10)).strip()}"
            for key, value in combination.items()]  # fmt: skip


def _prepared(configurations: Sequence[Configuration]) -> list[Run]:
    """A run of each configuration; records that several have are read and checked once."""
    runs: list[Run] = []
    for configuration in configurations:
        # Where records differ, those alike mostly follow each other, or begin with the first.
        near = (run for run in (*runs[:1], *runs[-1:]) if _read_alike(run.configuration, configuration))
        records = next((run.forcing.table for run in near if run.forcing is not None), None)
        runs.append(_of_one_column(prepare(configuration, records=records)))
    return runs


def _read_alike(one: Configuration, other: Configuration) -> bool:
    """Whether two configurations read the same records, which are checked as they are corrected."""
    return (one.forcing, one.period, one.domain) == (other.forcing, other.period, other.domain)


def _of_one_column(run: Run) -> Run:
    """The run, which has to be one that a sweep can take."""
    configuration = run.configuration
    require_forcing(run)
    if run.domain.columns > 1:
        raise ConfigurationError([Problem("domain", "has several columns. A sweep is of one: choose a place.")])
    if configuration.restart is not None:
        raise ConfigurationError([Problem("restart", "a sweep neither writes nor reads restart files. Remove it.")])
    return run


def _why_apart(runs: Sequence[Run]) -> str | None:
    """What keeps runs from being columns of one batch; None for nothing."""
    first = runs[0].configuration
    for run in runs[1:]:
        own = run.configuration
        for name in TOGETHER:
            if getattr(own, name) != getattr(first, name):
                return name
        if own.soil.thickness != first.soil.thickness:
            return "soil.thickness"
        if _records(own) != _records(first) or _kept(own) != _kept(first):
            return "forcing"
        assert run.forcing is not None
        assert runs[0].forcing is not None
        if run.forcing.table.quantities != runs[0].forcing.table.quantities:
            return "forcing"
        plants, others = run.forcing.vegetation, runs[0].forcing.vegetation
        for name in VEGETATION:
            if (plants.value(name) is None) != (others.value(name) is None):
                return f"whether {name} is given"
    try:
        join_columns([run.parameters for run in runs])
        join_columns([run.initial_state for run in runs])
    except ValueError:
        return "what their parameters are made of"
    return None


def _records(configuration: Configuration) -> Any:
    """What the records of a run depend on."""
    assert configuration.forcing is not None
    domain = configuration.domain
    place = (domain.latitude, domain.longitude, domain.elevation)
    return place, configuration.forcing.model_copy(update={"corrections": {}})


def _kept(configuration: Configuration) -> Any:
    """What air keeps when its temperature is changed."""
    assert configuration.forcing is not None
    return configuration.forcing.corrections.get("air_temperature", {}).get("keep", ())


def _joined(runs: Sequence[Run]) -> Run:
    """The runs as columns of one."""
    latitude, longitude = (
        np.concatenate([np.asarray(side, dtype=np.float64).reshape(-1) for side in sides])
        for sides in ([run.domain.latitude for run in runs], [run.domain.longitude for run in runs])
    )
    return dataclasses.replace(
        runs[0],
        parameters=join_columns([run.parameters for run in runs]),
        initial_state=join_columns([run.initial_state for run in runs]),
        forcing=_joined_forcing(runs),
        domain=Domain("points", latitude, longitude),
    )


def _joined_forcing(runs: Sequence[Run]) -> ForcingSeries:
    series = [run.forcing for run in runs if run.forcing is not None]
    first = series[0]

    def monthly(name: str) -> Any:
        # Given in all runs or in none (`_why_apart`).
        given: list[Any] = [one.vegetation.value(name) for one in series]
        return None if given[0] is None else np.concatenate(given, axis=-1)

    corrected = sorted({name for one in series for name in one.corrections})
    corrections = {}
    for name in corrected:
        own = [one.corrections.get(name, Correction()) for one in series]
        factor, offset = (
            torch.cat([torch.as_tensor(getattr(one, part), dtype=first.dtype).reshape(-1) for one in own])
            for part in ("factor", "offset")
        )
        corrections[name] = Correction(factor, offset, own[0].keep)
    vegetation = PrescribedVegetation(*(monthly(name) for name in VEGETATION))
    return ForcingSeries(
        first.table, first.start, first.step, first.steps, vegetation,
        columns=len(series), dtype=first.dtype, corrections=corrections,
    )  # fmt: skip


def _execute(run: Run, target: Path, overwrite: bool, say: Say, progress: Console | None) -> RunSummary:
    section = output_section(run.configuration, target)
    warn_before(run)
    check_target(target, files_read(run.configuration))
    writer = OutputWriter(target, run, section, overwrite=overwrite)
    with writer.alone:
        writer.check()
        state = run.initial_state
        if run.configuration.spin_up is not None:
            state = run_spin_up(_without_state_file(run), say=say, progress=progress).state
        summary = execute(run, writer, beginning=Beginning(0, state), progress=progress)
    warn_of_created(summary.created)
    return summary


def _without_state_file(run: Run) -> Run:
    """The run with a spin-up that writes no state: one file cannot hold those of several runs."""
    section = run.configuration.spin_up
    assert section is not None
    plain = run.configuration.model_copy(update={"spin_up": section.model_copy(update={"file": None})})
    return dataclasses.replace(run, configuration=plain)


def _write_settings(path: Path, combinations: Sequence[Mapping[str, Any]]) -> None:
    """What was set, as variables of the points: numbers where they are, else texts."""
    with netCDF4.Dataset(path, "a") as data:
        for key in combinations[0]:
            values = [one[key] for one in combinations]
            plain = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
            name = PREFIX + key.replace(".", "_")
            variable = data.createVariable(name, "f8" if plain else str, ("point",))
            variable.setncatts({"long_name": f"value of {key}", "configuration_key": key})
            for point, value in enumerate(values):
                variable[point] = float(value) if plain else str(value)
