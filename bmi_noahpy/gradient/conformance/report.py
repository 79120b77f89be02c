"""Conformance test of the gradient extension, for any BMI component that has one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from bmi_noahpy.gradient.conformance.checks import CHECKS
from bmi_noahpy.gradient.conformance.failure import Failed
from bmi_noahpy.gradient.conformance.subject import Subject
from bmi_noahpy.gradient.protocol import DifferentiableComponent


@dataclasses.dataclass(frozen=True)
class Finding:
    """The result of one check: what was measured, or what is wrong."""

    check: str
    passed: bool
    detail: str

    def __str__(self) -> str:
        return f"{'pass' if self.passed else 'FAIL'}  {self.check.replace('_', ' ')}: {self.detail}"


@dataclasses.dataclass(frozen=True)
class Report:
    """The results of all checks."""

    component: str
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether all of them were passed."""
        return all(finding.passed for finding in self.findings)

    def __str__(self) -> str:
        return "\n".join([f"gradient extension of {self.component}", *(f"  {finding}" for finding in self.findings)])


def check_gradient_extension(
    model: DifferentiableComponent,
    *,
    outputs: Sequence[str] | None = None,
    inputs: Sequence[str] | None = None,
    parameters: Sequence[str] | None = None,
    seed: int = 0,
    strict: bool = True,
) -> Report:
    """Put the gradient extension of a component through all checks of the proposal.

    The component is updated many times and set back between, and is left at the state and time it had; its inputs are
    then set to the values they showed, and a recorded window is lost.

    Parameters
    ----------
    model : Initialised, with its inputs set: ready for `update`, several times.
    outputs, inputs, parameters : Names to examine; None for all.
    seed : Of the random vectors.
    strict : Raise when a check fails; otherwise the report says so.

    Raises
    ------
    AssertionError : With the report, when a check fails and `strict`.
    TypeError : The component has no gradient extension, or an incomplete one.
    """
    subject = Subject(model, outputs=outputs, inputs=inputs, parameters=parameters, seed=seed)
    findings = [_finding(subject, check) for check in CHECKS]
    findings += [found for found in [_finding(subject, it_is_left_as_it_was)] if not found.passed]
    report = Report(type(model).__name__, tuple(findings))
    if strict and not report.passed:
        raise AssertionError(str(report))
    return report


def _finding(subject: Subject, check: Callable[[Subject], str]) -> Finding:
    """The result of a check, whatever the component does."""
    try:
        # Numbers that overflow in a wrong derivative are found by the checks, not by warnings.
        with np.errstate(all="ignore"):
            return Finding(check.__name__, True, check(subject))
    except Exception as error:
        subject.stop_recording()
        text = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
        return Finding(check.__name__, False, text)


def it_is_left_as_it_was(subject: Subject) -> str:
    """The component can be set back after the examination."""
    subject.back()
    return "state, inputs, parameters and time"
