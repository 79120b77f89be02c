"""Reading Fortran namelists: text -> names and values."""

from __future__ import annotations

import re
from typing import Any

GROUP = "METADATA_NAMELIST"
LARGEST_COUNT = 1000

_TOKEN = re.compile(
    r"""
    \s*(?:
        (?P<comment>![^\n]*)
      | (?P<name>[A-Za-z_]\w*)\s*(?P<index>\(\s*\d+\s*\))?\s*=(?!=)
      | (?P<end>/|&end\b)
      | (?:(?P<repeat>\d+)\*)?(?P<string>'(?:[^']|'')*'|"(?:[^"]|"")*")
      | (?:(?P<count>\d+)\*)?(?P<word>[^\s,;/!'"=*]+)
      | (?P<separator>[,;])
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_LOGICAL = re.compile(r"\.?(?P<letter>[tf])(?:\w*)\.?", re.IGNORECASE)
_START = re.compile(rf"^\s*[&$]{GROUP}\b", re.IGNORECASE | re.MULTILINE)


def has_namelist(text: str) -> bool:
    """Whether a text holds the header of a Noah ASCII forcing file."""
    return _START.search(text) is not None


def parse_namelist(text: str) -> dict[str, Any]:
    """Entries of the header of a Noah ASCII forcing file, names in lower case.

    A value is a bool, int, float or str; entries with several values are lists. Comments (``!``), repetition
    (``12*0.3``) and elements (``name(3) = 1``) are understood. A text that ends before ``/`` is taken as complete.

    Raises
    ------
    ValueError : when the header is absent or cannot be read; it names the place.
    """
    start = _START.search(text)
    if start is None:
        raise ValueError(f"no &{GROUP} found. A Noah ASCII forcing file begins with this namelist.")
    entries: dict[str, list[Any]] = {}
    name, index, position = "", 0, start.end()
    while text[position:].strip():
        token = _TOKEN.match(text, position)
        if token is None:
            raise ValueError(f"&{GROUP}: cannot read {text[position:].strip().splitlines()[0][:60]!r}.")
        position = token.end()
        if token["end"]:
            break
        if token["name"]:
            name = token["name"].lower()
            index = max(_count(token["index"].strip("() \t\n")) - 1, 0) if token["index"] else 0
            entries.setdefault(name, [])
            continue
        for value in _values(token):
            if not name:
                raise ValueError(f"&{GROUP}: value {value!r} stands before any name.")
            _put(entries[name], index, value)
            index += 1
    return {name: values[0] if len(values) == 1 else values for name, values in entries.items()}


def _values(token: re.Match[str]) -> list[Any]:
    if token["string"]:
        quote = token["string"][0]
        return [token["string"][1:-1].replace(quote * 2, quote)] * _count(token["repeat"] or "1")
    if token["word"]:
        return [_convert(token["word"])] * _count(token["count"] or "1")
    return []


def _count(digits: str) -> int:
    """A repetition or the number of an element, which no header needs many of."""
    if len(digits) > 4 or int(digits) > LARGEST_COUNT:
        raise ValueError(f"&{GROUP}: {digits[:20]!r} repetitions or elements. No entry has more than {LARGEST_COUNT}.")
    return int(digits)


def _put(values: list[Any], index: int, value: Any) -> None:
    values.extend([None] * (index + 1 - len(values)))
    values[index] = value


def _convert(word: str) -> Any:
    for kind in (int, float):
        try:
            return kind(word if kind is int else re.sub("[dD]", "e", word))
        except ValueError:
            continue
    logical = _LOGICAL.fullmatch(word)
    if logical:
        return logical["letter"].lower() == "t"
    raise ValueError(f"&{GROUP}: {word!r} is neither a number nor .TRUE. or .FALSE., and text needs quotes.")
