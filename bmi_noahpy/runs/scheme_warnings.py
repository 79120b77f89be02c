"""What a user is told of his run: before it that the schemes do not bear its step, or that it is computed where whole
runs were never compared; after it of what Noah's numerics have created."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bmi_noahpy.runs.any_run import AnyRun
    from bmi_noahpy.runs.created import Created
    from bmi_noahpy.runs.outline import Outline
    from noahpy_core.options import Options

LONGEST_STEP = 1800.0
"""Of Noah's surface balance. Beyond it the exchange with the air, taken from the skin of the step before, shifts daily
means of the skin by more than 0.1 K in the built-in example, and the ground by more than that in calm climates. [s]"""


class SchemeWarning(UserWarning):
    """The schemes of a run do not bear its step, or have created water or heat."""


def step_sentence(schemes: Options, step: float) -> str | None:
    """What to tell of a step length before a run, with the remedy; None when the schemes bear it.

    Parameters
    ----------
    schemes : Of the run.
    step : Its step. [s]
    """
    if step <= LONGEST_STEP or schemes.surface_balance != "noah":
        return None
    return (
        f"period.step: {step:g} s. Noah's surface balance takes the exchange with the air from the skin of the step "
        f"before, which steps beyond {LONGEST_STEP:g} s do not bear: skin and ground are off by tenths of a kelvin to "
        "kelvins. Choose schemes: {preset: conservative}, or shorter steps; noahpy verify --steps shows the difference."
    )


def warn_before(run: AnyRun | Outline) -> None:
    """Warn when the schemes of a run do not bear its step, and when it is computed on a graphics processor."""
    sentence = step_sentence(run.configuration.schemes, float(run.step))
    if sentence is not None:
        warnings.warn(sentence, SchemeWarning, stacklevel=3)
    if not str(run.device).startswith("cpu"):
        warnings.warn(
            f"device: '{run.device}': steps agreed there with those of the CPU, but whole runs from files were never "
            "compared. Compare the output of a short period with that of --device cpu first.",
            RuntimeWarning,
            stacklevel=3,
        )


def warn_of_created(created: Created) -> None:
    """Warn when a run has created water or heat that matters."""
    for sentence in created.sentences:
        warnings.warn(sentence, SchemeWarning, stacklevel=3)
