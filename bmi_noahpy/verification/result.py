"""What a verification found, as plain data: by variable, by case, and whether it passed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bmi_noahpy.verification.comparison import Differences, nash_sutcliffe
from bmi_noahpy.verification.reference import Reference

REQUIRED_SHARE = 0.999
"""Share of the cases in which every output must be within its tolerance."""

REQUIRED_EFFICIENCY = 0.999
"""Nash-Sutcliffe efficiency a free run must exceed in the temperature and the liquid water of every layer."""

JUDGED_BY_EFFICIENCY = ("stc", "sh2o")


@dataclasses.dataclass(frozen=True)
class VariableReport:
    """One variable over all cases.

    Attributes
    ----------
    tolerance : In `units`, or a share of the magnitude when `relative`.
    largest : Largest difference, in the units of the tolerance.
    case, layer : Where it is: label of the case, and the layer from 1 on for soil variables.
    share : Cases in which the variable is within tolerance.
    efficiency : Nash-Sutcliffe efficiency of each layer of soil temperature and liquid water, in free runs.
    predictability : Lowest such efficiency among runs of this model whose initial states differ by round-off, known
        when a free run fell short. A layer where it is low is not judged: the run is chaotic there.
    """

    name: str
    quantity: str
    units: str
    tolerance: float
    relative: bool
    largest: float
    case: str
    layer: int | None
    share: float
    efficiency: tuple[float, ...] | None = None
    predictability: tuple[float, ...] | None = None

    @property
    def short_layers(self) -> tuple[int, ...]:
        """Layers, from 1 on, whose efficiency falls short although the run is predictable there."""
        return tuple(sorted(set(self._below(self.efficiency)) - set(self.unpredictable_layers)))

    @property
    def unpredictable_layers(self) -> tuple[int, ...]:
        """Layers, from 1 on, in which this model's own runs disagree as soon as they differ by round-off."""
        return self._below(self.predictability)

    @staticmethod
    def _below(scores: tuple[float, ...] | None) -> tuple[int, ...]:
        return tuple(layer for layer, score in enumerate(scores or (), 1) if not score > REQUIRED_EFFICIENCY)


@dataclasses.dataclass(frozen=True)
class Failure:
    """A case with an output beyond tolerance: the first of them in the order of the calculation.

    Attributes
    ----------
    case : Number of the case or step in the file, from 0 on.
    others : Names of the further variables beyond tolerance.
    tie : Whether round-off in the inputs leads to the original's answer; None when not looked for.
    """

    case: int
    label: str
    variable: str
    layer: int | None
    ours: float
    theirs: float
    others: tuple[str, ...]
    tie: bool | None = None


@dataclasses.dataclass(frozen=True)
class Verification:
    """The comparison with one reference file.

    Attributes
    ----------
    cases, within : Number of cases, and of those in which every judged output is within tolerance.
    early_days, early_temperature : In a free run, the largest temperature difference [K] of its first days.
    """

    file: str
    mode: str
    cases: int
    within: int
    variables: tuple[VariableReport, ...]
    failures: tuple[Failure, ...]
    passed: bool
    early_days: int | None = None
    early_temperature: float | None = None

    @property
    def share(self) -> float:
        """Share of cases in which every judged output is within tolerance."""
        return self.within / self.cases

    def variable(self, name: str) -> VariableReport:
        """The report of one variable, by the original's name."""
        return next(report for report in self.variables if report.name == name)

    def as_dict(self) -> dict[str, Any]:
        """Everything as numbers, words, lists and dictionaries, ready for JSON."""
        return {**dataclasses.asdict(self), "share": self.share}

    def rows(self) -> list[dict[str, Any]]:
        """One row for each variable, of those judged by their efficiency one for each layer, ready for CSV."""
        found = []
        for report in self.variables:
            row = dataclasses.asdict(report)
            efficiency = row.pop("efficiency") or (None,)
            predictability = row.pop("predictability") or (None,) * len(efficiency)
            for layer, scores in enumerate(zip(efficiency, predictability, strict=True), 1):
                of_layer = None if scores[0] is None else layer
                found.append(
                    {**row, "efficiency_layer": of_layer, "efficiency": scores[0], "predictability": scores[1]}
                )
        return found


