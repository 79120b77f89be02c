"""Messages that can be read: what others wrote is not repeated at any length."""

from __future__ import annotations

LONGEST = 500
"""Of a sentence. [characters]"""


def brief(text: str, longest: int = LONGEST) -> str:
    """A text with its middle left out when it is too long: its beginning says where, its end what to do."""
    if len(text) <= longest:
        return text
    end = longest // 2
    return f"{text[: longest - end - 5]} ... {text[-end:]}"
