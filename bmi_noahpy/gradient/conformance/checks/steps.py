"""Derivatives of one step: transposed, and equal to differences."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.gradient.conformance.failure import require
from bmi_noahpy.gradient.conformance.subject import Floats, Subject, Vectors
from bmi_noahpy.gradient.protocol import STATE

DOT_TOLERANCE = 1.0e-12
SMALL_RESPONSE = 1.0e-2
"""Relative change of a result, for a change of a cause by about its own size, below which round-off is absolute."""
DIFFERENCE_TOLERANCE = 3.0e-5
"""Of a derivative against differences of the fourth order; they decide where they agree among themselves as well."""
STEPS = tuple(1.0e-3 / 4.0**k for k in range(5))
"""Of differences, relative to the values: kinks nearby ask for short ones, results of an iteration for long ones."""
SHORTER_STEPS = tuple(1.0e-6 / 4.0**k for k in range(5))
"""That decide where a derivative differs from what longer ones agree on."""
RESOLUTION = 16.0 * np.finfo(np.float64).eps
"""Change that a number of the size of its kind shows for certain: smaller ones round to the same, whatever the step."""
LITTLE = 1.0e-4
"""Relative change of a result, for a change of a cause by its own size, below which errors count absolutely."""
LEFT_OVER = 1.0e-9
"""Of the size of its kind, below which a result is a residual: round-off, or what an iteration leaves undone."""
LEAST_TESTED = 0.95
"""Share of the elements."""


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
    """Directional derivatives against differences, wherever these say anything.

    Differences of five steps give four values of the fourth order. An element is tested where three neighbours among
    them agree to the tolerance; it then has to agree with them. What has a kink nearby, and the residuals of budgets,
    are not tested, and the report says how much that is.
    """
    subject.back()
    subject.model.update()
    vectors = {name: subject.direction(name) for name in subject.causes}
    sizes = subject.magnitudes()
    here = {name: subject.get(name) for name in subject.results}
    exact = {cause: subject.forward(subject.results, [cause], vectors[cause]) for cause in subject.causes}
    tested, elements, untested = 0, 0, dict.fromkeys(subject.results, 0)
    for cause in subject.causes:
        sides = [_sides(subject, here, {cause: vectors[cause]}, step) for step in STEPS]
        for name in subject.results:
            derivative = exact[cause][name]
            finite = np.isfinite(here[name])
            best, doubt = _best([each[name] for each in sides], RESOLUTION * sizes[name])
            size = np.maximum(np.abs(derivative), np.abs(best)) + 1e-3 * np.nanmax(np.abs(derivative), initial=0.0)
            size = size + LITTLE * sizes[name]
            left_over = _is_left_over(here[name], sides[0][name], sizes[name])
            sure = finite & ~left_over & (doubt <= DIFFERENCE_TOLERANCE * size)
            wrong = sure & (np.abs(derivative - best) > DIFFERENCE_TOLERANCE * size + doubt)
            if wrong.any():
                wrong &= ~_confirmed(subject, here, {cause: vectors[cause]}, name, derivative, size)
            require(not wrong.any(), _said_wrong(f"{name} by {cause}", wrong, derivative, best))
            tested, elements = tested + int(sure.sum()), elements + int((finite & ~left_over).sum())
            untested[name] += int(finite.any() and not sure.any())
    require(tested > LEAST_TESTED * elements, f"only {tested} of {elements} elements could be compared")
    return f"{tested} of {elements} elements compared, all within {DIFFERENCE_TOLERANCE:g}{_not_tested(untested)}"


def _best(sides: Sequence[tuple[Floats, Floats]], resolution: Floats) -> tuple[Floats, Floats]:
    """Of differences, the value of the fourth order that its neighbours confirm best, and how far it may be off.

    Parameters
    ----------
    sides : Difference quotients forward and backward with each of `STEPS`.
    resolution : Below which a result cannot change.
    """
    # Sixteen parts of one and one of the other leave an error of the fourth order in the step.
    central = [0.5 * (forward + backward) for forward, backward in sides]
    values = np.stack([(16.0 * fine - coarse) / 15.0 for coarse, fine in itertools.pairwise(central)])
    apart = np.abs(np.diff(values, axis=0))

    # Across a kink the mean of both slopes looks like a derivative; what both sides differ by then does not vanish
    # with the step.
    bends = [forward - backward for forward, backward in sides]
    kinks = np.stack([np.abs(4.0 * fine - coarse) / 6.0 for coarse, fine in itertools.pairwise(bends)])

    # Two values may agree by chance, three do not.
    doubts = np.maximum(apart[:-1], apart[1:]) + kinks[1:-1] + resolution / np.array(STEPS[2:-1])[:, None]
    chosen = np.argmin(np.where(np.isnan(doubts), np.inf, doubts), axis=0)[None]
    best = np.take_along_axis(values[1:-1], chosen, axis=0)[0]
    doubt: Floats = np.take_along_axis(doubts, chosen, axis=0)[0]
    return best, doubt


def _confirmed(
    subject: Subject, here: Vectors, vectors: Vectors, name: str, derivative: Floats, size: Floats
) -> NDArray[np.bool_]:
    """Where three shorter steps in turn give the derivative, so that it is right next to where the component stands.

    Longer ones may agree on another where a result bends within less than they span.
    """
    within = []
    for step in SHORTER_STEPS:
        forward, backward = _sides(subject, here, vectors, step)[name]
        within.append(np.abs(0.5 * (forward + backward) - derivative) <= DIFFERENCE_TOLERANCE * size)
    found: NDArray[np.bool_] = np.any([np.all(within[k : k + 3], axis=0) for k in range(len(within) - 2)], axis=0)
    return found


def _is_left_over(value: Floats, sides: tuple[Floats, Floats], size: Floats) -> NDArray[np.bool_]:
    """Where a result is what larger numbers leave over: next to nothing, and changing by next to nothing.

    Parameters
    ----------
    sides : Difference quotients forward and backward with the longest step.
    size : Of the results of its kind.
    """
    least = LEFT_OVER * size
    change = np.maximum(*(np.abs(side) for side in sides)) * STEPS[0]
    found: NDArray[np.bool_] = (value != 0) & (np.abs(value) < least) & (change < least)
    return found


def _said_wrong(pair: str, wrong: NDArray[np.bool_], derivative: Floats, best: Floats) -> str:
    """The first element whose derivative is not that of differences."""
    index = int(np.argmax(wrong))
    return f"{pair}: {derivative[index]:.9g} at index {index} is not the difference quotient, {best[index]:.9g}"


def _not_tested(causes: dict[str, int]) -> str:
    """For the report: by how many causes no element of a result could be compared."""
    named = [f"{name} (by {count})" for name, count in causes.items() if count]
    return f"; not tested: {', '.join(named)}" if named else ""


def _sides(subject: Subject, here: Vectors, vectors: Vectors, step: float) -> dict[str, tuple[Floats, Floats]]:
    """Difference quotients forward and backward, by result."""
    ends = []
    for sign in (step, -step):
        subject.back({name: sign * vector for name, vector in vectors.items()})
        subject.model.update()
        ends.append({name: (subject.get(name) - here[name]) / sign for name in subject.results})
    return {name: (ends[0][name], ends[1][name]) for name in subject.results}
