"""One calibration after the other, each validated on observations that it does not know."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
from collections.abc import Iterator

from rich.console import Console

from bmi_noahpy.calibration.file.calibration import Calibration
from bmi_noahpy.calibration.file.checks import run_span
from bmi_noahpy.calibration.file.sections import Interval, Results, Span, Validation
from bmi_noahpy.calibration.results.outcome import Outcome
from bmi_noahpy.calibration.results.scoring import write_rows
from bmi_noahpy.calibration.results.split_scores import split_scores
from bmi_noahpy.calibration.session import Say, calibrate
from bmi_noahpy.config import ConfigurationError, Problem

LEAST_YEARS = 2


@dataclasses.dataclass(frozen=True)
class Split:
    """A calibration with one calibration and one validation period, and its name."""

    name: str
    calibration: Calibration


def splits(calibration: Calibration) -> list[Split]:
    """The calibrations that the splits of a file ask for; the file's own where it asks for none.

    Raises
    ------
    ConfigurationError : there are not enough years.
    """
    validation = calibration.validation
    if validation is None or validation.splits is None:
        return [Split("", calibration)]
    pairs = _swapped(calibration) if validation.splits == "swap" else _years(calibration)
    folder = calibration.results.folder
    return [
        Split(
            name,
            calibration.model_copy(
                update={
                    "calibration": fitted,
                    "validation": Validation(start=judged.start, end=judged.end),
                    "results": Results(folder=folder / name),
                }
            ),
        )
        for name, fitted, judged in pairs
    ]


def _swapped(calibration: Calibration) -> Iterator[tuple[str, Span, Span]]:
    first = calibration.calibration
    second = None if calibration.validation is None else calibration.validation.span
    if first is None or second is None:
        raise ConfigurationError([Problem("calibration", "missing. Swapped periods need both. Add it.")])
    yield "as_given", first, second
    yield "swapped", second, first


def _years(calibration: Calibration) -> Iterator[tuple[str, Span, Span]]:
    """Each year in turn, counted from the beginning of the calibration period, is left out."""
    if calibration.calibration is None:
        start, end = run_span(calibration)
    else:
        start, end = calibration.calibration.start, calibration.calibration.end
    edges = [start]
    while (following := _a_year_after(edges[-1])) <= end:
        edges.append(following)
    if len(edges) <= LEAST_YEARS:
        text = (
            f"leave_one_year_out needs {LEAST_YEARS} whole years, there is {len(edges) - 1}. Use swap, or a longer run."
        )
        raise ConfigurationError([Problem("validation.splits", text)])
    # A rest that is no whole year belongs to the last one.
    edges[-1] = end
    for before, after in itertools.pairwise(edges):
        yield f"without_{before:%Y-%m-%d}", _without(start, end, before, after), Span(start=before, end=after)


def _a_year_after(moment: datetime.datetime) -> datetime.datetime:
    day = min(moment.day, 28) if moment.month == 2 else moment.day
    return moment.replace(year=moment.year + 1, day=day)


def _without(
    start: datetime.datetime, end: datetime.datetime, before: datetime.datetime, after: datetime.datetime
) -> Span:
    if before == start:
        return Span(start=after, end=end)
    if after == end:
        return Span(start=start, end=before)
    return Span(start=start, end=end, without=Interval(start=before, end=after))


def calibrate_splits(
    calibration: Calibration,
    *,
    resume: bool = False,
    overwrite: bool = False,
    say: Say = lambda text: None,
    progress: Console | None = None,
) -> dict[str, Outcome]:
    """Every split after the other, in folders below the results folder: name -> outcome, up to an interruption.

    With one calibration its name is empty.

    Parameters
    ----------
    calibration : With all its splits.
    resume, overwrite, say, progress : As for `bmi_noahpy.calibrate`, of each split.
    """
    outcomes: dict[str, Outcome] = {}
    every = splits(calibration)
    for split in every:
        if split.name:
            say(f"Split {split.name}:")
        # A split that was not begun when the others were stopped has nothing to go on from.
        outcomes[split.name] = calibrate(
            split.calibration, resume=resume, overwrite=overwrite, say=say, progress=progress
        )
        if outcomes[split.name].interrupted:
            break
    if len(every) > 1 and len(outcomes) == len(every):
        header = ("quantity", "prediction", "mean", "lowest", "highest", "splits")
        rows = [list(dataclasses.astuple(row)) for row in split_scores(list(outcomes.values()))]
        write_rows(calibration.results.folder / "splits.csv", header, rows)
    return outcomes
