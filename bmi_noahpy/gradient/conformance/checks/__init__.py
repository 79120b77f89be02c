"""What a gradient extension has to do, one check after the other; each returns what it measured or raises `Failed`."""

from __future__ import annotations

from collections.abc import Callable

from bmi_noahpy.gradient.conformance.checks.description import (
    parameters_are_described_and_can_be_replaced,
    the_state_is_complete,
)
from bmi_noahpy.gradient.conformance.checks.misuse import misuse_is_refused
from bmi_noahpy.gradient.conformance.checks.steps import (
    a_step_has_the_derivative_of_differences,
    adjoint_and_directional_derivative_are_transposes,
)
from bmi_noahpy.gradient.conformance.checks.windows import (
    a_window_is_repeated_and_leaves_the_run_alone,
    a_window_is_the_chain_of_its_steps,
)
from bmi_noahpy.gradient.conformance.subject import Subject

CHECKS: tuple[Callable[[Subject], str], ...] = (
    parameters_are_described_and_can_be_replaced,
    the_state_is_complete,
    adjoint_and_directional_derivative_are_transposes,
    a_step_has_the_derivative_of_differences,
    a_window_is_the_chain_of_its_steps,
    a_window_is_repeated_and_leaves_the_run_alone,
    misuse_is_refused,
)
