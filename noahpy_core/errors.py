"""Errors whose parts can be asked for: what is wrong is a field, and the message is made of the fields."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class KeyedError(ValueError):
    """A value that cannot be used.

    Attributes
    ----------
    key : What it is a value of, as ``output.every`` or ``state.soil.temperature``.
    reason : What is wrong, and the remedy.
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key, self.reason = key, reason

    def __reduce__(self) -> tuple[Any, ...]:
        # Otherwise a copy, or one from another process, would be made from the message alone.
        return type(self), (self.key, self.reason)


class SchemeError(KeyedError):
    """A scheme that cannot stand in its slot, which is `key`."""

    @property
    def slot(self) -> str:
        """Name of the slot."""
        return self.key


class ShapeError(KeyedError):
    """A quantity that is not a tensor, or has another shape than a step needs."""


class BoundsError(KeyedError):
    """A number outside the bounds that its quantity declares, as one in other units."""


class ClassError(ValueError):
    """A class of soil, land cover or slope that cannot be computed.

    Attributes
    ----------
    kind : "soil", "vegetation" or "slope".
    place : Where it stands, as ``layer 1 column 3`` (counted from 1).
    reason : What is wrong, and the remedy.
    """

    def __init__(self, kind: str, place: str, reason: str) -> None:
        super().__init__(f"{kind} class of {place}: {reason}")
        self.kind, self.place, self.reason = kind, place, reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.kind, self.place, self.reason)


class ConvergenceError(RuntimeError):
    """A column's equations were not solved.

    Attributes
    ----------
    reason : Which equations, how many columns, and the remedy.
    columns : The columns, counted from 0.
    step : The step of the run, counted from 0; None for a single step.
    """

    def __init__(self, reason: str, columns: Iterable[int] = (), step: int | None = None) -> None:
        super().__init__(reason if step is None else f"step {step}: {reason}")
        self.reason, self.columns, self.step = reason, tuple(columns), step

    def at_step(self, step: int) -> ConvergenceError:
        """The same, of a step of a run."""
        numbered = ConvergenceError(self.reason, self.columns, step)
        numbered.__cause__ = self
        return numbered

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason, self.columns, self.step)


def remedy(*, single: bool) -> str:
    """What to do about equations that were not solved, as a sentence.

    Parameters
    ----------
    single : Whether they have the digits of single precision.
    """
    other = "a shorter step, or float64" if single else "a shorter step"
    return f"Check its forcing and parameters for values far outside their bounds, or take {other}."
