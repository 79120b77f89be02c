"""What a column holds of its interval: the variable itself, or an extreme or a spread, which is not the variable."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

MEANS = re.compile(r"_(?:Avg|Tot|Smp|S_WVT)(?=$|[\[( ])", re.IGNORECASE)
"""What loggers add to names: an average, a total, a sample, or the mean speed of Campbell's wind vector."""

_LAST = re.compile(
    r"^(?P<stem>.+?)[ _.-]?(?:(?P<max>max(?:imum)?|gust)|(?P<min>min(?:imum)?)|(?P<std>std(?:dev)?|sd))$", re.IGNORECASE
)

WORDS: Mapping[str, str] = {"max": "a maximum", "min": "a minimum", "std": "a standard deviation"}
_METHODS: Mapping[str, str] = {
    "maximum": "a maximum",
    "minimum": "a minimum",
    "range": "a range",
    "standard_deviation": "a standard deviation",
    "variance": "a variance",
}


def other_statistic(name: str) -> tuple[str, str] | None:
    """The stem and the statistic of a name without units such as ``WS_ms_Max``; None for a name that ends otherwise."""
    found = _LAST.match(name)
    if found is None:
        return None
    return found["stem"], next(words for key, words in WORDS.items() if found[key])


def statistic_of_methods(methods: str) -> str | None:
    """The extreme or spread in time that CF ``cell_methods`` declare; None when they declare none."""
    for name, method in re.findall(r"(\w+): *(\w+)", methods.lower()):
        if name == "time" and method in _METHODS:
            return _METHODS[method]
    return None


def left_out(statistics: Mapping[str, tuple[str, str]], quantities: Iterable[str] | None = None) -> list[str]:
    """Sentences about variables that are not taken, because they are extremes or spreads.

    Parameters
    ----------
    statistics : Variable -> quantity and what it is of it.
    quantities : Those of which is told; None: all.
    """
    wanted = None if quantities is None else set(quantities)
    return [
        f"{name} is {kind} of {quantity}, not {quantity} itself, and is left out"
        for name, (quantity, kind) in statistics.items()
        if wanted is None or quantity in wanted
    ]
