"""The BMI component with dates in its time units, for frameworks that turn model time into dates."""

from __future__ import annotations

from bmi_noahpy.component.bmi import BmiNoahPy


class DatedBmiNoahPy(BmiNoahPy):
    """`BmiNoahPy` whose time units say when time zero is, as CF conventions and eWaterCycle want it.

    Not for NextGen, which cannot read such units. Before `initialize` the start is unknown and the units are "s".
    """

    def get_time_units(self) -> str:
        """``seconds since <start of the run, UTC>``."""
        if self._run is None:
            return super().get_time_units()
        date, time = str(self._run.run.start.astype("datetime64[s]")).split("T")
        return f"seconds since {date} {time}"
