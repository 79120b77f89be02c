"""How large an array of a file may be: asked before memory is taken, since a small file can hold a huge one."""

from __future__ import annotations

import math
from collections.abc import Iterable

MOST_CELLS = 10**8
"""Cells of a map, or records of a series."""
MOST_VALUES = 2 * 10**9
"""Of one variable, whatever its dimensions."""


class TooLarge(ValueError):
    """An array with more values than any use of it needs; the message does not name it."""


def check_shape(shape: Iterable[int], most: int = MOST_VALUES) -> None:
    """Raise TooLarge when an array of this shape has too many values to be read at once."""
    sizes = tuple(int(size) for size in shape)
    if math.prod(sizes) > most:
        what = " x ".join(map(str, sizes))
        raise TooLarge(f"has {what} values, more than {most:.0e}. Cut out the part that is needed.")
