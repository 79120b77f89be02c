"""Times that are all written alike, as nearly all files have them: read at once, without looking at each by itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_WITHOUT_OFFSET = re.compile(r"(?:\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2})?\n)+", re.ASCII)
_WITH_OFFSET = re.compile(r"(?:\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2})?Z\n)+", re.ASCII)
"""Of all times, each followed by a line feed, which none of them has within."""


def carry_offset(texts: Sequence[str]) -> bool | None:
    """Whether times as 2007-04-01T00:00, seconds or not, all carry the offset Z; None for times of any other kind."""
    together = "\n".join(texts) + "\n"
    if _WITHOUT_OFFSET.fullmatch(together):
        return False
    return True if _WITH_OFFSET.fullmatch(together) else None


def plain_times(texts: Sequence[str], *, offset: bool) -> NDArray[np.datetime64] | None:
    """Times of one kind (`carry_offset`) as they are written; None where one of them is no moment, as an hour of 24.

    Parameters
    ----------
    offset : Whether each ends in Z.
    """
    try:
        found: NDArray[np.datetime64] = np.array([text[:-1] for text in texts] if offset else texts, "datetime64[s]")
    except ValueError:
        return None
    return found
