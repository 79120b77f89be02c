"""Derivatives of one step: transposed, and equal to differences."""

from __future__ import annotations

import numpy as np

from bmi_noahpy.gradient.conformance.failure import require
from bmi_noahpy.gradient.conformance.subject import Subject, Vectors
from bmi_noahpy.gradient.protocol import STATE

DOT_TOLERANCE = 1.0e-12
SMALL_RESPONSE = 1.0e-2
"""Relative change of a result, for a change of a cause by about its own size, below which round-off is absolute."""
DIFFERENCE_TOLERANCE = 3.0e-5
"""Of a derivative against differences of the fourth order."""
DIFFERENCE_NOISE = 1.0e-7
"""Of a result that comes from an iteration, or is round-off, in a difference. Relative to its size."""


def adjoint_and_directional_derivative_are_transposes(subject: Subject) -> str:
    """<seed, J v> = <J^T seed, v> for every pair of names, relative to the largest response to the same name.

    Directions are relative to the values of the causes and seeds to those of the results.
    """
    subject.back()
    subject.model.update()
    sizes = subject.magnitudes()
    seeds = {name: subject.random.normal(size=subject.size(name)) / sizes[name] for name in subject.results}
    vectors = {name: subject.direction(name) for name in subject.causes}
    pulled = {name: subject.backward([name], subject.causes, seeds[name]) for name in subject.results}
    worst = 0.0
    for cause in subject.causes:
        pushed = subject.forward(subject.results, [cause], vectors[cause])
        responses = (float(np.abs(seeds[name] * pushed[name]).sum()) for name in subject.results)
        size = max(SMALL_RESPONSE, *responses)
        for name in subject.results:
            error = abs(float(seeds[name] @ pushed[name]) - float(pulled[name][cause] @ vectors[cause]))
            require(error <= DOT_TOLERANCE * size, f"{name} by {cause}: the products differ by {error / size:.1e}")
            worst = max(worst, error / size)
    _require_joint(subject, seeds, pulled)
    return f"{len(subject.results) * len(subject.causes)} pairs of names, worst {worst:.1e}"


def _require_joint(subject: Subject, seeds: Vectors, pulled: dict[str, Vectors]) -> None:
    """Several names at once are the sum of them one by one."""
    chosen = [subject.outputs[0], STATE]
    together = subject.backward(chosen, subject.causes, np.concatenate([seeds[name] for name in chosen]))
    for cause in subject.causes:
        expected = sum(pulled[name][cause] for name in chosen)
        require(bool(np.allclose(together[cause], expected, rtol=1e-9)), f"{cause}: lists of names do not add up")


def a_step_has_the_derivative_of_differences(subject: Subject) -> str:
    """Directional derivatives against central differences, elements with a kink nearby left out."""
    subject.back()
    subject.model.update()
    vectors = {name: subject.direction(name) for name in subject.causes}
    here = {name: subject.get(name) for name in subject.results}
    sizes = subject.magnitudes()
    exact = {cause: subject.forward(subject.results, [cause], vectors[cause]) for cause in subject.causes}
    compared, elements = 0, 0
    for cause in subject.causes:
        coarse, fine = (_difference(subject, {cause: vectors[cause]}, step) for step in (1.0e-5, 2.5e-6))
        for name in subject.results:
            value, derivative = here[name], exact[cause][name]
            noise = DIFFERENCE_NOISE * sizes[name].max() + 1e-15
            size = np.abs(derivative) + 1e-3 * np.abs(derivative).max()
            # Sixteen parts of one and one of the other leave an error of the fourth order in the step.
            difference = (16.0 * fine[name] - coarse[name]) / 15.0
            known = np.isfinite(value)
            unsure = np.abs(coarse[name] - fine[name])
            # An element that rounds differently at both steps says nothing.
            smooth = known & (unsure <= DIFFERENCE_TOLERANCE * size + 0.04 * noise)
            wrong = smooth & (np.abs(derivative - difference) > DIFFERENCE_TOLERANCE * size + 2.0 * unsure + noise)
            require(not wrong.any(), f"{name} by {cause}: the derivative is not the difference quotient")
            compared, elements = compared + int(smooth.sum()), elements + int(known.sum())
    require(compared > 0.7 * elements, f"only {compared} of {elements} elements are smooth enough to compare")
    return f"{compared} of {elements} elements compared, all within {DIFFERENCE_TOLERANCE:g}"


def _difference(subject: Subject, vectors: Vectors, step: float) -> Vectors:
    ends = []
    for sign in (step, -step):
        subject.back({name: sign * vector for name, vector in vectors.items()})
        subject.model.update()
        ends.append({name: subject.get(name) for name in subject.results})
    return {name: (ends[0][name] - ends[1][name]) / (2.0 * step) for name in subject.results}
