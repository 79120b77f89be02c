"""What a calibration found."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from torch import Tensor

from bmi_noahpy.calibration.problem.fit import Cost
from bmi_noahpy.calibration.results.ensemble import StartScore
from bmi_noahpy.calibration.results.scoring import ScoreRow
from bmi_noahpy.calibration.results.uncertainty import Estimate


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a calibration found.

    Parameters
    ----------
    losses : Best objective of every start, ``[start]``.
    unknowns : The best of all, ``[unknown, 1]``.
    found : The best of every start, ``[unknown, start]``.
    interrupted : True when the user stopped it; only the files of the best parameters so far are written then.
    starts : Scores of every start that fits as well as the observations can tell.
    coverage : Period -> share of the observations within the band of 90 % of the ensemble of these starts.
    """

    losses: Tensor
    unknowns: Tensor
    found: Tensor
    iterations: int
    seconds: float
    cost: Cost
    interrupted: bool
    folder: Path
    scores: list[ScoreRow] = dataclasses.field(default_factory=list)
    starts: list[StartScore] = dataclasses.field(default_factory=list)
    coverage: dict[str, float] = dataclasses.field(default_factory=dict)
    estimates: list[Estimate] = dataclasses.field(default_factory=list)
    files: list[Path] = dataclasses.field(default_factory=list)
