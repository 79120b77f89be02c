"""The BMI extension "introspection": sets of variables, their roles, bounds, descriptions, as BMI 3 drafts ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bmi_noahpy.component.variables import Variable, find_variable, variables

SETS: dict[str, Callable[[Variable], bool]] = {
    "inputs": lambda variable: variable.source.kind == "input",
    "states": lambda variable: variable.source.kind == "state",
    "parameters": lambda variable: variable.source.kind == "parameter",
    "diagnostics": lambda variable: variable.source.kind == "result",
}
"""Which variables are in a set; every variable is in exactly one."""
ROLES = {"input": "input", "state": "state", "parameter": "parameter", "result": "diagnostic"}


class Introspection:
    """What a framework may ask of every name, before `initialize` too.

    Parameters
    ----------
    run : Not needed; all extensions are made alike.
    """

    def __init__(self, run: Callable[[str], Any] | None = None) -> None:
        del run

    def get_variable_sets(self) -> tuple[str, ...]:
        """Names of the sets."""
        return tuple(SETS)

    def get_variable_set(self, name: str) -> tuple[str, ...]:
        """Variables of a set, also those in no list of BMI.

        Raises
        ------
        ValueError : There is no such set.
        """
        if name not in SETS:
            raise ValueError(f"get_variable_set: {name!r} is no set of variables. Sets are {', '.join(SETS)}.")
        return tuple(variable.name for variable in variables().values() if SETS[name](variable))

    def get_var_role(self, name: str) -> str:
        """input, state, parameter or diagnostic."""
        return ROLES[find_variable(name).source.kind]

    def get_var_description(self, name: str) -> str:
        """What it is, in words."""
        return find_variable(name).description

    def get_var_bounds(self, name: str) -> tuple[float, float]:
        """Smallest and largest acceptable value in BMI units, infinite where there is none."""
        bounds = find_variable(name).bounds
        return (-float("inf"), float("inf")) if bounds is None else (float(bounds[0]), float(bounds[1]))

    def is_var_optional(self, name: str) -> bool:
        """Whether the model has a rule of its own for a value that nobody gives."""
        return find_variable(name).optional

    def is_var_averaged(self, name: str) -> bool:
        """Whether it is a mean, or a sum, over the steps of the last call, not a value at its end."""
        return find_variable(name).source.averaged
