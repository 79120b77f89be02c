"""What is wrong with records that are looked at window by window."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.forcing.checks import MOST, REPEATED, code_sentence, remedy_for_range
from bmi_noahpy.forcing.prepared import rain_sentence
from bmi_noahpy.forcing.table import BOUNDS, UNITS, WATER, Array, ForcingError, Times
from bmi_noahpy.region.domain import Domain

Mask = NDArray[np.bool_]
MOST_TOLD = 20
"""Gaps that are told of one by one."""


@dataclasses.dataclass
class Finding:
    """One kind of fault of one variable: how often it is in each column, the first one in time, and how often that
    same number is."""

    counts: NDArray[np.int64]
    record: int
    time: np.datetime64
    column: int
    value: float
    repeated: int = 0


class Findings:
    """Missing and impossible values of a set of records.

    Parameters
    ----------
    source : File, for messages.
    domain : The columns, to name them; None: columns are numbered.
    """

    def __init__(self, source: str, domain: Domain | None) -> None:
        self._source = source
        self._domain = domain if domain is not None and domain.columns > 1 else None
        self._missing: dict[tuple[str, str], Finding] = {}
        self._outside: dict[tuple[str, str], Finding] = {}
        self._ranges: dict[str, tuple[float, float]] = {}
        self._values: dict[str, int] = {}
        self._clipped: dict[tuple[str, str], int] = {}
        self._filled: list[str] = []
        self._beyond = 0

    def note_beyond_total(self, count: int) -> None:
        """Count records with more rain than precipitation."""
        self._beyond += count

    def note_filled(self, sentences: list[str]) -> None:
        """Keep sentences about gaps that are filled."""
        self._filled += sentences

    def note_clipped(self, quantity: str, name: str, count: int) -> None:
        """Count small negative values that are taken as zero."""
        if count:
            self._clipped[quantity, name] = self._clipped.get((quantity, name), 0) + count

    def notes(self) -> list[str]:
        """A sentence for each variable some values of which are taken otherwise than they are."""
        clipped = [
            f"{self._source}: {quantity} ({name}): {count} small negative values are taken as zero"
            for (quantity, name), count in self._clipped.items()
        ]
        if self._beyond:
            clipped.append(f"{self._source}: {rain_sentence(self._beyond)}")
        more = [f"{self._source}: {len(self._filled) - MOST_TOLD} more gaps are filled"]
        return clipped + self._filled[:MOST_TOLD] + (more if len(self._filled) > MOST_TOLD else [])

    def examine(self, quantity: str, name: str, values: Array, times: Times, first: int) -> None:
        """Look at a window: ``[time, column]``, the first record of which is number `first` of the files, from 0."""
        low, high = BOUNDS[quantity]
        # Missing values are neither below nor above; the common case costs two passes.
        smallest, largest = float(values.min()), float(values.max())
        # Dry records are dry in any units.
        count = int(np.count_nonzero(values)) if quantity in WATER else values.size
        self._values[quantity] = self._values.get(quantity, 0) + count
        if low <= smallest and largest <= high:
            self._extend(quantity, smallest, largest)
            return
        missing = ~np.isfinite(values)
        if not missing.all():
            self._extend(quantity, float(values[~missing].min()), float(values[~missing].max()))
        self._note(self._missing, (quantity, name), missing, values, times, first)
        outside = ~missing & ((values < low) | (values > high))
        self._note(self._outside, (quantity, name), outside, values, times, first)

    def columns(self) -> NDArray[np.int64]:
        """Columns with any fault, rising."""
        counts = [finding.counts for finding in (*self._missing.values(), *self._outside.values())]
        if not counts:
            return np.empty(0, dtype=np.int64)
        width = max(map(len, counts))
        return np.flatnonzero(sum(np.broadcast_to(count, width) for count in counts))

    def everywhere(self) -> bool:
        """Whether a fault is in the records that serve all columns."""
        return any(len(finding.counts) == 1 for finding in (*self._missing.values(), *self._outside.values()))

    def texts(self) -> list[str]:
        """A sentence for each kind of fault of each variable, without the remedy."""
        return [text for text, _ in self._sentences()]

    def refuse(self) -> None:
        """Raise ForcingError with everything found, if anything was."""
        sentences = self._sentences()
        if sentences:
            raise ForcingError("\n  ".join(f"{text}. {remedy}" for text, remedy in sentences))

    def _sentences(self) -> list[tuple[str, str]]:
        sentences = []
        for (quantity, name), finding in self._missing.items():
            text = self._text(quantity, name, finding, "missing (NaN)")
            sentences.append((text, "Fill these values, or set forcing.gaps: none are invented."))
        for (quantity, name), finding in self._outside.items():
            low, high = BOUNDS[quantity]
            problem = f"{finding.value:g} {UNITS[quantity]}, outside {low:g} to {high:g}"
            text = self._text(quantity, name, finding, problem)
            share = float(finding.counts.sum()) / max(self._values[quantity], 1)
            remedy = remedy_for_range(quantity, *self._ranges[quantity], share)
            if share < MOST and finding.repeated >= REPEATED:
                remedy = code_sentence(finding.value, finding.repeated)
            sentences.append((text, remedy))
        return sentences

    def _text(self, quantity: str, name: str, finding: Finding, problem: str) -> str:
        where = f"{self._source}: {quantity}" + (f" ({name})" if name != quantity else "")
        total = int(finding.counts.sum())
        others = f" ({total} such values)" if total > 1 else ""
        record = f"record {finding.record + 1} ({str(finding.time)[:16]})"
        if len(finding.counts) == 1:
            return f"{where}: {record} is {problem}{others}"
        wrong = np.flatnonzero(finding.counts)
        if self._domain is None:
            return f"{where}: {record}, column {finding.column} is {problem}{others}"
        cells = f"{len(wrong)} cells" if len(wrong) > 1 else "one cell"
        return (
            f"{where}: {record}, {self._domain.name(finding.column)} is {problem}{others}, "
            f"in {cells}: {self._domain.names(wrong)}"
        )

    def _extend(self, quantity: str, low: float, high: float) -> None:
        before = self._ranges.get(quantity, (low, high))
        self._ranges[quantity] = (min(low, before[0]), max(high, before[1]))

    @staticmethod
    def _note(
        notes: dict[tuple[str, str], Finding],
        key: tuple[str, str],
        wrong: Mask,
        values: Array,
        times: Times,
        first: int,
    ) -> None:
        if not wrong.any():
            return
        if key not in notes:
            row, column = (int(index) for index in np.argwhere(wrong)[0])
            none = np.zeros(wrong.shape[1], dtype=np.int64)
            notes[key] = Finding(none, row + first, times[row], column, float(values[row, column]))
        notes[key].counts += wrong.sum(axis=0)
        notes[key].repeated += int(np.count_nonzero(values == notes[key].value))
