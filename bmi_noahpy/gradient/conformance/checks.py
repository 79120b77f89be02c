"""What a gradient extension has to do, one check after the other; each returns what it measured or raises `Failed`."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from bmi_noahpy.gradient.conformance.subject import Subject, Vectors
from bmi_noahpy.gradient.protocol import STATE

DOT_TOLERANCE = 1.0e-12
SMALL_RESPONSE = 1.0e-2
"""Relative change of a result, for a change of a cause by about its own size, below which round-off is absolute."""
CHAIN_TOLERANCE = 1.0e-10
DIFFERENCE_TOLERANCE = 1.0e-3
WINDOW_TOLERANCE = 1.0e-5
STEPS = 4


class Failed(Exception):
    """A check was not passed."""


def parameters_are_described_and_can_be_replaced(subject: Subject) -> str:
    """Sizes, units, bounds and grids; get and set; a value beyond a bound is refused."""
    subject.back()
    extension = subject.extension
    for name in subject.parameters:
        size, (low, high) = extension.get_parameter_size(name), extension.get_parameter_bounds(name)
        _require(isinstance(extension.get_parameter_units(name), str), f"{name}: units are not text")
        _require(isinstance(extension.get_parameter_grid(name), int), f"{name}: the grid is not an int")
        dest = np.empty(size)
        _require(extension.get_parameter(name, dest) is dest, f"{name}: get_parameter does not return dest")
        _require(bool(((dest >= low) & (dest <= high)).all()), f"{name}: its values are outside its bounds")
        extension.set_parameter(name, dest)
        _require(np.array_equal(subject.get(name), dest), f"{name}: set_parameter(get_parameter) changes it")
        for bound, beyond in ((low, -1.0), (high, 1.0)):
            if np.isfinite(bound):
                wrong = np.full(size, bound + beyond * max(1.0, abs(bound)))
                _refused(functools.partial(extension.set_parameter, name, wrong), f"{name} = {wrong[0]:g}")
        _require(np.array_equal(subject.get(name), dest), f"{name}: a value that was refused changed it")
    return f"{len(subject.parameters)} parameters"


def the_state_is_complete(subject: Subject) -> str:
    """Set again, the state and the inputs repeat a step bit by bit."""
    seen = []
    dest = np.empty(subject.extension.get_state_size())
    _require(subject.extension.get_state(dest) is dest, "get_state does not return dest")
    for _ in range(2):
        subject.back()
        _require(np.array_equal(subject.get(STATE), subject.start[STATE]), "set_state(get_state) changes the state")
        subject.model.update()
        subject.model.update()
        seen.append({name: subject.get(name) for name in subject.results})
    for name in subject.results:
        _require(np.array_equal(seen[0][name], seen[1][name], equal_nan=True), f"{name} differs when repeated")
    return f"{dest.size} values"


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
            _require(error <= DOT_TOLERANCE * size, f"{name} by {cause}: the products differ by {error / size:.1e}")
            worst = max(worst, error / size)
    _require_joint(subject, seeds, pulled)
    return f"{len(subject.results) * len(subject.causes)} pairs of names, worst {worst:.1e}"


def _require_joint(subject: Subject, seeds: Vectors, pulled: dict[str, Vectors]) -> None:
    """Several names at once are the sum of them one by one."""
    chosen = [subject.outputs[0], STATE]
    together = subject.backward(chosen, subject.causes, np.concatenate([seeds[name] for name in chosen]))
    for cause in subject.causes:
        expected = sum(pulled[name][cause] for name in chosen)
        _require(bool(np.allclose(together[cause], expected, rtol=1e-9)), f"{cause}: lists of names do not add up")


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
        coarse, fine = (_difference(subject, {cause: vectors[cause]}, step) for step in (4.0e-5, 1.0e-5))
        for name in subject.results:
            value, derivative = here[name], exact[cause][name]
            known = np.isfinite(value)
            size = np.abs(derivative) + 1e-3 * np.abs(derivative).max() + 1e-5 * sizes[name].max()
            smooth = known & (np.abs(coarse[name] - fine[name]) <= 1e-4 * size + 1e-15)
            wrong = smooth & (np.abs(derivative - fine[name]) > DIFFERENCE_TOLERANCE * size + 1e-15)
            _require(not wrong.any(), f"{name} by {cause}: the derivative is not the difference quotient")
            compared, elements = compared + int(smooth.sum()), elements + int(known.sum())
    _require(compared > 0.7 * elements, f"only {compared} of {elements} elements are smooth enough to compare")
    return f"{compared} of {elements} elements compared, all within {DIFFERENCE_TOLERANCE:g}"


def _difference(subject: Subject, vectors: Vectors, step: float) -> Vectors:
    ends = []
    for sign in (step, -step):
        subject.back({name: sign * vector for name, vector in vectors.items()})
        subject.model.update()
        ends.append({name: subject.get(name) for name in subject.results})
    return {name: (ends[0][name] - ends[1][name]) / (2.0 * step) for name in subject.results}


# --- windows ----------------------------------------------------------------------------------------------------------


def a_window_is_the_chain_of_its_steps(subject: Subject) -> str:
    """The adjoint of recorded steps against one-step derivatives chained by hand, and against differences."""
    weights = _weights(subject)
    vectors = {name: subject.direction(name) for name in subject.causes}
    found = _window_adjoint(subject, weights)
    adjoint = sum(float(found[name] @ vectors[name]) for name in subject.causes)
    parts, chained = _chained(subject, weights, vectors)
    error = abs(adjoint - chained) / parts
    _require(error <= CHAIN_TOLERANCE, f"the adjoint differs from the chain of directional derivatives by {error:.1e}")
    step = 1.0e-7
    ends = [_objective(subject, weights, {n: s * v for n, v in vectors.items()}) for s in (step, -step)]
    difference = abs(adjoint - (ends[0] - ends[1]) / (2.0 * step)) / parts
    _require(difference <= WINDOW_TOLERANCE, f"the adjoint differs from central differences by {difference:.1e}")
    return f"{STEPS} steps, chain {error:.1e}, differences {difference:.1e}"


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


def _window_adjoint(subject: Subject, weights: list[Vectors]) -> Vectors:
    extension = subject.extension
    subject.back()
    extension.start_recording()
    late = subject.outputs[0]
    for step in weights:
        subject.model.update()
        for name, weight in step.items():
            if name != late:
                extension.add_adjoint_seed(name, weight)
    extension.stop_recording()
    total = {name: np.zeros(subject.size(name)) for name in subject.inputs}
    for step in reversed(weights):
        # A component downstream knows its adjoint only on the way back.
        extension.add_adjoint_seed(late, step[late])
        extension.update_adjoint()
        for name in subject.inputs:
            total[name] = total[name] + extension.get_adjoint(name, np.empty(subject.size(name)))
    _require(extension.recorded_steps() == 0, "recorded_steps() is not 0 after the last step was reversed")
    for name in (*subject.parameters, STATE):
        total[name] = extension.get_adjoint(name, np.empty(subject.size(name)))
    return total


def _chained(subject: Subject, weights: list[Vectors], vectors: Vectors) -> tuple[float, float]:
    """The derivative of the objective along the vectors, forward; first the sum of the absolute values of its parts."""
    subject.back()
    moving = np.concatenate([vectors[name] for name in subject.causes[:-1]])
    state, parts, total = vectors[STATE], 0.0, 0.0
    for step in weights:
        subject.model.update()
        changes = subject.forward(subject.results, subject.causes, np.concatenate([moving, state]))
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


def misuse_is_refused(subject: Subject) -> str:
    """Calls out of place raise an error."""
    extension, model = subject.extension, subject.model
    subject.back()
    model.update()
    extension.start_recording()
    _refused(extension.start_recording, "a second start_recording")
    seed = np.zeros(subject.size(subject.outputs[0]))
    _refused(lambda: extension.add_adjoint_seed(subject.outputs[0], seed), "a seed before any recorded update")
    model.update()
    if subject.parameters:
        name = subject.parameters[0]
        _refused(lambda: extension.set_parameter(name, 1.0001 * subject.start[name]), "a new parameter in a window")
        zeros = np.zeros(subject.size(name))
        _refused(lambda: extension.add_adjoint_seed(name, zeros), "a seed for what is not an output")
    _refused(lambda: extension.add_adjoint_seed(subject.outputs[0], np.zeros(seed.size + 1)), "a seed of another size")
    extension.stop_recording()
    extension.update_adjoint()
    _refused(extension.update_adjoint, "a reverse step with nothing recorded")
    return "6 kinds of misuse"


CHECKS: tuple[Callable[[Subject], str], ...] = (
    parameters_are_described_and_can_be_replaced,
    the_state_is_complete,
    adjoint_and_directional_derivative_are_transposes,
    a_step_has_the_derivative_of_differences,
    a_window_is_the_chain_of_its_steps,
    misuse_is_refused,
)


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise Failed(otherwise)


def _refused(call: Callable[[], object], what: str) -> None:
    try:
        call()
    except Exception:
        return
    raise Failed(f"{what} is accepted")
