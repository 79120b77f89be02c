"""How a model is stepped: by torch, operation by operation, or by a compiled kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from noahpy_core.differentiation import is_transformed
from noahpy_core.parameters import Parameters
from noahpy_core.state import Fluxes, Forcing, State

Step = Callable[[State, Forcing, Parameters, Any], tuple[State, Fluxes]]
EXECUTIONS = ("auto", "eager", "compiled")
"""compiled: kernels generated from the model, for built-in schemes; eager: torch; auto: the better one."""


def check_execution(execution: str) -> None:
    """Raise ValueError for an unknown way of execution."""
    if execution not in EXECUTIONS:
        raise ValueError(f"execution: {execution!r} is unknown. Use {', '.join(EXECUTIONS)}.")


def is_compiled(model: Any, execution: str = "auto", *, transformed: bool = False) -> bool:
    """Whether a model is to be stepped by compiled kernels.

    Parameters
    ----------
    transformed : Whether the caller has kernels for the transformations of `torch.func` at work.

    Raises
    ------
    ValueError : `execution` is unknown, or "compiled" and this model, or this way of differentiating, cannot be.
    """
    check_execution(execution)
    if execution == "eager":
        return False
    reason = _obstacle(model, transformed)
    if reason is not None and execution == "compiled":
        raise ValueError(f"execution: 'compiled' is not possible, because {reason}. Use 'eager' or 'auto'.")
    return reason is None


def step_function(model: Step, execution: str = "auto", *, valid_for: int | None = None) -> Step:
    """The quickest way to step a model when no derivative is wanted; the model itself if it cannot be compiled.

    Numbers of compiled and eager steps agree to round-off, and do not depend on the number of columns.

    Parameters
    ----------
    valid_for : Let a result be overwritten by so many calls after it, at least 2, for speed; None: never.
    """
    if not is_compiled(model, execution):
        return model
    from noahpy_core.compiled import CompiledStep

    return CompiledStep(model, valid_for, strict=execution == "compiled")  # type: ignore[arg-type]


def _obstacle(model: Any, transformed: bool) -> str | None:
    """What keeps a model from being compiled, or None."""
    if is_transformed() and not transformed:
        return (
            "vmap alone, a derivative of forward mode (take jvp of grad instead) and what goes beyond a second "
            "derivative need to see every operation"
        )
    try:
        from noahpy_core.compiled import why_not_compiled
    except ImportError as error:
        return f"{error.name} cannot be imported"
    return why_not_compiled(model)