def judge_steps(reference: Reference, differences: Sequence[Differences]) -> Verification:
    """Verdict on single steps: passed when the required share of cases is within every tolerance."""
    within = _all_within(differences)
    return Verification(
        file=Path(reference.path).name,
        mode="steps",
        cases=reference.cases,
        within=int(within.sum()),
        variables=tuple(_variable_report(reference, one) for one in differences),
        failures=tuple(_failure(reference, differences, int(case)) for case in np.flatnonzero(~within)),
        passed=bool(within.mean() >= REQUIRED_SHARE),
    )


def judge_free_run(
    reference: Reference,
    differences: Sequence[Differences],
    early_days: int,
    predictability: Mapping[str, np.ndarray] | None = None,
) -> Verification:
    """Verdict on a free run.

    With the heat-limited scheme, whose runs are chaotic to round-off, by the efficiency of the temperature and liquid
    water of every layer that can be predicted; with the enthalpy scheme, whose runs are not chaotic, by the tolerances
    over the whole run as well.

    Parameters
    ----------
    predictability : By variable, the efficiency that runs differing by round-off reach, ``[layer]``.
    """
    within = _all_within(differences)
    reports = tuple(_free_run_report(reference, one, predictability or {}) for one in differences)
    assert reference.run is not None
    steps = max(1, int(early_days * 86400.0 / reference.run.time_step))
    efficient = not any(report.short_layers for report in reports)
    return Verification(
        file=Path(reference.path).name,
        mode="free",
        cases=reference.cases,
        within=int(within.sum()),
        variables=reports,
        failures=(),
        passed=efficient and (bool(within.all()) or not reference.enthalpy),
        early_days=early_days,
        early_temperature=max(float(one.size[:steps].max()) for one in differences if one.variable.units == "K"),
    )


def _all_within(differences: Sequence[Differences]) -> np.ndarray:
    """Cases in which every variable is within tolerance, ``[case]``."""
    found: np.ndarray = np.logical_and.reduce([one.within for one in differences])
    return found


def _free_run_report(
    reference: Reference, differences: Differences, predictability: Mapping[str, np.ndarray]
) -> VariableReport:
    report = _variable_report(reference, differences)
    if report.name not in JUDGED_BY_EFFICIENCY:
        return report
    twins = predictability.get(report.name)
    return dataclasses.replace(
        report,
        efficiency=tuple(nash_sutcliffe(differences.ours, differences.theirs).tolist()),
        predictability=None if twins is None else tuple(twins.tolist()),
    )


def _variable_report(reference: Reference, differences: Differences) -> VariableReport:
    variable = differences.variable
    case, part = np.unravel_index(int(differences.excess.argmax()), differences.size.shape)
    largest = differences.size[case, part]
    if variable.relative:
        largest = differences.excess[case, part] * variable.tolerance
    layered = reference.records[variable.record].ndim == 2
    return VariableReport(
        name=variable.name,
        quantity=variable.quantity,
        units=variable.units,
        tolerance=variable.tolerance if variable.relative else float(differences.tolerance[case, part]),
        relative=variable.relative,
        largest=float(largest),
        case=reference.labels[case],
        layer=_layer(differences, int(part)) if layered else None,
        share=float(differences.within.mean()),
    )


def _layer(differences: Differences, part: int) -> int:
    """Number of the layer of a compared part, from 1 on."""
    return (differences.variable.layers.start or 0) + part + 1


def _failure(reference: Reference, differences: Sequence[Differences], case: int) -> Failure:
    beyond = [one for one in differences if not one.within[case]]
    first = beyond[0]
    part = int(first.excess[case].argmax())
    layered = reference.records[first.variable.record].ndim == 2
    return Failure(
        case=case,
        label=reference.labels[case],
        variable=first.variable.name,
        layer=_layer(first, part) if layered else None,
        ours=float(first.ours[case, part]),
        theirs=float(first.theirs[case, part]),
        others=tuple(one.variable.name for one in beyond[1:]),
    )
