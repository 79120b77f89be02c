"""Parameters and state: described, readable, replaceable, complete."""

from __future__ import annotations

import functools

import numpy as np

from bmi_noahpy.gradient.conformance.failure import refused, require
from bmi_noahpy.gradient.conformance.subject import Subject
from bmi_noahpy.gradient.protocol import STATE


def parameters_are_described_and_can_be_replaced(subject: Subject) -> str:
    """Sizes, units, bounds and grids; get and set; a value beyond a bound is refused; the next step sees a new one."""
    subject.back()
    extension = subject.extension
    require(subject.model.get_extension("no such extension") is None, "an unknown name of an extension is not None")
    names = list(extension.get_parameter_names())
    require(len(set(names)) == len(names), "get_parameter_names names something twice")
    for name in subject.parameters:
        _describe(subject, name)
        values = subject.get(name)
        subject.put(name, values)
        require(np.array_equal(subject.get(name), values), f"{name}: set_parameter(get_parameter) changes it")
        for wrong in _beyond_bounds(subject, name, values):
            refused(functools.partial(extension.set_parameter, name, wrong), f"{name} = {wrong[-1]:g}")
        require(np.array_equal(subject.get(name), values), f"{name}: a value that was refused changed it")
    return f"{len(subject.parameters)} parameters"


def _describe(subject: Subject, name: str) -> None:
    extension = subject.extension
    size, (low, high) = extension.get_parameter_size(name), extension.get_parameter_bounds(name)
    require(size > 0, f"{name}: its size is {size}")
    require(low < high, f"{name}: its bounds are {low} and {high}")
    require(isinstance(extension.get_parameter_units(name), str), f"{name}: units are not text")
    require(isinstance(extension.get_parameter_grid(name), int), f"{name}: the grid is not an int")
    values = subject.get(name)
    require(bool(((values >= low) & (values <= high)).all()), f"{name}: its values are outside its bounds")
    if size > 1:
        wrong = np.append(values, values[-1])
        refused(lambda: extension.set_parameter(name, wrong), f"{name}: {size + 1} values")


def _beyond_bounds(subject: Subject, name: str, values: np.ndarray) -> list[np.ndarray]:
    """Values of which the last one alone cannot be accepted."""
    found = []
    low, high = subject.extension.get_parameter_bounds(name)
    for bound, beyond in ((low, -1.0), (high, 1.0)):
        if np.isfinite(bound):
            found.append(np.append(values[:-1], bound + beyond * max(1.0, abs(bound))))
    return [*found, np.append(values[:-1], np.nan)]


def the_state_is_complete(subject: Subject) -> str:
    """Set again, the state and the inputs repeat steps bit by bit; what is not finite is refused."""
    extension, seen = subject.extension, []
    for _ in range(2):
        subject.back()
        require(np.array_equal(subject.get(STATE), subject.start[STATE]), "set_state(get_state) changes the state")
        subject.model.update()
        subject.model.update()
        seen.append({name: subject.get(name) for name in subject.results})
    for name in subject.results:
        require(np.array_equal(seen[0][name], seen[1][name], equal_nan=True), f"{name} differs when repeated")
    _a_step_goes_on_from_the_state_alone(subject)
    start = subject.start[STATE]
    refused(lambda: extension.set_state(np.append(start, 0.0)), "a state with one value too many")
    if start.size:
        refused(lambda: extension.set_state(np.append(start[:-1], np.nan)), "a state that is not finite")
    return f"{start.size} values"


def _a_step_goes_on_from_the_state_alone(subject: Subject) -> None:
    """What other steps in between left behind, hidden somewhere, has no part in it."""
    subject.back()
    subject.model.update()
    middle, time = subject.get(STATE), subject.model.get_current_time()
    subject.model.update()
    expected = subject.get(STATE)
    subject.back({name: 1.0e-4 * subject.direction(name) for name in (*subject.inputs, STATE)})
    for _ in range(3):
        subject.model.update()
    subject.back()
    subject.to(middle, time)
    subject.model.update()
    require(np.array_equal(subject.get(STATE), expected), "@state differs when repeated from the state in the middle")
