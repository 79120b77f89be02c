"""The forcing of a run: its records, checked, and what the configuration prescribes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.config import Configuration, ConfigurationError, ConfigurationWarning, Problem
from bmi_noahpy.config.forcing_section import ForcingFile
from bmi_noahpy.config.values import MONTHS
from bmi_noahpy.forcing import (
    ForcingSeries,
    ForcingSpec,
    ForcingTable,
    GapSpec,
    LapseSpec,
    PrescribedVegetation,
    StreamedTable,
    TimeSpec,
    VariableSpec,
    open_forcing,
)
from bmi_noahpy.forcing.corrections import Correction
from bmi_noahpy.forcing.judgement import implausible
from bmi_noahpy.forcing.table import VEGETATION
from bmi_noahpy.region.domain import Domain
from bmi_noahpy.runs.columns import Columns, configured_domain
from bmi_noahpy.tabular import TextOptions

if TYPE_CHECKING:
    import torch


def open_records(
    configuration: Configuration,
    chosen: NDArray[np.int64] | None,
    check: bool,
    records: ForcingTable | StreamedTable | None = None,
) -> tuple[ForcingTable | StreamedTable | None, NDArray[np.int64] | None, Domain]:
    """Records of the columns that are run, the numbers of these columns, and where they are.

    Records that are given go before those of the configuration. With ``domain.invalid_cells`` set to mask, cells whose
    records are not complete and possible are left out.
    """
    domain = configured_domain(configuration)
    if chosen is not None:
        domain = domain.choose(chosen)
    section, period = configuration.forcing, configuration.period
    if section is None or records is not None:
        return records, chosen, domain
    spec = specification(section)
    # A step longer than the records is the mean of those that begin within it.
    start = np.datetime64(period.start, "s")
    end = np.datetime64(period.end, "s") + np.timedelta64(int(period.step), "s")
    try:
        table = open_forcing(
            spec, (start, end), domain=domain, check=False, biases=_biases(section.corrections),
            elevation=_elevation(configuration, chosen),
        )  # fmt: skip
        if check and isinstance(table, StreamedTable):
            kept = _kept_columns(table, domain, configuration.domain.invalid_cells)
            if kept is not None:
                chosen = kept if chosen is None else chosen[kept]
                domain = domain.without(np.setdiff1d(np.arange(domain.columns), kept))
                table = table.choose(kept)
    except ValueError as error:
        raise ConfigurationError([Problem("forcing", str(error))]) from error
    return table, chosen, domain


def specification(section: ForcingFile) -> ForcingSpec:
    """How to read the records that a configuration names."""
    text, gaps = section.text, section.gaps
    return ForcingSpec(
        file=section.file,
        format=section.format,
        variables={
            quantity: VariableSpec(source.name, source.units, source.label, source.accumulated)
            for quantity, source in section.variables.items()
        },
        time=TimeSpec(**section.time.model_dump()),
        preset=section.preset,
        text=TextOptions(**({} if text is None else text.model_dump()), missing=section.missing),
        gaps=None if gaps is None else GapSpec(gaps.longest, gaps.method),
        derive=section.derive,
        regrid=section.regrid,
        lapse=None if section.lapse is None else LapseSpec(**section.lapse.model_dump()),
    )


def _elevation(configuration: Configuration, chosen: NDArray[np.int64] | None) -> NDArray[np.float64] | None:
    given = configuration.domain.elevation
    return None if given is None else Columns(configured_domain(configuration).columns, chosen).values(given)


def _first_elevation(configuration: Configuration) -> float | None:
    found = _elevation(configuration, None)
    return None if found is None else float(np.asarray(found).reshape(-1)[0])


def _biases(corrections: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    """Corrections that are the same for all columns, as (factor, offset)."""
    plain = {name: (parts.get("factor", 1.0), parts.get("offset", 0.0)) for name, parts in corrections.items()}
    return {name: pair for name, pair in plain.items() if all(isinstance(value, float) for value in pair)}


def _kept_columns(table: StreamedTable, domain: Domain, policy: str) -> NDArray[np.int64] | None:
    """Numbers of the columns whose records are sound; None when all are, so that nothing is left out."""
    findings = table.findings(domain)
    for note in findings.notes():
        warnings.warn(f"forcing: {note}.", ConfigurationWarning, stacklevel=5)
    wrong = findings.columns()
    if not len(wrong):
        return None
    if policy != "mask" or findings.everywhere() or len(wrong) == domain.columns:
        findings.refuse()
    for text in findings.texts():
        warnings.warn(f"forcing: {text}. They are left out.", ConfigurationWarning, stacklevel=5)
    return np.setdiff1d(np.arange(domain.columns), wrong)


def forcing_series(
    configuration: Configuration,
    table: ForcingTable | StreamedTable,
    select: Columns,
    dtype: torch.dtype | None,
    *,
    judge: bool = True,
) -> ForcingSeries:
    """The forcing of each step of the columns that are run.

    Parameters
    ----------
    judge : Whether to read the records of a column for what is hardly true, and to warn of it.

    Raises
    ------
    ConfigurationError : when the records do not cover the run or do not fit its step.
    """
    period = configuration.period
    try:
        series = ForcingSeries(
            table,
            np.datetime64(period.start, "s"),
            period.step,
            period.steps,
            prescribed_vegetation(configuration, select.chosen),
            columns=select.count,
            dtype=dtype,
            corrections=_corrections(configuration, select),
        )
    except ValueError as error:
        raise ConfigurationError([Problem("forcing", str(error))]) from error
    domain, elevation = configured_domain(configuration), _first_elevation(configuration)
    for note in (*table.notes, *(implausible(table, domain, elevation) if judge else ())):
        warnings.warn(f"forcing: {note}.", ConfigurationWarning, stacklevel=4)
    for quantity in sorted(set(VEGETATION) & table.quantities):
        if series.vegetation.value(quantity) is not None:
            key = {"vegetation_fraction": "fraction", "snow_free_albedo": "albedo"}.get(quantity, quantity)
            warnings.warn(
                f"forcing: {table.source} has {quantity}, but vegetation.{key} is given and goes before it. Remove "
                f"vegetation.{key} to use the file's.",
                ConfigurationWarning,
                stacklevel=4,
            )
    declared = None if configuration.forcing is None else configuration.forcing.interval
    _warn_of_interval(declared, table.interval)
    return series


def _corrections(configuration: Configuration, select: Columns) -> dict[str, Correction]:
    given = {} if configuration.forcing is None else configuration.forcing.corrections
    return {
        name: Correction(
            select.values(parts.get("factor", 1.0)), select.values(parts.get("offset", 0.0)), parts.get("keep", ())
        )
        for name, parts in given.items()
    }


def _warn_of_interval(declared: float | None, found: np.timedelta64 | None) -> None:
    if declared is None or found is None:
        return
    seconds = float(found / np.timedelta64(1, "s"))
    if seconds != declared:
        warnings.warn(
            f"forcing.interval: {declared:g} s, but the records are {seconds:g} s apart, and are used as they are. "
            "Correct forcing.interval (forcing_timestep in a namelist).",
            ConfigurationWarning,
            stacklevel=5,
        )


def prescribed_vegetation(
    configuration: Configuration, columns: NDArray[np.int64] | None = None
) -> PrescribedVegetation:
    """Vegetation that the configuration gives, for every column of its domain or those with the given numbers."""
    select, vegetation = Columns(configured_domain(configuration).columns, columns), configuration.vegetation

    def monthly(value: Any) -> NDArray[np.float64] | None:
        return None if value is None else select.values(value, MONTHS)

    return PrescribedVegetation(
        fraction=monthly(vegetation.fraction),
        leaf_area_index=monthly(vegetation.leaf_area_index),
        snow_free_albedo=monthly(vegetation.albedo),
    )
