"""Which simulated values the observations of a calibration are compared with."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

import torch

from bmi_noahpy.calibration.file.calibration import Calibration
from bmi_noahpy.calibration.file.observed import read_file
from bmi_noahpy.calibration.file.sections import DEFAULT_ERRORS, ObservationFile, Span
from bmi_noahpy.calibration.problem.targets import Steps, Target, level_of, sample
from bmi_noahpy.config.errors import ConfigurationError, Problem
from bmi_noahpy.observations.notes import ObservationWarning
from bmi_noahpy.runs.run import Run


def match(calibration: Calibration, run: Run) -> list[Target]:
    """The observations that the run can meet.

    Raises
    ------
    ConfigurationError : none is in the calibration period, or a series there does not suit the objective.
    """
    if not calibration.observations:
        raise ConfigurationError([Problem("observations", "missing. Add this key: the file that is fitted.")])
    found = [target for section in calibration.observations for target in _of_file(section, run)]
    fitted = within(found, calibration.calibration)
    if not fitted:
        raise ConfigurationError([Problem("observations", "none meets a step of the calibration period. Correct it.")])
    flat = [target.name for target in fitted if float(target.values.max() - target.values.min()) == 0.0]
    if flat and calibration.objective.name in ("nse", "kge"):
        text = f"{', '.join(flat)} does not vary in the calibration period. Exclude it, or use objective: huber."
        raise ConfigurationError([Problem("observations", text)])
    return found


def within(targets: Sequence[Target], span: Span | None) -> list[Target]:
    """The parts of targets in a period (None: all)."""
    if span is None:
        return list(targets)
    found = [target.only(span.mask(target.times)) for target in targets]
    return [target for target in found if target is not None]


def _of_file(section: ObservationFile, run: Run) -> Iterator[Target]:
    steps = Steps(run.start, run.step, run.steps)
    cell = section.cell[0] * run.domain.shape[1] + section.cell[1]
    for observed in read_file(section):
        use, sampled = section.use(observed.quantity), sample(observed, steps, section.window)
        if sampled is None:
            text = f"{section.file}: {observed.column}: no value meets a step of the run, and none counts."
            warnings.warn(text, ObservationWarning, stacklevel=2)
        if sampled is None or use is None:
            continue
        sampling, times, values = sampled
        yield Target(
            name=observed.column,
            quantity=observed.quantity,
            depth=observed.depth,
            cell=cell,
            level=None if observed.depth is None else level_of(observed.depth, run.model.column, cell),
            sampling=sampling,
            times=times,
            values=torch.as_tensor(values, dtype=run.initial_state.skin_temperature.dtype),
            weight=use.weight,
            error=use.error or DEFAULT_ERRORS[observed.quantity],
        )
