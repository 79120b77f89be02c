"""Errors of configurations: every problem names its key, its value and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ValidationError

from bmi_noahpy.files.brief import LONGEST, brief, suggest

EMPTY = object()
"""What an empty value of a YAML file is read as, to tell it from an explicit null."""

INDENT = "\n  "
MOST_PROBLEMS = 25
"""That one message lists."""


class Problem(NamedTuple):
    """What is wrong with one key: its dotted path, a sentence with value and remedy, and the columns of a domain file
    that it is about, when the others are right."""

    key: str
    text: str
    columns: tuple[int, ...] = ()

    def __str__(self) -> str:
        return brief(f"{self.key}: {self.text}" if self.key else self.text)


class Problems(ValueError):
    """Several problems found by one validator; keys are relative to the value it validates."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


class ConfigurationError(ValueError):
    """A configuration that cannot be run. `problems` holds everything found, the message lists it."""

    def __init__(self, problems: Sequence[Problem], source: str = "") -> None:
        self.problems = tuple(dict.fromkeys(problems))
        self.source = source
        where = f"{brief(source, LONGEST // 2)}: " if source else ""
        if len(self.problems) == 1:
            message = brief(f"{where}{self.problems[0]}")
        else:
            listed = [str(problem) for problem in self.problems[:MOST_PROBLEMS]]
            if len(self.problems) > MOST_PROBLEMS:
                listed.append(f"and {len(self.problems) - MOST_PROBLEMS} more.")
            message = f"{where}{len(self.problems)} problems{INDENT}{INDENT.join(listed)}"
        super().__init__(message)


class ConfigurationWarning(UserWarning):
    """Something in a configuration that is computed otherwise than it may seem."""


def explain(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Problems out of the errors pydantic collected for a model."""
    problems = []
    for details in error.errors():
        key = dotted(details["loc"])
        inner = details.get("ctx", {}).get("error")
        if isinstance(inner, Problems):
            problems += [p._replace(key=".".join(filter(None, (key, p.key)))) for p in inner.problems]
        else:
            problems.append(Problem(key, _sentence(details, model)))
    return problems


def dotted(location: Iterable[int | str]) -> str:
    """``("soil", "parameters", 3)`` -> ``soil.parameters[3]``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def section_keys(model: type[BaseModel]) -> dict[str, type[BaseModel] | None]:
    """Keys of a section and, for those that are sections themselves, their model."""
    keys: dict[str, type[BaseModel] | None] = {}
    for name, field in model.model_fields.items():
        kinds = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
        nested = [kind for kind in kinds if issubclass(kind, BaseModel)]
        keys[field.alias or name] = nested[0] if nested else None
    return keys


def _sentence(details: Mapping[str, Any], model: type[BaseModel]) -> str:
    kind, value = details["type"], details.get("input")
    context = details.get("ctx", {})
    if kind == "missing":
        return "missing. Add this key."
    if kind == "extra_forbidden":
        return f"unknown key. {_remedy_for_unknown(details['loc'], model)}"
    if value is None or value is EMPTY:
        return "empty value. Give one, or remove the key."
    if kind == "value_error":
        return str(context["error"])
    if kind == "invalid_key":
        return f"the key is {value!r}, no text. {_remedy_for_key(value)}"
    if kind == "literal_error":
        return f"unknown value {value!r}. Use {context['expected']}."
    if kind == "string_type":
        return f"must be text, got {value!r}. Put it in quotes."
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"must hold keys with values, got {value!r}. Indent its keys below it."
    if kind in ("bool_type", "bool_parsing"):
        return f"must be true or false, got {value!r}."
    bound = {"greater_than_equal": "ge", "greater_than": "gt", "less_than_equal": "le"}.get(kind)
    if bound:
        return f"out of range, {value!r}. {details['msg'].replace('Input should be', 'It must be')}."
    return f"{details['msg'][:1].lower()}{details['msg'][1:]}, got {value!r}. Correct it."


def _remedy_for_key(key: Any) -> str:
    """What may be meant by a key that YAML reads as something else than text."""
    if isinstance(key, bool):
        return "YAML reads yes, no, on and off as true and false: put the key in quotes."
    if isinstance(key, (int, float)):
        return "Write decimals with a point, not a comma, and names before colons."
    return "Put the name of a setting before the colon."


def _remedy_for_unknown(location: Sequence[int | str], model: type[BaseModel]) -> str:
    section: type[BaseModel] | None = model
    own_name = False
    for part in location[:-1]:
        if own_name:
            own_name = False
            continue
        own_name = section is not None and _holds_own_names(section, str(part))
        section = section_keys(section).get(str(part)) if section else None
    name = str(location[-1])
    valid = list(section_keys(section)) if section else []
    if not difflib.get_close_matches(name, valid, n=1, cutoff=0.6):
        elsewhere = [path for path in _all_paths(model) if path.rpartition(".")[2] == name]
        if elsewhere:
            return f"Did you mean {elsewhere[0]!r}?"
    return suggest(name, valid)


def _holds_own_names(model: type[BaseModel], key: str) -> bool:
    """Whether below a key stand names of the user's own, as of columns, and the section below these."""
    field = model.model_fields.get(key)
    return field is not None and dict in (get_origin(kind) for kind in (field.annotation, *get_args(field.annotation)))


def _all_paths(model: type[BaseModel], prefix: str = "") -> list[str]:
    paths = []
    validators = {field.alias or name: field.metadata for name, field in model.model_fields.items()}
    for key, nested in section_keys(model).items():
        paths.append(prefix + key)
        if nested:
            paths += _all_paths(nested, f"{prefix}{key}.")
        for validator in validators[key]:
            names = getattr(getattr(validator, "func", None), "names", ())
            paths += [f"{prefix}{key}.{name}" for name in names]
    return paths
