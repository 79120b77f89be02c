"""Whether what a step or a run is given has the shapes it needs, asked before any time is spent on it."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from noahpy_core.errors import ShapeError
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import quantities
from noahpy_core.state import Forcing, State
from noahpy_core.trees import map_tensors

TOO_SHORT = frozenset({torch.float16, torch.bfloat16})
"""Number types with which a second of warming is lost in rounding."""


class _Expected(NamedTuple):
    """A quantity of a container, and what is known of it."""

    key: str
    read: Callable[[Any], Any]
    dimensions: tuple[str, ...]
    optional: bool


_STEP_LENGTH = _Expected("dt", operator.attrgetter("dt"), ("column",), optional=False)


@functools.cache
def _expected(name: str, container: type) -> tuple[_Expected, ...]:
    return tuple(
        _Expected(f"{name}.{path}", operator.attrgetter(path), (*metadata["dims"], "column"), metadata["optional"])
        for path, metadata in quantities(container)
    )


def check_shapes(
    state: State, forcing: Forcing, parameters: Parameters, thickness: Tensor, dt: Tensor | float, *, series: bool
) -> int:
    """Check containers for a step, or for a run.

    Parameters
    ----------
    state, parameters : ``[column]``, or ``[layer, column]`` for soil variables; one column may stand for all.
    forcing : ``[column]``, or ``[time, column]`` for a run.
    thickness : Of the soil layers of the model, ``[layer, 1]`` or ``[layer, column]``. [m]
    dt : Step length, one number or one per column. [s]
    series : Whether this is a run.

    Returns
    -------
    Number of columns.

    Raises
    ------
    ShapeError : Something that is not a tensor, a series for a step or a step for a series, another number of layers,
        another number of columns or times than that of a quantity before, numbers with too few digits: naming it,
        with the remedy.
    """
    layers, columns = thickness.shape
    sizes = {"layer": ("the model", layers), "column": ("the thickness of its layers", columns)}
    for name, container, given in (
        ("state", State, state),
        ("forcing", Forcing, forcing),
        ("parameters", Parameters, parameters),
    ):
        if not isinstance(given, container):
            raise ShapeError(name, f"is a {type(given).__name__}. Give a {container.__name__}.")
        timed = series and container is Forcing
        for expected in _expected(name, container):
            value = expected.read(given)
            if value is not None or not expected.optional:
                _check(expected, value, sizes, timed)
    if isinstance(dt, Tensor) and dt.ndim:
        _check(_STEP_LENGTH, dt, sizes, timed=False)
    return sizes["column"][1]


def for_all_columns(state: State, columns: int) -> State:
    """A state in which one column stands for all, as one of so many; each becomes another in the step."""

    def full(value: Tensor) -> Tensor:
        return value if value.shape[-1] == columns else value.expand(*value.shape[:-1], columns)

    return state if columns == 1 else map_tensors(full, state)


def check_number_type(key: str, value: Tensor) -> None:
    """Raise ShapeError for numbers that a step cannot be computed with: complex, or of fewer digits than float32."""
    if value.dtype in TOO_SHORT or value.dtype.is_complex:
        kind = "of complex numbers" if value.dtype.is_complex else f"of {_digits(value.dtype)} digits"
        raise ShapeError(
            key,
            f"is {str(value.dtype).removeprefix('torch.')}, {kind}. Use float64, or float32: value.to(torch.float64).",
        )


def _digits(dtype: torch.dtype) -> int:
    return int(-math.log10(torch.finfo(dtype).eps))


def _check(expected: _Expected, value: Any, sizes: dict[str, tuple[str, int]], timed: bool) -> None:
    if not isinstance(value, Tensor):
        raise ShapeError(
            expected.key,
            f"is a {type(value).__module__}.{type(value).__name__}, not a tensor. Convert it, as with "
            "torch.as_tensor(values, dtype=torch.float64).",
        )
    check_number_type(expected.key, value)
    dimensions = ("time", *expected.dimensions) if timed else expected.dimensions
    shape = value.shape
    if len(shape) != len(dimensions):
        raise ShapeError(expected.key, f"has the shape {tuple(shape)}, {_remedy(len(shape), dimensions, expected)}")
    for dimension, size in zip(dimensions, shape, strict=True):
        first, known = sizes.setdefault(dimension, (expected.key, size))
        if size == known:
            continue
        if dimension != "column" or 1 not in (size, known):
            raise ShapeError(
                expected.key,
                f"has the shape {tuple(shape)}, {size} {dimension}s, but {first} has {known}. Give as many in both, "
                f"[{', '.join(dimensions)}].",
            )
        if known == 1:
            sizes[dimension] = expected.key, size


def _remedy(found: int, dimensions: tuple[str, ...], expected: _Expected) -> str:
    wanted = f"[{', '.join(dimensions)}]"
    if expected.key.startswith("forcing."):
        if found == len(dimensions) + 1:
            return f"a series. Give one step, {wanted}, as with forcing.at(step), or call noahpy_core.run."
        if found == len(dimensions) - 1:
            return f"one step. Give a series, {wanted}, or step the model itself."
    return f"not {wanted}. Bring it into that shape; one column is a dimension of length 1."
