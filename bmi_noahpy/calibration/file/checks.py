"""Checks between the keys of a calibration file and the run it refers to."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from bmi_noahpy.calibration.file.calibration import Calibration
from bmi_noahpy.calibration.file.observed import read_file
from bmi_noahpy.calibration.file.sections import hours
from bmi_noahpy.calibration.file.specs import DERIVED, Wanted
from bmi_noahpy.config.checks import GIVEN_ELSEWHERE
from bmi_noahpy.config.errors import ConfigurationWarning, Problem
from bmi_noahpy.config.values import span_end

PRIMARY = ("porosity", "clapp_hornberger_b", "saturated_suction", "saturated_hydraulic_conductivity")
GRADIENT_DAYS = 100
"""Length of a run after which derivatives of the heat-limited scheme have lost their meaning, if it freezes. [d]"""


def check(calibration: Calibration) -> list[Problem]:
    """Everything wrong between keys."""
    problems = [
        problem for find in (_run, _parameters, _periods, _observations, _method) for problem in find(calibration)
    ]
    if not problems:
        _warn(calibration)
    return problems


def run_span(calibration: Calibration) -> tuple[datetime.datetime, datetime.datetime]:
    """Beginning of the first and end of the last step."""
    period = calibration.run.period
    return period.start, period.end + datetime.timedelta(seconds=period.step)


def _run(calibration: Calibration) -> Iterator[Problem]:
    if calibration.run.forcing is None:
        yield Problem("run.forcing", "missing. Add the forcing section; a calibration needs weather.")
    if calibration.run.domain.file is not None:
        yield Problem("run.domain.file", "has maps, which cannot be calibrated. Give one latitude and longitude.")
    if calibration.run.spin_up is not None:
        text = "goes on until the soil has settled. Use spin_up: {cycles: 5} of the calibration: a fixed number."
        yield Problem("run.spin_up", text)
    if calibration.run.restart is not None and calibration.run.restart.from_ is not None:
        yield Problem("run.restart.from", "begins from a file. Write its state into run.initial instead.")


def _parameters(calibration: Calibration) -> Iterator[Problem]:
    run = calibration.run
    layers = len(run.soil.thickness)
    for path, wanted in calibration.parameters.items():
        section, _, name = path.partition(".")
        if wanted.layers is not None and wanted.layers[1] > layers:
            text = f"{list(wanted.layers)} goes beyond the {layers} layers of the run. Lower the last."
            yield Problem(f"parameters.{path}.layers", text)
        derived = section == "soil" and name in DERIVED and run.soil.hydraulics == "derived"
        if derived and name not in run.soil.parameters:
            text = "follows from others with run.soil.hydraulics: derived. Set that to table, or remove it."
            yield Problem(f"parameters.{path}", text)
        if section == "forcing" and name in _corrected(run.forcing):
            text = "is corrected in run.forcing.corrections already. Remove it there."
            yield Problem(f"parameters.{path}", text)
    yield from _cells(calibration)


def _corrected(forcing: Any) -> tuple[str, ...]:
    return () if forcing is None else tuple(forcing.corrections)


def _cells(calibration: Calibration) -> Iterator[Problem]:
    sides = [
        np.atleast_1d(np.asarray(s)).size for s in (calibration.run.domain.latitude, calibration.run.domain.longitude)
    ]
    for number, section in enumerate(calibration.observations):
        if not all(0 <= index < side for index, side in zip(section.cell, sides, strict=True)):
            text = f"{list(section.cell)} is not in the domain of {sides[0]} rows and {sides[1]} columns. Count from 0."
            yield Problem(f"observations[{number}].cell", text)


def _periods(calibration: Calibration) -> Iterator[Problem]:
    first, last = run_span(calibration)
    validation = None if calibration.validation is None else calibration.validation.span
    for name, span in (("calibration", calibration.calibration), ("validation", validation)):
        if span is not None and (span.start < first or span.end > last):
            text = f"{hours(span.start)} to {hours(span.end)} is not within the run, {hours(first)} to {hours(last)}."
            yield Problem(name, f"{text} Shorten it, or lengthen run.period.")
    if validation is not None:
        if calibration.calibration is None:
            yield Problem("calibration", "missing, but there is a validation. Give the period that is fitted.")
        elif validation.overlaps(calibration.calibration):
            yield Problem("validation", "overlaps calibration. What is fitted cannot validate: separate them.")
    spin_up = calibration.spin_up
    if spin_up is not None and span_end(first, spin_up.period) > last:
        text = f"{spin_up.period} is longer than the run, {hours(first)} to {hours(last)}. Repeat a part of it."
        yield Problem("spin_up.period", text)


def _observations(calibration: Calibration) -> Iterator[Problem]:
    """Every file is read once here, so that a bad one is found before time is spent."""
    counted = 0
    span = calibration.calibration
    first, last = run_span(calibration) if span is None else (span.start, span.end)
    bottom = float(np.sum(calibration.run.soil.thickness))
    for number, section in enumerate(calibration.observations):
        key = f"observations[{number}]"
        try:
            found = read_file(section)
        except (ValueError, OSError) as error:
            yield Problem(f"{key}.file", str(error))
            continue
        for series in found:
            if series.depth is not None and series.depth > bottom:
                text = (
                    f"{series.column} is at {series.depth:g} m, below the soil of {bottom:g} m. Add it, or more layers."
                )
                yield Problem(f"{key}.exclude", text)
            inside = (series.times >= np.datetime64(first)) & (series.times < np.datetime64(last))
            counted += int(inside.sum())
    if not counted and calibration.observations:
        yield Problem("observations", f"none from {hours(first)} to {hours(last)}. Correct calibration or the files.")


def _method(calibration: Calibration) -> Iterator[Problem]:
    if calibration.optimiser.name == "levenberg_marquardt" and calibration.objective.name == "kge":
        text = "'levenberg_marquardt' needs a sum of squares, which kge is not. Use adam or lbfgs, or objective: nse."
        yield Problem("optimiser.name", text)


def _warn(calibration: Calibration) -> None:
    run = calibration.run
    first, last = run_span(calibration)
    if run.schemes.phase_change == "heat_limited" and (last - first).days > GRADIENT_DAYS:
        _say(
            "run.schemes.phase_change: heat_limited, whose derivatives lose their meaning at the first freeze. "
            "Use enthalpy, and transitions: smooth."
        )
    fixed = [name for name in DERIVED if name in run.soil.parameters or run.soil.hydraulics == "table"]
    primary = [name for name in PRIMARY if f"soil.{name}" in calibration.parameters]
    if primary and fixed and not any(f"soil.{name}" in calibration.parameters for name in DERIVED):
        _say(
            f"run.soil.hydraulics: table keeps {', '.join(fixed)} while {', '.join(primary)} change. "
            "Set it to derived to let them follow."
        )


def _say(text: str) -> None:
    warnings.warn(text, ConfigurationWarning, stacklevel=4)


def given_elsewhere(wanted: Wanted) -> bool:
    """Whether a parameter has a key of its own in a configuration, outside ``parameters``."""
    section, _, name = wanted.path.partition(".")
    return name in GIVEN_ELSEWHERE.get(section, ())
