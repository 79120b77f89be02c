"""Differences between this model and the records of the original, and what they amount to."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from bmi_noahpy.verification.reference import NOT_COMPUTED, Cases, Records
from bmi_noahpy.verification.variables import VARIABLES, Result, Variable

ENTHALPY_TEMPERATURE = 1.0e-6
ENTHALPY_SOIL_WATER = 1.0e-7
"""Tolerances of the enthalpy scheme, whose solver and the original's stop at different residuals. [K], [m3 m-3]"""


@dataclasses.dataclass(frozen=True)
class Differences:
    """One variable in every case of a file.

    Attributes
    ----------
    ours, theirs : Values ``[case, part]``: one part for a surface variable, one for each layer for a soil variable.
    tolerance : Largest accepted difference, in the variable's units, ``[case, part]``.
    compared : Which of them the original computed, ``[case, part]``.
    """

    variable: Variable
    ours: np.ndarray
    theirs: np.ndarray
    tolerance: np.ndarray
    compared: np.ndarray

    @property
    def size(self) -> np.ndarray:
        """Difference in the variable's units, 0 where nothing is compared, infinite where ours is not a number."""
        difference = np.abs(np.where(self.compared, self.ours - self.theirs, 0.0))
        return np.where(np.isnan(difference), np.inf, difference)

    @property
    def excess(self) -> np.ndarray:
        """Difference in units of its tolerance."""
        found: np.ndarray = self.size / self.tolerance
        return found

    @property
    def within(self) -> np.ndarray:
        """Whether every part of the case is within tolerance, ``[case]``."""
        found: np.ndarray = np.all(self.size <= self.tolerance, axis=1)
        return found


def empty_outputs(cases: int, records: Records) -> dict[str, np.ndarray]:
    """Place for our counterpart of every variable the file has, marked as not computed: ``[case, part]`` by name."""
    outputs = {}
    for variable in VARIABLES:
        if variable.record in records:
            parts = _parts(variable, records).shape[1]
            if parts:
                outputs[variable.name] = np.full((cases, parts), NOT_COMPUTED)
    return outputs


def store(outputs: dict[str, np.ndarray], cases: Cases, result: Result) -> None:
    """Put the variables of one step into the rows of its cases."""
    for variable in VARIABLES:
        if variable.name in outputs and not variable.skip(cases.options):
            values = variable.compute(result).numpy().T.reshape(len(cases.index), -1)
            outputs[variable.name][cases.index] = values[:, variable.layers]


def compare(
    outputs: Mapping[str, np.ndarray], records: Records, *, enthalpy: bool = False, usual: Records | None = None
) -> list[Differences]:
    """Differences of every variable, in the order of the calculation.

    Parameters
    ----------
    outputs : What this model computed, as `empty_outputs` lays it out.
    records : What the original computed, in the same cases.
    enthalpy : Whether the run used the enthalpy scheme, which has tolerances of its own.
    usual : Records that tell the usual magnitude of a variable; by default `records`.
    """
    differences = []
    for variable in VARIABLES:
        if variable.name not in outputs:
            continue
        ours = outputs[variable.name]
        theirs = _parts(variable, records)
        compared = ~(ours <= NOT_COMPUTED) & (theirs > NOT_COMPUTED)
        scale = usual_magnitude(theirs if usual is None else _parts(variable, usual))
        tolerance = tolerances(variable, theirs, scale, enthalpy=enthalpy)
        differences.append(Differences(variable, ours, theirs, tolerance, compared))
    return differences


def _parts(variable: Variable, records: Records) -> np.ndarray:
    """The compared parts of a variable in the records, ``[case, part]``."""
    record = records[variable.record]
    return record.reshape(len(record), -1)[:, variable.layers]


def tolerances(variable: Variable, theirs: np.ndarray, scale: float, *, enthalpy: bool = False) -> np.ndarray:
    """Accepted difference of each value, in the variable's units.

    A relative tolerance is a share of the value, or of the usual magnitude `scale` of the variable where the value is
    smaller: a difference of two large numbers that comes out near zero carries the round-off of the large ones.
    """
    if variable.relative:
        found: np.ndarray = variable.tolerance * np.maximum(np.abs(theirs), scale)
        return found
    tolerance = variable.tolerance
    if enthalpy and variable.heat_step:
        tolerance = ENTHALPY_TEMPERATURE if variable.units == "K" else ENTHALPY_SOIL_WATER
    return np.full(theirs.shape, tolerance)


def usual_magnitude(theirs: np.ndarray) -> float:
    """Median of the values that are not zero, without their signs; 1 when all are zero."""
    values = np.abs(theirs[(theirs != 0.0) & (theirs > NOT_COMPUTED)])
    return float(np.median(values)) if values.size else 1.0


def nash_sutcliffe(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Nash-Sutcliffe efficiency along the first axis: 1 minus the squared error over the variance. [1]"""
    error = ((ours - theirs) ** 2).sum(axis=0)
    variance = ((theirs - theirs.mean(axis=0)) ** 2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > 0.0, 1.0 - error / variance, np.where(error > 0.0, -np.inf, 1.0))
