"""Corrections of the forcing in a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bmi_noahpy.config.errors import Problem, Problems, suggest
from bmi_noahpy.config.values import Reader, Values, refuse_empty
from bmi_noahpy.forcing.corrections import CORRECTABLE, correctable_units


def read_corrections(value: Any) -> dict[str, dict[str, Values]]:
    """Quantity -> {factor, offset}; raises `Problems` with everything that is wrong."""
    if not isinstance(refuse_empty(value), Mapping):
        raise ValueError(f"must hold quantities, got {value!r}. Write it like {{precipitation: {{factor: 1.1}}}}.")
    problems, read = [], {}
    for name, given in value.items():
        if name not in CORRECTABLE:
            problems.append(Problem(str(name), f"cannot be corrected. {suggest(str(name), CORRECTABLE)}"))
        elif not isinstance(given, Mapping) or not given:
            problems.append(Problem(name, f"must hold a factor or an offset, got {given!r}. Write {{factor: 1.1}}."))
        else:
            found, wrong = _read(name, given)
            read[name] = found
            problems += wrong
    if problems:
        raise Problems(problems)
    return read


def _read(name: str, given: Mapping[Any, Any]) -> tuple[dict[str, Values], list[Problem]]:
    readers = {"factor": Reader("1", (0.0, 1000.0)), "offset": Reader(correctable_units()[name])}
    found, wrong = {}, []
    for key, value in given.items():
        if key not in readers:
            wrong.append(Problem(f"{name}.{key}", f"unknown key. {suggest(str(key), readers)}"))
            continue
        try:
            found[key] = readers[key](value)
        except ValueError as error:
            wrong.append(Problem(f"{name}.{key}", str(error)))
    return found, wrong
