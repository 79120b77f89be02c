"""What a run has followed up to a restart file: its beginning, and the forcing of every step since.

A run that goes on from there must have followed the same, or the records before and after would be of two runs. The
end of the period is free, and so is the forcing after the restart.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from bmi_noahpy.config.run_sections import RestartFile
from bmi_noahpy.runs.restart.fingerprint import DIGITS, digest, digest_of_file
from noahpy_core.leaves import array_of
from noahpy_core.quantities import get_quantity, quantities
from noahpy_core.state import Forcing, State

if TYPE_CHECKING:
    from bmi_noahpy.runs.any_run import AnyRun


BLOCK_BYTES = 64 * 2**20
REMAINDER = "soil.temperature_remainder"


class Followed:
    """What a run follows, as it goes.

    Parameters
    ----------
    run : The prepared run.
    first : Its first step, counted from 0.
    """

    def __init__(self, run: AnyRun, first: int = 0) -> None:
        self.first = first
        self._beginning = beginning(run)
        self._sums: dict[str, Any] = {}

    def add_forcing(self, forcing: Forcing) -> None:
        """The forcing of the next steps, ``[time, column]``. How they come, in blocks of which length, is all one."""
        for field in dataclasses.fields(Forcing):
            series = getattr(forcing, field.name)
            if series is not None:
                total = self._sums.setdefault(field.name, hashlib.sha256())
                total.update(np.ascontiguousarray(array_of(series)).data)

    def described(self) -> dict[str, Any]:
        """Plain data, one entry for each thing that must agree."""
        return {
            "first step": self.first,
            "beginning": self._beginning,
            "forcing up to then": {name: total.copy().hexdigest()[:DIGITS] for name, total in self._sums.items()},
        }


def retraced(run: AnyRun, first: int, last: int) -> Followed:
    """What a run from step `first` on has followed when it comes to step `last`."""
    found = Followed(run, first)
    length = max(BLOCK_BYTES // (8 * run.domain.columns * len(dataclasses.fields(Forcing))), 1)
    for begin in range(first, last, length):
        found.add_forcing(run.block(begin, min(begin + length, last)))
    return found


def beginning(run: AnyRun) -> dict[str, Any]:
    """What the state before the first step follows from."""
    section, spin_up = run.configuration.restart or RestartFile(), run.configuration.spin_up
    given = {path: get_quantity(run.initial_state, path) for path, _ in quantities(State)}
    remainder = given[REMAINDER]
    if remainder is not None and not bool(remainder.any()):
        # Nothing, as in files from before there was one.
        del given[REMAINDER]
    return {
        "initial": {path: digest(value) for path, value in given.items() if value is not None},
        "spin_up": None if spin_up is None else spin_up.model_dump(mode="json", exclude={"file"}),
        "restart.from": None if section.from_ is None else digest_of_file(section.from_),
        "restart.only_state": section.only_state,
    }
