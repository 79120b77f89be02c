"""Files of sensitivities: derivatives of a run's results with respect to its parameters and initial values."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import netCDF4
import numpy as np
from numpy.typing import NDArray

DIMENSIONS = ("parameter", "day", "quantity")
VARIABLES = (*DIMENSIONS, "value", "sensitivity", "consistent")


@dataclasses.dataclass(frozen=True)
class SensitivityFile:
    """d(quantity after a day)/d(parameter), as the original's own differences give it.

    Attributes
    ----------
    parameters : Names: ``soil:CLASS:COLUMN``, ``veg:CLASS:COLUMN``, ``gen:NAME`` or ``nml:NAME:INDEX``.
    values : Value of each parameter, in the original's units.
    days : Number of days from the start of the run after which the quantities are taken.
    quantities : Names of the original; a layer counted from 1 follows after an underscore.
    sensitivity : ``[parameter, day, quantity]``, in the original's units.
    consistent : Where differences with two step sizes agree, ``[parameter, day, quantity]``.
    phase_change : Scheme of the runs, where the file says so.
    """

    path: Path
    parameters: tuple[str, ...]
    values: NDArray[np.float64]
    days: tuple[int, ...]
    quantities: tuple[str, ...]
    sensitivity: NDArray[np.float64]
    consistent: NDArray[np.bool_]
    phase_change: str | None

    def first_days(self, last: int) -> SensitivityFile:
        """The same file without what comes after a day.

        Raises
        ------
        ValueError : all of it comes later.
        """
        count = sum(day <= last for day in self.days)
        if not count:
            raise ValueError(f"sensitivity file {self.path}: its first day is {self.days[0]}. Ask for that or more.")
        return dataclasses.replace(
            self,
            days=self.days[:count],
            sensitivity=self.sensitivity[:, :count],
            consistent=self.consistent[:, :count],
        )


def is_sensitivity_file(path: str | Path) -> bool:
    """Whether a file has the dimensions of one; False where there is no netCDF file."""
    if not Path(path).is_file():
        return False
    try:
        with netCDF4.Dataset(path) as dataset:
            return set(DIMENSIONS) <= set(dataset.dimensions)
    except OSError:
        return False


def read_sensitivities(path: str | Path) -> SensitivityFile:
    """Read a file of sensitivities.

    Raises
    ------
    ValueError : a variable is missing, or the days are not in order.
    """
    with netCDF4.Dataset(path) as dataset:
        dataset.set_auto_mask(False)
        missing = [name for name in VARIABLES if name not in dataset.variables]
        if missing:
            raise ValueError(
                f"sensitivity file {path}: {missing[0]!r} is missing. Give one with {', '.join(VARIABLES)}."
            )
        values = {name: np.asarray(dataset.variables[name][:]) for name in VARIABLES}
        phase_change = getattr(dataset, "phase_change", None)
    days = tuple(int(day) for day in values["day"])
    if list(days) != sorted(set(days)) or days[0] < 1:
        raise ValueError(f"sensitivity file {path}: days {days} must grow, from 1 on at the earliest.")
    return SensitivityFile(
        path=Path(path),
        parameters=tuple(map(str, values["parameter"])),
        values=values["value"].astype(np.float64),
        days=days,
        quantities=tuple(map(str, values["quantity"])),
        sensitivity=values["sensitivity"].astype(np.float64),
        consistent=values["consistent"].astype(bool),
        phase_change=phase_change,
    )
