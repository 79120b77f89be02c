"""Windows: the adjoint of recorded steps."""

from __future__ import annotations

import numpy as np

from bmi_noahpy.gradient.conformance.failure import require
from bmi_noahpy.gradient.conformance.subject import UNTOUCHED, Floats, Subject, Vectors
from bmi_noahpy.gradient.protocol import STATE

CHAIN_TOLERANCE = 1.0e-10
WINDOW_TOLERANCE = 1.0e-5
SAME_RUN = 1.0e-9
"""Relative difference of a run that is recorded from one that is not, which may be computed in another way."""
STEPS = 4


def a_window_is_the_chain_of_its_steps(subject: Subject) -> str:
    """The adjoint of recorded steps against one-step derivatives chained by hand, and against differences."""
    weights = _weights(subject)
    vectors = {name: subject.direction(name) for name in subject.causes}
    found = _window_adjoint(subject, weights)
    chains = {name: _chained(subject, weights, {name: vectors[name]}) for name in subject.causes}
    parts = sum(part for part, _ in chains.values())
    worst = 0.0
    for name, (part, expected) in chains.items():
        error = abs(float(found[name] @ vectors[name]) - expected) / max(part, 1.0e-6 * parts, 1.0e-300)
        require(error <= CHAIN_TOLERANCE, f"{name}: differs from the chain of directional derivatives by {error:.1e}")
        worst = max(worst, error)
    adjoint = sum(float(found[name] @ vectors[name]) for name in subject.causes)
    step = 1.0e-7
    ends = [_objective(subject, weights, {n: s * v for n, v in vectors.items()}) for s in (step, -step)]
    difference = abs(adjoint - (ends[0] - ends[1]) / (2.0 * step)) / max(parts, 1.0e-300)
    require(difference <= WINDOW_TOLERANCE, f"the adjoint differs from central differences by {difference:.1e}")
    return f"{STEPS} steps, chain {worst:.1e}, differences {difference:.1e}"


def a_window_is_repeated_and_leaves_the_run_alone(subject: Subject) -> str:
    """A second window gives the same adjoint; neither recording nor reversing moves the component."""
    weights = _weights(subject)
    subject.back()
    for _ in weights:
        subject.model.update()
    plain = {name: subject.get(name) for name in subject.results}
    first = _window_adjoint(subject, weights)
    sizes = subject.magnitudes()
    for name in subject.results:
        apart = np.abs(subject.get(name) - plain[name]) / sizes[name]
        require(not (apart > SAME_RUN).any(), f"{name} is another after a window than without one")
    second = _window_adjoint(subject, weights)
    for name in subject.causes:
        require(np.array_equal(first[name], second[name]), f"{name}: a second window gives another adjoint")
    return f"{len(subject.causes)} adjoints"


def _weights(subject: Subject) -> list[Vectors]:
    """The objective: random weights of all results of all steps, of the last state too."""
    subject.back()
    subject.model.update()
    sizes, steps = subject.magnitudes(), []
    for _ in range(STEPS):
        steps.append({name: subject.random.normal(size=subject.size(name)) / sizes[name] for name in subject.results})
    for step in steps[:-1]:
        del step[STATE]
    return steps


def _add_in_two_parts(subject: Subject, name: str, weight: Floats) -> None:
    """Seeds add up, and belong to the caller, who uses the array again."""
    for part in (0.25 * weight, 0.75 * weight):
        subject.extension.add_adjoint_seed(name, part)
        part[:] = UNTOUCHED


def _window_adjoint(subject: Subject, weights: list[Vectors]) -> Vectors:
    extension = subject.extension
    subject.back()
    extension.start_recording()
    late = subject.outputs[0]
    for number, step in enumerate(weights):
        subject.model.update()
        require(extension.recorded_steps() == number + 1, "recorded_steps() does not count the updates recorded")
        for name, weight in step.items():
            if name != late:
                _add_in_two_parts(subject, name, weight)
    extension.stop_recording()
    total = {name: np.zeros(subject.size(name)) for name in subject.inputs}
    for number, step in reversed(list(enumerate(weights))):
        # A component downstream knows its adjoint only on the way back.
        _add_in_two_parts(subject, late, step[late])
        extension.update_adjoint()
        require(extension.recorded_steps() == number, "recorded_steps() does not count the steps that are left")
        for name in subject.inputs:
            total[name] = total[name] + subject.adjoint(name)
    for name in (*subject.parameters, STATE):
        total[name] = subject.adjoint(name)
        again = subject.adjoint(name)
        require(np.array_equal(again, total[name]), f"{name}: asked again, get_adjoint gives something else")
    return total


def _chained(subject: Subject, weights: list[Vectors], vectors: Vectors) -> tuple[float, float]:
    """The derivative of the objective along the vectors, forward; first the sum of the absolute values of its parts."""
    subject.back()
    still = [vectors.get(name, np.zeros(subject.size(name))) for name in subject.causes[:-1]]
    state = vectors.get(STATE, np.zeros(subject.size(STATE)))
    parts, total = 0.0, 0.0
    for step in weights:
        subject.model.update()
        changes = subject.forward(subject.results, subject.causes, np.concatenate([*still, state]))
        state = changes[STATE]
        for name, weight in step.items():
            parts += float(np.abs(weight * changes[name]).sum())
            total += float(weight @ changes[name])
    return parts, total


def _objective(subject: Subject, weights: list[Vectors], changes: Vectors) -> float:
    subject.back(changes)
    total = 0.0
    for step in weights:
        subject.model.update()
        total += sum(float(np.nansum(weight * subject.get(name))) for name, weight in step.items())
    return total
