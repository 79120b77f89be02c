"""Why a step of the component was not taken, as errors whose parts can be asked for."""

from __future__ import annotations

from typing import Any


class NonFiniteStep(ArithmeticError):
    """A step gave a value that is infinite or no number. The state is as it was before the step.

    Attributes
    ----------
    step : The step, counted from 1.
    variable : Path of the value in `noahpy_core.State`, as ``soil.temperature``.
    column : The first column where it is so, counted from 0.
    """

    def __init__(self, step: int, variable: str, column: int) -> None:
        super().__init__(
            f"update: step {step} makes {variable} not finite in column {column}. The state is left as "
            "it was before the step. Check inputs and parameters there, or use a shorter step."
        )
        self.step, self.variable, self.column = step, variable, column

    def __reduce__(self) -> tuple[Any, ...]:
        # Otherwise a copy, or one from another process, would be made from the message alone.
        return type(self), (self.step, self.variable, self.column)


class ImpossibleStep(NonFiniteStep):
    """A step gave a value that no land surface has. The state is as it was before the step.

    Attributes
    ----------
    step, variable, column : As of `NonFiniteStep`; the variable may be a sum or quotient of others, in words.
    value : What it became.
    bounds : Between what it has to be, in words.
    """

    def __init__(self, step: int, variable: str, column: int, value: float, bounds: str) -> None:
        ArithmeticError.__init__(
            self,
            f"update: step {step} makes {variable} {value:.6g} in column {column}; it must be {bounds}. The state is "
            "left as it was before the step. Check inputs and parameters there, or use a shorter step.",
        )
        self.step, self.variable, self.column = step, variable, column
        self.value, self.bounds = value, bounds

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.step, self.variable, self.column, self.value, self.bounds)


class MissingForcing(RuntimeError):
    """A step has no value for some inputs: nothing was set, and no file has them.

    Attributes
    ----------
    step : The step, counted from 1.
    variables : BMI names of the inputs.
    reason : What is missing, and the remedy.
    """

    def __init__(self, step: int, variables: tuple[str, ...], reason: str) -> None:
        super().__init__(f"update: {reason}")
        self.step, self.variables, self.reason = step, variables, reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.step, self.variables, self.reason)
