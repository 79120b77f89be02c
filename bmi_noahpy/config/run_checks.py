"""Checks of the sections that say how a run goes, against its period."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bmi_noahpy.config.errors import Problem
from bmi_noahpy.config.values import span_end


def check_restart(read: Mapping[str, Any]) -> Iterator[Problem]:
    """Intervals of restart files, and the file to begin from."""
    every, step = read.get("restart.every"), read.get("period.step")
    if every is not None and step is not None and every % step:
        yield Problem("restart.every", f"{every:g} s is no multiple of period.step, {step:g} s. Use whole steps.")


def check_spin_up(read: Mapping[str, Any]) -> Iterator[Problem]:
    """A spin-up repeats a part of the run."""
    start, end, step, span = (read.get(key) for key in ("period.start", "period.end", "period.step", "spin_up.period"))
    if start is None or end is None or step is None or span is None:
        return
    steps = round((span_end(start, span) - start).total_seconds() / step)
    available = round((end - start).total_seconds() / step) + 1
    if not 1 <= steps <= available:
        yield Problem(
            "spin_up.period",
            f"{span!r} takes {steps} steps, but the run has {available}. Repeat a part of the run, of a step at least.",
        )
