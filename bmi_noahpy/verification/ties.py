"""Why a single step differs: inputs so close to a threshold that round-off decides the branch, or something else.

The inputs of the step are shaken by round-off, many times. If the original's answer is then among ours, the difference
is the choice of a branch at a tie; if it is not, the models differ.
"""

from __future__ import annotations

import numpy as np

from bmi_noahpy.verification.comparison import Differences, compare, empty_outputs, store
from bmi_noahpy.verification.reference import Reference
from bmi_noahpy.verification.run import copies, take_step

COPIES = 256


def is_tie(reference: Reference, case: int, execution: str = "auto") -> bool:
    """Whether round-off in the inputs of a case leads to the original's answer.

    True when a shaken copy agrees with the original in every output, or when the copies bracket it in every output.
    """
    group = next(group for group in reference.groups if case in group.index)
    position = int(np.flatnonzero(group.index == case)[0])
    records = {name: np.repeat(values[case : case + 1], COPIES, axis=0) for name, values in reference.records.items()}
    shaken = copies(group, position, COPIES)
    outputs = empty_outputs(COPIES, records)
    store(outputs, shaken, take_step(shaken, execution))
    differences = compare(outputs, records, enthalpy=reference.enthalpy, usual=reference.records)
    agreeing = np.logical_and.reduce([one.within for one in differences])
    return bool(agreeing.any()) or all(_bracketed(one) for one in differences)


def _bracketed(differences: Differences) -> bool:
    """Whether the original lies between the smallest and the largest of our copies, or within tolerance of them."""
    tolerance, theirs = differences.tolerance[0], differences.theirs[0]
    low, high = differences.ours.min(axis=0) - tolerance, differences.ours.max(axis=0) + tolerance
    return bool((((low <= theirs) & (theirs <= high)) | ~differences.compared[0]).all())
