"""Liquid water that rises under frozen ground: what no column can have.

In a column water and heat come from above. Where ground above a probe is frozen, and stays as cold and as dry as it
was, neither has passed it: water that rises fast below came from the side, or along the probes. Such water stays in
frozen ground: the probe does not tell of the column until it is gone, or the ground there has thawed and drains again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.observations.observed import Array, Observed
from bmi_noahpy.observations.scores import scores

WATER = ("soil_liquid_water", "soil_moisture")
RISE = 0.1
"""Of the water within `DAYS` that is judged: in the tenth of a metre that a probe senses it takes 13 W m-2 to melt so
much, more than ground below can give. [m3 m-3]"""
DAYS = 3
SINCE = 7
"""Days over which the ground above is looked at: what came through it may have taken some."""
STILL = 0.02
"""Less than this the water above rises meanwhile. [m3 m-3]"""
COLD = 272.95
"""The ground above stays below this: 0.2 K for the error of a thermometer. [K]"""
MELTING_POINT = 273.15
THAWED_DAYS = 7
"""For so many days the ground is above the melting point when it is taken to drain again: the water brings heat, which
is gone sooner."""
LEFT = 0.1
"""Share of the rise that is left when it is taken to be gone. [1]"""
MOSTLY = 0.5
"""Attainable efficiency below which more than half of what varies in a series is such water. [1]"""
SAME_DEPTH = 0.02
"""How far a thermometer may be from the probe for water that it belongs to. [m]"""


@dataclasses.dataclass(frozen=True)
class Inflow:
    """Water that no column can have.

    Parameters
    ----------
    column, depth : Of the series. [m]
    first, days : The day on which it begins, and how many it lasts.
    before, highest : Liquid water before it, and the most within its first days. [m3 m-3]
    above, warmest : A depth that stays frozen meanwhile [m], and the highest temperature there. [K]
    """

    column: str
    depth: float
    first: np.datetime64
    days: int
    before: float
    highest: float
    above: float
    warmest: float

    def covers(self, times: NDArray[np.datetime64]) -> NDArray[np.bool_]:
        """Which times are on its days."""
        since = (times.astype("datetime64[D]") - self.first).astype(np.int64)
        return (since >= 0) & (since < self.days)


class _Lid(NamedTuple):
    """Ground above a probe, day by day."""

    depth: float
    water: Array
    temperature: Array


class _Probe(NamedTuple):
    """A probe for water, day by day: temperature there, and what is above."""

    water: Array
    temperature: Array | None
    above: Sequence[_Lid]


def inflows(series: Sequence[Observed]) -> list[Inflow]:
    """What the series of one place have of it, in daily means.

    Parameters
    ----------
    series : All of a file. A probe for water is judged by those above it that have a thermometer at their depth, and
        not without any; nor are series with less than a value a day.
    """
    wet = [one for one in series if one.quantity in WATER and one.depth is not None and one.times.size]
    if not wet:
        return []
    first = min(one.times.min() for one in wet).astype("datetime64[D]")
    days = int((max(one.times.max() for one in wet).astype("datetime64[D]") - first).astype(np.int64)) + 1
    daily = {one.column: _daily(one, first, days) for one in series if one in wet or one.quantity == "soil_temperature"}
    lids = [
        _Lid(one.depth, daily[one.column], daily[thermometer.column])
        for one in wet
        if one.depth is not None and (thermometer := _thermometer(series, one.depth)) is not None
    ]
    found = []
    for one in wet:
        depth = float(one.depth or 0.0)
        own = _thermometer(series, depth)
        above = [lid for lid in lids if lid.depth < depth - SAME_DEPTH]
        found += _of_series(one, _Probe(daily[one.column], None if own is None else daily[own.column], above), first)
    return found


def attainable(one: Observed, found: Sequence[Inflow]) -> float:
    """Efficiency (Nash-Sutcliffe) of a series that has all of the observed one but the water that was found in it.

    Nothing that lacks this water can be better at the probe but by chance. On the days in question the series goes
    straight from the value before to the value after.
    """
    foreign = np.zeros(one.times.shape, dtype=np.bool_)
    for inflow in found:
        if inflow.column == one.column:
            foreign |= inflow.covers(one.times)
    known = np.isfinite(one.values)
    seconds = (one.times - one.times.min()) / np.timedelta64(1, "s")
    own = known & ~foreign
    if not own.any():
        return float("nan")
    lacking = np.interp(seconds, seconds[own], one.values[own])
    return scores(lacking[known], one.values[known]).nse


def told(found: Sequence[Inflow], efficiency: float) -> str:
    """What was found in one series, and its `attainable` efficiency, as sentences."""
    worst = max(found, key=lambda one: one.highest - one.before)
    times = "once" if len(found) == 1 else f"{len(found)} times"
    return (
        f"{worst.column}: water rises under frozen ground {times} ({sum(one.days for one in found)} days), from "
        f"{worst.before:.2f} to {worst.highest:.2f} m3 m-3 from {worst.first} on, while at {worst.above:g} m it is no "
        f"wetter and at most {worst.warmest - MELTING_POINT:.1f} degC. It came from the side, or along the probes: a "
        f"column, which cannot have it, reaches an efficiency of {efficiency:.2f} there at best."
    )


def _daily(one: Observed, first: np.datetime64, days: int) -> Array:
    """Mean of each day, NaN where there is none."""
    number = (one.times.astype("datetime64[D]") - first).astype(np.int64)
    counts = np.isfinite(one.values) & (number >= 0) & (number < days)
    total = np.bincount(number[counts], one.values[counts], days)
    count = np.bincount(number[counts], minlength=days)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _thermometer(series: Sequence[Observed], depth: float) -> Observed | None:
    near = [
        one
        for one in series
        if one.quantity == "soil_temperature" and one.depth is not None and abs(one.depth - depth) <= SAME_DEPTH
    ]
    return min(near, key=lambda one: abs((one.depth or 0.0) - depth), default=None)


def _of_series(one: Observed, probe: _Probe, first: np.datetime64) -> list[Inflow]:
    found: list[Inflow] = []
    day, water = DAYS, probe.water
    while probe.above and day < water.size:
        window, since = water[day - DAYS : day + 1], slice(max(day - SINCE, 0), day + 1)
        holding = [lid for lid in probe.above if _holds(lid, since)] if _rises(window) else []
        if not holding:
            day += 1
            continue
        lid = max(holding, key=lambda one: one.depth)
        before = float(np.nanmin(window))
        begin = day - DAYS + int(np.flatnonzero(window < before + STILL)[-1]) + 1
        end = _end(water, lid.temperature if probe.temperature is None else probe.temperature, day, before)
        found.append(
            Inflow(
                column=one.column,
                depth=float(one.depth or 0.0),
                first=first + np.timedelta64(begin, "D"),
                days=end - begin,
                before=before,
                highest=float(np.nanmax(water[begin : day + DAYS])),
                above=lid.depth,
                warmest=float(lid.temperature[since].max()),
            )
        )
        day = end + DAYS
    return found


def _rises(window: Array) -> bool:
    known = np.isfinite(window)
    return bool(known[-1] and known.sum() > 1 and window[-1] - np.nanmin(window) >= RISE)


def _holds(lid: _Lid, window: slice) -> bool:
    """Whether the ground there is frozen all the time, and gets no wetter."""
    water, temperature = lid.water[window], lid.temperature[window]
    known = np.isfinite(water).all() and np.isfinite(temperature).all()
    return bool(known and temperature.max() < COLD and water.max() - water.min() < STILL)


def _end(water: Array, temperature: Array, day: int, before: float) -> int:
    """The first day after it: the water is gone, or the ground has thawed and drains."""
    highest, end, thawed = float(water[day]), day + 1, 0
    while end < water.size and thawed < THAWED_DAYS and not water[end] <= before + LEFT * (highest - before):
        highest = float(np.fmax(highest, water[end]))
        thawed = thawed + 1 if temperature[end] > MELTING_POINT else 0
        end += 1
    return end
