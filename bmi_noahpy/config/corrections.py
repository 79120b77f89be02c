"""Corrections of the forcing in a configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bmi_noahpy.config.errors import Problem, Problems
from bmi_noahpy.config.values import Reader, Values, refuse_empty
from bmi_noahpy.files.brief import suggest
from bmi_noahpy.forcing.corrections import CORRECTABLE, KEEP, PAIRS, correctable_units


def read_corrections(value: Any) -> dict[str, dict[str, Values]]:
    """Quantity -> {factor, offset, keep}; raises `Problems` with everything that is wrong."""
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
    problems += _decided_twice(read)
    if problems:
        raise Problems(problems)
    return read


def _decided_twice(read: Mapping[str, Mapping[str, Any]]) -> list[Problem]:
    """Quantities that follow from the temperature, and are corrected as well."""
    kept = read.get("air_temperature", {}).get("keep", ())
    return [
        Problem("air_temperature.keep", f"{follows} changes {name}, which has a correction of its own. Keep one.")
        for name, follows in PAIRS
        if follows in kept and name in read
    ]


def _read(name: str, given: Mapping[Any, Any]) -> tuple[dict[str, Values], list[Problem]]:
    readers: dict[str, Callable[[Any], Any]] = {
        "factor": Reader("1", (0.0, 1000.0)),
        "offset": Reader(correctable_units()[name]),
    }
    if name == "air_temperature":
        readers["keep"] = _read_keep
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


def _read_keep(value: Any) -> tuple[str, ...]:
    """What air keeps when its temperature is changed."""
    given = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    for name in given:
        if name not in KEEP:
            raise ValueError(f"{name!r} cannot be kept. {suggest(str(name), KEEP)}")
    for pair in PAIRS:
        if set(pair) <= set(given):
            raise ValueError(f"{pair[0]} and {pair[1]} cannot both stay the same. Keep one.")
    return given
