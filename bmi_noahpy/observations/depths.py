"""The depth, or the layer, that the name of a column says."""

from __future__ import annotations

import dataclasses
import re

LENGTHS = {"m": 1.0, "cm": 0.01, "mm": 0.001}

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
    """

    metres: float
    layer: tuple[float, float] | None = None


def find_depth(name: str) -> tuple[str, Depth | str | None]:
    """A name without its depth, and the depth; a sentence where it reads in two ways, None where it says none."""
    layer = _LAYER.search(name)
    if layer is not None:
        rest = name[: layer.start()] + name[layer.end() :]
        upper, lower = sorted(
            round(float(number) * LENGTHS[unit.lower()], 6)
            for number, unit in ((layer[1], layer[2] or layer[5]), (layer[4], layer[5]))
        )
        if layer[3] != "_" or layer[2]:
            return rest, Depth(round((upper + lower) / 2, 6), (upper, lower))
        if float(layer[1]) < float(layer[4]):
            first, last, unit = layer[1], layer[4], layer[5]
            text = f"a layer, or a probe called {first}? Write {first}-{last}{unit}, or {last}{unit}_{first}"
            return rest, text
    probe = _PROBE_DEPTH.search(name)
    match = probe or _DEPTH.search(name)
    if match is None:
        return name, None
    # Nobody buries a probe 1 mm deep: 0.10cm is the probe c at 0.10 m, beside 0.10am and 0.10bm.
    lettered = probe is not None or (match[2].lower() == "cm" and float(match[1]) < 0.5)
    depth = round(float(match[1]) * (1.0 if lettered else LENGTHS[match[2].lower()]), 6)
    return name[: match.start()] + name[match.end() :], Depth(depth)
