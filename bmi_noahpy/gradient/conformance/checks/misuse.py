"""Calls out of place, names that do not exist, arrays of another size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bmi_noahpy.gradient.conformance.failure import refused, require
from bmi_noahpy.gradient.conformance.subject import Subject
from bmi_noahpy.gradient.protocol import STATE

UNKNOWN = "no such name"


def misuse_is_refused(subject: Subject) -> str:
    """Each kind of misuse is an error, and what it leaves behind works."""
    subject.back()
    subject.model.update()
    kinds = [*_names_and_sizes(subject)]
    for call, what in kinds:
        refused(call, what)
    count = len(kinds) + _while_recording(subject) + _afterwards(subject)
    return f"{count} kinds of misuse"


def _names_and_sizes(subject: Subject) -> list[tuple[Callable[[], object], str]]:
    extension, output, cause = subject.extension, subject.outputs[0], subject.causes[0]
    ones, room = np.ones(subject.size(output)), np.empty(subject.size(cause))
    adjoint, directional = extension.get_adjoint_derivative, extension.get_directional_derivative
    return [
        (lambda: adjoint([UNKNOWN], [cause], ones, room), "a derivative of an unknown name"),
        (lambda: adjoint([output], [UNKNOWN], ones, room), "a derivative by an unknown name"),
        (lambda: adjoint([output], [cause], np.append(ones, 1.0), room), "an adjoint seed of another size"),
        (lambda: adjoint([output], [cause], ones, np.append(room, 0.0)), "a sensitivity of another size"),
        (lambda: directional([output], [cause], np.append(room, 0.0), ones), "a direction of another size"),
        (lambda: extension.get_parameter(UNKNOWN, room), "an unknown parameter"),
    ]


def _while_recording(subject: Subject) -> int:
    extension, output = subject.extension, subject.outputs[0]
    seed = np.zeros(subject.size(output))
    extension.start_recording()
    refused(extension.start_recording, "a second start_recording")
    refused(lambda: extension.add_adjoint_seed(output, seed), "a seed before any recorded update")
    subject.model.update()
    refused(extension.update_adjoint, "a reverse step while recording")
    refused(lambda: extension.get_adjoint(STATE, np.empty(subject.size(STATE))), "get_adjoint while recording")
    if subject.parameters:
        name = subject.parameters[0]
        refused(lambda: extension.set_parameter(name, 1.0001 * subject.start[name]), "a new parameter in a window")
        require(np.array_equal(subject.get(name), subject.start[name]), f"{name}: what was refused changed it")
        zeros = np.zeros(subject.size(name))
        refused(lambda: extension.add_adjoint_seed(name, zeros), "a seed for what is not an output")
    refused(lambda: extension.add_adjoint_seed(UNKNOWN, seed), "a seed for an unknown name")
    refused(lambda: extension.add_adjoint_seed(output, np.append(seed, 0.0)), "a seed of another size")
    return 8


def _afterwards(subject: Subject) -> int:
    extension = subject.extension
    extension.stop_recording()
    subject.model.update()
    require(extension.recorded_steps() == 1, "an update after stop_recording is recorded")
    refused(extension.stop_recording, "a second stop_recording")
    extension.update_adjoint()
    refused(extension.update_adjoint, "a reverse step with nothing recorded")
    refused(lambda: extension.get_adjoint(UNKNOWN, np.empty(1)), "the adjoint of an unknown name")
    size = subject.size(STATE)
    refused(lambda: extension.get_adjoint(STATE, np.empty(size + 1)), "an adjoint of another size")
    return 4
