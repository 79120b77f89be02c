"""The section `schemes`: built-in schemes by name, and one's own with arguments and learned weights."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationInfo

from bmi_noahpy.config.errors import Problem, Problems
from bmi_noahpy.config.values import read_path, refuse_empty
from bmi_noahpy.files.brief import suggest
from bmi_noahpy.files.trust import own_code
from noahpy_core.errors import SchemeError
from noahpy_core.options import BUILT_IN, Options, OwnScheme, check_scheme
from noahpy_core.presets import preset

PRESET = "preset"
KEYS = ("class", "arguments", "weights", "sha256")


def read_schemes(value: Any, info: ValidationInfo) -> Options:
    """Options out of a mapping of slots to schemes.

    ``preset: noah-3.4.1`` takes all schemes of that set, and slots beside it change single ones. A scheme is a name,
    ``package.module:Class``, or ``{class: package.module:Class, arguments: {...}, weights: file}`` with the path of the
    weights from the folder of the configuration.

    Raises
    ------
    Problems : with everything that is wrong.
    """
    if isinstance(refuse_empty(value), Options):
        found: Options = value
        return found
    if not isinstance(value, Mapping):
        raise ValueError(f"must hold slots with scheme names, got {value!r}. Indent them below it, or remove it.")
    problems: list[Problem] = []
    chosen: dict[str, Any] = {}
    if PRESET in value:
        try:
            chosen |= vars(preset(value[PRESET]))
        except ValueError as error:
            problems.append(Problem(PRESET, str(error).removeprefix("preset: ")))
    for slot, given in value.items():
        if slot == PRESET:
            continue
        if slot not in BUILT_IN:
            problems.append(Problem(str(slot), f"unknown slot. {suggest(str(slot), BUILT_IN)}"))
            continue
        try:
            chosen[slot] = _read(slot, given, info)
        except Problems as error:
            problems += [Problem(f"{slot}.{key}", text) for key, text, *_ in error.problems]
        except SchemeError as error:
            problems.append(Problem(str(slot), error.reason))
        except ValueError as error:
            problems.append(Problem(str(slot), str(error)))
    if problems:
        raise Problems(problems)
    return Options(**chosen)


def write_schemes(options: Options) -> dict[str, Any]:
    """The section as plain data."""
    return dict(_entries(options))


def _entries(options: Options) -> Iterator[tuple[str, Any]]:
    for slot in BUILT_IN:
        given = choice = getattr(options, slot)
        if isinstance(given, OwnScheme):
            choice = {"class": choice.name, "arguments": dict(choice.arguments)} | (
                {"weights": str(choice.weights)} if choice.weights is not None else {}
            )
            choice |= {"sha256": given.digest} if given.digest is not None else {}
        yield slot, choice


def _read(slot: str, given: Any, info: ValidationInfo) -> str | OwnScheme:
    if isinstance(given, Mapping):
        return _read_own(given, info)
    if not isinstance(refuse_empty(given), str):
        raise ValueError(f"{given!r} is not the name of a scheme. Use {', '.join(BUILT_IN[slot].places)}.")
    check_scheme(slot, given)
    if ":" in given:
        _check_trust(given)
    found: str | OwnScheme = given
    return found


def _read_own(given: Mapping[str, Any], info: ValidationInfo) -> OwnScheme:
    _check_trust(str(given.get("class")))
    problems = [Problem(str(key), f"unknown key. {suggest(str(key), KEYS)}") for key in given if key not in KEYS]
    name, arguments, weights = given.get("class"), given.get("arguments"), given.get("weights")
    if not isinstance(name, str) or ":" not in name:
        problems.append(Problem("class", f"{name!r} is not the name of a class. Write it as 'package.module:Class'."))
    if arguments is not None and not isinstance(arguments, Mapping):
        problems.append(Problem("arguments", f"{arguments!r} are not names with values. Indent them below it."))
    path = None
    if weights is not None:
        try:
            path = read_path(weights, info)
            if not path.is_file():
                raise ValueError(f"{weights!r} does not exist. Correct the path, from the folder of this file.")
        except ValueError as error:
            problems.append(Problem("weights", str(error)))
    digest = given.get("sha256")
    if digest is not None and not (isinstance(digest, str) and re.fullmatch("[0-9a-fA-F]{64}", digest)):
        problems.append(Problem("sha256", f"{digest!r} is not 64 hexadecimal digits. Give what sha256sum prints."))
    if digest is not None and weights is None:
        problems.append(Problem("sha256", "given without weights. It is the digest of that file."))
    if problems:
        raise Problems(problems)
    return OwnScheme(str(name), dict(arguments or {}), path, digest)


def _check_trust(name: str) -> None:
    if not own_code.get():
        raise ValueError(f"{name!r} is code of its own, which --no-own-code refuses. Use a built-in scheme.")
