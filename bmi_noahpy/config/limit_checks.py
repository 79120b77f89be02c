"""Checks of how much a configuration asks for, and of words that other programs will read."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator, Mapping
from typing import Any

from bmi_noahpy.config.errors import Problem
from bmi_noahpy.files.sizes import MOST_CELLS

MOST_LAYERS = 500
"""A step is compiled for its number of layers, in time and memory that grow with it."""
LARGEST_OFFSET = 15.0
"""From UTC, of any place on Earth. [h]"""
EXTENT = ("soil.thickness", "domain.longitude")
"""What decides how many numbers there are."""
_MOMENT = datetime.datetime(2001, 12, 31, 23, 58, 57)


def check_limits(read: Mapping[str, Any]) -> Iterator[Problem]:
    """Layers, cells, repetitions, and how the forcing file tells the time."""
    thickness = read.get("soil.thickness")
    if isinstance(thickness, tuple) and len(thickness) > MOST_LAYERS:
        yield Problem("soil.thickness", f"{len(thickness)} layers. Give at most {MOST_LAYERS}.")
    sides = [read.get(f"domain.{name}") for name in ("latitude", "longitude")]
    cells = math.prod(len(side) if isinstance(side, tuple) else 1 for side in sides)
    if cells > MOST_CELLS:
        yield Problem("domain.longitude", f"{cells} cells with the latitudes. Give at most {MOST_CELLS}.")
    daily = read.get("output.daily") or []
    twice = [name for name in dict.fromkeys(daily) if daily.count(name) > 1]
    if twice:
        yield Problem("output.daily", f"{twice[0]!r} is given twice. Keep one.")
    yield from _time(read.get("forcing.time"))


def _time(time: Any) -> Iterator[Problem]:
    offset, text = getattr(time, "utc_offset", None), getattr(time, "format", None)
    if offset is not None and not -LARGEST_OFFSET <= offset <= LARGEST_OFFSET:
        yield Problem("forcing.time.utc_offset", f"{offset!r} h. No place is more than {LARGEST_OFFSET:g} h from UTC.")
    if isinstance(text, str) and "%" in text:
        try:
            datetime.datetime.strptime(_MOMENT.strftime(text), text)
        except (ValueError, UnicodeError) as error:
            yield Problem("forcing.time.format", f"{text!r} cannot be used ({error}). Write it like '%Y-%m-%d %H:%M'.")
