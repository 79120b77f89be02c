"""Configurations made of others: a base, and single keys that are set on the command line."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from bmi_noahpy.config.errors import EMPTY, ConfigurationError, Problem
from bmi_noahpy.config.named_files import with_absolute_files

BASE = "base"
SET = "--set"
MARKS = (",", ";", "|", "\t")
"""Separators and decimal marks, which YAML takes for its own."""

Read = Callable[[Path], dict[str, Any]]


def with_base(mapping: Mapping[str, Any], path: Path, read: Read, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A configuration on top of the one that its key ``base`` names; sections are merged key by key.

    Parameters
    ----------
    path : File of the mapping.
    read : A file as plain data.

    Raises
    ------
    ConfigurationError : a base that leads back to itself, or that is no path.
    """
    if BASE not in mapping:
        return dict(mapping)
    given = mapping[BASE]
    if not isinstance(given, (str, Path)):
        raise ConfigurationError([Problem(BASE, f"{given!r} is not a path. Give the name of a file.")], str(path))
    base = Path(os.path.normpath((path.parent / Path(given).expanduser()).absolute()))
    if base in (*seen, path):
        raise ConfigurationError([Problem(BASE, f"'{given}' leads back to itself. Correct it.")], str(path))
    below = with_base(read(base), base, read, (*seen, path))
    if base.parent != path.parent:
        below = with_absolute_files(below, base.parent)
    return merged(below, {key: value for key, value in mapping.items() if key != BASE})


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two mappings as one; where both hold mappings these are merged, else the upper one counts."""
    result = _copy(below)
    for key, value in above.items():
        lower = result.get(key)
        both = isinstance(lower, Mapping) and isinstance(value, Mapping)
        result[key] = merged(lower, value) if both and isinstance(lower, Mapping) else value
    return result


def with_settings(mapping: Mapping[str, Any], settings: Sequence[str], *, option: str = SET) -> dict[str, Any]:
    """A configuration with single keys set, each as ``period.end=2020-01-01``; values are read as YAML.

    Parameters
    ----------
    option : Of the command line that they are given with, for messages.

    Raises
    ------
    ConfigurationError : a setting that is none, or whose value is no YAML.
    """
    result = _copy(mapping)
    for setting in settings:
        key, text = split_setting(setting, option)
        try:
            value = text if text in MARKS else yaml.safe_load(text)
        except yaml.YAMLError:
            raise ConfigurationError([Problem(option, f"{setting!r}: its value is not valid YAML.")]) from None
        place = result
        *sections, name = key.split(".")
        for number, section in enumerate(sections):
            place[section] = _opened(place.get(section), sections[: number + 1], setting, option)
            place = place[section]
        place[name] = value
    return result


def split_setting(setting: str, option: str = SET) -> tuple[str, str]:
    """Key and text of a setting.

    Parameters
    ----------
    option : Of the command line that it is given with, for messages.

    Raises
    ------
    ConfigurationError : a text that is no setting.
    """
    key, mark, text = setting.partition("=")
    if not mark or not key.strip():
        raise ConfigurationError([Problem(option, f"{setting!r} is not a setting. Write key=value.")])
    return key.strip(), text


def _opened(inner: Any, path: Sequence[str], setting: str, option: str) -> dict[str, Any]:
    """What a key holds as a mapping, so that a key below it can be set; a bare text is what it stands for."""
    if inner is None or inner is EMPTY:
        return {}
    if isinstance(inner, Mapping):
        return dict(inner)
    if isinstance(inner, str):
        if path == ["run"]:
            return {BASE: inner}
        if path[:2] == ["forcing", "variables"]:
            return {"name": inner}
    text = f"{setting!r}: {'.'.join(path)} holds {inner!r}, which has no keys. Set it as a whole."
    raise ConfigurationError([Problem(option, text)])


def _copy(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """The mappings in a mapping anew; their values stay what they are, the mark of an empty value among them."""
    return {key: _copy(value) if isinstance(value, Mapping) else value for key, value in mapping.items()}
