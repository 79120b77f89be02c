"""Means over parts of records: shorter steps keep the mean of a record, and the time of day at which it is felt."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.forcing.table import Array

Index = NDArray[np.int64]


def slopes(before: Array, at: Array, after: Array) -> Array:
    """Change over a record of a line whose mean is that of the record.

    Half the difference of the neighbours, limited so that the line stays between the means of its neighbours: it is
    neither negative nor higher than they are, and flat where a record is an extreme.

    References
    ----------
    van Leer, B., 1977, J. Comput. Phys. 23, 276-299: monotonized central differences.
    """
    central, left, right = 0.5 * (after - before), 2.0 * (at - before), 2.0 * (after - at)
    size = np.minimum(np.minimum(np.abs(left), np.abs(right)), np.abs(central))
    return np.where(left * right > 0.0, np.sign(central) * size, 0.0)


def means_of_steps(records: Array, record: Index, elapsed: Array, step: float, interval: float, offset: int) -> Array:
    """Mean over each step of a quantity whose records are means, ``[step, column]``.

    Parameters
    ----------
    records : Records at hand, ``[time, column]``; beyond them the outermost stay.
    record : Number of the record in which a step begins.
    elapsed : Time from the beginning of that record to the beginning of the step. [s]
    step, interval : Lengths of a step, at most an interval, and of a record. [s]
    offset : Number of the first record at hand.
    """

    def at(number: Index) -> Array:
        return records[np.clip(number - offset, 0, len(records) - 1)]

    def part(number: Index, begin: Array, length: Array) -> Array:
        slope = slopes(at(number - 1), at(number), at(number + 1))
        return at(number) + slope * ((begin + 0.5 * length) / interval - 0.5)[:, None]

    first = np.minimum(step, interval - elapsed)
    second = step - first
    share = (second / step)[:, None]
    mean = part(record, elapsed, first)
    if not share.any():
        return mean
    return np.where(share > 0.0, mean + share * (part(record + 1, np.zeros_like(second), second) - mean), mean)
