"""Messages that can be read: what others wrote is not repeated at any length, and the nearest name is told."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 500
"""Of a sentence. [characters]"""


def brief(text: str, longest: int = LONGEST) -> str:
    """A text with its middle left out when it is too long: its beginning says where, its end what to do."""
    if len(text) <= longest:
        return text
    end = longest // 2
    return f"{text[: longest - end - 5]} ... {text[-end:]}"


def suggest(name: str, valid: Iterable[str]) -> str:
    """The nearest valid name as a question, or the list of all."""
    names = list(valid)
    near = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Use one of {', '.join(names)}."
