"""The depth, or the layer, that the name of a column says."""

from __future__ import annotations

import dataclasses
import re

SHALLOWEST = 0.5
"""Nobody buries a probe less deep: 0.10cm is the probe c at 0.10 m, beside 0.10am and 0.10bm. [cm]"""
LENGTHS = {"m": 1.0, "cm": 0.01, "mm": 0.001}

_OTHER_POINT = re.compile(r"(?<![A-Za-z\d.])(\d+)[pP,](\d+)(?!\d)")
"""0,05m and 0p05m are 0.05m."""
_BEGIN = r"(?:^|(?<=[_\W])|(?<=[A-Za-z]))"
_END = r"(?:_?\d+)?(?=$|[_\W])"
_DEPTH = re.compile(rf"{_BEGIN}-?(\d+(?:\.\d+)?)\s?(mm|cm|m){_END}", re.IGNORECASE)
_PROBE_DEPTH = re.compile(r"_(\d+\.\d+)[abd-ln-z]m(?=$|_)")
_LAYER = re.compile(
    rf"{_BEGIN}(\d+(?:\.\d+)?)\s?(mm|cm|m)?(\s*[-\N{{EN DASH}}]\s*|_?to_?|\s+to\s+|_)(\d+(?:\.\d+)?)\s?(mm|cm|m){_END}",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True)
class Depth:
    """Where a probe is, and the layer whose middle that is.

    Parameters
    ----------
    metres : Below the surface. [m]
    layer : Upper and lower face, where a name says a layer. [m]
    note : What is assumed.
    """

    metres: float
    layer: tuple[float, float] | None = None
    note: str = ""


def find_depth(name: str) -> tuple[str, Depth | str | None]:
    """A name without its depth, and the depth; a sentence where it reads in two ways, None where it says none."""
    name = _OTHER_POINT.sub(r"\1.\2", name)
    layer = _LAYER.search(name)
    if layer is not None and (found := _of_layer(layer)) is not None:
        return name[: layer.start()] + name[layer.end() :], found
    probe = _PROBE_DEPTH.search(name)
    match = probe or _DEPTH.search(name)
    if match is None:
        return name, None
    rest, number = name[: match.start()] + name[match.end() :], match[1]
    if probe is not None:
        return rest, Depth(float(number))
    unit = match[2].lower()
    if unit == "m" and re.fullmatch(r"0\d+", number):
        whole = number.lstrip("0") or "0"
        return rest, f"0.{whole} m or {whole} m deep? Write one of them"
    if unit == "cm" and float(number) < SHALLOWEST:
        return rest, Depth(float(number), note=f"{number}cm is taken as the probe c at {number} m")
    return rest, Depth(round(float(number) * LENGTHS[unit], 6))


def _of_layer(match: re.Match[str]) -> Depth | str | None:
    """The layer of two numbers; a sentence where they may be something else, None where they are a probe's number."""
    first, own, between, last, unit = match.groups()
    upper, lower = sorted(
        round(float(number) * LENGTHS[scale.lower()], 6) for number, scale in ((first, own or unit), (last, unit))
    )
    if between != "_" or own:
        return Depth(round((upper + lower) / 2, 6), (upper, lower))
    if float(first) >= float(last):
        return None
    if first == "0" and last.startswith("0"):
        return f"0.{last} {unit} deep, or a layer? Write 0.{last}{unit} or 0-{last}{unit}"
    return f"a layer, or a probe called {first}? Write {first}-{last}{unit}, or {last}{unit}_{first}"
