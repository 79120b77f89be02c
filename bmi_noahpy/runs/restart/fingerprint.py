"""What a run and the run it goes on from must have in common."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from noahpy_core.leaves import array_of
from noahpy_core.quantities import members

if TYPE_CHECKING:
    from bmi_noahpy.runs.any_run import AnyRun


Fingerprint = Mapping[str, Any]
"""Plain data, one entry for each thing that must agree."""

SHAPE = ("layers", "columns")
"""What even a run that takes over nothing but the state must have in common."""


def fingerprint(run: AnyRun) -> dict[str, Any]:
    """What must agree for the steps of a run to continue those of another.

    Numbers stand for themselves where they are few; places, layers and parameters as digests.
    """
    thickness = run.thickness
    return {
        "layers": int(thickness.shape[0]),
        "columns": int(run.domain.columns),
        "thickness of layers": digest(thickness),
        "places of columns": _digest_of_fields(run.domain),
        "step [s]": float(run.step),
        "number type": str(run.initial_state.skin_temperature.dtype).removeprefix("torch."),
        "schemes": {slot: _scheme(scheme) for slot, scheme in vars(run.schemes).items()},
        "parameters": {path: digest(values) for path, values in members(run.parameters).items()},
        "weights": {name: digest(weight) for name, weight in run.weights.items()},
    }


def differences(theirs: Fingerprint, ours: Fingerprint) -> Iterator[str]:
    """Sentences on everything that does not agree."""
    for name in ours:
        there, here = theirs.get(name), ours[name]
        if there == here:
            continue
        if isinstance(here, Mapping) and isinstance(there, Mapping):
            yield from _differences_within(name, there, here)
        elif isinstance(here, str) and len(here) == DIGITS:
            yield f"the {name} differ"
        else:
            yield f"{name}: {there} there, {here} here"


DIGITS = 16


def digest(values: Any) -> str:
    """A short text that differs when a number does."""
    return hashlib.sha256(np.ascontiguousarray(array_of(values)).tobytes()).hexdigest()[:DIGITS]


def digest_of_file(path: Path) -> str:
    """A short text that differs when the content of a file does; ``absent`` when there is none."""
    if not path.is_file():
        return "absent"
    with path.open("rb") as file:
        total = hashlib.sha256()
        while part := file.read(2**20):
            total.update(part)
    return total.hexdigest()[:DIGITS]


def _scheme(scheme: Any) -> str:
    """A name, with the arguments of one's own schemes; their weights are compared as such, wherever they come from."""
    return scheme if isinstance(scheme, str) else f"{scheme.name} {dict(scheme.arguments)}"


def _differences_within(name: str, theirs: Fingerprint, ours: Fingerprint) -> Iterator[str]:
    for key in sorted({*theirs, *ours}):
        there, here = theirs.get(key), ours.get(key)
        if there == here:
            continue
        if name == "schemes":
            yield f"schemes.{key}: {there} there, {here} here"
        elif isinstance(here, Mapping) and isinstance(there, Mapping):
            yield from _differences_within(key, there, here)
        else:
            yield f"{name} differ in {key}"


def _digest_of_fields(holder: Any) -> str:
    names = [field.name for field in dataclasses.fields(holder)] if dataclasses.is_dataclass(holder) else vars(holder)
    parts = []
    for name in sorted(names):
        value = getattr(holder, name)
        if isinstance(value, (int, float, str, list, tuple, np.ndarray)):
            parts.append(f"{name}={digest(value) if not isinstance(value, str) else value}")
    return hashlib.sha256(";".join(parts).encode()).hexdigest()[:DIGITS]
